package plan

import (
	"fmt"
	"time"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// Decide plans one backend at one moment.
func Decide(v View, r Rules, now time.Time) Decision {
	p := &planner{v: v, r: r, now: now}
	switch {
	case !v.Counted:
		p.why("it is disabled, or nothing in the home names it: nothing is due")
	case v.Paused && (v.PausedUntil.IsZero() || now.Before(v.PausedUntil)):
		end := until(time.Time{})
		if !v.PausedUntil.IsZero() {
			end = " until " + stamp(v.PausedUntil)
		}
		p.why("it is paused%s: nothing is due", end)
		p.wake(v.PausedUntil)
		p.parkAll(Wait{Until: v.PausedUntil, Reason: "paused"})
	case v.Misconfigured != "":
		p.why("it can't be used: %s", v.Misconfigured)
		p.parkAll(Wait{Blocked: true, Reason: v.Misconfigured})
	default:
		p.sync()
		p.probe()
		p.backups()
		p.verify()
	}
	return p.d
}

type planner struct {
	v   View
	r   Rules
	now time.Time
	d   Decision
}

func (p *planner) why(format string, args ...any) {
	p.d.Why = append(p.d.Why, fmt.Sprintf(format, args...))
}

// wake asks to be looked at again at t; the earliest counts.
func (p *planner) wake(t time.Time) {
	if !t.IsZero() && t.After(p.now) && (p.d.NextWake.IsZero() || t.Before(p.d.NextWake)) {
		p.d.NextWake = t
	}
}

func (p *planner) want(kind string, c Cause, mode Mode, reason string) {
	p.d.Wants = append(p.d.Wants, Want{Kind: kind, Priority: p.r.Priority[c], Mode: mode, Reason: reason, Asked: c == CauseAsked})
	p.why("%s is due (priority %d): %s", kind, p.r.Priority[c], reason)
}

func (p *planner) wait(kind string, w Wait) {
	if p.d.Waiting == nil {
		p.d.Waiting = map[string]Wait{}
	}
	p.d.Waiting[kind] = w
	p.wake(w.Until)
}

// parkAll keeps waiting what a mark wants and what was asked for.
func (p *planner) parkAll(w Wait) {
	if p.v.Dirty.Standing {
		p.wait(status.KindPinSync, w)
	}
	for _, r := range p.v.Requests {
		p.wait(r.Kind, w)
	}
}

func (p *planner) asked(kind string) *Request {
	for i := range p.v.Requests {
		if p.v.Requests[i].Kind == kind {
			return &p.v.Requests[i]
		}
	}
	return nil
}

// sync is law 3 and 4: at most one pin_sync, for the most pressing cause.
func (p *planner) sync() {
	v := &p.v
	if p.asked(status.KindPinSync) != nil {
		p.askedSync()
		return
	}
	if v.Dirty.Standing {
		p.dirty()
		return
	}
	p.why("no dirty mark stands")
	if p.sentinel() || p.stale() {
		return
	}
	p.reconcile()
}

// askedSync plans what a person asked for: at once, and after a failure when its wait is over.
func (p *planner) askedSync() {
	v := &p.v
	mode, tried := Delta, true
	for _, q := range v.Requests {
		if q.Kind != status.KindPinSync {
			continue
		}
		tried = tried && q.Tried
		if q.Reconcile {
			mode = Reconcile
		}
	}
	if v.Dirty.Whole || v.SentinelDiffers {
		mode = Reconcile
	}
	reason := "asked for"
	if a := v.Tries[status.KindPinSync]; tried && a.N > 0 {
		version := a.Mark
		if v.Dirty.Standing {
			version = v.Dirty.Version
		}
		if due := p.r.RetryAt(a, version, v.Health.OpenUntil); p.now.Before(due) {
			p.why("a sync is asked for, and was tried in vain, %d so far (%s); next try%s", a.N, a.Error, until(due))
			p.wait(status.KindPinSync, Wait{Until: due, Reason: a.Error})
			return
		}
		reason = fmt.Sprintf("asked for, try %d", a.N+1)
	}
	p.want(status.KindPinSync, CauseAsked, mode, reason)
}

// dirty plans what a standing mark wants.
func (p *planner) dirty() {
	v := &p.v
	mode := Delta
	if v.Dirty.Whole || v.SentinelDiffers {
		mode = Reconcile
	}
	a := v.Tries[status.KindPinSync]
	b := v.Blocked
	blocked := b.Reason != "" && b.Mark == v.Dirty.Version
	switch {
	case blocked && p.now.Before(b.Until):
		p.why("its mark is blocked since %s: %s; looked at again%s, or when a source appears", stamp(b.Since), b.Reason, until(b.Until))
		p.wait(status.KindPinSync, Wait{Blocked: true, Until: b.Until, Reason: b.Reason})
		return
	case blocked && a.N == 0:
		p.want(status.KindPinSync, CauseDirtyRetry, mode, "blocked content is looked for again: "+b.Reason)
		return
	case a.N > 0:
		p.retry(a, mode)
		return
	case v.Dirty.Fresh:
		p.want(status.KindPinSync, CauseDirtyNew, mode, fmt.Sprintf("a new dirty mark: %s", actions(v.Dirty.Unsynced)))
		return
	}
	p.want(status.KindPinSync, CauseDirtyStanding, mode, fmt.Sprintf("a dirty mark stands since %s: %s", stamp(v.Dirty.Since), actions(v.Dirty.Unsynced)))
}

// RetryAt is when a mark that was tried in vain is tried again: after the wait and, where
// it is open, the breaker. A new version of the mark resets the wait to its least, so that it is never hot.
func (r Rules) RetryAt(a Attempt, version string, open time.Time) time.Time {
	if a.Mark != version {
		return earlier(a.Next, a.Last.Add(r.RetryMin))
	}
	if open.After(a.Next) {
		return open
	}
	return a.Next
}

// retry waits after failures.
func (p *planner) retry(a Attempt, mode Mode) {
	due := p.r.RetryAt(a, p.v.Dirty.Version, p.v.Health.OpenUntil)
	if p.now.Before(due) {
		p.why("its mark was tried in vain, %d so far (%s); next try%s", a.N, a.Error, until(due))
		p.wait(status.KindPinSync, Wait{Until: due, Reason: a.Error})
		return
	}
	p.want(status.KindPinSync, CauseDirtyRetry, mode, fmt.Sprintf("try %d of a dirty mark: %s", a.N+1, actions(p.v.Dirty.Unsynced)))
}

// sentinel: another root than the one that was synced to makes our memory of it worthless.
func (p *planner) sentinel() bool {
	if !p.v.SentinelDiffers {
		return false
	}
	if due, ok := p.afterFailure(status.KindPinSync); !ok {
		p.wait(status.KindPinSync, Wait{Until: due, Reason: "its root is another one than before"})
		return true
	}
	p.want(status.KindPinSync, CauseDirtyStanding, Reconcile, "its root is another one than before: all of it is compared")
	return true
}

// stale mends pending and failed rows of a backend that a bucket names, when
// its health is bad or old: through the breaker, and without a listing.
func (p *planner) stale() bool {
	v := &p.v
	old := v.Health.LastCheck.Add(p.r.StaleAfter)
	bad := v.Health.State == status.HealthUnhealthy
	switch {
	case !v.Bound:
		p.why("no bucket names it: no stale sync")
		return false
	case v.Pending+v.Failed == 0:
		p.why("its mapping has no pending or failed rows: no stale sync")
		return false
	case !bad && p.now.Before(old):
		p.why("it was checked %s: no stale sync before%s", stamp(v.Health.LastCheck), until(old))
		p.wake(old)
		return false
	}
	due, ok := p.afterFailure(status.KindPinSync)
	if open := v.Health.OpenUntil; open.After(due) {
		due, ok = open, !p.now.Before(open)
	}
	if !ok {
		p.why("a stale sync waits%s", until(due))
		p.wait(status.KindPinSync, Wait{Until: due, Reason: "stale"})
		return true
	}
	p.want(status.KindPinSync, CauseStale, Delta, fmt.Sprintf("a bucket names it, it is %s, and %s pending or failed", staleState(bad), human.Count(v.Pending+v.Failed, "row of its mapping is", "rows of its mapping are")))
	return true
}

func staleState(bad bool) string {
	if bad {
		return "unhealthy"
	}
	return "not checked for long"
}

// reconcile finds drift, rarely.
func (p *planner) reconcile() {
	from := p.v.LastReconcile
	if from.IsZero() {
		from = p.v.Started
	}
	due := from.Add(Jitter(p.v.Name, uint64(from.Unix()), p.r.Reconcile))
	if after, ok := p.afterFailure(status.KindPinSync); !ok && after.After(due) {
		due = after
	}
	if p.now.Before(due) {
		p.why("the next whole comparison is due%s", until(due))
		p.wake(due)
		return
	}
	p.want(status.KindPinSync, CauseReconcile, Reconcile, "its time for a whole comparison has come")
}

// afterFailure tells when a kind may be tried again, and whether that is now.
func (p *planner) afterFailure(kind string) (time.Time, bool) {
	a, ok := p.v.Tries[kind]
	if !ok || a.N == 0 {
		return time.Time{}, true
	}
	return a.Next, !p.now.Before(a.Next)
}

// probe is law 10: a success is a check; a probe is only for what has not proved itself otherwise.
func (p *planner) probe() {
	v := &p.v
	if p.asked(status.KindHealthCheck) != nil {
		p.want(status.KindHealthCheck, CauseAsked, "", "asked for")
		return
	}
	next := v.Health.NextProbe
	if p.now.Before(next) {
		p.why("health is %s, checked %s; the next probe is due%s", v.Health.State, stamp(v.Health.LastCheck), until(next))
		p.wake(next)
		return
	}
	for _, w := range p.d.Wants {
		if w.Kind == status.KindPinSync {
			p.why("no probe: the sync that is due proves as much")
			return
		}
	}
	cause := CauseProbe
	switch {
	case v.Dirty.Standing:
		cause = CauseProbeDirty
	case v.Health.State == status.HealthUnhealthy:
		cause = CauseProbeUnhealthy
	}
	p.want(status.KindHealthCheck, cause, "", fmt.Sprintf("health is %s, checked %s", v.Health.State, stamp(v.Health.LastCheck)))
}

func (p *planner) backups() {
	p.backup(status.KindBackupBuckets, CauseBackupBuckets, p.r.BackupBuckets)
	p.backup(status.KindBackupMetadata, CauseBackupMetadata, p.r.BackupMetadata)
}

func (p *planner) backup(kind string, c Cause, age time.Duration) {
	if p.asked(kind) != nil {
		p.want(kind, CauseAsked, "", "asked for")
		return
	}
	b, ok := p.v.Backups[kind]
	if !ok {
		return
	}
	if !b.Changed {
		if b.Last.IsZero() {
			p.why("%s: there is nothing to back up yet", kind)
			return
		}
		p.why("%s: nothing changed since the last one", kind)
		return
	}
	due := b.First
	if !b.Last.IsZero() {
		due = b.Last.Add(age)
	}
	if after, ok := p.afterFailure(kind); !ok && after.After(due) {
		due = after
	}
	if p.now.Before(due) {
		p.why("%s: changed, due%s", kind, until(due))
		p.wake(due)
		return
	}
	p.want(kind, c, "", "its content changed, and the last backup is "+age.String()+" old or there is none")
}

// verify reads back what is stored, rarely.
func (p *planner) verify() {
	if p.asked(status.KindVerify) != nil {
		p.want(status.KindVerify, CauseAsked, "", "asked for")
	}
	if p.asked(status.KindRestore) != nil {
		p.want(status.KindRestore, CauseAsked, "", "asked for")
	}
	if p.asked(status.KindVerify) != nil || p.v.LastReconcile.IsZero() && p.v.LastVerify.IsZero() {
		return // nothing was ever stored by this service: there is nothing to read back yet
	}
	from := p.v.LastVerify
	if from.IsZero() {
		from = p.v.Started
	}
	due := from.Add(Jitter(p.v.Name, uint64(from.Unix())+1, p.r.Verify))
	if after, ok := p.afterFailure(status.KindVerify); !ok && after.After(due) {
		due = after
	}
	if p.now.Before(due) {
		p.why("the next reading back is due%s", until(due))
		p.wake(due)
		return
	}
	p.want(status.KindVerify, CauseVerify, "", "its time to be read back has come")
}
