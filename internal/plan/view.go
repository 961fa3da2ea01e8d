// Package plan decides what is due for one backend. Decide is a pure function of
// a view and the time: no I/O, no clock, no locks, so that explain can print
// the same reasons, and tests can ask it anything.
package plan

import "time"

// View is all that the decision about one backend is made from.
type View struct {
	// Name of the backend: it salts the spread of times.
	Name string
	// Counted is false for what is disabled or named by nothing.
	Counted bool
	// Started is when this service first knew the backend; schedules without a past begin there.
	Started time.Time
	// Paused says that nothing new begins.
	Paused bool
	// PausedUntil is when it ends by itself; zero: when a person resumes it.
	PausedUntil time.Time
	// Misconfigured is why it can't be used, empty otherwise.
	Misconfigured string
	// Dirty is its mark.
	Dirty Dirty
	// Pending and Failed count rows of the mapping.
	Pending, Failed int
	// Bound says that a bucket names it.
	Bound bool
	// Health is what the tracker says.
	Health Health
	// Tries by kind of task.
	Tries map[string]Attempt
	// Blocked is what its last sync waits for.
	Blocked Blocked
	// Requests of people that wait, oldest first.
	Requests []Request
	// Running kinds of tasks.
	Running map[string]bool
	// LastReconcile and LastVerify are zero when never.
	LastReconcile, LastVerify time.Time
	// SentinelDiffers says that the root is not the one that was synced to.
	SentinelDiffers bool
	// Backups by kind; only for backends that are targets.
	Backups map[string]Backup
}

// Dirty is the mark.
type Dirty struct {
	// Standing says that there is a mark; the rest is empty otherwise.
	Standing bool
	// Fresh says that it came while this service ran, and was not there at its start.
	Fresh bool
	// Unsynced counts actions that are not synced.
	Unsynced int
	// Since is when the mark was made; zero: it doesn't say.
	Since time.Time
	// Version differs whenever the mark's files differ.
	Version string
	// Whole says that it needs a whole comparison: it names no CIDs, or asks for some to be removed.
	Whole bool
}

// Health is what the tracker says.
type Health struct {
	// State is one of the health states of package status.
	State string
	// LastCheck is zero for never.
	LastCheck time.Time
	// NextProbe is when a probe is due; zero: now.
	NextProbe time.Time
	// OpenUntil is until when the breaker lets nothing through; zero: it is closed.
	OpenUntil time.Time
}

// Attempt is how often a kind of task failed in a row.
type Attempt struct {
	// N counts failures in a row; crashes are none.
	N int `json:"n"`
	// Last is when it was tried last.
	Last time.Time `json:"last"`
	// Next is when it is tried again.
	Next time.Time `json:"next"`
	// Mark is the version of the mark that was tried; another one resets the wait.
	Mark string `json:"mark,omitempty"`
	// Error is the last one, for people.
	Error string `json:"error,omitempty"`
	// Class of the last error, as package backend names it.
	Class string `json:"class,omitempty"`
}

// Blocked is a dirty backend that waits for something nobody here has.
type Blocked struct {
	// Reason for people; empty: not blocked.
	Reason string `json:"reason"`
	// Since is when that was found.
	Since time.Time `json:"since"`
	// Until is when it is tried again by itself.
	Until time.Time `json:"until"`
	// Mark is the version of the mark that was tried.
	Mark string `json:"mark"`
	// CIDs are some that nobody has and the mark does not name, as the mapping writes them.
	CIDs []string `json:"cids,omitempty"`
	// Files are CARs of theirs that the mapping names and that are not there, a few of them.
	Files []string `json:"files,omitempty"`
}

// Request is what a person or program asked for.
type Request struct {
	// Kind of the task.
	Kind string
	// Reconcile asks a pin_sync to compare whole listings.
	Reconcile bool // all that is there and should be
	// Tried says that it failed, and waits for its next try; others begin at once.
	Tried bool
}

// Backup is the state of one kind of backup on a target.
type Backup struct {
	// Changed says that what it would hold differs from the last one.
	Changed bool
	// Last is when it was made last; zero: never.
	Last time.Time
	// First is when the first one is due.
	First time.Time
}

// Mode of a pin_sync.
type Mode string

// Modes: the delta is the usual one, reconcile compares whole listings.
const (
	Delta     Mode = "delta" // what the mark and pending or failed rows name
	Reconcile Mode = "reconcile"
)

// Want is a task that is due now.
type Want struct {
	// Kind of the task.
	Kind string
	// Priority is from 1, the highest, to 10.
	Priority uint8
	// Mode of a pin_sync; empty for other kinds.
	Mode Mode
	// Reason in words.
	Reason string
	// Asked says that a person or program asked for it.
	Asked bool
}

// Wait is a task that is due later: in retry, or blocked.
type Wait struct {
	// Blocked says that it waits for what nobody here has.
	Blocked bool
	// Until is when it goes on by itself; zero: when something changes.
	Until time.Time
	// Reason in words.
	Reason string
}

// Decision is the plan of one backend.
type Decision struct {
	// Wants are due now.
	Wants []Want
	// Waiting by kind: what would be wanted, but not yet.
	Waiting map[string]Wait
	// NextWake is when time alone changes the decision; zero: never.
	NextWake time.Time
	// Why has a line for each rule that was looked at.
	Why []string
}
