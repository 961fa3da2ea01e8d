package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// historyText prints history for people. Checks that went well are only counted
// unless they were asked for, and the tasks that made them are not told twice.
type historyText struct {
	a   *app
	all bool

	checks, checksOK, tasks, done int64
	cleared                       int64
	dirty                         float64
	changes, workers              int64
	lines                         int
}

// show prints one line, or only counts it.
func (h *historyText) show(l *historyLine) error {
	h.lines++
	l.tidy()
	if l.Resolution != "" {
		return h.showSum(l)
	}
	subject, text := l.Backend, ""
	switch l.What {
	case status.HistoryChecks:
		h.checks++
		if string(l.OK) == "true" {
			h.checksOK++
			if !h.all {
				return nil
			}
			text = "check went well" + milliseconds(l.Latency) + by(l.By)
		} else {
			text = h.a.style.warn("check failed") + failure(l.Class) + by(l.By)
		}
	case status.HistoryTasks:
		if l.Kind == status.KindHealthCheck && !h.all {
			return nil // it is told as a check
		}
		h.tasks++
		if l.State == status.TaskDone {
			h.done++
		}
		text = h.taskText(l)
	case status.HistoryTransitions:
		if l.Old == status.HealthUnknown && l.New == status.HealthHealthy && !h.all {
			return nil // its first check, which went well
		}
		text = h.changeText(l)
	case status.HistoryWorkers:
		h.workers++
		subject, text = l.Worker, h.a.style.warn("worker was replaced")+": "+l.Why
	default:
		return nil // a subject that a newer service knows
	}
	h.print(l.Time, "2006-01-02 15:04:05", h.here(), subject, text)
	return nil
}

func (h *historyText) taskText(l *historyLine) string {
	state := l.State
	switch l.State {
	case status.TaskFailed:
		state = h.a.style.bad(state)
	case status.TaskPartial, status.TaskCancelled:
		state = h.a.style.warn(state)
	}
	text := l.Kind + " " + state
	if l.Started != nil && l.Finished != nil {
		from, e1 := time.Parse(time.RFC3339Nano, *l.Started)
		to, e2 := time.Parse(time.RFC3339Nano, *l.Finished)
		if e1 == nil && e2 == nil {
			text += " in " + short(to.Sub(from))
		}
	}
	switch {
	case l.Error != nil && *l.Error != "":
		text += ": " + *l.Error
	case len(l.Log) > 0:
		_, said, _ := strings.Cut(l.Log[len(l.Log)-1], " ") // after its time
		text += ": " + said
	}
	return text
}

func (h *historyText) changeText(l *historyLine) string {
	if l.Of == status.OfMark {
		var seconds float64
		if json.Unmarshal(l.Dirty, &seconds) != nil {
			return l.New
		}
		text := "clean, was dirty for " + short(time.Duration(seconds*float64(time.Second)))
		if l.Why != "" {
			return text + " (" + l.Why + ")"
		}
		h.cleared++
		h.dirty += seconds
		return text
	}
	h.changes++
	text := l.Old + " → " + l.New
	switch l.New {
	case status.HealthUnhealthy, status.HealthMisconfigured:
		text = h.a.style.bad(text)
	case status.HealthDegraded:
		text = h.a.style.warn(text)
	}
	if l.Why != "" {
		text += ": " + l.Why
	}
	return text
}

// showSum prints a line that stands for many.
func (h *historyText) showSum(l *historyLine) error {
	var ok int64
	if err := json.Unmarshal(l.OK, &ok); err != nil {
		return errNoSum
	}
	spread := func(raw json.RawMessage) (s struct{ Count, Mean, Sum float64 }, err error) {
		if len(raw) == 0 || string(raw) == "null" {
			return s, nil
		}
		if json.Unmarshal(raw, &s) != nil {
			return s, errNoSum
		}
		return s, nil
	}
	text := ""
	switch l.What {
	case status.HistoryChecks:
		h.checks += l.Count
		h.checksOK += ok
		if !h.all && ok == l.Count {
			return nil
		}
		s, err := spread(l.Latency)
		if err != nil {
			return err
		}
		text = fmt.Sprintf("%s, %d well", human.Count(l.Count, "check", "checks"), ok)
		if s.Count > 0 { // of some it is not measured
			text += ", " + millis(s.Mean) + " on average"
		}
		text += by(l.By)
	case status.HistoryTasks:
		h.tasks += l.Count
		h.done += ok
		text = fmt.Sprintf("%s: %d, %d done", l.Kind, l.Count, ok)
	case status.HistoryTransitions:
		s, err := spread(l.Dirty)
		if err != nil {
			return err
		}
		h.cleared += ok
		h.dirty += s.Sum
		text = fmt.Sprintf("clean %s, dirty for %s on average", times(l.Count), short(time.Duration(s.Mean*float64(time.Second))))
	}
	if l.Resolution == status.ResolutionDay { // it is one of UTC, and may begin the day before here
		h.print(l.Time, "2006-01-02 UTC     ", time.UTC, l.Backend, text)
		return nil
	}
	h.print(l.Time, "2006-01-02 15h     ", h.here(), l.Backend, text)
	return nil
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// print writes one line, of a terminal as many as it takes.
func (h *historyText) print(stamp, layout string, zone *time.Location, subject, text string) {
	if t, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
		stamp = t.In(zone).Format(layout)
	}
	h.a.line(stamp+"  "+subject+": "+text, "    ")
}

// here is the zone of who reads.
func (h *historyText) here() *time.Location { return h.a.clk.Now().Location() }

// tidy takes from what others wrote all that could move the cursor or paint.
func (l *historyLine) tidy() {
	for _, text := range []*string{&l.Backend, &l.Worker, &l.Why, &l.Old, &l.New, &l.By, &l.Kind, &l.State, l.Error, l.Class} {
		if text != nil {
			*text = tidy(*text)
		}
	}
	for i := range l.Log {
		l.Log[i] = tidy(l.Log[i])
	}
}

func tidy(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)), " ")
}

// sumUp prints what all of it comes to.
func (h *historyText) sumUp(q status.HistoryQuery) {
	now := h.a.clk.Now()
	span := "Since " + q.Since.In(now.Location()).Format("2006-01-02 15:04")
	if !q.Until.IsZero() {
		span = "From " + q.Since.In(now.Location()).Format("2006-01-02 15:04") + " to " + q.Until.In(now.Location()).Format("2006-01-02 15:04")
	}
	if h.lines == 0 {
		h.a.say(span + " nothing is recorded.")
		return
	}
	var parts []string
	add := func(show bool, format string, args ...any) {
		if show {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(h.checks > 0, "%s (%.4g%% went well)", human.Count(h.checks, "check", "checks"), 100*float64(h.checksOK)/max(float64(h.checks), 1))
	add(h.cleared > 0, "clean %s after %s on average", times(h.cleared), short(time.Duration(h.dirty/max(float64(h.cleared), 1)*float64(time.Second))))
	add(h.tasks > 0, "%s (%d done)", human.Count(h.tasks, "task", "tasks"), h.done)
	add(h.changes > 0, "%s of health", human.Count(h.changes, "change", "changes"))
	add(h.workers > 0, "%s replaced", human.Count(h.workers, "worker", "workers"))
	if len(parts) == 0 {
		return
	}
	h.a.line(h.a.style.bold(span+":"), "  ")
	for _, p := range parts {
		h.a.line("  "+p, "    ")
	}
}

func milliseconds(raw json.RawMessage) string {
	var ms float64
	if len(raw) == 0 || json.Unmarshal(raw, &ms) != nil || ms == 0 {
		return ""
	}
	return " in " + millis(ms)
}

func by(task string) string {
	if task == "" || task == status.KindHealthCheck {
		return ""
	}
	return " (" + task + ")"
}

func failure(class *string) string {
	if class == nil {
		return ""
	}
	return ": " + *class
}
