package cli

import (
	"fmt"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

const (
	// firstLine is when progress is told first where it can't be drawn over, and progressLines the least time between two lines.
	firstLine     = time.Second
	progressLines = 5 * time.Second
)

// progress is how far a task is, its rate, when it is expected to end, and then what may be cut where a line ends.
func (a *app) progress(t taskView) string {
	var parts []string
	if t.Progress != nil {
		parts = append(parts, fmt.Sprintf("%.0f%%", 100**t.Progress))
	}
	if t.Rate > 0 {
		parts = append(parts, human.Bytes(t.Rate)+"/s")
	}
	if end := a.ago(t.End); strings.HasPrefix(end, "in ") { // one that is past says nothing
		parts = append(parts, "ends "+end)
	}
	if t.ItemsTotal > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d", t.ItemsDone, t.ItemsTotal))
	}
	switch {
	case t.BytesTotal > 0:
		parts = append(parts, human.Bytes(t.BytesDone)+" of "+human.Bytes(t.BytesTotal))
	case t.BytesDone > 0:
		parts = append(parts, human.Bytes(t.BytesDone))
	}
	if len(parts) == 0 {
		return "it runs"
	}
	return strings.Join(parts, ", ")
}

// viewOf is a task as documents have it.
func viewOf(t status.Task) taskView {
	v := taskView{ID: t.ID, Kind: t.Kind, Backend: t.Backend, ItemsDone: t.ItemsDone, ItemsTotal: t.ItemsTotal,
		BytesDone: t.BytesDone, BytesTotal: t.BytesTotal, Rate: t.BytesPerSecond}
	if t.ProgressValid {
		v.Progress = &t.Progress
	}
	if !t.ExpectedEnd.IsZero() {
		end := t.ExpectedEnd.Format(time.RFC3339Nano)
		v.End = &end
	}
	return v
}

// meter shows the progress of tasks that are waited for: one line that is drawn
// over on a terminal, a line now and then elsewhere. It goes to standard error.
type meter struct {
	a     *app
	err   style // of standard error
	total int
	ended map[uint64]bool
	last  time.Time
}

func (a *app) newMeter(total int) *meter {
	return &meter{a: a, err: styleOf(a.env.Stderr, a.env), total: total, ended: map[uint64]bool{}, last: a.clk.Now().Add(firstLine - progressLines)}
}

func (m *meter) show(t status.Task) {
	said := "it waits for its turn"
	switch t.State {
	case status.TaskRunning:
		said = m.a.progress(viewOf(t))
	case status.TaskQueued:
	default:
		m.ended[t.ID] = true
		return
	}
	if m.a.json {
		return
	}
	line := visible(fmt.Sprintf("task %d: %s %s: %s", t.ID, t.Kind, t.Backend, said))
	if m.total > 1 {
		line = fmt.Sprintf("%d of %d tasks ended; ", len(m.ended), m.total) + line
	}
	if m.err.tty != nil {
		columns, _ := m.err.size()
		fmt.Fprintf(m.a.env.Stderr, "\r\x1b[K%s", cut(line, columns-1))
		return
	}
	if now := m.a.clk.Now(); t.State == status.TaskRunning && now.Sub(m.last) >= progressLines {
		m.last = now
		m.a.note(line)
	}
}

// clear takes the line away.
func (m *meter) clear() {
	if m.err.tty != nil && !m.a.json {
		fmt.Fprint(m.a.env.Stderr, "\r\x1b[K")
	}
}
