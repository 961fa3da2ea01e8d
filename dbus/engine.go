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
	Manager() status.Manager
	Backend(name string) (status.Backend, bool)
	// Backends pages in the order of names; the cursor is empty at the end.
	Backends(q status.BackendQuery) (page []status.Backend, cursor string, err error)
	// Task finds a live task, or one that ended less than five minutes ago.
	Task(id uint64) (status.Task, bool)
	Tasks(q status.TaskQuery) (page []status.Task, cursor string, err error)
	// BusTasks are the ids of the tasks that Task finds, in order.
	BusTasks() []uint64
	Worker(name string) (status.Worker, bool)

	// StatusJSON, InsightsJSON, HealthJSON, ExplainJSON, WhereJSON and PlanSyncJSON give the very bytes that the commands print with --json.
	StatusJSON(ctx context.Context, o StatusOptions) ([]byte, error)
	InsightsJSON(ctx context.Context) ([]byte, error)
	HealthJSON(ctx context.Context) ([]byte, error)
	ExplainJSON(ctx context.Context, backend string) ([]byte, error)
	WhereJSON(ctx context.Context, cid string) ([]byte, error)
	PlanSyncJSON(ctx context.Context, backends []string, reconcile bool) ([]byte, error)

	// Sync, Check, Backup, Verify and Restore queue tasks and return their ids.
	Sync(ctx context.Context, backends []string, reconcile bool) ([]uint64, error)
	Check(ctx context.Context, backends []string) ([]uint64, error)
	Backup(ctx context.Context, backends []string) ([]uint64, error)
	Verify(ctx context.Context, backends []string) ([]uint64, error)
	Restore(ctx context.Context, backend, what string, o RestoreOptions) (uint64, error)
	// Dismiss gives up the blocked actions of a backend; it says how many.
	Dismiss(ctx context.Context, backend string) (uint64, error)

	Errors(q status.ErrorQuery) (page []status.ErrorEntry, cursor string, err error)
	// History checks what is asked for; the function that it gives writes newline-delimited JSON until the context or the reader ends.
	History(ctx context.Context, q status.HistoryQuery) (func(context.Context, io.Writer) error, error)

	Rescan(ctx context.Context) error
	Reload(ctx context.Context) error
	// Pause stops new tasks of one backend, or all when it is empty; d is zero for: until resumed.
	Pause(ctx context.Context, backend string, d time.Duration) error
	Resume(ctx context.Context, backend string) error
	CancelTask(ctx context.Context, id uint64) error
	RetryTask(ctx context.Context, id uint64) error
	RestartWorker(ctx context.Context, name string) error

	// LogLevel and SetLogLevel use the names of LogControl1: emerg ... debug.
	LogLevel() string
	SetLogLevel(level string) error
	LogTarget() string
}

// StatusOptions are those of GetStatus.
type StatusOptions struct {
	Detailed bool
	Backends []string
	State    string
}

// RestoreOptions are those of Restore.
type RestoreOptions struct {
	Into, Backup string
	Overwrite    bool
}
