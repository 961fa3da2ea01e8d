package service

import (
	"context"
	"maps"
	"math"
	"reflect"
	"slices"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/status"
)

// facts gathers what every document is made of, but for backends. The caller holds mu.
func (s *Service) facts() status.Facts {
	cfg := s.config()
	f := status.Facts{Manager: s.manager(), Healthy: s.totals.healthy, Monitored: s.totals.healthy + s.totals.unhealthy.count(),
		BackupAfter: s.rules.BackupBuckets, LastHealthCheck: s.checked, Now: s.clk.Now(),
		Intervals: status.Intervals{BucketScan: cfg.Metadata, DirtyCheck: cfg.Dirty, HealthCheck: cfg.HealthTick, BackupCheck: backupLook}}
	for _, name := range status.Workers {
		if w, ok := s.Worker(name); ok {
			f.Workers = append(f.Workers, w)
		}
	}
	f.ActiveTasks = s.tasks.running()
	if s.watcher != nil {
		f.Unwatched = s.watcher.Stats().Unwatched
	}
	s.homeFacts(&f)
	return f
}

// homeFacts adds what the home says. It needs mu.
func (s *Service) homeFacts(f *status.Facts) {
	p := &s.totals.pins
	f.Pins = status.PinFacts{Total: p.total, BackendsWithPins: p.backends, ByStatus: maps.Clone(p.byStatus), Redundancy: maps.Clone(s.redundancy),
		FailedBackends: slices.Clone(p.failed), PendingBackends: slices.Clone(p.pending), Incomplete: !s.pinIndexed()}
	for _, n := range s.redundancy {
		f.Pins.UniqueCIDs += n
	}
	if s.cat == nil {
		return
	}
	for _, p := range s.cat.Problems() {
		f.Problems = append(f.Problems, status.ProblemFact{File: p.File, Error: p.Err.Error()})
	}
}

// buckets lists them for the documents that look at each. The caller holds mu.
func (s *Service) buckets() (out []status.BucketFact) {
	if s.cat == nil {
		return nil
	}
	all := s.cat.Buckets()
	for _, b := range all.List {
		out = append(out, status.BucketFact{Key: b.Key, Name: b.Name, Backends: b.Backends(), PinCount: b.PinCount, Files: all.Files[b.Key], LastBackup: b.LastBackup.Time()})
	}
	return out
}

// StatusJSON is the document of status. Without details and names it costs the same with any number of backends.
func (s *Service) StatusJSON(ctx context.Context, o dbus.StatusOptions) ([]byte, error) {
	if o.Current {
		s.readMarks(ctx, o.Backends)
	}
	s.mu.Lock()
	f := s.facts()
	limit := status.ListLimit
	if o.Detailed {
		limit = math.MaxInt
		if s.totals.backends > manyBackends {
			s.garbage.burst()
		}
	}
	t := &s.totals
	f.Dirty, f.Unhealthy, f.Filesystem, f.Blocked = t.dirty.first(limit), t.unhealthy.first(limit), t.filesystem.first(limit), t.blocked.first(limit)
	shown, count, err := s.shown(o, limit)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	f.LineCount = count
	var fresh []status.Backend
	f.Lines, fresh = s.lines(shown)
	s.mu.Unlock()
	if err := s.writeLines(f.Lines, fresh); err != nil {
		return nil, err
	}
	return status.StatusDocument(f, o.Detailed)
}

// shown gives the backends that a status document shows: the named ones, those
// in a state, all, or those that need attention; and how many there are. The caller holds mu.
func (s *Service) shown(o dbus.StatusOptions, limit int) (shown []*entry, count int, err error) {
	if len(o.Backends) == 0 && o.State == "" && !o.Detailed {
		names, count := s.totals.urgent(limit)
		for _, name := range names {
			shown = append(shown, s.entries[name])
		}
		return shown, count, nil
	}
	q := status.BackendQuery{State: o.State}
	if len(o.Backends) > 0 {
		q.Names, limit = o.Backends, math.MaxInt
	}
	err = s.eachBackend(q, func(e *entry) bool {
		if count++; len(shown) < limit {
			shown = append(shown, e)
		}
		return true
	})
	return shown, count, err
}

// lines gives the lines of backends that are written already; of the others the backends. The caller holds mu.
func (s *Service) lines(shown []*entry) (lines [][]byte, fresh []status.Backend) {
	lines = make([][]byte, len(shown))
	for i, e := range shown {
		lines[i] = e.line
		if e.line == nil {
			fresh = append(fresh, s.backend(e))
		}
	}
	return lines, fresh
}

// writeLines writes the lines that are missing, and keeps those of backends that did not change meanwhile.
func (s *Service) writeLines(lines [][]byte, fresh []status.Backend) error {
	var at []int
	for i := range lines {
		if lines[i] == nil {
			at = append(at, i)
		}
	}
	for k, b := range fresh {
		line, err := status.LineOf(b)
		if err != nil {
			return err
		}
		lines[at[k]] = line
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, b := range fresh {
		if e, ok := s.entries[b.Name]; ok && e.line == nil && e.counted.counted && reflect.DeepEqual(s.backend(e), b) {
			e.line = lines[at[k]]
		}
	}
	return nil
}

// InsightsJSON is the document of insights.
func (s *Service) InsightsJSON(ctx context.Context) ([]byte, error) {
	history, err := s.historyFacts(ctx, s.clk.Now())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	f := s.facts()
	f.History = history
	f.Buckets = s.buckets()
	f.DirtyActions, f.Pending = map[string]status.DirtyFact{}, s.totals.pending
	if s.cat != nil {
		f.Backends = make([]status.Backend, 0, s.totals.backends)
		for _, name := range s.cat.Names() {
			e := s.entries[name]
			if e == nil || e.cat == nil {
				continue
			}
			f.Pins.Span(e.cat.Pins.Oldest, e.cat.Pins.Newest)
			if e.counted.counted {
				f.Backends = append(f.Backends, s.backend(e))
			}
			if d := e.cat.Dirty; d != nil && (d.Actions > 0 || d.IsDirty) {
				f.DirtyActions[name] = status.DirtyFact{Total: d.Actions, Unsynced: d.Unsynced, IsDirty: d.IsDirty}
			}
		}
	}
	s.mu.Unlock()
	return status.InsightsDocument(f)
}

// HealthJSON is the document of health.
func (s *Service) HealthJSON(context.Context) ([]byte, error) {
	s.mu.Lock()
	f := s.facts()
	f.Buckets = s.buckets()
	names, _ := s.totals.urgent(math.MaxInt)
	for _, name := range names {
		f.Backends = append(f.Backends, s.backend(s.entries[name]))
	}
	s.mu.Unlock()
	return status.HealthDocument(f)
}
