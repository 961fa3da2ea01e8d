package service

import (
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/health"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
)

// entry is what the service knows of one backend. It is guarded by Service.mu;
// what it points at in the catalog is immutable.
type entry struct {
	name string
	// cat is nil once nothing in the home names the backend.
	cat *catalog.Backend
	// endpoint is where it lies, without credentials.
	endpoint string
	// lane outlives tasks: what hangs keeps it.
	lane *backend.Lane
	// writes is the lane of what syncs write to the home, nil until the first one.
	writes *backend.Lane
	// target is what the configuration points at.
	target string
	// since is when this service first knew it.
	since  time.Time
	health health.Tracker
	// tries are the attempts by kind of task.
	tries map[string]plan.Attempt
	// blocked says what a dirty backend waits for that nobody here has; nil while it waits for nothing.
	blocked *plan.Blocked
	// paused until a time, or until a person says so (pausedUntil zero).
	paused      bool
	pausedUntil time.Time
	// asked are requests of people that are not done.
	asked []request
	// live tasks by kind, and those that follow one that runs.
	live, next map[string]*task
	// ids that live tasks had before a restart, and those that were saved for the next one.
	ids, keptIDs map[string]uint64
	// mark is what is known of the marks that stand.
	mark markMemory
	// announced is the version of the mark that was announced as dirty, stood that of one that stood at the start.
	announced, stood string
	// misconfigured is why it can't be used, empty otherwise.
	misconfigured string
	// sentinel is the identity that was seen there last.
	sentinel        string
	sentinelDiffers bool
	// moved: it points somewhere else than what was synced; all of it must be compared.
	moved bool
	// changed says that what survives a restart is not saved yet.
	changed bool

	lastSync, lastReconcile time.Time
	// lastVerify is when all was read back last, lastProof when that found no damage.
	lastVerify, lastProof time.Time
	backups               map[string]backupState
	lastError             string
	// usage is what the last check said; AvailableBytes is -1 before there was one.
	usage   backend.Usage
	told    registryTold
	counted facts
	// line is what the detailed status says of it, nil when it must be written anew.
	line []byte
}

// request is something that a person or a program asked for. It is kept until it is done.
type request struct {
	// ID is the task's.
	ID        uint64 `json:"-"`
	Kind      string `json:"-"`
	Reconcile bool   `json:"reconcile,omitempty"`
	// Removals is a person's word, given for this backend by its name, that very many may be removed: as many as its mark
	// asked for then. The word says nothing of those that come later.
	Removals int `json:"removals_up_to,omitempty"`
	// Target is what the backend pointed at then: the word is for no other place (law 12).
	Target string `json:"target,omitempty"`
	// What, Into, Backup and Overwrite are of restores.
	What      string `json:"what,omitempty"`
	Into      string `json:"into,omitempty"`
	Backup    string `json:"backup,omitempty"`
	Overwrite bool   `json:"overwrite,omitempty"`
	// after is the task that ran when it was asked for: that one does not serve it.
	after uint64
	// tried says that it failed since this service began: it waits as any retry does.
	tried bool
}

// cantBeWritten tells whether the work that its mark asks for fails for want of room or rights:
// a check reads only, and does not disprove it.
func (e *entry) cantBeWritten() bool {
	a, ok := e.tries[status.KindPinSync]
	return ok && a.N > 0 && e.cat != nil && e.cat.IsDirty() &&
		slices.Contains([]backend.Class{backend.ClassQuota, backend.ClassAuth, backend.ClassConfiguration}, backend.Class(a.Class))
}

// healthState is what people are told: misconfigured wins over what probes say.
func (e *entry) healthState() string {
	if e.misconfigured != "" {
		return status.HealthMisconfigured
	}
	if s := e.health.State(); s != status.HealthUnknown {
		return s
	}
	if e.cat != nil && e.cat.Row != nil {
		switch e.cat.Row.Health {
		case status.HealthHealthy, status.HealthUnhealthy:
			return e.cat.Row.Health // what was found before this service began
		}
	}
	return status.HealthUnknown
}

// blockedBy says what a dirty backend waits for that nobody here has: content, or a person who mends its configuration.
func (e *entry) blockedBy() string {
	if e.misconfigured != "" {
		return e.misconfigured
	}
	return e.waitsFor().Reason
}

// waitsFor is what blocks it; empty where nothing does.
func (e *entry) waitsFor() plan.Blocked {
	if e.blocked == nil {
		return plan.Blocked{}
	}
	return *e.blocked
}

// isFilesystem tells whether a canonical type lies on a file system of this machine.
func isFilesystem(typ string) bool { return typ == home.TypeFilesystem }

// answer takes the requests of a kind that a task with this id has served; those that keep says go on.
func (e *entry) answer(kind string, id uint64, keep func(request) bool) (ids []uint64) {
	var rest []request
	for _, r := range e.asked {
		if r.Kind == kind && r.after != id && (keep == nil || !keep(r)) {
			ids = append(ids, r.ID)
		} else {
			rest = append(rest, r)
		}
	}
	e.asked = rest
	for _, r := range rest { // one that goes on may have the number of one that is done
		ids = slices.DeleteFunc(ids, func(id uint64) bool { return id == r.ID })
	}
	return ids
}

// answerAfter takes the requests that wait for another task than the one that runs.
func (e *entry) answerAfter(kind string) (ids []uint64) {
	e.asked = slices.DeleteFunc(e.asked, func(r request) bool {
		drop := r.Kind == kind && r.after != 0
		if drop {
			ids = append(ids, r.ID)
		}
		return drop
	})
	return ids
}

// merge holds a request against those of its kind that wait: one task serves all of
// them, and does what any of them asks for. Two restores that differ can't be one.
func (e *entry) merge(r *request) error {
	for _, old := range e.asked {
		switch {
		case old.Kind != r.Kind:
		case old.What != r.What || old.Into != r.Into || old.Backup != r.Backup || old.Overwrite != r.Overwrite:
			return status.Errorf(status.LimitsExceeded, "another restore from backend %s is not done yet (task %d); wait for it, or cancel it: ipfs-kit-intelligent task cancel %[2]d", e.name, old.ID)
		default:
			if old.Target == r.Target {
				r.Reconcile, r.Removals = r.Reconcile || old.Reconcile, max(r.Removals, old.Removals)
			}
		}
	}
	return nil
}

// asks tells whether a person asked for a kind of task.
func (e *entry) asks(kind string) bool {
	return slices.ContainsFunc(e.asked, func(r request) bool { return r.Kind == kind })
}

// word tells whether a request is a person's word that a sync of where the backend points now takes.
func (e *entry) word(r request) bool {
	return r.Kind == status.KindPinSync && (r.Reconcile || r.Removals > 0) && r.Target == e.target
}

// askedRemovals tells whether a person said that very many pins, all that its mark asks for now, may be removed here.
func (e *entry) askedRemovals() bool {
	return slices.ContainsFunc(e.asked, func(r request) bool { return e.word(r) && r.Removals > 0 && e.removals() <= r.Removals })
}

// removals counts those that its mark asks for.
func (e *entry) removals() int {
	if e.cat == nil || e.cat.Dirty == nil {
		return 0
	}
	return len(e.cat.Dirty.Removes)
}

// askedReconcile tells whether a person asked for a whole comparison.
func (e *entry) askedReconcile() bool {
	return slices.ContainsFunc(e.asked, func(r request) bool { return e.word(r) && r.Reconcile })
}
