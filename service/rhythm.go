package service

import (
	"time"

	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/status"
)

// rhythm is when a worker's turn comes by itself: at its interval, which a reload may change.
type rhythm struct {
	s    *Service
	name string
	// t fires when due has come.
	t   *time.Timer
	due time.Time
	// retimed tells of another interval.
	retimed <-chan struct{}
}

// newRhythm begins the first interval of a worker, which stops its timer at the end.
func (s *Service) newRhythm(name string) *rhythm {
	interval := s.sup.interval(name)
	return &rhythm{s: s, name: name, t: s.clk.NewTimer(interval), due: s.clk.Now().Add(interval), retimed: s.sup.workers[name].retimed}
}

// next begins another interval, and says how long it is.
func (r *rhythm) next() time.Duration {
	interval := r.s.sup.interval(r.name)
	r.due = r.s.clk.Now().Add(interval)
	r.t.Reset(interval)
	return interval
}

// retime gives the workers the intervals of a configuration.
func (s *Service) retime(cfg *config.Config) {
	s.sup.retime(status.WorkerMetadataReader, cfg.Metadata)
	s.sup.retime(status.WorkerDirtyMonitor, cfg.Dirty)
	s.sup.retime(status.WorkerHealthMonitor, cfg.HealthTick)
}

// retime changes a worker's interval, and tells the worker and others of it.
func (s *supervisor) retime(name string, interval time.Duration) {
	w := s.workers[name]
	s.mu.Lock()
	same := w.interval == interval
	w.interval = interval
	s.mu.Unlock()
	if same {
		return
	}
	select {
	case w.retimed <- struct{}{}:
	default: // it is told already
	}
	s.report(status.Event{Kind: status.WorkerChanged, Worker: name})
}

// interval is that of a worker at this moment.
func (s *supervisor) interval(name string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.workers[name].interval
}
