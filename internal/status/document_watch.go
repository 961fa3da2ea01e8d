package status

import "encoding/json"

// Happening is a line of `watch --json`: one thing that happened, as the command line makes it of signals.
type Happening struct {
	// When it was heard.
	Time string `json:"time"`
	// What happened: state (how things are, whole), service_stopped, backend_dirty, backend_clean, backend_health,
	// backend_added, backend_removed, task_new, task_finished, task_removed (it left the bus), worker_restarted,
	// metadata_changed, alert_raised, alert_cleared; service_changed, backend_changed, task_changed or worker_changed.
	Event string `json:"event"`
	// Name of the backend that it is about; absent for none.
	Backend string `json:"backend,omitempty"`
	// Id of the task that it is about; absent for none.
	Task uint64 `json:"task,omitempty"`
	// Kind of that task; absent where that is not known.
	Kind string `json:"kind,omitempty"`
	// Name of the worker that it is about; absent for none.
	Worker string `json:"worker,omitempty"`
	// What else the signal says, with the names and units of the D-Bus interface, and of a task that finished its state;
	// absent for nothing.
	Fields map[string]any `json:"fields,omitempty"`
	// Properties that changed, with the names and units of the D-Bus interface; absent in other events.
	Changed map[string]any `json:"changed,omitempty"`
	// Of the event state, the document of status --detailed --json; absent in others.
	Status json.RawMessage `json:"status,omitempty"`
}
