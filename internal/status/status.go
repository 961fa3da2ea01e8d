// Package status is the one set of structs that the command line, D-Bus and
// later REST show. It imports nothing of the project but human.
package status

import "time"

// States of the service (Manager.State).
const (
	StateStarting = "starting"
	StateWaiting  = "waiting"
	StateRunning  = "running"
	StateDegraded = "degraded"
	StatePaused   = "paused"
	StateStopping = "stopping"
)

// States of a backend's health.
const (
	HealthUnknown       = "unknown"
	HealthHealthy       = "healthy"
	HealthDegraded      = "degraded"
	HealthUnhealthy     = "unhealthy"
	HealthMisconfigured = "misconfigured"
)

// Kinds of tasks.
const (
	KindPinSync        = "pin_sync"
	KindBackupBuckets  = "backup_buckets"
	KindBackupMetadata = "backup_metadata"
	KindHealthCheck    = "health_check"
	KindCleanup        = "cleanup"
	KindVerify         = "verify"
	KindRestore        = "restore"
)

// States of a task.
const (
	TaskQueued       = "queued"
	TaskRunning      = "running"
	TaskWaitingRetry = "waiting_retry"
	TaskBlocked      = "blocked"
	TaskDone         = "done"
	TaskPartial      = "partial"
	TaskFailed       = "failed"
	TaskCancelled    = "cancelled"
)

// Names of the workers.
const (
	WorkerMetadataReader = "metadata_reader"
	WorkerDirtyMonitor   = "dirty_monitor"
	WorkerHealthMonitor  = "health_monitor"
	WorkerTaskExecutor   = "task_executor"
)

// Workers lists the four, in the order that people see them.
var Workers = []string{WorkerMetadataReader, WorkerDirtyMonitor, WorkerHealthMonitor, WorkerTaskExecutor}

// Manager is the service as a whole: the properties of the D-Bus object. Times that are zero mean never.
type Manager struct {
	Version, Home, State, StateReason                     string
	Buckets, Backends, DirtyBackends, BlockedBackends     uint64
	UnhealthyBackends, FilesystemBackends                 uint64
	HealthPercent                                         float64
	TasksActive, TasksQueued, TasksCompleted, TasksFailed uint64
	OldestDirty                                           time.Time
	DirtyPerMinute, MendedPerMinute                       float64
	ExpectedClean, Started, LastScan, NextWake            time.Time
	// Paused says that no new task starts; PausedUntil is zero then when only a person ends it.
	Paused      bool
	PausedUntil time.Time
	Alerts      []Alert
}

// Alert is one standing alert.
type Alert struct {
	Code, Severity, Title string
	Since                 time.Time
}

// HomeAbsent is the reason of a service that waits for its home to be made or mounted.
const HomeAbsent = "the home is not there"

// Backend is one backend: the properties of its D-Bus object.
type Backend struct {
	Name, Type, Endpoint, Health string
	// RawType is the type as its configuration or the registry spells it, aliases and all.
	RawType              string
	Dirty                bool
	PendingActions       uint64
	Blocked              string
	DirtySince, LastSync time.Time
	LastCheck, NextRetry time.Time
	// ResponseMS is the mean of the last checks.
	ResponseMS   float64
	ErrorCount   uint64
	LastError    string
	Pins         uint64
	StorageBytes uint64
	// AvailableBytes is -1 when not known.
	AvailableBytes               int64
	LastBackup, LastRestoreProof time.Time
	Paused                       bool
	// Risk is from 0 to 1, -1 when not known.
	Risk        float64
	RiskReasons []string
	// ConfigFile is the file that configures it, absolute; empty where there is none, and the registry or a mark names it.
	ConfigFile string
	// Filesystem says that its type is one of file systems; NeedsSync and NeedsBackup are upstream's.
	Filesystem, NeedsSync, NeedsBackup bool
}

// Task is one task: the properties of its D-Bus object.
type Task struct {
	ID                         uint64
	Kind, Backend, State       string
	Priority                   uint8
	Attempt                    uint32
	Progress                   float64
	ProgressValid              bool
	ItemsDone, ItemsTotal      uint64
	BytesDone, BytesTotal      uint64
	BytesPerSecond             uint64
	Reason                     string
	Created, Started, Finished time.Time
	ExpectedEnd, NextTry       time.Time
	Error                      string
	Log                        []string
	Cancelable                 bool
}

// Worker is one worker: the properties of its D-Bus object.
type Worker struct {
	Name, State string
	Healthy     bool
	LastBeat    time.Time
	// Interval is zero for continuous.
	Interval   time.Duration
	Iterations uint64
	Restarts   uint64
	LastError  string
	NextRun    time.Time
}

// ErrorEntry is one kind of trouble of one backend, counted.
type ErrorEntry struct {
	Backend, Class, Message string
	First, Last             time.Time
	Count                   uint64
}

// BackendQuery selects and pages backends, in the order of their names.
type BackendQuery struct {
	// State is a health state, or dirty, clean, blocked, paused; empty: all.
	State, Type string
	// Dirty selects by it when not nil.
	Dirty  *bool
	Names  []string
	Limit  int
	Cursor string
}

// TaskQuery selects and pages tasks, newest first.
type TaskQuery struct {
	State, Backend string
	Since          time.Time
	Limit          int
	Cursor         string
}

// ErrorQuery selects and pages errors.
type ErrorQuery struct {
	Backend string
	Limit   int
	Cursor  string
}

// HistoryQuery selects lines of history.
type HistoryQuery struct {
	What, Backend string
	Since, Until  time.Time
}
