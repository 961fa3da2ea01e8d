package status

import "time"

// Facts are what the documents are made of: one consistent picture, taken at Now.
type Facts struct {
	// Manager is the service as a whole.
	Manager Manager
	// Backends are all, in the order of their names, where a document is about all of them;
	// of the health document those that need attention, the pressing first.
	Backends []Backend
	// Dirty, Unhealthy, Filesystem and Blocked are the names of the status document,
	// in order; they may be cut, the manager's counts are whole.
	Dirty, Unhealthy, Filesystem, Blocked []string
	// Lines are the backends that the status document shows, in its order, from LineOf.
	Lines [][]byte
	// LineCount is how many there are to show, where Lines are not all of them.
	LineCount int
	// Healthy counts the backends that work: healthy or degraded.
	Healthy uint64
	// Monitored counts the backends whose health is known.
	Monitored uint64
	// Workers are the four, in the order of the variable Workers.
	Workers []Worker
	// ActiveTasks are the running ones, in the order of their ids.
	ActiveTasks []Task
	// Buckets are all distinct ones, for the insights and the health document.
	Buckets []BucketFact
	// BackupAfter is the age from which a bucket needs a backup; 0: an hour.
	BackupAfter time.Duration
	// Pins sum all pin mappings.
	Pins PinFacts
	// DirtyActions counts the actions of marks, by backend; those without any are not there.
	DirtyActions map[string]DirtyFact
	// Pending sums all unsynced actions.
	Pending int
	// Intervals are the configured ones.
	Intervals Intervals
	// LastHealthCheck is zero for never.
	LastHealthCheck time.Time
	// Problems are files of the home that can't be read.
	Problems []ProblemFact
	// Unwatched counts folders that are looked at in intervals because the system watches no more of them.
	Unwatched int
	// History sums up what was recorded, for the insights.
	History HistoryFacts
	// Now is when the picture was taken.
	Now time.Time
}

// HistoryFacts sum up what was recorded: since midnight, of the last seven days and the last thirty.
type HistoryFacts struct {
	// Today is since midnight in the service's time zone.
	Today HistoryPeriod
	// Week is the last seven days.
	Week HistoryPeriod
	// Month is the last thirty days.
	Month HistoryPeriod
}

// HistoryPeriod sums up what was recorded since the hour of a time, over all backends.
type HistoryPeriod struct {
	// Since is when the period begins.
	Since time.Time
	// Syncs are runs that ended by themselves.
	Syncs uint64
	// SyncsOK are those of them that left nothing undone.
	SyncsOK uint64
	// Cleared counts marks that were cleared.
	Cleared uint64
	// StoodSum is how many seconds they stood, added up.
	StoodSum float64
	// StoodP50 is how many seconds half of them stood at most; NaN with none.
	StoodP50 float64
	// StoodP95 is how many seconds 95 % of them stood at most; NaN with none.
	StoodP95 float64
	// Checks are all proofs of backends, by checks and by work.
	Checks uint64
	// ChecksOK are those of them that found that it works.
	ChecksOK uint64
	// Outages count changes to unhealthy.
	Outages uint64
	// Up is the time that backends worked, in seconds, added up over them.
	Up float64
	// Down is the time that they didn't.
	Down float64
	// Observed is the time that they were watched over, whatever was known of them.
	Observed float64
	// FixedChecks are the checks of backends that a fixed interval would have made.
	FixedChecks float64
	// FixedCopies are the copies of buckets that a fixed interval would have made.
	FixedCopies float64
	// Probes are the checks of backends that were made for that alone.
	Probes uint64
	// Copies are the copies of buckets that were made.
	Copies uint64
}

// BucketFact is one bucket.
type BucketFact struct {
	// Key tells it from others of its name.
	Key string
	// Name as its registry has it.
	Name string
	// Backends are the names of those that it is bound to.
	Backends []string
	// PinCount as its registry has it.
	PinCount int64
	// Files counts the rows of its index; -1: it can't be read.
	Files int64
	// LastBackup as its registry has it; zero: never.
	LastBackup time.Time
}

// PinFacts sum the pin mappings.
type PinFacts struct {
	// Total counts the rows of all of them.
	Total int
	// BackendsWithPins counts those that have a row.
	BackendsWithPins int
	// UniqueCIDs counts different CIDs.
	UniqueCIDs int
	// Redundancy counts CIDs by how many backends list them.
	Redundancy map[int]int
	// ByStatus counts rows by their status: stored, pending, failed, and what else upstream wrote.
	ByStatus map[string]int
	// FailedBackends are the names of those with a row that failed, in order.
	FailedBackends []string
	// PendingBackends are the names of those with a row that is pending, in order.
	PendingBackends []string
	// Oldest is when the first pin was made; zero: none says it.
	Oldest time.Time
	// Newest is when the last pin was made; zero: none says it.
	Newest time.Time
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
	// Total counts all of them.
	Total int
	// Unsynced counts those that are not synced.
	Unsynced int
	// IsDirty says that a mark stands, though it may name no action.
	IsDirty bool
}

// Intervals are after what time each thing is looked at though nothing was heard of it.
type Intervals struct {
	// BucketScan is that of the registries.
	BucketScan time.Duration
	// DirtyCheck is that of all dirty marks.
	DirtyCheck time.Duration
	// HealthCheck is that of looks at which health checks are due.
	HealthCheck time.Duration
	// BackupCheck is that of looks at whether what backups hold has changed.
	BackupCheck time.Duration
}

// ProblemFact is a file of the home that can't be read.
type ProblemFact struct {
	// File is its path below the home.
	File string
	// Error says in words what is wrong with it, and Mend what to do.
	Error, Mend string
}

// Holder is one backend's word about a CID.
type Holder struct {
	// Backend is its name.
	Backend string
	// State is the status of the row of its mapping: stored, pending or failed.
	State string
	// Target is where the backend is, without credentials; empty where nothing says it.
	Target string
	// Bytes that the CID has there; 0: not known.
	Bytes uint64
	// Pinned is when it was pinned; zero: not known.
	Pinned time.Time
	// Verified is when what is there was last compared with the CID; zero: never.
	Verified time.Time
	// Error says why the row failed; empty: it didn't.
	Error string
}

// Want is one thing that the planner wants done now.
type Want struct {
	// Kind is one of the constants Kind….
	Kind string
	// Mode of a sync: delta or reconcile; empty for other kinds.
	Mode string
	// Reason says why, in words.
	Reason string
	// Priority is from 1, the highest, to 10.
	Priority uint8
	// Asked says that a person or a program asked for it.
	Asked bool
}

// Wait is one thing that the planner would do later.
type Wait struct {
	// Kind is one of the constants Kind….
	Kind string
	// Reason says in words what it waits for.
	Reason string
	// Blocked says that it waits for what nobody here has.
	Blocked bool
	// Until is when it goes on by itself; zero: only a change or a person ends the wait.
	Until time.Time
}

// Plan is what a sync of one backend would do.
type Plan struct {
	// Backend is its name.
	Backend string
	// Mode is delta (what the marks name) or reconcile (compared whole).
	Mode string
	// Actions in their order; they may be cut.
	Actions []PlannedAction
	// Count is how many there are, where Actions are not all of them.
	Count int
	// Blocked says what it waits for; empty: nothing.
	Blocked string
	// Error says in words why there is no plan; empty: there is one.
	Error string
}

// PlannedAction is one step of a Plan.
type PlannedAction struct {
	// Action is put, verify (look whether it is there), remove, keep (a removal that waits), or no source (nobody here has it).
	Action string
	// CID as the mark or the mapping writes it.
	CID string
	// Reason says why, in words.
	Reason string
	// Bytes to be moved; 0: not known, or none.
	Bytes uint64
}
