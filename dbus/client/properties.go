package client

import (
	"context"
	"math"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// properties are those of one interface. A missing or odd one reads as zero:
// an older service has fewer of them.
type properties map[string]godbus.Variant

func (c *Client) properties(ctx context.Context, path godbus.ObjectPath, iface string) (properties, error) {
	var p properties
	err := c.call(ctx, path, "org.freedesktop.DBus.Properties.GetAll", []any{&p}, iface)
	return p, err
}

func prop[T any](p properties, name string) T {
	v, _ := p[name].Value().(T) //nolint:errcheck // see properties
	return v
}

func (p properties) text(name string) string    { return prop[string](p, name) }
func (p properties) n(name string) uint64       { return prop[uint64](p, name) }
func (p properties) time(name string) time.Time { return fromUSec(prop[uint64](p, name)) }

// Properties are those of the manager: the service as a whole.
func (c *Client) Properties(ctx context.Context) (status.Manager, error) {
	p, err := c.properties(ctx, RootPath, manager)
	if err != nil {
		return status.Manager{}, err
	}
	m := status.Manager{
		Version: p.text("Version"), Home: p.text("Home"), State: p.text("State"), StateReason: p.text("StateReason"),
		Buckets: p.n("Buckets"), Backends: p.n("Backends"), DirtyBackends: p.n("DirtyBackends"), BlockedBackends: p.n("BlockedBackends"),
		UnhealthyBackends: p.n("UnhealthyBackends"), FilesystemBackends: p.n("FilesystemBackends"),
		HealthPercent: prop[float64](p, "HealthPercent"),
		TasksActive:   p.n("TasksActive"), TasksQueued: p.n("TasksQueued"), TasksCompleted: p.n("TasksCompleted"), TasksFailed: p.n("TasksFailed"),
		OldestDirty: p.time("OldestDirtyUSec"), DirtyPerMinute: prop[float64](p, "DirtyPerMinute"), MendedPerMinute: prop[float64](p, "MendedPerMinute"),
		ExpectedClean: p.time("ExpectedCleanUSec"), Started: p.time("StartedUSec"), LastScan: p.time("LastScanUSec"), NextWake: p.time("NextWakeUSec"),
	}
	if until := p.n("PausedUntilUSec"); until != 0 {
		m.Paused = true
		if until != math.MaxUint64 {
			m.PausedUntil = fromUSec(until)
		}
	}
	var alerts []struct {
		Code, Severity, Title string
		Since                 uint64
	}
	if v, ok := p["Alerts"]; ok && v.Store(&alerts) == nil {
		for _, a := range alerts {
			m.Alerts = append(m.Alerts, status.Alert{Code: a.Code, Severity: a.Severity, Title: a.Title, Since: fromUSec(a.Since)})
		}
	}
	return m, nil
}

// Task is one task that the bus still has; another is a status.NoSuchTask.
func (c *Client) Task(ctx context.Context, id uint64) (status.Task, error) {
	var path godbus.ObjectPath
	if err := c.call(ctx, RootPath, manager+".GetTask", []any{&path}, id); err != nil {
		return status.Task{}, err
	}
	p, err := c.properties(ctx, path, task)
	if err != nil {
		return status.Task{}, err
	}
	return status.Task{
		ID: p.n("Id"), Kind: p.text("Kind"), Backend: p.text("Backend"), State: p.text("State"),
		Priority: prop[uint8](p, "Priority"), Attempt: prop[uint32](p, "Attempt"),
		Progress: prop[float64](p, "Progress"), ProgressValid: prop[bool](p, "ProgressValid"),
		ItemsDone: p.n("ItemsDone"), ItemsTotal: p.n("ItemsTotal"), BytesDone: p.n("BytesDone"), BytesTotal: p.n("BytesTotal"),
		BytesPerSecond: p.n("BytesPerSecond"), Reason: p.text("Reason"), Created: p.time("CreatedUSec"), Started: p.time("StartedUSec"),
		Finished: p.time("FinishedUSec"), ExpectedEnd: p.time("ExpectedEndUSec"), NextTry: p.time("NextTryUSec"),
		Error: p.text("Error"), Log: prop[[]string](p, "Log"), Cancelable: prop[bool](p, "Cancelable"),
	}, nil
}
