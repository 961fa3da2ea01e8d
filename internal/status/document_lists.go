package status

import "time"

type tasksDoc struct {
	// One page, newest first.
	Tasks []taskLine `json:"tasks"`
	// Where the next page begins, to be given as it is; empty at the end.
	Cursor string `json:"cursor"`
}

// taskLine is what a list of tasks tells of each.
type taskLine struct {
	// Never used twice, also across restarts.
	ID uint64 `json:"id"`
	// pin_sync, backup_buckets, backup_metadata, health_check, cleanup, verify or restore.
	Kind string `json:"kind"`
	// Name of the backend that it works on.
	Backend string `json:"backend"`
	// queued, running, waiting_retry, blocked, done, partial, failed or cancelled.
	State string `json:"state"`
	// Part that is done, 0 to 1; 0.0 also where it is not known.
	Progress float `json:"progress"`
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
	// One page, in the order of names.
	Backends []backendLine `json:"backends"`
	// Where the next page begins, to be given as it is; empty at the end.
	Cursor string `json:"cursor"`
}

// backendLine is what a list of backends tells of each.
type backendLine struct {
	// Its name: the stem of its configuration file.
	Name string `json:"name"`
	// Its type, aliases resolved; empty where only a mark names it.
	Type string `json:"type"`
	// unknown, healthy, degraded, unhealthy or misconfigured.
	Health string `json:"health"`
	// Whether a mark stands.
	Dirty bool `json:"dirty"`
	// Unsynced actions of its marks.
	Pending uint64 `json:"pending_actions"`
	// Milliseconds that a check takes: a mean in which the last sixteen or so count; 0.0 for none.
	ResponseMS float `json:"response_time_ms"`
	// Whether it is dirty and waits for what nobody here has; why, status tells.
	Blocked bool `json:"is_blocked"`
	// Whether nothing new begins for it: a person or its configuration paused it.
	Paused bool `json:"paused"`
}

// BackendsDocument is what `backends --json` prints: one page; the cursor is empty at the end.
func BackendsDocument(page []Backend, cursor string) ([]byte, error) {
	d := backendsDoc{Backends: make([]backendLine, 0, len(page)), Cursor: cursor}
	for _, b := range page {
		d.Backends = append(d.Backends, backendLine{b.Name, b.Type, b.Health, b.Dirty, b.PendingActions, float(b.ResponseMS), b.Blocked != "", b.Paused})
	}
	return marshal("backends", d)
}

type errorsDoc struct {
	// One page: what came last for the first time is first.
	Errors []errorLine `json:"errors"`
	// Where the next page begins, to be given as it is; empty at the end.
	Cursor string `json:"cursor"`
}

type errorLine struct {
	// Name of the backend.
	Backend string `json:"backend"`
	// auth, quota, network, server, content (of one item, not of the backend) or configuration.
	Class string `json:"class"`
	// What went wrong, in words.
	Message string `json:"message"`
	// When it came first.
	First *string `json:"first_seen"`
	// When it came last.
	Last *string `json:"last_seen"`
	// How often it came.
	Count uint64 `json:"count"`
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
	// Name of the backend.
	Backend string `json:"backend"`
	// What is known of it; as backend_status_details of status.
	Details backendDetails `json:"details"`
	// The planner's reasons, in words.
	Decision []string `json:"decision"`
	// What should be done now; empty for nothing.
	Wants []wantDoc `json:"wants"`
	// What will be done later, or would be but for something; empty for nothing.
	Waits []waitDoc `json:"waits"`
}

type wantDoc struct {
	// Kind of the task: pin_sync, backup_buckets, backup_metadata, health_check or verify.
	Kind string `json:"kind"`
	// Of a pin_sync: delta (what the marks name) or reconcile (compared whole); else empty.
	Mode string `json:"mode"`
	// Why, in words.
	Reason string `json:"reason"`
	// 1 is the most urgent, 10 the least.
	Priority uint8 `json:"priority"`
	// Whether a person or a program asked for it.
	Asked bool `json:"asked"`
}

type waitDoc struct {
	// Kind of the task.
	Kind string `json:"kind"`
	// What it waits for, in words.
	Reason string `json:"reason"`
	// Whether it waits for something that nobody here has, and not just for its time.
	Blocked bool `json:"blocked"`
	// When it is looked at again by itself; null where only a change or a person ends the wait.
	Until *string `json:"until"`
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
	// The CID that was asked for.
	CID string `json:"cid"`
	// Holders that are neither pending nor failed and whose row tells no error.
	Copies int `json:"copies"`
	// Backends whose mapping lists the CID; empty for none.
	Holders []holderDoc `json:"holders"`
}

type holderDoc struct {
	// Name of the backend.
	Backend string `json:"backend"`
	// Status of the row in its mapping: stored, pending, failed, or what else upstream wrote.
	State string `json:"state"`
	// Where the backend is, without credentials; empty where it is not counted any more.
	Target string `json:"target"`
	// Size of the content in bytes; 0 where the row does not say.
	Bytes uint64 `json:"bytes"`
	// When the row was made; null where it does not say.
	Pinned *string `json:"pinned"`
	// When the content was last verified there; null for never.
	Verified *string `json:"verified"`
	// What is wrong with the copy, or why the mapping can't be read; null for nothing.
	Error *string `json:"error"`
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
	// The time of the plan.
	At *string `json:"at"`
	// What would be done, a backend each.
	Backends []backendPlan `json:"backends"`
	// Steps of all backends.
	Actions int `json:"action_count"`
	// Bytes that the listed steps would move, as far as sizes are known.
	Bytes uint64 `json:"bytes"`
}

type backendPlan struct {
	// Name of the backend.
	Backend string `json:"backend"`
	// delta (what the marks name) or reconcile (compared whole).
	Mode string `json:"mode"`
	// How many steps there are, also where the list is cut.
	Count int `json:"action_count"`
	// The steps; at most 100.
	Actions []actionRow `json:"actions"`
	// True where actions is cut; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
	// What it would wait for: content that nobody here has, or a person's word for removals; null for nothing.
	Blocked *string `json:"blocked"`
	// Why it could not be planned, in words; null where it could.
	Error *string `json:"error"`
}

type actionRow struct {
	// put (store it), verify (it should be there: look), no source (nobody here has it), remove, or keep (its removal
	// is asked for, and waits).
	Action string `json:"action"`
	// The content that it is about.
	CID string `json:"cid"`
	// Why, in words; empty for a removal.
	Reason string `json:"reason"`
	// Size in bytes; 0 where it is not known.
	Bytes uint64 `json:"bytes"`
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
	// The tasks that were asked for, as they ended or, after a time-out, as they are.
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
