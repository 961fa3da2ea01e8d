package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/pinsync"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
)

// runSync is one pin_sync: what pinsync does, with what the service knows.
func (s *Service) runSync(ctx context.Context, t *task, p *Pulse) result {
	a, err := s.openToWrite(ctx, t.Backend)
	if err != nil {
		return result{err: err}
	}
	job, h, err := s.syncJob(t, a, p)
	if err != nil {
		return result{err: errors.Join(err, a.Close())}
	}
	out, err := pinsync.Run(ctx, job)
	err = errors.Join(err, a.Close())
	return s.synced(ctx, t, job, h, out, err)
}

// syncJob gathers what a sync needs.
func (s *Service) syncJob(t *task, a backend.Adapter, p *Pulse) (pinsync.Job, *home.Home, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.entryOf(t.Backend)
	if err != nil || s.home == nil {
		return pinsync.Job{}, nil, errors.Join(err, errHomeGone(s.home))
	}
	h, cat := s.home, e.cat
	if e.changed {
		s.save(e) // where it points: its mapping soon says what is stored there
	}
	if e.writes == nil {
		e.writes = backend.NewLane(1, s.clk)
	}
	cfg := s.config()
	job := pinsync.Job{Backend: e.name, Mode: pinsync.Delta, Adapter: a, Pins: indexedPins{pinsync.HomePins(h, e.name), s, e.name}, Marks: pinsync.HomeMarks(h, e.name),
		Sources: s.sources(h, e.name), Desired: s.desired(h, e), Clock: s.clk, Writes: e.writes, StallLimit: cfg.Stall, SentinelID: e.sentinel,
		Alive: p.Alive, RemovalShare: removalShare(cfg.RemoveShare), Progress: s.syncProgress(t)}
	if cat.IsDirty() {
		job.Dirty = cat.Dirty
	}
	if s.reconciles(s.viewIdle(e)) {
		job.Mode = pinsync.Reconcile
	}
	if c := cat.Config; c != nil {
		job.Records = strings.HasPrefix(c.Content, "record")
		job.MaxParallel = c.Limits.Transfers
	}
	// The configuration says that it is another place now, or a person wants it compared: either is a word for its identity.
	job.AcceptIdentity = e.moved || e.askedReconcile()
	job.AllowRemovals = e.askedRemovals()
	return job, h, nil
}

// plannedJob is syncJob as if the sync were asked for now: what waits for its time, or for a person, is planned too.
func (s *Service) plannedJob(name string, a backend.Adapter, reconcile, removals bool) (pinsync.Job, error) {
	job, _, err := s.syncJob(&task{Task: status.Task{Backend: name}}, a, newPulse(s.clk, func() {}))
	if err != nil {
		return job, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.entryOf(name)
	if err != nil {
		return job, err
	}
	v := s.viewIdle(e)
	v.Requests, v.Tries = append(v.Requests, plan.Request{Kind: status.KindPinSync, Reconcile: reconcile}), nil
	job.Mode = pinsync.Delta
	if s.reconciles(v) {
		job.Mode = pinsync.Reconcile
	}
	job.AcceptIdentity = job.AcceptIdentity || reconcile
	job.AllowRemovals = job.AllowRemovals || removals
	return job, nil
}

// removalShare is a part of a whole from percent; of 0 none may go, and not what is usual.
func removalShare(percent int) float64 {
	if percent == 0 {
		return -1
	}
	return float64(percent) / 100
}

func errHomeGone(h *home.Home) error {
	if h == nil {
		return errors.New(status.HomeAbsent)
	}
	return nil
}

// reconciles tells whether the sync that is due must compare all. The caller holds mu.
func (s *Service) reconciles(v plan.View) bool {
	d := plan.Decide(v, s.rules, s.clk.Now())
	return slices.ContainsFunc(d.Wants, func(w plan.Want) bool { return w.Kind == status.KindPinSync && w.Mode == plan.Reconcile })
}

// viewIdle is the view as if nothing of the backend ran.
func (s *Service) viewIdle(e *entry) plan.View {
	v := s.view(e)
	v.Running = nil
	return v
}

// desired lists what buckets want on a backend and, where it has neither mapping nor bucket, the local pins. The caller holds mu.
func (s *Service) desired(h *home.Home, e *entry) func(context.Context) ([]string, error) {
	buckets, name, local := s.cat.Buckets().List, e.name, e.cat.Buckets == 0 && e.cat.Pins.Total == 0
	return func(ctx context.Context) ([]string, error) { // only a whole comparison looks at all buckets
		if local {
			return h.LocalPins(ctx)
		}
		var out []string
		for _, b := range buckets {
			if !slices.Contains(b.Backends(), name) {
				continue
			}
			cids, err := h.BucketCIDs(ctx, b)
			if err != nil {
				return nil, fmt.Errorf("read what bucket %s wants: %w", b.Key, err)
			}
			out = append(out, cids...)
		}
		return out, nil
	}
}

// carReaders bounds how many calls read CARs of the home at once.
const carReaders = 32

// sources are where content comes from, nearest first. The caller holds mu.
func (s *Service) sources(h *home.Home, name string) []pinsync.SourceFinder {
	var out []pinsync.SourceFinder
	cars := s.cars
	for _, kind := range s.config().Sources {
		switch kind {
		case config.SourceHome:
			limit := s.config().Stall / 2 // before the sync itself is one in which nothing moves
			out = append(out, pinsync.HomeCARs(pinsync.InLane(func(string) *backend.Lane { return cars }, limit, h.OpenCAR)),
				pinsync.MappedCARs(pinsync.HomePins(h, name), pinsync.InLane(s.mapped.of, limit, h.OpenCARPath)))
		case config.SourceBackends:
			out = append(out, pinsync.OtherBackends(func(ctx context.Context, c cid.Cid) iter.Seq[pinsync.Neighbour] { return s.neighbours(ctx, name, c) }))
		}
	}
	return out
}

// maxNeighbours bounds how many backends are asked for one CID.
const maxNeighbours = 16

// neighbours are the other backends that may have content: usable, not failing, with
// pins of their own. Those whose mappings list it come first, however many there are.
func (s *Service) neighbours(ctx context.Context, self string, c cid.Cid) iter.Seq[pinsync.Neighbour] {
	holders, err := s.index.Where(ctx, c.String())
	if err != nil && ctx.Err() == nil {
		s.log.WithError(err).Warn("the pin index could not be asked who has content; backends are asked one by one")
	}
	rank := map[string]int{}
	for _, h := range holders {
		if h.Status == home.PinStored {
			rank[h.Backend] = -1
		}
	}
	s.mu.Lock()
	var names []string
	now := s.clk.Now()
	for name, e := range s.entries {
		if name == self || e.cat == nil || !e.cat.Counted() || e.misconfigured != "" || now.Before(e.health.View().OpenUntil) {
			continue
		}
		if e.cat.Pins.Total > 0 || !isFilesystem(e.cat.Type()) || e.sentinel != "" {
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank[a], rank[b]), cmp.Compare(a, b)) })
	names = names[:min(len(names), maxNeighbours)]
	return func(yield func(pinsync.Neighbour) bool) {
		for _, n := range names {
			if !yield(pinsync.Neighbour{Name: n, Open: func(ctx context.Context) (backend.Adapter, error) { return s.open(ctx, n) }}) {
				return
			}
		}
	}
}

func (s *Service) syncProgress(t *task) func(pinsync.Progress) {
	return func(p pinsync.Progress) { s.advance(t, p.ItemsDone, p.ItemsTotal, p.BytesDone, p.BytesTotal) }
}

// advance shows how far a task is that runs.
func (s *Service) advance(t *task, done, total, bytes, bytesTotal uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.State == status.TaskRunning {
		t.advance(done, total, bytes, bytesTotal, s.clk.Now())
		s.tell(status.Event{Kind: status.TaskProgress, Backend: t.Backend, Task: t.copyOf()})
	}
}

// advance takes the figures of a task that runs.
func (t *task) advance(done, total, bytes, bytesTotal uint64, now time.Time) {
	t.ItemsDone, t.ItemsTotal, t.BytesDone, t.BytesTotal = done, total, bytes, bytesTotal
	if total > 0 {
		t.Progress, t.ProgressValid = min(float64(done)/float64(total), 1), true
	}
	took := now.Sub(t.Started).Seconds()
	if took <= 0.1 {
		return
	}
	t.BytesPerSecond = uint64(float64(bytes) / took)
	if t.ProgressValid && t.Progress > 0.01 {
		t.ExpectedEnd = now.Add(time.Duration(took * (1 - t.Progress) / t.Progress * float64(time.Second)))
	}
}

// synced takes the outcome of a sync.
func (s *Service) synced(ctx context.Context, t *task, job pinsync.Job, h *home.Home, out pinsync.Outcome, err error) result {
	r := result{err: err, text: syncText(out), blocked: out.Blocked, partial: !out.Complete(), items: out.Stored.Count + out.AlreadyThere.Count}
	r.over = err == nil && out.RemovalsFailed == 0
	r.worked = err == nil && out.Stored.Count+out.AlreadyThere.Count+out.Removed.Count > 0 || err == nil && job.Mode == pinsync.Reconcile
	for _, e := range out.NoSource.Entries {
		r.files = append(r.files, e.Absent...)
		if len(r.awaits) < awaitedCIDs && (job.Dirty == nil || !slices.Contains(job.Dirty.CIDs, e.CID)) {
			r.awaits = append(r.awaits, e.CID)
		}
	}
	r.files = r.files[:min(len(r.files), awaitedFiles)]
	s.mu.Lock()
	cat := s.cat
	s.mu.Unlock()
	if !job.Alive() {
		return r
	}
	bg := context.WithoutCancel(ctx)
	if _, e := cat.RefreshMark(bg, t.Backend); e != nil {
		s.log.WithField("BACKEND", t.Backend).WithError(e).Warn("its dirty marks could not be read after the sync")
	}
	if _, e := cat.RefreshPins(bg, t.Backend); e != nil {
		s.log.WithField("BACKEND", t.Backend).WithError(e).Warn("its mapping could not be read after the sync")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[t.Backend]
	if e == nil || s.home != h || s.cat != cat { // another home came meanwhile: what was done says nothing about it
		return r
	}
	if b, ok := cat.Get(t.Backend); ok {
		s.hold(e, b)
	}
	if out.SentinelID != "" {
		e.sentinel = out.SentinelID
	}
	now := s.clk.Now()
	if err == nil {
		e.sentinelDiffers = out.NeedReconcile && job.Mode == pinsync.Delta
		if job.Mode == pinsync.Reconcile {
			e.lastReconcile, e.moved, e.sentinelDiffers = now, false, false
		}
	}
	if out.Cleared {
		e.lastSync, e.mark.synced = now, true
		no := false
		s.reg.add(home.RegistryUpdate{Name: e.name, Dirty: &no, LastSync: now})
	}
	s.unclearable(e, job, out, &r)
	return r
}

// unclearable notices a mark that a good sync could not clear: it would be
// synced again and again. A person must look at it.
func (s *Service) unclearable(e *entry, job pinsync.Job, out pinsync.Outcome, r *result) {
	if r.err != nil || r.blocked != "" || job.Dirty == nil || e.cat == nil || !e.cat.IsDirty() || e.cat.Dirty.Version != job.Dirty.Version {
		return
	}
	switch d := e.cat.Dirty; {
	case len(d.Problems) > 0:
		r.blocked = fmt.Sprintf("its mark can't be read: %v; mend or remove the file", d.Problems[0])
	case out.NeedReconcile && job.Mode == pinsync.Delta:
		e.sentinelDiffers = true
	case out.Failed.Count > 0:
		r.err = fmt.Errorf("%s failed, the first: %s: %s", human.Count(out.Failed.Count, "item", "items"), out.Failed.Entries[0].CID, out.Failed.Entries[0].Reason)
		r.err = &backend.Error{Class: backend.ClassContent, Op: "sync", Err: r.err}
	case out.Pending.Count > 0:
		r.err = &backend.Error{Class: backend.ClassContent, Op: "sync", Err: fmt.Errorf("%s accepted, and not stored yet", human.Count(out.Pending.Count, "item was", "items were"))}
	case out.RemovalsRefused.Count > 0:
		r.blocked = refused(out.RemovalsRefused)
	default:
		r.blocked = fmt.Sprintf("its mark has %s that can't be understood; mend the file, or give up what it asks for: ipfs-kit-intelligent dismiss %s", human.Count(d.Unsynced, "action", "actions"), human.Argument(e.name))
	}
}

// refused says that removals wait, and why the first of them does.
func refused(l pinsync.List) string {
	return fmt.Sprintf("%s: %s", human.Count(l.Count, "removal waits", "removals wait"), l.Entries[0].Reason)
}

// syncText is one line about a sync.
func syncText(o pinsync.Outcome) string {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(o.Stored.Count, "stored")
	add(o.AlreadyThere.Count, "already there")
	add(o.Removed.Count, "removed")
	add(o.Pending.Count, "pending")
	add(o.Failed.Count, "failed")
	add(o.NoSource.Count, "without a source")
	add(o.RemovalsRefused.Count, "removals refused")
	if len(parts) == 0 {
		return "nothing was missing"
	}
	return strings.Join(parts, ", ")
}
