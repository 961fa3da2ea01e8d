package service

import (
	"context"
	"errors"

	"ipfskit.org/intelligent/internal/backend"
)

// runCheck is one health check: by reading only.
func (s *Service) runCheck(ctx context.Context, t *task) result {
	began := s.clk.Now()
	a, err := s.openToWrite(ctx, t.Backend)
	if err != nil {
		return result{err: err}
	}
	hc, err := a.Check(ctx)
	if err != nil {
		return result{err: errors.Join(err, a.Close())}
	}
	s.lookAtSentinel(ctx, t.Backend, a)
	if err := a.Close(); err != nil {
		return result{err: err}
	}
	if hc.Latency == 0 {
		hc.Latency = s.clk.Now().Sub(began)
	}
	s.mu.Lock()
	if e := s.entries[t.Backend]; e != nil {
		e.usage = hc.Usage
	}
	s.mu.Unlock()
	text := "it works"
	if hc.Degraded != "" {
		text = hc.Degraded
	}
	return result{worked: true, latency: hc.Latency, degraded: hc.Degraded, text: text}
}

// lookAtSentinel notices a root that is another one than what was synced to: a
// disk that is not mounted, or a new one. It is worth a sync only, and no failure of the check.
func (s *Service) lookAtSentinel(ctx context.Context, name string, a backend.Adapter) {
	s.mu.Lock()
	e := s.entries[name]
	known := ""
	if e != nil {
		known = e.sentinel
	}
	s.mu.Unlock()
	if known == "" {
		return
	}
	st, err := a.Sentinel(ctx)
	if err != nil && !errors.Is(err, backend.ErrNotStored) {
		return
	}
	if st.ID == known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[name]; e != nil && e.sentinel == known {
		e.sentinelDiffers = true
	}
}
