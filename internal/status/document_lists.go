package status

import "time"

type tasksDoc struct {
	Tasks  []taskLine `json:"tasks"`
	Cursor string     `json:"cursor"`
}

// taskLine is what a list of tasks tells of each.
type taskLine struct {
	ID       uint64 `json:"id"`
	Kind     string `json:"kind"`
	Backend  string `json:"backend"`
	State    string `json:"state"`
	Progress float  `json:"progress"`
}

// TasksDocument is what `tasks --json` prints: one page; the cursor is empty at the end.
func TasksDocument(page []Task, cursor string) ([]byte, error) {
	d := tasksDoc{Tasks: make([]taskLine, 0, len(page)), Cursor: cursor}
	for _, t := range page {
		d.Tasks = append(d.Tasks, taskLine{t.ID, t.Kind, t.Backend, t.State, float(t.Progress)})
	}
	return marshal("tasks", d)
}

// TaskDocument is what `task show --json` prints.
func TaskDocument(t Task) ([]byte, error) { return marshal("task", taskOf(t)) }

type backendsDoc struct {
	Backends []backendLine `json:"backends"`
	Cursor   string        `json:"cursor"`
}

// backendLine is what a list of backends tells of each.
type backendLine struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Health     string `json:"health"`
	Dirty      bool   `json:"dirty"`
	Pending    uint64 `json:"pending_actions"`
	ResponseMS float  `json:"response_time_ms"`
}

// BackendsDocument is what `backends --json` prints: one page; the cursor is empty at the end.
func BackendsDocument(page []Backend, cursor string) ([]byte, error) {
	d := backendsDoc{Backends: make([]backendLine, 0, len(page)), Cursor: cursor}
	for _, b := range page {
		d.Backends = append(d.Backends, backendLine{b.Name, b.Type, b.Health, b.Dirty, b.PendingActions, float(b.ResponseMS)})
	}
	return marshal("backends", d)
}

type errorsDoc struct {
	Errors []errorLine `json:"errors"`
	Cursor string      `json:"cursor"`
}

type errorLine struct {
	Backend string  `json:"backend"`
	Class   string  `json:"class"`
	Message string  `json:"message"`
	First   *string `json:"first_seen"`
	Last    *string `json:"last_seen"`
	Count   uint64  `json:"count"`
}

// ErrorsDocument is what `errors --json` prints: one page; the cursor is empty at the end.
func ErrorsDocument(page []ErrorEntry, cursor string) ([]byte, error) {
	d := errorsDoc{Errors: make([]errorLine, 0, len(page)), Cursor: cursor}
	for _, e := range page {
		d.Errors = append(d.Errors, errorLine{e.Backend, e.Class, e.Message, isoTime(e.First), isoTime(e.Last), e.Count})
	}
	return marshal("errors", d)
}

type explainDoc struct {
	Backend  string         `json:"backend"`
	Details  backendDetails `json:"details"`
	Decision []string       `json:"decision"`
	Wants    []wantDoc      `json:"wants"`
	Waits    []waitDoc      `json:"waits"`
}

type wantDoc struct {
	Kind     string `json:"kind"`
	Mode     string `json:"mode"`
	Reason   string `json:"reason"`
	Priority uint8  `json:"priority"`
	Asked    bool   `json:"asked"`
}

type waitDoc struct {
	Kind    string  `json:"kind"`
	Reason  string  `json:"reason"`
	Blocked bool    `json:"blocked"`
	Until   *string `json:"until"`
}

// ExplainDocument is what `explain --json` prints: the backend, the planner's
// reasons in words, what it wants done now, and what it waits with and for what.
func ExplainDocument(b Backend, decision []string, wants []Want, waits []Wait) ([]byte, error) {
	d := explainDoc{Backend: b.Name, Details: detailsOf(b), Wants: []wantDoc{}, Waits: []waitDoc{}}
	d.Decision, _ = list(decision, true)
	for _, w := range wants {
		d.Wants = append(d.Wants, wantDoc(w))
	}
	for _, w := range waits {
		d.Waits = append(d.Waits, waitDoc{w.Kind, w.Reason, w.Blocked, isoTime(w.Until)})
	}
	return marshal("explain", d)
}

type whereDoc struct {
	CID     string      `json:"cid"`
	Copies  int         `json:"copies"`
	Holders []holderDoc `json:"holders"`
}

type holderDoc struct {
	Backend  string  `json:"backend"`
	State    string  `json:"state"`
	Target   string  `json:"target"`
	Bytes    uint64  `json:"bytes"`
	Pinned   *string `json:"pinned"`
	Verified *string `json:"verified"`
	Error    *string `json:"error"`
}

// WhereDocument is what `where --json` prints; holders that failed are listed and not counted as copies.
func WhereDocument(cid string, holders []Holder) ([]byte, error) {
	d := whereDoc{CID: cid, Holders: make([]holderDoc, 0, len(holders))}
	for _, h := range holders {
		if h.Error == "" && h.State != "failed" && h.State != "pending" {
			d.Copies++
		}
		d.Holders = append(d.Holders, holderDoc{h.Backend, h.State, h.Target, h.Bytes, isoTime(h.Pinned), isoTime(h.Verified), textOrNull(h.Error)})
	}
	return marshal("where", d)
}

type planDoc struct {
	At       *string       `json:"at"`
	Backends []backendPlan `json:"backends"`
	Actions  int           `json:"action_count"`
	Bytes    uint64        `json:"bytes"`
}

type backendPlan struct {
	Backend   string      `json:"backend"`
	Mode      string      `json:"mode"`
	Count     int         `json:"action_count"`
	Actions   []actionRow `json:"actions"`
	Truncated bool        `json:"truncated,omitempty"`
	Blocked   *string     `json:"blocked"`
	Error     *string     `json:"error"`
}

type actionRow struct {
	Action string `json:"action"`
	CID    string `json:"cid"`
	Reason string `json:"reason"`
	Bytes  uint64 `json:"bytes"`
}

// PlanSyncDocument is what `sync --dry-run --json` prints.
func PlanSyncDocument(plans []Plan, now time.Time) ([]byte, error) {
	d := planDoc{At: isoTime(now), Backends: make([]backendPlan, 0, len(plans))}
	for _, p := range plans {
		rows := make([]actionRow, 0, len(p.Actions))
		for _, a := range p.Actions {
			rows = append(rows, actionRow(a))
			d.Bytes += a.Bytes
		}
		b := backendPlan{Backend: p.Backend, Mode: p.Mode, Count: max(p.Count, len(rows)), Blocked: textOrNull(p.Blocked), Error: textOrNull(p.Error)}
		b.Actions, b.Truncated = list(rows, false)
		b.Truncated = b.Truncated || b.Count > len(b.Actions)
		d.Actions += b.Count
		d.Backends = append(d.Backends, b)
	}
	return marshal("plan", d)
}

type outcomesDoc struct {
	Tasks []taskDoc `json:"tasks"`
}

// OutcomesDocument is what commands with --wait --json print: each task, whole.
func OutcomesDocument(tasks []Task) ([]byte, error) {
	d := outcomesDoc{make([]taskDoc, 0, len(tasks))}
	for _, t := range tasks {
		d.Tasks = append(d.Tasks, taskOf(t))
	}
	return marshal("outcomes", d)
}
