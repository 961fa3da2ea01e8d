package service

import (
	"slices"
	"strings"
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
		Backends: s.totals.backends, DirtyBackends: s.totals.dirty, BlockedBackends: s.totals.blocked, UnhealthyBackends: s.totals.unhealthy,
		FilesystemBackends: s.totals.filesystem, HealthPercent: s.totals.healthPercent(),
		TasksActive: s.tasks.active, TasksQueued: s.tasks.queued, TasksCompleted: s.complete, TasksFailed: s.failed,
		DirtyPerMinute: s.arrived.perMinute(now), MendedPerMinute: s.mended.perMinute(now),
		Started: s.started, LastScan: s.lastScan, NextWake: s.queue.NextWake(), Paused: s.paused, PausedUntil: s.pausedTo}
	if s.cat != nil {
		m.Buckets = uint64(len(s.cat.Buckets()))
	}
	if m.DirtyBackends > 0 {
		var marks int
		m.OldestDirty, marks = s.standing()
		if gain := m.MendedPerMinute - m.DirtyPerMinute; gain > 0 && marks > 0 {
			m.ExpectedClean = now.Add(time.Duration(float64(marks) / gain * float64(time.Minute)))
		}
	}
	return m
}

// standing says when the oldest standing mark was made, and how many marks stand
// that a sync can clear: what is blocked does not get clean at any rate. It needs mu.
func (s *Service) standing() (oldest time.Time, marks int) {
	for _, e := range s.entries {
		if !e.counted.dirty {
			continue
		}
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
	b := status.Backend{Name: e.name, Type: e.cat.Type(), Endpoint: e.cat.Endpoint(), Health: e.healthState(), Dirty: e.cat.IsDirty(),
		LastSync: e.lastSync, LastCheck: v.LastCheck, ResponseMS: e.health.MeanMS(), ErrorCount: e.health.Errors(), LastError: e.lastError,
		Pins: uint64(e.cat.Pins.Total), StorageBytes: uint64(max(e.usage.UsedBytes, 0)), AvailableBytes: -1, //nolint:gosec // not negative
		LastRestoreProof: e.lastProof, Paused: e.resting(), Risk: -1, Filesystem: isFilesystem(e.cat.Type())}
	if e.usage.AvailableBytes > 0 {
		b.AvailableBytes = e.usage.AvailableBytes
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
			b.PendingActions, b.DirtySince = uint64(d.Unsynced), d.Since //nolint:gosec // a count
		}
	}
	if e.misconfigured != "" {
		b.LastError = e.misconfigured
	}
	if b.Dirty {
		b.Blocked = e.blockedBy()
		if a, ok := e.tries[status.KindPinSync]; ok && a.N > 0 {
			b.NextRetry = a.Next
		}
	}
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

// Backends pages in the order of names.
func (s *Service) Backends(q status.BackendQuery) (page []status.Backend, cursor string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(backendStates, q.State) {
		return nil, "", status.Errorf(status.InvalidArgument, "state %q is none of: %s", q.State, strings.Join(backendStates[1:], ", "))
	}
	names := q.Names
	if names == nil && s.cat != nil {
		names = s.cat.Names()
	} else {
		names = slices.Sorted(slices.Values(names))
	}
	at, found := slices.BinarySearch(names, q.Cursor)
	if found {
		at++ // the cursor is the last name of the page before
	}
	for _, n := range names[at:] {
		e, ok := s.entries[n]
		if !ok || !e.counted.counted {
			if q.Names != nil {
				return nil, "", noBackend(n)
			}
			continue
		}
		b := s.backend(e)
		if !matches(b, q) {
			continue
		}
		if q.Limit > 0 && len(page) == q.Limit {
			return page, page[len(page)-1].Name, nil
		}
		page = append(page, b)
	}
	return page, "", nil
}

var backendStates = []string{"", status.HealthUnknown, status.HealthHealthy, status.HealthDegraded, status.HealthUnhealthy, status.HealthMisconfigured,
	"dirty", "clean", "blocked", "paused"}

func matches(b status.Backend, q status.BackendQuery) bool {
	switch q.State {
	case "":
	case "dirty":
		if !b.Dirty {
			return false
		}
	case "clean":
		if b.Dirty {
			return false
		}
	case "blocked":
		if b.Blocked == "" {
			return false
		}
	case "paused":
		if !b.Paused {
			return false
		}
	default:
		if b.Health != q.State {
			return false
		}
	}
	return (q.Type == "" || q.Type == b.Type) && (q.Dirty == nil || *q.Dirty == b.Dirty)
}

func noBackend(name string) error {
	return status.Errorf(status.NoSuchBackend, "there is no backend %q; list them with: ipfs-kit-intelligent backends", name)
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

// Tasks pages live tasks and those that ended, newest first. Ended ones come from the journal.
func (s *Service) Tasks(q status.TaskQuery) (page []status.Task, cursor string, err error) {
	if q.Cursor == "" {
		page = s.liveTasks(q)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	if len(page) >= limit {
		return page[:limit], "", nil
	}
	q.Limit = limit - len(page)
	s.db.Flush()
	old, cursor, err := s.db.Tasks(s.background(), q)
	if err != nil {
		return nil, "", err
	}
	return append(page, old...), cursor, nil
}

func (s *Service) liveTasks(q status.TaskQuery) (page []status.Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks.byID {
		if t.live() && (q.State == "" || q.State == t.State) && (q.Backend == "" || q.Backend == t.Backend) && !t.Created.Before(q.Since) {
			page = append(page, t.copyOf())
		}
	}
	slices.SortFunc(page, func(a, b status.Task) int {
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	return page
}

// Worker is one of the four.
func (s *Service) Worker(name string) (status.Worker, bool) { return s.sup.worker(name) }

// Errors pages what went wrong, latest first.
func (s *Service) Errors(q status.ErrorQuery) (page []status.ErrorEntry, cursor string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, list := range s.errs {
		if q.Backend == "" || q.Backend == name {
			page = append(page, list...)
		}
	}
	if e, ok := s.entries[q.Backend]; q.Backend != "" && len(page) == 0 && (!ok || !e.counted.counted) {
		return nil, "", noBackend(q.Backend)
	}
	slices.SortFunc(page, func(a, b status.ErrorEntry) int {
		if c := b.Last.Compare(a.Last); c != 0 {
			return c
		}
		return strings.Compare(a.Backend+a.Class+a.Message, b.Backend+b.Class+b.Message)
	})
	at := 0
	if q.Cursor != "" {
		if at, err = atoi(q.Cursor); err != nil || at > len(page) {
			return nil, "", status.Errorf(status.InvalidArgument, "cursor %q is not one that this service gave", q.Cursor)
		}
	}
	page = page[at:]
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	if len(page) > limit {
		return page[:limit], itoa(at + limit), nil
	}
	return page, "", nil
}
