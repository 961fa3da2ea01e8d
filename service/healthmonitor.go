package service

import (
	"context"

	"ipfskit.org/intelligent/internal/status"
)

// healthMonitor is the worker of that name: at its interval it plans what may be
// due for a check again, notices calls that hang, and keeps what it knows.
func (s *Service) healthMonitor(ctx context.Context, p *Pulse) error {
	r := s.newRhythm(status.WorkerHealthMonitor)
	defer r.t.Stop()
	for {
		p.Idle(r.due)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.retimed:
			r.next()
			continue
		case <-r.t.C:
			r.next()
		}
		p.Busy()
		if err := s.inject(status.WorkerHealthMonitor); err != nil {
			return err
		}
		s.tickHealth(p)
		s.db.Flush() // what waits to be written is no garbage yet
		s.garbage.settle()
	}
}

// tickHealth looks at every backend whose check is due; the queue's wakes do the same between ticks.
func (s *Service) tickHealth(p *Pulse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.home == nil || !p.Alive() {
		return
	}
	now := s.clk.Now()
	for _, e := range s.entries {
		if v := e.health.View(); e.counted.counted && !now.Before(v.NextProbe) {
			s.look(e)
		}
	}
	s.noteLevel()
	s.forgetTasks(now)
	s.saveChanged()
}
