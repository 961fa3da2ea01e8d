package status

// EventKind tells what an Event is about.
type EventKind uint8

// Kinds of events. Those without a signal of their own only say that properties changed.
const (
	// ManagerChanged: properties of the manager changed.
	ManagerChanged EventKind = iota
	// BackendChanged: properties of the backend changed.
	BackendChanged
	// BackendAdded and BackendGone: the set of backends changed.
	BackendAdded
	BackendGone
	// BackendDirty: it became dirty, or a new mark came (N is its unsynced actions).
	BackendDirty
	// BackendClean: its last mark is cleared.
	BackendClean
	// BackendHealth: its health went from Old to New; Why says it.
	BackendHealth
	// TaskNew, TaskChanged, TaskFinished: Task is a copy at that moment. TaskForgotten: it leaves the bus.
	TaskNew
	TaskChanged
	// TaskProgress is TaskChanged that may wait a second.
	TaskProgress
	TaskFinished
	TaskForgotten
	// WorkerChanged: properties changed. WorkerRestarted: it was replaced (N restarts so far, Why).
	WorkerChanged
	WorkerRestarted
	// MetadataChanged: registries were read anew (N is the generation).
	MetadataChanged
	// AlertRaised and AlertCleared carry Alert.
	AlertRaised
	AlertCleared
)

// Event is one thing that happened, for everybody who shows it.
type Event struct {
	Kind     EventKind
	Backend  string
	Worker   string
	Task     Task
	N        uint64
	Old, New string
	Why      string
	Alert    Alert
	Details  map[string]any
}
