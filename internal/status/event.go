package status

// EventKind tells what an Event is about.
type EventKind uint8

// Kinds of events. Those without a signal of their own only say that properties changed.
const (
	// ManagerChanged: properties of the manager changed.
	ManagerChanged EventKind = iota
	// BackendChanged: properties of the backend changed.
	BackendChanged
	// BackendAdded: a backend came.
	BackendAdded
	// BackendGone: a backend went.
	BackendGone
	// BackendDirty: it became dirty, or a new mark came (N is its unsynced actions).
	BackendDirty
	// BackendClean: its last mark is cleared.
	BackendClean
	// BackendHealth: its health went from Old to New; Why says it.
	BackendHealth
	// TaskNew: a task was made. In all events of tasks Task is a copy at that moment.
	TaskNew
	// TaskChanged: properties of a task changed.
	TaskChanged
	// TaskProgress is TaskChanged that may wait a second.
	TaskProgress
	// TaskFinished: it ended.
	TaskFinished
	// TaskForgotten: it leaves the bus.
	TaskForgotten
	// WorkerChanged: properties of the worker changed.
	WorkerChanged
	// WorkerRestarted: it was replaced (N restarts so far, Why).
	WorkerRestarted
	// MetadataChanged: registries were read anew (N is the generation).
	MetadataChanged
	// AlertRaised: Alert stands from now on. This version raises none.
	AlertRaised
	// AlertCleared: the alert of the code of Alert stands no more.
	AlertCleared
)

// Event is one thing that happened, for everybody who shows it. What its kind does not speak of is empty.
type Event struct {
	// Kind is what happened.
	Kind EventKind
	// Backend is the name of the one that it is about.
	Backend string
	// Worker is the name of the one that it is about.
	Worker string
	// Task is a copy of the one that it is about, at that moment.
	Task Task
	// N is the number that the kind speaks of.
	N uint64
	// Old is the state before.
	Old string
	// New is the state after.
	New string
	// Why says the reason in words.
	Why string
	// Alert that was raised or cleared.
	Alert Alert
	// Details of an alert that was raised, by name.
	Details map[string]any
}
