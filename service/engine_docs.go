package service

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/pinsync"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
)

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
	d.Why = append(d.Why, fmt.Sprintf("among tasks of one priority it is served as %d, by the priority of its configuration: 100 is usual, lower goes first", priorityOf(e)), configuredBy(b))
	s.mu.Unlock()
	var wants []status.Want
	for _, w := range d.Wants {
		wants = append(wants, status.Want{Kind: w.Kind, Mode: string(w.Mode), Reason: w.Reason, Priority: w.Priority, Asked: w.Asked})
	}
	var waits []status.Wait
	for _, kind := range slices.Sorted(maps.Keys(d.Waiting)) {
		w := d.Waiting[kind]
		waits = append(waits, status.Wait{Kind: kind, Reason: w.Reason, Blocked: w.Blocked, Until: w.Until})
	}
	return status.ExplainDocument(b, d.Why, wants, waits)
}

// configuredBy says where a person changes what a backend is.
func configuredBy(b status.Backend) string {
	if b.ConfigFile == "" {
		return "no file configures it: the backend registry or a mark names it; to configure it, make backends/" + b.Name + ".yaml in the home"
	}
	return "it is configured in " + b.ConfigFile
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
	s.readMarks(ctx, names)
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
	whole := func(e *entry) bool { return reconcile || len(names) > 0 && clean[e.name] }
	ctx, cancel := context.WithTimeoutCause(ctx, planAll, fmt.Errorf("all backends together had no answer within %s; ask for fewer: ipfs-kit-intelligent sync --dry-run --backend NAME", planAll))
	defer cancel()
	plans := make([]status.Plan, len(list))
	var asked sync.WaitGroup
	slots := make(chan struct{}, plansAtOnce)
	for i, e := range list {
		slots <- struct{}{} // each gives its slot back within its limit
		asked.Go(func() {
			defer func() { <-slots }()
			limit := planDelta
			if whole(e) {
				limit = planWhole
			}
			one, done := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s; what a sync does is seen with: ipfs-kit-intelligent sync --wait", limit))
			defer done()
			plans[i] = s.planOne(one, e.name, whole(e), reconcile && len(names) > 0)
		})
	}
	asked.Wait()
	return status.PlanSyncDocument(plans, s.clk.Now())
}

const (
	// planDelta and planWhole are how long a backend may take to say what it has: who asks for a plan does not wait for one that hangs.
	planDelta, planWhole = 2 * time.Second, 10 * time.Second
	// planAll is how long all of them may take together: before a client has given up.
	planAll = 20 * time.Second
	// plansAtOnce is how many are asked at once.
	plansAtOnce = 32
)

// planOne is the plan of one backend, as if a sync of it were asked for now; a panic in it is an error of this plan alone.
func (s *Service) planOne(ctx context.Context, name string, reconcile, removals bool) (p status.Plan) {
	p = status.Plan{Backend: name, Mode: string(plan.Delta)}
	defer func() {
		if v := recover(); v != nil {
			s.log.WithField("stack", string(debug.Stack())).Errorf("panic in a plan of %s", name)
			p.Error = fmt.Sprintf("internal error (a panic, please report it): %v", v)
		}
	}()
	fail := func(err error) {
		if ctx.Err() != nil { // the limit says more than what it broke off
			err = context.Cause(ctx)
		}
		p.Error = plainError(err)
	}
	a, err := s.open(ctx, name)
	if err != nil {
		fail(err)
		return p
	}
	defer a.Close() //nolint:errcheck // nothing was written
	job, err := s.plannedJob(name, a, reconcile, removals)
	if err != nil {
		fail(err)
		return p
	}
	if job.Mode == pinsync.Reconcile {
		p.Mode = string(plan.Reconcile)
	}
	d, err := pinsync.Plan(ctx, job)
	if err != nil {
		fail(err)
	}
	listPlanned(&p, d)
	return p
}

// listPlanned puts what a sync would do into a plan.
func listPlanned(p *status.Plan, d pinsync.Difference) {
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
	for _, r := range d.Refused.Entries {
		add("keep", []pinsync.Planned{{CID: r.CID, Size: -1, Why: r.Reason}})
	}
	p.Count += d.Refused.Count - len(d.Refused.Entries)
	var blocked []string
	if len(d.NoSource) > 0 {
		blocked = append(blocked, "content that nobody here has")
	}
	if d.Refused.Count > 0 {
		blocked = append(blocked, refused(d.Refused))
	}
	p.Blocked = strings.Join(blocked, "; ")
}
