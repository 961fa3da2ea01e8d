package service

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/pinsync"
	"ipfskit.org/intelligent/internal/plan"
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
		FailedBackends: slices.Clone(p.failed), PendingBackends: slices.Clone(p.pending), Oldest: s.oldestPin, Newest: s.newestPin}
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
	for _, b := range s.cat.Buckets() {
		out = append(out, status.BucketFact{Key: b.Key, Name: b.Name, Backends: b.Backends, PinCount: b.PinCount, Files: b.Files, LastBackup: b.LastBackup})
	}
	return out
}

// StatusJSON is the document of status. Without details and names it costs the same with any number of backends.
func (s *Service) StatusJSON(_ context.Context, o dbus.StatusOptions) ([]byte, error) {
	s.mu.Lock()
	f := s.facts()
	limit := status.ListLimit
	if o.Detailed {
		limit = math.MaxInt
	}
	t := &s.totals
	f.Dirty, f.Unhealthy, f.Filesystem, f.Blocked = t.dirty.first(limit), t.unhealthy.first(limit), t.filesystem.first(limit), t.blocked.first(limit)
	names, count, err := s.shown(o, limit)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	f.LineCount = count
	var fresh []status.Backend
	f.Lines, fresh = s.lines(names)
	s.mu.Unlock()
	if err := s.writeLines(f.Lines, fresh); err != nil {
		return nil, err
	}
	return status.StatusDocument(f, o.Detailed)
}

// shown names the backends that a status document shows: the named ones, those
// in a state, all, or those that need attention; and how many there are. The caller holds mu.
func (s *Service) shown(o dbus.StatusOptions, limit int) (names []string, count int, err error) {
	if len(o.Backends) == 0 && o.State == "" && !o.Detailed {
		names, count = s.totals.urgent(limit)
		return names, count, nil
	}
	q := status.BackendQuery{State: o.State}
	if len(o.Backends) > 0 {
		q.Names, limit = o.Backends, math.MaxInt
	}
	err = s.eachBackend(q, func(e *entry) bool {
		if count++; len(names) < limit {
			names = append(names, e.name)
		}
		return true
	})
	return names, count, err
}

// lines gives the lines of backends that are written already; of the others the backends. The caller holds mu.
func (s *Service) lines(names []string) (lines []status.Line, fresh []status.Backend) {
	lines = make([]status.Line, len(names))
	for i, name := range names {
		e := s.entries[name]
		lines[i] = status.Line{Name: name, JSON: e.line}
		if e.line == nil {
			fresh = append(fresh, s.backend(e))
		}
	}
	return lines, fresh
}

// writeLines writes the lines that are missing, and keeps those of backends that did not change meanwhile.
func (s *Service) writeLines(lines []status.Line, fresh []status.Backend) error {
	var at []int
	for i := range lines {
		if lines[i].JSON == nil {
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
			e.line = lines[at[k]].JSON
		}
	}
	return nil
}

// InsightsJSON is the document of insights.
func (s *Service) InsightsJSON(context.Context) ([]byte, error) {
	s.mu.Lock()
	f := s.facts()
	f.Buckets = s.buckets()
	f.DirtyActions, f.Pending = map[string]status.DirtyFact{}, s.totals.pending
	if s.cat != nil {
		for _, name := range s.cat.Names() {
			e := s.entries[name]
			if e == nil || e.cat == nil {
				continue
			}
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

// ExplainJSON is the planner's reasons for one backend.
func (s *Service) ExplainJSON(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	list, err := s.pick([]string{name})
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	e := list[0]
	d := plan.Decide(s.view(e), s.rules, s.clk.Now())
	b := s.backend(e)
	if s.paused {
		d.Why = append([]string{"the service is paused: nothing new begins"}, d.Why...)
	}
	s.mu.Unlock()
	var wants []status.Want
	for _, w := range d.Wants {
		wants = append(wants, status.Want{Kind: w.Kind, Mode: string(w.Mode), Reason: w.Reason, Priority: w.Priority, Asked: w.Asked})
	}
	var waits []status.Wait
	for kind, w := range d.Waiting {
		waits = append(waits, status.Wait{Kind: kind, Reason: w.Reason, Blocked: w.Blocked, Until: w.Until})
	}
	return status.ExplainDocument(b, d.Why, wants, waits)
}

// WhereJSON lists the backends whose mappings list a CID.
func (s *Service) WhereJSON(ctx context.Context, text string) ([]byte, error) {
	if _, err := cid.Decode(text); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%q is no CID: %v", text, err)
	}
	found, err := s.index.Where(ctx, text)
	if err != nil {
		return nil, err
	}
	holders := []status.Holder{}
	s.mu.Lock()
	h := s.home
	s.mu.Unlock()
	for _, f := range found {
		hold := status.Holder{Backend: f.Backend, State: f.Status}
		if b, ok := s.Backend(f.Backend); ok {
			hold.Target = b.Endpoint
		}
		if h != nil {
			pinDetails(ctx, h, f.Backend, text, &hold)
		}
		holders = append(holders, hold)
	}
	return status.WhereDocument(text, holders)
}

// pinDetails adds what the row of a mapping says.
func pinDetails(ctx context.Context, h *home.Home, backend, text string, to *status.Holder) {
	pins, err := h.ReadPins(ctx, backend)
	if err != nil {
		to.Error = err.Error()
		return
	}
	for _, p := range pins {
		if p.CID != text {
			continue
		}
		to.State = p.Status
		if t, err := time.Parse("2006-01-02T15:04:05", strings.SplitN(p.CreatedAt, ".", 2)[0]); err == nil {
			to.Pinned = t
		}
		var meta struct {
			Verified string `json:"verified_at"`
			Size     uint64 `json:"size"`
			Error    string `json:"error"`
		}
		if json.Unmarshal([]byte(p.Metadata), &meta) == nil {
			to.Bytes, to.Error = meta.Size, meta.Error
			if t, err := time.Parse(time.RFC3339, meta.Verified); err == nil {
				to.Verified = t
			}
		}
	}
}

// maxPlanned bounds the actions of one backend that a plan lists.
const maxPlanned = 1000

// PlanSyncJSON is what a sync would do. It looks at the backends, and writes nothing.
func (s *Service) PlanSyncJSON(ctx context.Context, names []string, reconcile bool) ([]byte, error) {
	s.mu.Lock()
	var list []*entry
	err := s.usable()
	if err == nil && len(names) > 0 {
		list, err = s.pick(names)
	} else if err == nil {
		list = s.all(func(e *entry) bool { return e.counted.dirty || reconcile })
	}
	clean := map[string]bool{}
	for _, e := range list {
		clean[e.name] = !e.counted.dirty
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var plans []status.Plan
	for _, e := range list {
		plans = append(plans, s.planOne(ctx, e.name, reconcile || len(names) > 0 && clean[e.name]))
	}
	return status.PlanSyncDocument(plans, s.clk.Now())
}

func (s *Service) planOne(ctx context.Context, name string, reconcile bool) status.Plan {
	p := status.Plan{Backend: name, Mode: string(plan.Delta)}
	a, err := s.open(ctx, name)
	if err != nil {
		p.Error = plainError(err)
		return p
	}
	defer a.Close() //nolint:errcheck // nothing was written
	t := &task{Task: status.Task{Backend: name}}
	job, _, err := s.syncJob(t, a, newPulse(s.clk, func() {}))
	if err != nil {
		p.Error = plainError(err)
		return p
	}
	if reconcile {
		job.Mode = pinsync.Reconcile
	}
	if job.Mode == pinsync.Reconcile {
		p.Mode = string(plan.Reconcile)
	}
	d, err := pinsync.Plan(ctx, job)
	if err != nil {
		p.Error = plainError(err)
	}
	add := func(action string, list []pinsync.Planned) {
		p.Count += len(list)
		for _, x := range list {
			if len(p.Actions) < maxPlanned {
				p.Actions = append(p.Actions, status.PlannedAction{Action: action, CID: x.CID, Reason: x.Why, Bytes: uint64(max(x.Size, 0))}) //nolint:gosec // not negative
			}
		}
	}
	add("put", d.Put)
	add("verify", d.Look)
	add("no source", d.NoSource)
	for _, c := range d.Remove {
		add("remove", []pinsync.Planned{{CID: c, Size: -1}})
	}
	if len(d.NoSource) > 0 {
		p.Blocked = "content that nobody here has"
	}
	return p
}

// History writes what is known of the past: finished tasks, oldest first.
func (s *Service) History(_ context.Context, q status.HistoryQuery, w io.Writer) error {
	if q.What != "" && q.What != "tasks" {
		return status.Errorf(status.Unsupported, "what %q: only tasks are kept yet", q.What)
	}
	s.db.Flush()
	var all []status.Task
	tq := status.TaskQuery{Backend: q.Backend, Since: q.Since, Limit: 1000}
	for {
		page, cursor, err := s.db.Tasks(s.background(), tq)
		if err != nil {
			return err
		}
		all = append(all, page...)
		if tq.Cursor = cursor; cursor == "" || len(all) > 100_000 {
			break
		}
	}
	slices.Reverse(all)
	for _, t := range all {
		if !q.Until.IsZero() && t.Finished.After(q.Until) {
			continue
		}
		doc, err := status.TaskDocument(t)
		if err != nil {
			return err
		}
		var line json.RawMessage = doc
		compact, err := json.Marshal(line)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(compact, '\n')); err != nil {
			return err
		}
	}
	return nil
}
