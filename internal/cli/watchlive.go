package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

// redraw is the least time between two drawings.
const redraw = 400 * time.Millisecond

// live is a table that is drawn over and over where it stands on the terminal.
type live struct {
	a     *app
	drawn int // lines that stand there
	kick  chan struct{}
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

func newLive(a *app) *live { return &live{a: a, kick: make(chan struct{}, 1), stop: func() {}} }

func (l *live) state(ctx context.Context, c *client.Client) error {
	ctx, l.stop = context.WithCancel(ctx)
	l.wg.Go(func() { l.follow(ctx, c) })
	return nil
}

func (l *live) event(context.Context, *client.Client, status.Happening) error {
	select {
	case l.kick <- struct{}{}:
	default: // it is to be drawn anyway
	}
	return nil
}

func (l *live) stopped() error {
	l.end()
	return l.draw([]string{l.a.style.warn("The service has stopped; its return is waited for."),
		"Next: " + l.a.name + " start --detach   (Ctrl-C ends this)"})
}

func (l *live) end() {
	l.stop()
	l.wg.Wait()
}

// follow draws how things are: now, after events, and at times because ages grow.
func (l *live) follow(ctx context.Context, c *client.Client) {
	for {
		if doc, err := c.Status(ctx, false, nil, ""); err == nil { // without one the end is near, and is told elsewhere
			var v statusView
			if decode(doc, &v) == nil && l.draw(l.table(v)) != nil {
				return
			}
		}
		for _, wait := range []struct {
			at  time.Duration
			new <-chan struct{}
		}{{redraw, nil}, {lookAgain, l.kick}} {
			t := l.a.clk.NewTimer(wait.at)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			case <-wait.new:
				t.Stop()
			}
		}
	}
}

// draw replaces what stands there.
func (l *live) draw(lines []string) error {
	var sb strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&sb, "\x1b[%dA", l.drawn)
	}
	for _, line := range lines {
		sb.WriteString("\r\x1b[K" + line + "\n")
	}
	sb.WriteString("\x1b[J")
	l.drawn = len(lines)
	_, err := fmt.Fprint(l.a.env.Stdout, sb.String())
	return err
}

// table is as many lines as the terminal has, problems first.
func (l *live) table(v statusView) []string {
	columns, height := l.a.style.size()
	head := []string{l.a.style.bold(cut(headline(v), columns))}
	if v.Service.Reason != "" {
		head = append(head, l.a.style.warn(cut(v.Service.Reason, columns)))
	}
	for _, alert := range v.Alerts {
		head = append(head, l.a.style.bad(cut(alert.Severity+": "+alert.Title, columns)))
	}
	var foot []string
	for _, line := range l.a.counts(v) {
		for _, part := range wrap(line, countsIndent, columns) {
			foot = append(foot, cut(part, columns))
		}
	}
	room := max(height-1-len(head)-len(foot), 2)
	tasks := l.tasks(v, columns)
	problems := l.backends(v, columns)
	tasks = limit(tasks, max(room-len(problems), room/2))
	problems = limit(problems, room-len(tasks))
	all := append(append(append(head, problems...), tasks...), foot...)
	return all[:min(len(all), max(height-1, 1))]
}

// limit keeps as many lines as there is room for, and says how many are not shown.
func limit(lines []string, room int) []string {
	if len(lines) <= room || room < 1 {
		return lines[:min(len(lines), max(room, 0))]
	}
	return append(lines[:room-1:room-1], fmt.Sprintf("  … and %d more", len(lines)-room+1))
}

func (l *live) backends(v statusView, columns int) []string {
	var out []string
	plain := app{clk: l.a.clk} // lines are cut, colours are added after
	for _, name := range byUrgency(v.Details) {
		b := v.Details[name]
		text := "  " + name + ": " + strings.Join(append(plain.standing(b, false), b.why()...), ", ")
		text = cut(text, columns)
		switch {
		case b.blockedBy() != "" || b.Health == "unhealthy" || b.Health == "misconfigured":
			text = l.a.style.bad(text)
		case b.Dirty || b.Health == "degraded":
			text = l.a.style.warn(text)
		}
		out = append(out, text)
	}
	if v.Count > len(v.Details) {
		out = append(out, fmt.Sprintf("  … and %d more", v.Count-len(v.Details)))
	}
	return out
}

func (l *live) tasks(v statusView, columns int) []string {
	var out []string
	for _, t := range v.Tasks.Running {
		out = append(out, cut(fmt.Sprintf("  task %d: %s %s: %s", t.ID, t.Kind, t.Backend, l.a.progress(t)), columns))
	}
	return out
}
