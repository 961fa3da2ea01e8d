package service

import (
	"context"
	"time"

	"ipfskit.org/intelligent/internal/home"
)

// registryDelay is how long registry columns may lag behind the marks (contract: 2 s).
const registryDelay = time.Second

// registryRetry is after what time a rewrite that failed is tried again: a full disk has room some time.
const registryRetry = 15 * time.Second

// registryWriter coalesces changes of backend_registry.parquet into one rewrite
// however many there are. The marks are the commit; the registry only follows.
type registryWriter struct {
	s       *Service
	pending map[string]home.RegistryUpdate // guarded by Service.mu
	kick    chan struct{}
	retry   time.Duration
}

func newRegistryWriter(s *Service) *registryWriter {
	return &registryWriter{s: s, pending: map[string]home.RegistryUpdate{}, kick: make(chan struct{}, 1), retry: registryRetry}
}

// add merges one change into what waits. The caller holds Service.mu.
func (r *registryWriter) add(u home.RegistryUpdate) {
	old := r.pending[u.Name]
	old.Name = u.Name
	if u.Dirty != nil {
		old.Dirty, old.LastSync = u.Dirty, u.LastSync
	}
	if u.Health != nil {
		old.Health = u.Health
	}
	r.pending[u.Name] = old
	select {
	case r.kick <- struct{}{}:
	default: // it is awake already
	}
}

// run writes until ctx ends; what waits then, and what workers that end bring, is for stop to flush.
func (r *registryWriter) run(ctx context.Context) {
	t := r.s.clk.NewTimer(time.Hour)
	t.Stop()
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
			t.Reset(registryDelay)
		case <-t.C:
			if !r.flush(ctx) {
				t.Reset(r.retry)
			}
		}
	}
}

// flush writes what waits, and tells whether it could; what could not be written waits again.
func (r *registryWriter) flush(ctx context.Context) bool {
	r.s.mu.Lock()
	h, pending := r.s.home, r.pending
	r.pending = map[string]home.RegistryUpdate{}
	r.s.mu.Unlock()
	if h == nil || len(pending) == 0 {
		return true
	}
	list := make([]home.RegistryUpdate, 0, len(pending))
	for _, u := range pending {
		list = append(list, u)
	}
	err := h.UpdateRegistry(ctx, list)
	if err == nil {
		return true
	}
	r.s.log.WithError(err).Warn("could not bring the backend registry up to date; the marks are right, and it is tried again soon")
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for name, old := range pending {
		newer := r.pending[name]
		r.pending[name] = old
		if newer.Name != "" { // it may be about other columns
			r.add(newer)
		}
	}
	return false
}
