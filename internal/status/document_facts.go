package status

import "time"

// Facts are what the documents are made of: one consistent picture, taken at Now.
type Facts struct {
	Manager Manager
	// Backends are all, in the order of their names, where a document is about all of them;
	// of the health document those that need attention, the pressing first.
	Backends []Backend
	// Names of the status document, in order; they may be cut, the manager's counts are whole.
	Dirty, Unhealthy, Filesystem, Blocked []string
	// Lines are the backends that the status document shows, in its order, and LineCount how many there are to show.
	Lines     []Line
	LineCount int
	// Healthy and Monitored count all backends: found healthy, and with a known state.
	Healthy, Monitored uint64
	Workers            []Worker
	// ActiveTasks are the running ones.
	ActiveTasks []Task
	Buckets     []BucketFact
	// BackupAfter is the age from which a bucket needs a backup; 0: an hour.
	BackupAfter  time.Duration
	Pins         PinFacts
	DirtyActions map[string]DirtyFact
	// Pending sums all unsynced actions.
	Pending   int
	Intervals Intervals
	// LastHealthCheck is zero for never.
	LastHealthCheck time.Time
	// Problems are files of the home that can't be read.
	Problems []ProblemFact
	Errors   []ErrorEntry
	// Unwatched counts folders that are looked at in intervals because the system watches no more of them.
	Unwatched int
	History   HistoryFacts
	Now       time.Time
}

// HistoryFacts sum up what was recorded: since midnight, of the last seven days and the last thirty.
type HistoryFacts struct{ Today, Week, Month HistoryPeriod }

// HistoryPeriod sums up what was recorded since the hour of a time, over all backends.
type HistoryPeriod struct {
	Since time.Time
	// Syncs are runs that ended by themselves; SyncsOK left nothing undone.
	Syncs, SyncsOK uint64
	// Cleared marks stood StoodSum seconds together; half of them at most StoodP50, 95 % at most StoodP95.
	Cleared                      uint64
	StoodSum, StoodP50, StoodP95 float64
	Checks, ChecksOK, Outages    uint64
	// Up, Down and Observed are seconds, added up over backends: working, not working, and all that were watched over.
	Up, Down, Observed float64
	// FixedChecks and FixedCopies are the checks of backends and copies of buckets that fixed intervals would have made; Probes and Copies were made.
	FixedChecks, FixedCopies float64
	Probes, Copies           uint64
}

// Line is one backend of the status document, ready to be printed. It is made
// once and kept until the backend changes: there may be thousands.
type Line struct {
	Name string
	JSON []byte
}

// BucketFact is one bucket. Key tells it from others of its name; Files is -1 when its index can't be read.
type BucketFact struct {
	Key, Name       string
	Backends        []string
	PinCount, Files int64
	LastBackup      time.Time
}

// PinFacts sum the pin mappings. Redundancy counts content ids by how many backends have them.
type PinFacts struct {
	Total, BackendsWithPins, UniqueCIDs int
	Redundancy                          map[int]int
	ByStatus                            map[string]int
	FailedBackends, PendingBackends     []string
	Oldest, Newest                      time.Time
	// Incomplete says that UniqueCIDs and Redundancy do not count all mappings yet.
	Incomplete bool
}

// Span has the times of the first and the last pin of one more mapping taken in; zero ones are none.
func (p *PinFacts) Span(oldest, newest time.Time) {
	if !oldest.IsZero() && (p.Oldest.IsZero() || oldest.Before(p.Oldest)) {
		p.Oldest = oldest
	}
	if newest.After(p.Newest) {
		p.Newest = newest
	}
}

// DirtyFact counts the actions of one backend's marks.
type DirtyFact struct {
	Total, Unsynced int
	IsDirty         bool
}

// Intervals are the configured ones.
type Intervals struct {
	BucketScan, DirtyCheck, HealthCheck, TaskCheck, BackupCheck time.Duration
}

// ProblemFact is a file of the home that can't be read.
type ProblemFact struct {
	File, Error string
}

// Holder is one backend's word about a content id.
type Holder struct {
	Backend, State, Target string
	Bytes                  uint64
	// Pinned and Verified are zero for unknown and never.
	Pinned, Verified time.Time
	Error            string
}

// Want is one thing that the planner wants done now.
type Want struct {
	Kind, Mode, Reason string
	Priority           uint8
	// Asked says that a person or a program asked for it.
	Asked bool
}

// Wait is one thing that the planner would do later; Until is zero when only a change or a person ends the wait.
type Wait struct {
	Kind, Reason string
	Blocked      bool
	Until        time.Time
}

// Plan is what a sync of one backend would do.
type Plan struct {
	Backend string
	// Mode is delta (what the marks name) or reconcile (compared whole).
	Mode    string
	Actions []PlannedAction
	// Count is how many there are, where Actions are not all of them.
	Count   int
	Blocked string
	Error   string
}

// PlannedAction is one step of a Plan.
type PlannedAction struct {
	Action, CID, Reason string
	Bytes               uint64
}
