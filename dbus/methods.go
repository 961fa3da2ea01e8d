package dbus

import (
	"time"
	"unsafe"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// managerMethods are those of the root object.
var managerMethods = map[string]function{
	"GetStatus": func(c *call) ([]any, error) {
		var o StatusOptions
		if err := c.options(0, map[string]any{"detailed": &o.Detailed, "backends": &o.Backends, "state": &o.State, "current": &o.Current}); err != nil {
			return nil, err
		}
		return document(c.s.o.Engine.StatusJSON(c.ctx, o))
	},
	"GetInsights": func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return document(c.s.o.Engine.InsightsJSON(c.ctx))
	},
	"GetHealth": func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return document(c.s.o.Engine.HealthJSON(c.ctx))
	},
	"Explain": func(c *call) ([]any, error) {
		if err := c.options(1, nil); err != nil {
			return nil, err
		}
		return document(c.s.o.Engine.ExplainJSON(c.ctx, c.text(0)))
	},
	"Where": func(c *call) ([]any, error) {
		if err := c.options(1, nil); err != nil {
			return nil, err
		}
		return document(c.s.o.Engine.WhereJSON(c.ctx, c.text(0)))
	},
	"PlanSync": func(c *call) ([]any, error) {
		var reconcile bool
		if err := c.options(1, map[string]any{"reconcile": &reconcile}); err != nil {
			return nil, err
		}
		return document(c.s.o.Engine.PlanSyncJSON(c.ctx, c.names(0), reconcile))
	},
	"ListBackends": listBackends,
	"ListTasks":    listTasks,
	"ListErrors":   listErrors,
	"GetBackend": func(c *call) ([]any, error) {
		if _, ok := c.s.o.Engine.Backend(c.text(0)); !ok {
			return nil, status.Errorf(status.NoSuchBackend, "there is no backend %q; list them with ListBackends, or: ipfs-kit-intelligent backends", c.text(0))
		}
		return []any{BackendPath(c.text(0))}, nil
	},
	"GetTask": func(c *call) ([]any, error) {
		id := c.args[0].(uint64) //nolint:forcetypeassert // checked by DecodeArguments
		if _, ok := c.s.o.Engine.Task(id); !ok {
			return nil, status.Errorf(status.NoSuchTask, "there is no task %d on the bus; it may have ended more than five minutes ago: ipfs-kit-intelligent tasks", id)
		}
		return []any{TaskPath(id)}, nil
	},
	"History": history,
}

// change is a method that changes something: who may call it is asked first.
type change struct {
	// action is the verb of the polkit action.
	action string
	run    function
}

// managerChanges are the methods of the root object that change something.
var managerChanges = map[string]change{
	"Sync": changing("sync", func(c *call) ([]any, error) {
		var reconcile bool
		if err := c.options(1, map[string]any{"reconcile": &reconcile}); err != nil {
			return nil, err
		}
		return paths(c.s.o.Engine.Sync(c.ctx, c.names(0), reconcile))
	}),
	"Check": changing("check", func(c *call) ([]any, error) {
		if err := c.options(1, nil); err != nil {
			return nil, err
		}
		return paths(c.s.o.Engine.Check(c.ctx, c.names(0)))
	}),
	"Backup": changing("backup", func(c *call) ([]any, error) {
		if err := c.options(1, nil); err != nil {
			return nil, err
		}
		return paths(c.s.o.Engine.Backup(c.ctx, c.names(0)))
	}),
	"Verify": changing("verify", func(c *call) ([]any, error) {
		if err := c.options(1, nil); err != nil {
			return nil, err
		}
		return paths(c.s.o.Engine.Verify(c.ctx, c.names(0)))
	}),
	"Restore": changing("restore", func(c *call) ([]any, error) {
		var o RestoreOptions
		if err := c.options(2, map[string]any{"into": &o.Into, "backup": &o.Backup, "overwrite": &o.Overwrite}); err != nil {
			return nil, err
		}
		id, err := c.s.o.Engine.Restore(c.ctx, c.text(0), c.text(1), o)
		return []any{TaskPath(id)}, err
	}),
	"Dismiss": removing("dismiss", func(c *call) ([]any, error) {
		if err := c.options(1, nil); err != nil {
			return nil, err
		}
		n, err := c.s.o.Engine.Dismiss(c.ctx, c.text(0))
		return []any{n}, err
	}),
	"Rescan": changing("rescan", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return nil, c.s.o.Engine.Rescan(c.ctx)
	}),
	"Reload": changing("reload", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return nil, c.s.o.Engine.Reload(c.ctx)
	}),
	"Pause":  changing("pause", func(c *call) ([]any, error) { return pause(c, "") }),
	"Resume": changing("pause", func(c *call) ([]any, error) { return resume(c, "") }),
}

// objectChanges are the methods of backends, tasks and workers, by interface and name.
var objectChanges = map[string]change{
	"Backend.Sync": changing("sync", func(c *call) ([]any, error) {
		var reconcile bool
		if err := c.options(0, map[string]any{"reconcile": &reconcile}); err != nil {
			return nil, err
		}
		return onePath(c.s.o.Engine.Sync(c.ctx, []string{c.object.name}, reconcile))
	}),
	"Backend.Check": changing("check", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return onePath(c.s.o.Engine.Check(c.ctx, []string{c.object.name}))
	}),
	"Backend.Backup": changing("backup", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return onePath(c.s.o.Engine.Backup(c.ctx, []string{c.object.name}))
	}),
	"Backend.Pause":  changing("pause", func(c *call) ([]any, error) { return pause(c, c.object.name) }),
	"Backend.Resume": changing("pause", func(c *call) ([]any, error) { return resume(c, c.object.name) }),
	"Task.Cancel": removing("cancel", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return nil, c.s.o.Engine.CancelTask(c.ctx, c.object.id)
	}),
	"Task.Retry": changing("retry", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return nil, c.s.o.Engine.RetryTask(c.ctx, c.object.id)
	}),
	"Worker.Restart": changing("restart", func(c *call) ([]any, error) {
		if err := c.options(0, nil); err != nil {
			return nil, err
		}
		return nil, c.s.o.Engine.RestartWorker(c.ctx, c.object.name)
	}),
}

// changing sends what a method changed before its reply.
func changing(action string, f function) change {
	return change{action, func(c *call) ([]any, error) {
		turn := c.s.pub.begin(false)
		out, err := f(c)
		c.s.pub.flushSince(turn)
		return out, err
	}}
}

// removing is changing for what may remove objects: they are there until the reply is out.
func removing(action string, f function) change {
	return change{action, func(c *call) ([]any, error) {
		turn := c.s.pub.begin(true)
		defer c.s.pub.release()
		out, err := f(c)
		c.s.pub.flushSince(turn)
		if err != nil {
			return nil, c.fail(err)
		}
		return nil, c.reply(out...)
	}}
}

// document answers with a document. It may be megabytes, is ours alone, and does not change any more: it is not copied.
func document(data []byte, err error) ([]any, error) {
	return []any{unsafe.String(unsafe.SliceData(data), len(data))}, err
}

func paths(ids []uint64, err error) ([]any, error) {
	out := make([]godbus.ObjectPath, len(ids))
	for i, id := range ids {
		out[i] = TaskPath(id)
	}
	return []any{out}, err
}

func onePath(ids []uint64, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, status.Errorf(status.BackendUnavailable, "nothing was queued")
	}
	return []any{TaskPath(ids[0])}, nil
}

func pause(c *call, name string) ([]any, error) {
	var us uint64
	if err := c.options(0, map[string]any{"for-usec": &us}); err != nil {
		return nil, err
	}
	if us > 1<<53 {
		return nil, status.Errorf(status.InvalidArgument, "for-usec %d is longer than a lifetime; leave it out to pause until resumed", us)
	}
	return nil, c.s.o.Engine.Pause(c.ctx, name, time.Duration(us)*time.Microsecond) //nolint:gosec // bounded
}

func resume(c *call, name string) ([]any, error) {
	if err := c.options(0, nil); err != nil {
		return nil, err
	}
	return nil, c.s.o.Engine.Resume(c.ctx, name)
}

type backendRow struct {
	Path               godbus.ObjectPath
	Name, Type, Health string
	Dirty              bool
	Pending            uint64
	ResponseMS         float64
}

func listBackends(c *call) ([]any, error) {
	q := status.BackendQuery{}
	var dirty bool
	limit := uint32(100)
	if err := c.options(0, map[string]any{"state": &q.State, "type": &q.Type, "dirty": &dirty, "limit": &limit, "cursor": &q.Cursor}); err != nil {
		return nil, err
	}
	if c.given(0, "dirty") {
		q.Dirty = &dirty
	}
	q.Limit = int(limit)
	page, cursor, err := c.s.o.Engine.Backends(q)
	rows := make([]backendRow, len(page))
	for i, b := range page {
		rows[i] = backendRow{BackendPath(b.Name), cleanText(b.Name), cleanText(b.Type), b.Health, b.Dirty, b.PendingActions, b.ResponseMS}
	}
	return []any{rows, cleanText(cursor)}, err
}

type taskRow struct {
	Path                 godbus.ObjectPath
	ID                   uint64
	Kind, Backend, State string
	Progress             float64
}

func listTasks(c *call) ([]any, error) {
	var q status.TaskQuery
	var since uint64
	limit := uint32(100)
	if err := c.options(0, map[string]any{"state": &q.State, "backend": &q.Backend, "since": &since, "limit": &limit, "cursor": &q.Cursor}); err != nil {
		return nil, err
	}
	q.Since, q.Limit = fromUSec(since), int(limit)
	page, cursor, err := c.s.o.Engine.Tasks(q)
	rows := make([]taskRow, len(page))
	for i, t := range page {
		rows[i] = taskRow{TaskPath(t.ID), t.ID, t.Kind, cleanText(t.Backend), t.State, t.Progress}
	}
	return []any{rows, cleanText(cursor)}, err
}

type errorRow struct {
	Backend, Class, Message string
	First, Last, Count      uint64
}

func listErrors(c *call) ([]any, error) {
	var q status.ErrorQuery
	limit := uint32(100)
	if err := c.options(0, map[string]any{"backend": &q.Backend, "limit": &limit, "cursor": &q.Cursor}); err != nil {
		return nil, err
	}
	q.Limit = int(limit)
	page, cursor, err := c.s.o.Engine.Errors(q)
	rows := make([]errorRow, len(page))
	for i, e := range page {
		rows[i] = errorRow{cleanText(e.Backend), e.Class, cleanText(e.Message), usec(e.First), usec(e.Last), e.Count}
	}
	return []any{rows, cleanText(cursor)}, err
}
