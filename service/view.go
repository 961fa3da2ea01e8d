package service

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/redact"
	"ipfskit.org/intelligent/internal/status"
)

// hold takes what the catalog says of a backend. The caller holds mu.
func (s *Service) hold(e *entry, cat *catalog.Backend) {
	e.cat = cat
	if now := cat.Endpoint(); now != e.endpoint {
		s.network.Forget(e.endpoint)
		e.endpoint = now
	}
}

// update brings an entry up to date with the catalog and plans it anew.
// atStart: its mark stood before this service did. The caller holds mu.
func (s *Service) update(name string, atStart bool) {
	cat, ok := s.cat.Get(name)
	e := s.entries[name]
	if e == nil {
		if !ok {
			return
		}
		e = s.newEntry(name)
	}
	old, before := e.cat, e.healthState()
	e.cat = nil
	if ok {
		s.hold(e, cat)
		if cat.Config != nil && (old == nil || old.Config != cat.Config) {
			redact.Settings(cat.Config.Settings.All())
		}
	}
	if atStart && e.cat != nil && e.cat.IsDirty() {
		e.stood = e.cat.Dirty.Version
	}
	s.retarget(e)
	if old == nil {
		s.takeUp(e)
	} else if e.cat != nil && !sameSettings(old, e.cat) {
		s.tryNow(e)
		e.blocked = nil
	}
	if after := e.healthState(); old != nil && old.Counted() && e.cat != nil && before != after && (before == status.HealthMisconfigured || after == status.HealthMisconfigured) {
		s.healthChanged(e, before, after, cmp.Or(e.misconfigured, "its configuration was mended"))
	} else if (old == nil || !old.Counted()) && e.misconfigured != "" && e.cat != nil && e.cat.Counted() {
		s.log.WithField(logging.FieldBackend, name).WithField(logging.FieldMessageID, logging.IDBackendHealth).Warnf("can't be used as it is configured: %s", e.misconfigured)
	}
	switch {
	case e.cat == nil || !e.cat.Counted():
		s.cancelWork(e, errGone)
	case old != nil && old.Config != nil && e.cat.Config == nil && e.misconfigured != "":
		s.cancelWork(e, errUnconfigured) // a mark or its row still names it; it goes on should the file come back
	}
	if !e.counted.counted {
		s.recount(e) // one that comes is told before its tasks
	}
	s.look(e)
	if e.cat == nil {
		s.dropEntry(e)
	}
}

const (
	// probeAtOnce is up to how many backends are probed as soon as the service starts; more are spread.
	probeAtOnce = 200
	// probeEach is the time that each of them then gets.
	probeEach = 15 * time.Millisecond
)

func (s *Service) newEntry(name string) *entry {
	e := &entry{name: name, since: s.started, usage: backend.Usage{UsedBytes: -1, AvailableBytes: -1}}
	s.entries[name] = e
	if b, ok := s.saved[name]; ok {
		s.recallEntry(e, b)
	}
	if n := len(s.cat.Names()); n > probeAtOnce {
		window := time.Duration(n) * probeEach
		e.health.Defer(s.started.Add(window/2 + plan.Jitter(name, 0, 2*window) - 2*window))
	}
	return e
}

// retarget notices that a backend can't be used, or points somewhere else than
// before: then nothing is stored there yet, whatever was known (law 12). The caller holds mu.
func (s *Service) retarget(e *entry) {
	e.misconfigured = ""
	if e.cat == nil {
		return
	}
	spec, err := specOf(e.cat, s.opts.Paths.Home)
	if err == nil && !types.Has(spec.Type) {
		err = fmt.Errorf("type %q has no adapter yet (types that can be synced: %s); say enabled: false in its configuration to leave it to others", spec.Type, strings.Join(types.Names(), ", "))
	}
	if err != nil {
		e.misconfigured = plainError(err)
		return
	}
	target := types.Target(spec)
	if e.target == target {
		return
	}
	if e.target != "" {
		s.log.WithField("BACKEND", e.name).Infof("its configuration points somewhere else now; nothing counts as stored there yet")
		e.sentinel, e.lastReconcile, e.tries, e.blocked = "", time.Time{}, nil, nil
		e.health.Reset()
		e.moved = true
		e.lane = nil
		s.cancelWork(e, errRetargeted)
	}
	e.target = target
	e.changed = true
}

// sameSettings tells whether a backend is reached in the same way as before: not only its place, also its credentials.
func sameSettings(a, b *catalog.Backend) bool {
	if a.Config == nil || b.Config == nil || a.Config == b.Config {
		return a.Config == b.Config
	}
	return a.Config.Content == b.Config.Content && reflect.DeepEqual(a.Config.Settings, b.Config.Settings)
}

// tryNow lets all that a backend waits with be tried at once, and a check too, where no work proves as much. The caller holds mu.
func (s *Service) tryNow(e *entry) {
	e.health.Reset()
	for kind, a := range e.tries {
		a.Next = time.Time{}
		e.tries[kind] = a
	}
}

// cancelWork ends the work of a backend at an item's border. Its mark stays as it is.
func (s *Service) cancelWork(e *entry, why error) {
	for _, t := range e.live {
		if t.cancel != nil {
			t.cancel(why)
		}
	}
}

// dropEntry forgets a backend that nothing names, once nothing of it runs.
func (s *Service) dropEntry(e *entry) {
	if len(e.live) > 0 {
		return
	}
	s.queue.Set(e.name, nil)
	s.queue.SetWake(e.name, time.Time{})
	for kind, t := range e.next {
		delete(e.next, kind)
		s.finish(e, t, status.TaskCancelled, errGone.Error(), "cancelled", s.clk.Now())
	}
	for kind, id := range e.ids {
		s.closeOld(e, kind, id, errGone)
	}
	for _, r := range e.asked {
		s.db.DropRequest(r.ID)
	}
	s.network.Forget(e.endpoint)
	delete(s.entries, e.name)
	delete(s.errs, e.name)
	delete(s.saved, e.name)
	s.db.SaveBackend(e.name, nil) //nolint:errcheck // nothing is encoded
}

// view is what the planner sees of a backend. The caller holds mu.
func (s *Service) view(e *entry) plan.View {
	v := plan.View{Name: e.name, Counted: e.cat != nil && e.cat.Counted() && s.home != nil, Started: e.since,
		Misconfigured: e.misconfigured, Health: e.health.View(), Tries: e.tries, Blocked: e.waitsFor(),
		LastReconcile: e.lastReconcile, LastVerify: e.lastVerify, SentinelDiffers: e.sentinelDiffers || e.moved, Running: map[string]bool{}}
	if !v.Counted {
		return v
	}
	v.Paused, v.PausedUntil = e.paused, e.pausedUntil
	if e.cat.Config != nil && e.cat.Config.Paused {
		v.Paused, v.PausedUntil = true, time.Time{}
	}
	if d := e.cat.Dirty; d != nil && d.IsDirty {
		v.Dirty = plan.Dirty{Standing: true, Fresh: d.Version != e.stood, Unsynced: d.Unsynced, Since: d.Since, Version: d.Version, Whole: d.Whole || len(d.Removes) > 0}
	}
	v.Pending, v.Failed = e.cat.Pins.ByStatus[home.PinPending], e.cat.Pins.ByStatus[home.PinFailed]
	v.Bound = e.cat.Buckets > 0
	for kind, t := range e.live {
		if t.State == status.TaskRunning {
			v.Running[kind] = true
		}
	}
	for _, r := range e.asked {
		v.Requests = append(v.Requests, plan.Request{Kind: r.Kind, Reconcile: r.Reconcile && e.word(r), Tried: r.tried})
	}
	v.Backups = s.backupView(e)
	return v
}

// plainError is an error for people: without the name of the operation that the place where it is shown names anyway.
func plainError(err error) string {
	var h *backend.HomeError
	if backend.OfHome(err) && errors.As(err, &h) {
		return redact.Text(h.Error())
	}
	var b *backend.Error
	if errors.As(err, &b) {
		s := b.Err.Error()
		if b.Hint != "" {
			s += "; " + b.Hint
		}
		return redact.Text(s)
	}
	return redact.Text(err.Error())
}

// homeIDLimit is how long the name of a home in backups may be.
const homeIDLimit = 64

// homeID names the home in backups; a long name ends in a hash of all of it.
func homeID(path string) string {
	h := hostname() + ":" + path
	out := make([]byte, 0, len(h))
	for _, c := range []byte(h) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-':
			out = append(out, c)
		default:
			out = append(out, '_')
		}
	}
	if len(out) > homeIDLimit {
		sum := sha256.Sum256([]byte(h))
		const hash = 16
		return string(out[:homeIDLimit-hash-1]) + "-" + hex.EncodeToString(sum[:hash/2])
	}
	return string(out)
}
