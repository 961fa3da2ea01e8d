package status

import "time"

// Facts are what the documents are made of: one consistent picture, taken at Now.
type Facts struct {
	Manager Manager
	// Backends are in the order of their names: all of them, or those that were asked for (Selected).
	Backends []Backend
	Selected bool
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
	Intervals    Intervals
	// LastHealthCheck is zero for never.
	LastHealthCheck time.Time
	// Problems are files of the home that can't be read.
	Problems []ProblemFact
	Errors   []ErrorEntry
	// Unwatched counts folders that are looked at in intervals because the system watches no more of them.
	Unwatched int
	Now       time.Time
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
