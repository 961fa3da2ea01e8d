package dbus

import (
	"context"
	"io"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// Engine is what the bus needs of the service. Reads answer from memory at once;
// nothing waits for a backend. Errors that a caller should see by name are *status.Error.
type Engine interface {
	// Manager is the service as a whole.
	Manager() status.Manager
	// Backend finds one by its name; false where none has it.
	Backend(name string) (status.Backend, bool)
	// Backends pages in the order of names; the cursor is empty at the end.
	Backends(q status.BackendQuery) (page []status.Backend, cursor string, err error)
	// Task finds a live task, or one that ended less than five minutes ago.
	Task(id uint64) (status.Task, bool)
	// Tasks pages live tasks and those that ended, newest first; the cursor is empty at the end.
	Tasks(q status.TaskQuery) (page []status.Task, cursor string, err error)
	// BusTasks are the ids of the tasks that Task finds, in order.
	BusTasks() []uint64
	// Worker finds one by its name; false where none has it.
	Worker(name string) (status.Worker, bool)

	// StatusJSON gives the very bytes that `status --json` prints; so do the following of other commands.
	StatusJSON(ctx context.Context, o StatusOptions) ([]byte, error)
	// InsightsJSON gives what `insights --json` prints.
	InsightsJSON(ctx context.Context) ([]byte, error)
	// HealthJSON gives what `health --json` prints.
	HealthJSON(ctx context.Context) ([]byte, error)
	// ExplainJSON gives what `explain --json` prints of a backend.
	ExplainJSON(ctx context.Context, backend string) ([]byte, error)
	// WhereJSON gives what `where --json` prints of a CID.
	WhereJSON(ctx context.Context, cid string) ([]byte, error)
	// PlanSyncJSON gives what `sync --dry-run --json` prints of the backends; none named: the dirty ones, and all with
	// reconcile. It asks them, and writes nothing.
	PlanSyncJSON(ctx context.Context, backends []string, reconcile bool) ([]byte, error)

	// Sync queues pin_syncs, and returns the ids of the tasks, as the following do; none named: of the dirty ones.
	Sync(ctx context.Context, backends []string, reconcile bool) ([]uint64, error)
	// Check queues health checks; none named: of all that can be used.
	Check(ctx context.Context, backends []string) ([]uint64, error)
	// Backup queues backups of both kinds; none named: on the usual targets.
	Backup(ctx context.Context, backends []string) ([]uint64, error)
	// Verify queues the reading back of what is stored; none named: on all that can be used.
	Verify(ctx context.Context, backends []string) ([]uint64, error)
	// Restore queues a restore of buckets, metadata or pins from a backend, and returns the task's id.
	Restore(ctx context.Context, backend, what string, o RestoreOptions) (uint64, error)
	// Dismiss gives up the blocked actions of a backend; it says how many.
	Dismiss(ctx context.Context, backend string) (uint64, error)

	// Errors pages what went wrong, newest first; the cursor is empty at the end.
	Errors(q status.ErrorQuery) (page []status.ErrorEntry, cursor string, err error)
	// History checks what is asked for; the function that it gives writes newline-delimited JSON until the context or the reader ends.
	History(ctx context.Context, q status.HistoryQuery) (func(context.Context, io.Writer) error, error)

	// Rescan has the whole home read again; it returns at once.
	Rescan(ctx context.Context) error
	// Reload reads the configuration again; one that is wrong is refused, and the old one stays.
	Reload(ctx context.Context) error
	// Pause stops new tasks of one backend, or all when it is empty; d is zero for: until resumed.
	Pause(ctx context.Context, backend string, d time.Duration) error
	// Resume ends a pause of one backend, or of all when it is empty.
	Resume(ctx context.Context, backend string) error
	// CancelTask ends a task: one that runs at an item's border, one that waits at once.
	CancelTask(ctx context.Context, id uint64) error
	// RetryTask lets a task that waits go on now.
	RetryTask(ctx context.Context, id uint64) error
	// RestartWorker replaces a worker by a fresh one.
	RestartWorker(ctx context.Context, name string) error

	// LogLevel is one of the names of LogControl1: emerg … debug.
	LogLevel() string
	// SetLogLevel changes it until the next start.
	SetLogLevel(level string) error
	// LogTarget is journal or console.
	LogTarget() string
}

// StatusOptions are those of GetStatus.
type StatusOptions struct {
	// Detailed gives all backends and every list whole.
	Detailed bool
	// Backends are the names of those that are shown; empty: those that need attention, or all with Detailed.
	Backends []string
	// State shows those in it alone, as BackendQuery has it; empty: any.
	State string
	// Current has the marks read first: what was written an instant before the call counts.
	Current bool
}

// RestoreOptions are those of Restore.
type RestoreOptions struct {
	// Into is the absolute path of the folder that is restored to, which must be there; empty: the home and
	// the backend themselves.
	Into string
	// Backup is the object of the backup that is restored; empty: the newest one.
	Backup string
	// Overwrite lets files that are there be replaced.
	Overwrite bool
}
