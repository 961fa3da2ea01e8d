package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// document calls a method of the manager that answers with a JSON document.
func (c *Client) document(ctx context.Context, method string, args ...any) ([]byte, error) {
	var text string
	err := c.call(ctx, RootPath, manager+"."+method, []any{&text}, args...)
	return []byte(text), err
}

// Status is the document of the service; no names and an empty state mean all backends.
func (c *Client) Status(ctx context.Context, detailed bool, backends []string, state string) ([]byte, error) {
	o := Options{}
	if detailed {
		o["detailed"] = true
	}
	if len(backends) > 0 {
		o["backends"] = backends
	}
	if state != "" {
		o["state"] = state
	}
	return c.document(ctx, "GetStatus", o)
}

// Refresh has the service read its marks: one that was written just before the call counts then.
func (c *Client) Refresh(ctx context.Context) error {
	_, err := c.document(ctx, "GetStatus", Options{"current": true})
	return err
}

// Insights is the document of what the registries say.
func (c *Client) Insights(ctx context.Context) ([]byte, error) {
	return c.document(ctx, "GetInsights", Options{})
}

// Health is the document of issues.
func (c *Client) Health(ctx context.Context) ([]byte, error) {
	return c.document(ctx, "GetHealth", Options{})
}

// Explain says why the planner acts on a backend, or does not.
func (c *Client) Explain(ctx context.Context, name string) ([]byte, error) {
	return c.document(ctx, "Explain", name, Options{})
}

// Where says which backends hold a content id.
func (c *Client) Where(ctx context.Context, cid string) ([]byte, error) {
	return c.document(ctx, "Where", cid, Options{})
}

// PlanSync says what Sync would do.
func (c *Client) PlanSync(ctx context.Context, backends []string, reconcile bool) ([]byte, error) {
	return c.document(ctx, "PlanSync", names(backends), reconcileOption(reconcile))
}

// Sync asks for a sync of the backends, or of all dirty ones, and gives the tasks.
func (c *Client) Sync(ctx context.Context, backends []string, reconcile bool) ([]uint64, error) {
	return c.tasks(ctx, "Sync", names(backends), reconcileOption(reconcile))
}

// Check asks for health checks now.
func (c *Client) Check(ctx context.Context, backends []string) ([]uint64, error) {
	return c.tasks(ctx, "Check", names(backends), Options{})
}

// Backup asks for backups now; none named: the usual targets.
func (c *Client) Backup(ctx context.Context, backends []string) ([]uint64, error) {
	return c.tasks(ctx, "Backup", names(backends), Options{})
}

// Verify asks to read stored content and backups back.
func (c *Client) Verify(ctx context.Context, backends []string) ([]uint64, error) {
	return c.tasks(ctx, "Verify", names(backends), Options{})
}

// RestoreOptions are those of Restore; empty ones are the service's defaults.
type RestoreOptions struct {
	// Into is the absolute path of the folder that is restored to, which must be there; empty: the home and
	// the backend themselves.
	Into string
	// Backup is the object of the backup that is restored; empty: the newest one.
	Backup string
	// Overwrite lets files that are there be replaced.
	Overwrite bool
}

// Restore asks to bring buckets, metadata or pins back from a backend.
func (c *Client) Restore(ctx context.Context, name, what string, r RestoreOptions) (uint64, error) {
	o := Options{}
	if r.Into != "" {
		o["into"] = r.Into
	}
	if r.Backup != "" {
		o["backup"] = r.Backup
	}
	if r.Overwrite {
		o["overwrite"] = true
	}
	var path godbus.ObjectPath
	if err := c.call(ctx, RootPath, manager+".Restore", []any{&path}, name, what, o); err != nil {
		return 0, err
	}
	ids, err := taskIDs([]godbus.ObjectPath{path})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// Dismiss gives up the blocked actions of a backend, and says how many.
func (c *Client) Dismiss(ctx context.Context, name string) (actions uint64, err error) {
	err = c.call(ctx, RootPath, manager+".Dismiss", []any{&actions}, name, Options{})
	return actions, err
}

// Rescan looks at everything again.
func (c *Client) Rescan(ctx context.Context) error {
	return c.call(ctx, RootPath, manager+".Rescan", nil, Options{})
}

// Reload reads the configuration again; an invalid one is refused and the old one stays.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, RootPath, manager+".Reload", nil, Options{})
}

// Pause stops new work of one backend, or of all when the name is empty; d is zero for: until Resume.
func (c *Client) Pause(ctx context.Context, name string, d time.Duration) error {
	o := Options{}
	if d > 0 {
		o["for-usec"] = uint64(d.Microseconds())
	}
	path, iface, err := c.managerOr(ctx, name)
	if err != nil {
		return err
	}
	return c.call(ctx, path, iface+".Pause", nil, o)
}

// Resume ends a pause of one backend, or of all when the name is empty.
func (c *Client) Resume(ctx context.Context, name string) error {
	path, iface, err := c.managerOr(ctx, name)
	if err != nil {
		return err
	}
	return c.call(ctx, path, iface+".Resume", nil, Options{})
}

// managerOr is the manager, or the object of the backend that is named.
func (c *Client) managerOr(ctx context.Context, name string) (path godbus.ObjectPath, iface string, err error) {
	if name == "" {
		return RootPath, manager, nil
	}
	err = c.call(ctx, RootPath, manager+".GetBackend", []any{&path}, name)
	return path, backend, err
}

// Cancel stops a task.
func (c *Client) Cancel(ctx context.Context, id uint64) error {
	return c.onTask(ctx, id, ".Cancel")
}

// Retry tries a task now and not when its time has come.
func (c *Client) Retry(ctx context.Context, id uint64) error { return c.onTask(ctx, id, ".Retry") }

func (c *Client) onTask(ctx context.Context, id uint64, method string) error {
	var path godbus.ObjectPath
	if err := c.call(ctx, RootPath, manager+".GetTask", []any{&path}, id); err != nil {
		return err
	}
	return c.call(ctx, path, task+method, nil, Options{})
}

// RestartWorker replaces a worker by a fresh one.
func (c *Client) RestartWorker(ctx context.Context, name string) error {
	for _, known := range status.Workers {
		if name == known {
			return c.call(ctx, WorkerPath(name), worker+".Restart", nil, Options{})
		}
	}
	return status.Errorf(status.NoSuchWorker, "there is no worker %q; they are %s", name, strings.Join(status.Workers, ", "))
}

// History streams lines of JSON; the caller closes the file, which ends a read that waits.
func (c *Client) History(ctx context.Context, q status.HistoryQuery) (*os.File, error) {
	o := Options{}
	for key, v := range map[string]string{"what": q.What, "backend": q.Backend} {
		if v != "" {
			o[key] = v
		}
	}
	for key, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			o[key] = uint64(t.UnixMicro())
		}
	}
	var fd godbus.UnixFD
	if err := c.call(ctx, RootPath, manager+".History", []any{&fd}, o); err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		return nil, errors.Join(fmt.Errorf("read the history: %w", err), syscall.Close(int(fd)))
	}
	return os.NewFile(uintptr(fd), "history"), nil
}

// SetLogLevel has the service log more or less until it ends; the levels are LogControl1's.
func (c *Client) SetLogLevel(ctx context.Context, level string) error {
	return c.call(ctx, "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties.Set", nil,
		"org.freedesktop.LogControl1", "LogLevel", godbus.MakeVariant(level))
}

// tasks calls a method of the manager that answers with objects of tasks.
func (c *Client) tasks(ctx context.Context, method string, args ...any) ([]uint64, error) {
	var paths []godbus.ObjectPath
	if err := c.call(ctx, RootPath, manager+"."+method, []any{&paths}, args...); err != nil {
		return nil, err
	}
	return taskIDs(paths)
}

func taskIDs(paths []godbus.ObjectPath) ([]uint64, error) {
	ids := make([]uint64, 0, len(paths))
	for _, p := range paths {
		id, ok := TaskID(p)
		if !ok {
			return nil, fmt.Errorf("understand the answer of the service: %q is not a task", p)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// names is never nil: the bus has no null.
func names(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func reconcileOption(on bool) Options {
	if !on {
		return Options{}
	}
	return Options{"reconcile": true}
}
