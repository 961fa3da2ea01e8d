package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

func (a *app) watchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "watch", Short: "What happens, as it happens; Ctrl-C ends it", Args: takes(0, 0)}
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		signal.Ignore(syscall.SIGPIPE) // a reader that goes is an error of the next write
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		gone := whenReaderGoes(a.env.Stdout, func() { cancel(errReaderGone) })
		defer gone()
		var v viewer = &lines{a: a}
		if a.json {
			v = &objects{a: a}
		} else if a.style.tty != nil {
			v = newLive(a)
		}
		defer v.end()
		err := a.watch(ctx, v)
		if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) {
			return nil // that is how it ends
		}
		return err
	})
	return cmd
}

// viewer shows what happens.
type viewer interface {
	// state shows how things are, at the start and whenever the service came back.
	state(ctx context.Context, c *client.Client) error
	// event shows one thing that happened.
	event(ctx context.Context, c *client.Client, e status.Happening) error
	// stopped says that the service ended.
	stopped() error
	// end is called last.
	end()
}

// watch shows what happens until ctx ends; a service that stops is waited for.
func (a *app) watch(ctx context.Context, v viewer) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	for {
		tasks := map[uint64]status.Task{}
		err := c.Events(ctx, func() error { return v.state(ctx, c) }, func(ev client.Event) error {
			if e, ok := a.happened(ctx, c, ev, tasks); ok {
				return v.event(ctx, c, e)
			}
			return nil
		})
		c.Close() //nolint:errcheck // it was only asked
		if !errors.Is(err, client.ErrNotRunning) || ctx.Err() != nil {
			return err
		}
		if err := v.stopped(); err != nil {
			return err
		}
		if c, err = a.comes(ctx); err != nil {
			return err
		}
	}
}

// eventNames are the events' names by the signals'.
var eventNames = map[string]string{
	"BackendDirty": "backend_dirty", "BackendClean": "backend_clean", "BackendHealthChanged": "backend_health",
	"TaskNew": "task_new", "TaskRemoved": "task_removed", "Completed": "task_finished", "WorkerRestarted": "worker_restarted",
	"MetadataChanged": "metadata_changed", "AlertRaised": "alert_raised", "AlertCleared": "alert_cleared",
	"PropertiesChanged": "_changed", "InterfacesAdded": "_added", "InterfacesRemoved": "_removed",
}

// happened makes a signal an event; false for one that another one tells better.
func (a *app) happened(ctx context.Context, c *client.Client, ev client.Event, tasks map[uint64]status.Task) (status.Happening, bool) {
	e := status.Happening{Time: a.stamp(), Event: eventNames[ev.Signal], Fields: ev.Args}
	subject, name := client.Subject(ev.Object)
	for _, key := range []string{"added", "removed"} {
		if object, ok := ev.Args[key]; ok {
			subject, name = client.Subject(fmt.Sprint(object))
			if subject != "backend" { // tasks have signals of their own, workers stay
				return e, false
			}
			e.Fields = nil
		}
	}
	if e.Event[0] == '_' {
		if subject == "" {
			subject = "service"
		}
		e.Event = subject + e.Event
	}
	if changed, ok := ev.Args["changed"].(map[string]any); ok {
		e.Changed, e.Fields = changed, nil
	}
	switch subject {
	case "backend":
		e.Backend = name
	case "worker":
		e.Worker = name
	case "task":
		e.Task, _ = strconv.ParseUint(name, 10, 64) //nolint:errcheck // such are the objects' names
	}
	takeNames(&e, ev.Signal)
	if e.Task != 0 {
		ofTask(ctx, c, &e, tasks)
	}
	return e, true
}

// takeNames moves what an event is about from its fields to where it is found alike in all events.
func takeNames(e *status.Happening, signal string) {
	text := func(key string) string {
		s, _ := e.Fields[key].(string) //nolint:errcheck // empty is the same
		delete(e.Fields, key)
		return s
	}
	switch signal {
	case "BackendDirty", "BackendClean", "BackendHealthChanged":
		e.Backend = text("name")
		delete(e.Fields, "backend") // the object's path
	case "WorkerRestarted":
		e.Worker = text("name")
	case "TaskNew", "TaskRemoved":
		e.Task, _ = e.Fields["id"].(uint64) //nolint:errcheck // checked by the bus
		e.Backend, e.Kind = text("backend"), text("kind")
		delete(e.Fields, "id")
		delete(e.Fields, "task")
	}
}

// ofTask says whose task it is and, of one that ended, how.
func ofTask(ctx context.Context, c *client.Client, e *status.Happening, tasks map[uint64]status.Task) {
	t, known := tasks[e.Task]
	if !known && e.Backend == "" || e.Event == "task_finished" {
		if now, err := c.Task(ctx, e.Task); err == nil {
			t = now
		}
	}
	if e.Backend == "" {
		e.Backend, e.Kind = t.Backend, t.Kind
	}
	tasks[e.Task] = status.Task{Backend: e.Backend, Kind: e.Kind}
	switch e.Event {
	case "task_finished":
		if t.State == "" { // the service ended before it could be asked
			t.State = status.TaskFailed
			if good, _ := e.Fields["success"].(bool); good { //nolint:errcheck // false is the same
				t.State = status.TaskDone
			}
		}
		e.Fields["state"] = t.State
	case "task_removed":
		delete(tasks, e.Task)
	}
}

func (a *app) stamp() string { return a.clk.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00") }
