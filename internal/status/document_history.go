package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Subjects of history: what a line is about, and what can be asked for.
const (
	HistoryTasks       = "tasks"       // tasks that ended
	HistoryChecks      = "checks"      // proofs that a backend works, or how it failed
	HistoryTransitions = "transitions" // changes of health, and marks that were cleared
	HistoryWorkers     = "workers"     // workers that were replaced
)

// HistorySubjects lists them, in the order that people see them.
var HistorySubjects = []string{HistoryTasks, HistoryChecks, HistoryTransitions, HistoryWorkers}

// What changed in a line of transitions.
const (
	OfHealth = "health" // its health
	OfMark   = "mark"   // its mark was cleared
)

// Resolutions of lines that sum up others.
const (
	ResolutionHour = "hour" // of an hour
	ResolutionDay  = "day"  // of a day, in UTC
)

// HealthChange is how a backend's health changed, and why.
type HealthChange struct {
	// State before: unknown, healthy, degraded, unhealthy or misconfigured.
	Old string `json:"old"`
	// State after.
	New string `json:"new"`
	// The error, or the work that went well, in words; cut after 300 bytes.
	Why string `json:"why"`
}

// WorkerChange is why a worker was replaced, the how-many-th time since the service began.
type WorkerChange struct {
	// The how-many-th time since the service began.
	Restarts uint64 `json:"restarts"`
	// Why it was replaced, in one line; cut after 300 bytes.
	Why string `json:"why"`
}

// CheckLine is one proof of a backend: it works, or how it failed.
type CheckLine struct {
	// Time of the proof.
	Time time.Time
	// Backend is its name.
	Backend string
	// By is the kind of the task that proved it.
	By string
	// OK says that it works.
	OK bool
	// LatencyMS is how long it took to answer, in milliseconds; negative: that was not measured.
	LatencyMS float64
	// Class of the error; empty where it works.
	Class string
}

// MarkLine is a backend whose last mark was cleared.
type MarkLine struct {
	// Time at which it was seen to be clean.
	Time time.Time
	// Backend is its name.
	Backend string
	// DirtySeconds is how long the mark stood.
	DirtySeconds float64
	// Why says by whom it was cleared; empty for a sync.
	Why string
}

// SumLine stands for many lines of one subject and backend that are too old to be kept.
type SumLine struct {
	// What is one of HistorySubjects.
	What string
	// Resolution is how much time is summed up: ResolutionHour or ResolutionDay.
	Resolution string
	// Time is when the hour or the day (UTC) begins.
	Time time.Time
	// Backend is its name.
	Backend string
	// Kind of the tasks, or that of those that proved it of checks.
	Kind string
	// Count is how many lines it stands for.
	Count int64
	// OK is how many of them went well.
	OK int64
	// Timed is how many of them have a duration: the following are of these.
	Timed int64
	// Least is the shortest duration.
	Least time.Duration
	// Most is the longest duration.
	Most time.Duration
	// Total is all durations together.
	Total time.Duration
}

type checkDoc struct {
	// Always checks.
	What string `json:"what"`
	// When it was told.
	Time *string `json:"time"`
	// Name of the backend.
	Backend string `json:"backend"`
	// Kind of the task that told it: health_check, or work such as pin_sync.
	By string `json:"by"`
	// Whether the backend works.
	OK bool `json:"ok"`
	// Milliseconds that it took to answer; null where that was not measured.
	Latency *float `json:"latency_ms"`
	// Class of the error: auth, quota, network, server or configuration; null where it works.
	Class *string `json:"class"`
}

// HistoryCheck is a line of history.
func HistoryCheck(l CheckLine) ([]byte, error) {
	d := checkDoc{What: HistoryChecks, Time: isoTime(l.Time), Backend: l.Backend, By: l.By, OK: l.OK, Class: textOrNull(l.Class)}
	if l.LatencyMS >= 0 {
		ms := float(l.LatencyMS)
		d.Latency = &ms
	}
	return line(d)
}

type markDoc struct {
	// Always transitions.
	What string `json:"what"`
	// When it was seen to be clean.
	Time *string `json:"time"`
	// Name of the backend.
	Backend string `json:"backend"`
	// Always mark: the last mark of the backend was cleared.
	Of string `json:"of"`
	// Always dirty.
	Old string `json:"old"`
	// Always clean.
	New string `json:"new"`
	// By whom it was cleared; empty for a sync.
	Why string `json:"why"`
	// Seconds that the mark stood.
	Dirty float `json:"dirty_seconds"`
}

// HistoryMark is a line of history.
func HistoryMark(l MarkLine) ([]byte, error) {
	return line(markDoc{HistoryTransitions, isoTime(l.Time), l.Backend, OfMark, "dirty", "clean", l.Why, float(l.DirtySeconds)})
}

type healthChangeDoc struct {
	// Always transitions.
	What string `json:"what"`
	// When it changed.
	Time *string `json:"time"`
	// Name of the backend.
	Backend string `json:"backend"`
	// Always health.
	Of string `json:"of"`
	HealthChange
}

// HistoryHealth is a line of history.
func HistoryHealth(t time.Time, backend string, c HealthChange) ([]byte, error) {
	return line(healthChangeDoc{HistoryTransitions, isoTime(t), backend, OfHealth, c})
}

type workerChangeDoc struct {
	// Always workers.
	What string `json:"what"`
	// When it was replaced.
	Time *string `json:"time"`
	// Name of the worker: metadata_reader, dirty_monitor, health_monitor or task_executor.
	Worker string `json:"worker"`
	WorkerChange
}

// HistoryWorker is a line of history.
func HistoryWorker(t time.Time, worker string, c WorkerChange) ([]byte, error) {
	return line(workerChangeDoc{HistoryWorkers, isoTime(t), worker, c})
}

type endedTaskDoc struct {
	// Always tasks.
	What string `json:"what"`
	// When it ended; the same as finished.
	Time *string `json:"time"`
	taskDoc
}

// HistoryTask is a line of history: a task at its end.
func HistoryTask(t Task) ([]byte, error) {
	return line(endedTaskDoc{HistoryTasks, isoTime(t.Finished), taskOf(t)})
}

// spread is what durations are from least to most, in the unit that its key names.
type spread struct {
	// How many of the lines it is of; those without a time are not in it.
	Count int64 `json:"count"`
	// The shortest, in the unit of the key above.
	Min float `json:"min"`
	// Their mean, in that unit.
	Mean float `json:"mean"`
	// The longest, in that unit.
	Max float `json:"max"`
	// All together, in that unit.
	Sum float `json:"sum"`
}

type sumDoc struct {
	// What it is a sum of: tasks, checks or transitions.
	What string `json:"what"`
	// When the hour or day (UTC) begins.
	Time *string `json:"time"`
	// hour or day: how much time is summed up.
	Resolution string `json:"resolution"`
	// Name of the backend.
	Backend string `json:"backend"`
	// Always mark, of transitions; absent otherwise.
	Of string `json:"of,omitempty"`
	// Of checks, the kind of the task that told them; absent otherwise.
	By string `json:"by,omitempty"`
	// Of tasks, their kind; absent otherwise.
	Kind string `json:"kind,omitempty"`
	// How many lines it stands for.
	Count int64 `json:"count"`
	// How many of them went well: tasks that were done, checks that found that it works, marks that a sync cleared.
	OK int64 `json:"ok"`
	// Of checks, the milliseconds that they took to answer; absent where none was measured.
	Latency *spread `json:"latency_ms,omitempty"`
	// Of transitions, the seconds that marks stood; absent otherwise.
	Dirty *spread `json:"dirty_seconds,omitempty"`
	// Of tasks, the seconds from their last start to their end; absent where none was measured.
	Took *spread `json:"seconds,omitempty"`
}

// HistorySum is a line of history that stands for many.
func HistorySum(l SumLine) ([]byte, error) {
	d := sumDoc{What: l.What, Time: isoTime(l.Time), Resolution: l.Resolution, Backend: l.Backend, Count: l.Count, OK: l.OK}
	in := func(unit time.Duration) *spread {
		if l.Timed == 0 {
			return nil
		}
		per := func(d time.Duration) float { return float(float64(d) / float64(unit)) }
		return &spread{l.Timed, per(l.Least), per(l.Total / time.Duration(l.Timed)), per(l.Most), per(l.Total)}
	}
	switch l.What {
	case HistoryChecks:
		d.By, d.Latency = l.Kind, in(time.Millisecond)
	case HistoryTransitions:
		d.Of, d.Dirty = OfMark, in(time.Second)
	default:
		d.Kind, d.Took = l.Kind, in(time.Second)
	}
	return line(d)
}

type historyErrorDoc struct {
	// Why the history could not be read to its end, in words; the last line then.
	Error string `json:"error"`
}

// HistoryError is the last line of a history that could not be read to its end.
func HistoryError(err error) []byte {
	b, e := line(historyErrorDoc{err.Error()})
	if e != nil {
		return []byte("{\"error\":\"the history could not be read\"}\n")
	}
	return b
}

// line writes a document in one line, with its end.
func line(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write a line of history: %w", err)
	}
	return buf.Bytes(), nil
}
