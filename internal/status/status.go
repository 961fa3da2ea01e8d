// Package status is the one set of structs that the command line, D-Bus and
// later REST show. It imports nothing of the project but human.
package status

import "time"

// States of the service (Manager.State).
const (
	StateStarting = "starting" // the home is being read
	StateWaiting  = "waiting"  // there is no home yet
	StateRunning  = "running"  // all of it works
	StateDegraded = "degraded" // it runs, but not all of it works: StateReason says what
	StatePaused   = "paused"   // no new task begins
	StateStopping = "stopping" // it ends
)

// States of a backend's health.
const (
	HealthUnknown       = "unknown"       // never checked
	HealthHealthy       = "healthy"       // it works
	HealthDegraded      = "degraded"      // it works, but not well
	HealthUnhealthy     = "unhealthy"     // it failed several times in a row
	HealthMisconfigured = "misconfigured" // it can't be used as it is configured
)

// Kinds of tasks.
const (
	KindPinSync        = "pin_sync"        // copy what is missing, verify it, clear the mark
	KindBackupBuckets  = "backup_buckets"  // back up the indices of buckets
	KindBackupMetadata = "backup_metadata" // back up the metadata
	KindHealthCheck    = "health_check"    // ask the backend whether it works
	KindCleanup        = "cleanup"         // remove leftovers of ours
	KindVerify         = "verify"          // read back all that is stored
	KindRestore        = "restore"         // bring back a backup, or pins
)

// States of a task.
const (
	TaskQueued       = "queued"        // it waits for its turn
	TaskRunning      = "running"       // it is being done
	TaskWaitingRetry = "waiting_retry" // it failed, and waits for its next try
	TaskBlocked      = "blocked"       // it waits for what nobody here has
	TaskDone         = "done"          // it ended, and left nothing undone
	TaskPartial      = "partial"       // it ended, and some of it failed
	TaskFailed       = "failed"        // it ended with an error
	TaskCancelled    = "cancelled"     // a person or a change ended it
)

// Names of the workers.
const (
	WorkerMetadataReader = "metadata_reader" // reads registries, configurations and mappings
	WorkerDirtyMonitor   = "dirty_monitor"   // hears of changes, and reads marks
	WorkerHealthMonitor  = "health_monitor"  // has backends checked when their time has come
	WorkerTaskExecutor   = "task_executor"   // runs tasks
)

// Workers lists the four, in the order that people see them.
var Workers = []string{WorkerMetadataReader, WorkerDirtyMonitor, WorkerHealthMonitor, WorkerTaskExecutor}

// Manager is the service as a whole: the properties of the D-Bus object. Times that are zero mean never.
type Manager struct {
	// Version of the program.
	Version string
	// Home that is served, as an absolute path.
	Home string
	// State is one of the constants State….
	State string
	// StateReason says in one line why; empty while running.
	StateReason string
	// Buckets counts the distinct ones of all registries.
	Buckets uint64
	// Backends counts those that are configured and enabled, in the registry, or dirty.
	Backends uint64
	// DirtyBackends counts those of them with a mark that stands.
	DirtyBackends uint64
	// BlockedBackends counts the dirty ones that wait for what nobody here has: content, credentials, a person.
	BlockedBackends uint64
	// UnhealthyBackends counts the unhealthy and the misconfigured; unknown ones are not counted.
	UnhealthyBackends uint64
	// FilesystemBackends counts those of a type of file systems.
	FilesystemBackends uint64
	// HealthPercent is how many work of those whose health is known, 0 to 100; 0 while none is known.
	HealthPercent float64
	// TasksActive counts those that run.
	TasksActive uint64
	// TasksQueued counts those that wait: for their turn, a retry, or what blocks them.
	TasksQueued uint64
	// TasksCompleted counts those that ended done or partial since the state database was made.
	TasksCompleted uint64
	// TasksFailed counts those that ended failed since then.
	TasksFailed uint64
	// OldestDirty is when the oldest mark that stands was made; zero: none stands, or none says it.
	OldestDirty time.Time
	// DirtyPerMinute counts marks that came, over the last five minutes.
	DirtyPerMinute float64
	// MendedPerMinute counts marks that were cleared, over the last five minutes.
	MendedPerMinute float64
	// ExpectedClean is when the last mark that isn't blocked should be cleared at these rates; zero: not known, or none stands.
	ExpectedClean time.Time
	// Started is the start of this process.
	Started time.Time
	// LastScan is when the registries were read last.
	LastScan time.Time
	// NextWake is when the planner looks next by itself; zero: only when something happens.
	NextWake time.Time
	// Paused says that no new task starts; PausedUntil is zero then when only a person ends it.
	Paused bool
	// PausedUntil is when a pause ends by itself.
	PausedUntil time.Time
	// Alerts that stand, the pressing first; this version raises none.
	Alerts []Alert
}

// Alert is one standing alert.
type Alert struct {
	// Code is a stable word for its kind.
	Code string
	// Severity is critical, error, warning or info.
	Severity string
	// Title says in one line what is wrong.
	Title string
	// Since is when it was raised.
	Since time.Time
}

// HomeAbsent is the reason of a service that waits for its home to be made or mounted.
const HomeAbsent = "the home is not there"

// Backend is one backend: the properties of its D-Bus object. Times that are zero mean never.
type Backend struct {
	// Name is the stem of its configuration file, or what the registry or a mark calls it.
	Name string
	// Type as configured, aliases resolved; empty where nothing says it.
	Type string
	// RawType is the type as its configuration or the registry spells it, aliases and all.
	RawType string
	// Endpoint is a folder or an address, without credentials; empty where nothing says it.
	Endpoint string
	// Health is one of the constants Health….
	Health string
	// Dirty says that a mark stands: something is to be synced.
	Dirty bool
	// PendingActions counts the unsynced actions of its marks; a mark may have none.
	PendingActions uint64
	// Blocked says what it is dirty and waits for; empty: nothing blocks it.
	Blocked string
	// DirtySince is when the standing mark was made; zero while it is clean, or where the mark doesn't say.
	DirtySince time.Time
	// LastSync is the end of the last sync that left nothing undone, by this service or by what the home says.
	LastSync time.Time
	// LastCheck is when a check or work told its health last; the registry's time before the first one.
	LastCheck time.Time
	// NextRetry is when a sync that failed is tried again; zero where none waits.
	NextRetry time.Time
	// ResponseMS is the mean of the last checks, in milliseconds; the registry's figure before the first one.
	ResponseMS float64
	// ErrorCount counts checks and work that failed in a row.
	ErrorCount uint64
	// LastError says in words what went wrong last, or what is wrong with its configuration; empty while it works.
	LastError string
	// Pins counts the rows of its mapping; the registry's count where it has none.
	Pins uint64
	// StorageBytes is what is used there; 0: not known.
	StorageBytes uint64
	// AvailableBytes is what is free there; -1: not known.
	AvailableBytes int64
	// LastBackup is when a backup went there last.
	LastBackup time.Time
	// LastRestoreProof is when everything there was last read back, and its backups restored to a scratch folder.
	LastRestoreProof time.Time
	// Paused says that a person or its configuration lets nothing new begin.
	Paused bool
	// Risk is from 0 to 1; -1: not known, as always in this version.
	Risk float64
	// RiskReasons say in words what makes the risk; none in this version.
	RiskReasons []string
	// ConfigFile is the file that configures it, absolute; empty where there is none, and the registry or a mark names it.
	ConfigFile string
	// Filesystem says that its type is one of file systems.
	Filesystem bool
	// NeedsSync says that it is dirty, or has rows that are pending or failed.
	NeedsSync bool
	// NeedsBackup says that what its backups hold has changed since the last one; false where none go there.
	NeedsBackup bool
}

// Task is one task: the properties of its D-Bus object. Times that are zero mean: not yet, or not known.
type Task struct {
	// ID is never used twice, also across restarts; from 1 on.
	ID uint64
	// Kind is one of the constants Kind….
	Kind string
	// Backend is the name of the one that it is about.
	Backend string
	// State is one of the constants Task….
	State string
	// Priority is from 1, the highest, to 10.
	Priority uint8
	// Attempt counts how often it began.
	Attempt uint32
	// Progress of this attempt is from 0 to 1, where ProgressValid.
	Progress float64
	// ProgressValid says that Progress is known.
	ProgressValid bool
	// ItemsDone counts items (CIDs, files) that are done in this attempt.
	ItemsDone uint64
	// ItemsTotal is how many there are in all; 0: not known.
	ItemsTotal uint64
	// BytesDone were moved in this attempt.
	BytesDone uint64
	// BytesTotal is how many there are in all; 0: not known.
	BytesTotal uint64
	// BytesPerSecond is the mean of this attempt.
	BytesPerSecond uint64
	// Reason says in words why it exists; requests that it absorbed included.
	Reason string
	// Created is when it was made.
	Created time.Time
	// Started is when its last attempt began.
	Started time.Time
	// Finished is when it ended; zero while it runs or waits.
	Finished time.Time
	// ExpectedEnd is when this attempt should end at its rate.
	ExpectedEnd time.Time
	// NextTry is when it goes on by itself after a failure or a block; zero: nothing is waited for.
	NextTry time.Time
	// Error says in words what went wrong last; empty: nothing.
	Error string
	// Log is its last 100 lines, each behind its time (UTC, RFC 3339).
	Log []string
	// Cancelable says that it has not ended: cancelling would end it.
	Cancelable bool
}

// Worker is one worker: the properties of its D-Bus object.
type Worker struct {
	// Name is one of Workers.
	Name string
	// State is running, restarting or failed.
	State string
	// Healthy says that it is alive and makes progress.
	Healthy bool
	// LastBeat is its last proof of progress; zero: none yet.
	LastBeat time.Time
	// Interval is the configured one; zero for continuous.
	Interval time.Duration
	// Iterations counts how often it did its work, of all incarnations.
	Iterations uint64
	// Restarts counts how often it was replaced.
	Restarts uint64
	// LastError says why it was replaced last; empty: never.
	LastError string
	// NextRun is when it works next by itself; zero: when something happens.
	NextRun time.Time
}

// ErrorEntry is one kind of trouble of one backend, counted.
type ErrorEntry struct {
	// Backend is its name.
	Backend string
	// Class of the error: auth, quota, network, server, content or configuration.
	Class string
	// Message says it in words; with other words it is another entry.
	Message string
	// First is when it came the first time.
	First time.Time
	// Last is when it came the last time.
	Last time.Time
	// Count is how often it came.
	Count uint64
}

// BackendQuery selects and pages backends, in the order of their names.
type BackendQuery struct {
	// State is a health state, or dirty, clean, blocked, paused; empty: all.
	State string
	// Type of the backends, aliases resolved; empty: all.
	Type string
	// Dirty selects by it when not nil.
	Dirty *bool
	// Names selects just these; one that is not there is an error. nil: all.
	Names []string
	// Limit of the page; 0: 100, and at most 1000.
	Limit int
	// Cursor of the page before; empty: from the first one.
	Cursor string
}

// TaskQuery selects and pages tasks, newest first.
type TaskQuery struct {
	// State of the tasks; empty: all.
	State string
	// Backend is the name of the one that they are about; empty: all.
	Backend string
	// Since selects those that were made then or later; zero: all.
	Since time.Time
	// Limit of the page; 0: 100, and at most 1000.
	Limit int
	// Cursor of the page before; empty: from the newest one.
	Cursor string
}

// ErrorQuery selects and pages errors.
type ErrorQuery struct {
	// Backend is the name of the one that they are of; empty: all.
	Backend string
	// Limit of the page; 0: 100, and at most 1000.
	Limit int
	// Cursor of the page before; empty: from the first one.
	Cursor string
}

// HistoryQuery selects lines of history.
type HistoryQuery struct {
	// What is one of HistorySubjects; empty: all.
	What string
	// Backend is the name of the one that they are about; empty: all.
	Backend string
	// Since is the first time; zero: from the first line on.
	Since time.Time
	// Until is the last time; zero: to the last line.
	Until time.Time
}
