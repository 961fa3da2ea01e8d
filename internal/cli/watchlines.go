package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// objects prints a JSON object a line.
type objects struct{ a *app }

func (o *objects) print(e status.Happening) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	_, err = fmt.Fprintf(o.a.env.Stdout, "%s\n", b)
	return err
}

func (o *objects) state(ctx context.Context, c *client.Client) error {
	doc, err := c.Status(ctx, true, nil, "")
	if err != nil {
		return err
	}
	return o.print(status.Happening{Time: o.a.stamp(), Event: "state", Status: doc})
}

func (o *objects) event(_ context.Context, _ *client.Client, e status.Happening) error {
	return o.print(e)
}

func (o *objects) stopped() error {
	return o.print(status.Happening{Time: o.a.stamp(), Event: "service_stopped"})
}

func (o *objects) end() {}

// lines prints a line of text for each event.
type lines struct {
	a *app
	// told is the service's state that was said last: a signal of it may come after.
	told string
}

func (l *lines) print(text string) error {
	_, err := fmt.Fprintf(l.a.env.Stdout, "%s %s\n", l.a.clk.Now().Format(time.DateTime), visible(text))
	return err
}

func (l *lines) state(ctx context.Context, c *client.Client) error {
	m, err := c.Properties(ctx)
	if err != nil {
		return err
	}
	l.told = m.State
	return l.print(fmt.Sprintf("The service is %s: %s; %d dirty, %d blocked, %d unhealthy.", m.State,
		human.Count(m.Backends, "backend", "backends"), m.DirtyBackends, m.BlockedBackends, m.UnhealthyBackends))
}

func (l *lines) event(_ context.Context, _ *client.Client, e status.Happening) error {
	if now, ok := e.Changed["State"].(string); ok && e.Event == "service_changed" {
		if now == l.told {
			return nil
		}
		l.told = now
	}
	if text := eventText(e); text != "" {
		return l.print(text)
	}
	return nil
}

func (l *lines) stopped() error {
	return l.print("The service has stopped; its return is waited for.")
}

func (l *lines) end() {}

// eventText is an event in words; empty for changes that say nothing by themselves.
func eventText(e status.Happening) string {
	f := e.Fields
	task := fmt.Sprintf("task %d", e.Task)
	if e.Kind != "" {
		task += fmt.Sprintf(" (%s %s)", e.Kind, e.Backend)
	}
	switch e.Event {
	case "backend_dirty":
		if text := fmt.Sprint(f["pending"]); text != "0" {
			return fmt.Sprintf("%s is dirty, unsynced actions: %s", e.Backend, text)
		}
		return e.Backend + " is dirty, and its mark names no actions"
	case "backend_clean":
		return e.Backend + " is clean"
	case "backend_health":
		text := fmt.Sprintf("%s is %v, it was %v", e.Backend, f["new"], f["old"])
		if f["why"] != "" {
			text += fmt.Sprintf(": %v", f["why"])
		}
		return text
	case "backend_added":
		return e.Backend + " is a backend now"
	case "backend_removed":
		return e.Backend + " is no backend any more"
	case "task_new":
		return task + " is queued"
	case "task_changed":
		if s, ok := e.Changed["State"]; ok && e.Changed["FinishedUSec"] == nil { // its end has an event of its own
			return fmt.Sprintf("%s is %v", task, s)
		}
	case "task_finished":
		text := fmt.Sprintf("%s ended: %v", task, f["state"])
		if f["message"] != "" {
			text += fmt.Sprintf(": %v", f["message"])
		}
		return text
	case "worker_restarted":
		return fmt.Sprintf("worker %s was replaced (%v so far): %v", e.Worker, f["restarts"], f["why"])
	case "alert_raised":
		return fmt.Sprintf("%v: %v", f["severity"], f["title"])
	case "alert_cleared":
		return fmt.Sprintf("no longer: %v", f["code"])
	case "service_changed":
		if s, ok := e.Changed["State"]; ok {
			return fmt.Sprintf("the service is %v", s)
		}
	}
	return ""
}
