package service

import (
	"cmp"
	"path/filepath"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// Manager is the service as a whole.
func (s *Service) Manager() status.Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manager()
}

// manager needs mu.
func (s *Service) manager() status.Manager {
	now := s.clk.Now()
	state, why := s.state()
	m := status.Manager{Version: s.opts.Version, Home: s.opts.Paths.Home, State: state, StateReason: firstLine(why),
		Backends: s.totals.backends, DirtyBackends: s.totals.dirty.count(), BlockedBackends: s.totals.blocked.count(), UnhealthyBackends: s.totals.unhealthy.count(),
		FilesystemBackends: s.totals.filesystem.count(), HealthPercent: s.totals.healthPercent(),
		TasksActive: s.tasks.active, TasksQueued: s.tasks.queued, TasksCompleted: s.complete, TasksFailed: s.failed,
		DirtyPerMinute: s.arrived.perMinute(now), MendedPerMinute: s.mended.perMinute(now),
		Started: s.started, LastScan: s.lastScan, NextWake: s.queue.NextWake(), Paused: s.paused, PausedUntil: s.pausedTo}
	if s.cat != nil {
		m.Buckets = uint64(len(s.cat.Buckets().List))
	}
	if m.DirtyBackends > 0 {
		var marks int
		m.OldestDirty, marks = s.standing()
		if gain := s.gain(now); gain > 0 && marks > 0 { // figured once a slot, so that it does not differ each time it is read
			m.ExpectedClean = now.Truncate(rateSlot).Add(time.Duration(float64(marks) / gain * float64(time.Minute)))
		}
	}
	return m
}

// gain is how many marks fewer there are each minute, as it is now. Of a burst that came at once that is what
// is mended since, though all together more came than went in the last five minutes. It needs mu.
func (s *Service) gain(now time.Time) float64 {
	if last := s.mended.lastMinute(now) - s.arrived.lastMinute(now); last > 0 {
		return last
	}
	return s.mended.perMinute(now) - s.arrived.perMinute(now)
}

// standing says when the oldest standing mark was made, and how many marks stand
// that a sync can clear: what is blocked does not get clean at any rate. It needs mu.
func (s *Service) standing() (oldest time.Time, marks int) {
	for _, name := range s.totals.dirty {
		e := s.entries[name]
		if t := e.cat.Dirty.Since; !t.IsZero() && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
		if !e.counted.blocked {
			marks += e.mark.marks
		}
	}
	return oldest, marks
}

// Backend is one backend.
func (s *Service) Backend(name string) (status.Backend, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[name]
	if !ok || !e.counted.counted {
		return status.Backend{}, false
	}
	return s.backend(e), true
}

// backend needs mu.
func (s *Service) backend(e *entry) status.Backend {
	v := e.health.View()
	b := status.Backend{Name: e.name, Type: e.cat.Type(), RawType: e.cat.RawType(), Endpoint: e.endpoint, Health: e.healthState(), Dirty: e.cat.IsDirty(),
		LastSync: e.lastSync, LastCheck: v.LastCheck, ResponseMS: e.health.MeanMS(), ErrorCount: e.health.Errors(), LastError: e.lastError,
		Pins: uint64(e.cat.Pins.Total), StorageBytes: uint64(max(e.usage.UsedBytes, 0)), AvailableBytes: e.usage.AvailableBytes, //nolint:gosec // not negative
		LastRestoreProof: e.lastProof, Paused: e.resting(), Risk: -1, Filesystem: isFilesystem(e.cat.Type())}
	if c := e.cat.Config; c != nil {
		b.ConfigFile = filepath.Join(s.opts.Paths.Home, c.File)
	}
	for _, k := range e.backups {
		if k.Last.After(b.LastBackup) {
			b.LastBackup = k.Last
		}
	}
	row := e.cat.Row
	if row != nil {
		if b.LastCheck.IsZero() {
			b.LastCheck, b.ResponseMS = row.LastCheck, row.ResponseMS
		}
		b.LastSync = later(b.LastSync, row.LastSync)
		b.LastBackup = later(b.LastBackup, row.LastBackup)
		if b.Pins == 0 && row.PinCount > 0 && e.cat.Pins.Total == 0 {
			b.Pins = uint64(row.PinCount)
		}
		if b.StorageBytes == 0 && row.StorageUsage > 0 {
			b.StorageBytes = uint64(row.StorageUsage)
		}
	}
	if d := e.cat.Dirty; d != nil {
		b.LastSync = later(b.LastSync, d.LastSync)
		if d.IsDirty {
			b.PendingActions, b.DirtySince = uint64(d.Pending()), d.Since //nolint:gosec // a count
		}
	}
	if b.Dirty {
		b.Blocked = e.blockedBy()
		if a, ok := e.tries[status.KindPinSync]; ok && a.N > 0 {
			b.NextRetry = s.rules.RetryAt(a, e.cat.Dirty.Version, v.OpenUntil)
			b.LastError = cmp.Or(b.LastError, a.Error) // a check that went well since does not mend what hinders the sync
		}
	}
	if b.Health == status.HealthDegraded {
		b.LastError = cmp.Or(b.LastError, e.health.Degraded())
	}
	b.LastError = cmp.Or(e.misconfigured, b.LastError)
	b.NeedsSync = b.Dirty || e.cat.Pins.ByStatus["pending"]+e.cat.Pins.ByStatus["failed"] > 0
	for kind, k := range s.backupView(e) {
		b.NeedsBackup = b.NeedsBackup || k.Changed && kind != ""
	}
	return b
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Task finds a live task, or one that ended lately.
func (s *Service) Task(id uint64) (status.Task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tasks.byID[id]
	if !ok {
		return status.Task{}, false
	}
	return t.copyOf(), true
}

// Worker is one of the four.
func (s *Service) Worker(name string) (status.Worker, bool) { return s.sup.worker(name) }
