package dbus

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// Paths of objects.
const (
	workersPath  = RootPath + "/workers"
	backendsPath = RootPath + "/backends"
	tasksPath    = RootPath + "/tasks"
	logPath      = "/org/freedesktop/LogControl1"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// BackendPath is the object of a backend.
func BackendPath(name string) godbus.ObjectPath {
	return godbus.ObjectPath(backendsPath + "/" + escape(name))
}

// TaskPath is the object of a task.
func TaskPath(id uint64) godbus.ObjectPath {
	return godbus.ObjectPath(tasksPath + "/" + strconv.FormatUint(id, 10))
}

// WorkerPath is the object of a worker.
func WorkerPath(name string) godbus.ObjectPath { return godbus.ObjectPath(workersPath + "/" + name) }

// backendName is the reverse of BackendPath; false for a path that no name has.
func backendName(path godbus.ObjectPath) (string, bool) {
	label, ok := strings.CutPrefix(string(path), backendsPath+"/")
	if !ok || strings.Contains(label, "/") {
		return "", false
	}
	name, ok := unescape(label)
	return name, ok && BackendPath(name) == path
}

// escape is systemd's bus-label escaping. (go-systemd's writes one digit where systemd writes two.)
func escape(name string) string {
	if name == "" {
		return "_"
	}
	var sb strings.Builder
	for i, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9' {
			sb.WriteByte(c)
		} else {
			fmt.Fprintf(&sb, "_%02x", c)
		}
	}
	return sb.String()
}

// unescape undoes systemd's bus-label escaping.
func unescape(label string) (string, bool) {
	if label == "_" {
		return "", true
	}
	var out []byte
	for i := 0; i < len(label); i++ {
		if label[i] != '_' {
			out = append(out, label[i])
			continue
		}
		if i+2 >= len(label) {
			return "", false
		}
		n, err := strconv.ParseUint(label[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out = append(out, byte(n))
		i += 2
	}
	return string(out), true
}

// usec is a time as the interface has it: µs since the epoch, 0 for never.
func usec(t time.Time) uint64 {
	if t.IsZero() || t.Unix() <= 0 {
		return 0
	}
	return uint64(t.UnixMicro()) //nolint:gosec // after the epoch
}

// lastUSec is the latest time that is told apart: the end of the year 9999, the last one that texts of times can be of.
const lastUSec = 253_402_300_799_999_999

// fromUSec is the reverse of usec; what is later than the latest time is the latest.
func fromUSec(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(min(n, lastUSec))) //nolint:gosec // bounded
}

// values are the properties of one interface of one object.
type values map[string]any

type alertRow struct {
	Code, Severity, Title string
	Since                 uint64
}

func managerValues(m status.Manager) values {
	paused := uint64(0)
	if m.Paused {
		paused = ^uint64(0)
		if !m.PausedUntil.IsZero() {
			paused = usec(m.PausedUntil)
		}
	}
	alerts := []alertRow{}
	for _, a := range m.Alerts {
		alerts = append(alerts, alertRow{a.Code, a.Severity, a.Title, usec(a.Since)})
	}
	return values{
		"Version": m.Version, "Home": m.Home, "State": m.State, "StateReason": m.StateReason,
		"Buckets": m.Buckets, "Backends": m.Backends, "DirtyBackends": m.DirtyBackends, "BlockedBackends": m.BlockedBackends,
		"UnhealthyBackends": m.UnhealthyBackends, "FilesystemBackends": m.FilesystemBackends, "HealthPercent": m.HealthPercent,
		"TasksActive": m.TasksActive, "TasksQueued": m.TasksQueued, "TasksCompleted": m.TasksCompleted, "TasksFailed": m.TasksFailed,
		"OldestDirtyUSec": usec(m.OldestDirty), "DirtyPerMinute": m.DirtyPerMinute, "MendedPerMinute": m.MendedPerMinute,
		"ExpectedCleanUSec": usec(m.ExpectedClean), "StartedUSec": usec(m.Started), "LastScanUSec": usec(m.LastScan),
		"NextWakeUSec": usec(m.NextWake), "PausedUntilUSec": paused, "Alerts": alerts,
	}
}

func backendValues(b status.Backend) values {
	reasons := b.RiskReasons
	if reasons == nil {
		reasons = []string{}
	}
	return values{
		"Name": b.Name, "Type": b.Type, "Endpoint": b.Endpoint, "Health": b.Health, "Dirty": b.Dirty, "PendingActions": b.PendingActions,
		"Blocked": b.Blocked, "DirtySinceUSec": usec(b.DirtySince), "LastSyncUSec": usec(b.LastSync), "LastCheckUSec": usec(b.LastCheck),
		"NextRetryUSec": usec(b.NextRetry), "ResponseTimeMSec": b.ResponseMS, "ErrorCount": b.ErrorCount, "LastError": b.LastError,
		"Pins": b.Pins, "StorageBytes": b.StorageBytes, "AvailableBytes": b.AvailableBytes, "LastBackupUSec": usec(b.LastBackup),
		"LastRestoreProofUSec": usec(b.LastRestoreProof), "Paused": b.Paused, "Risk": b.Risk, "RiskReasons": reasons,
	}
}

func taskValues(t status.Task) values {
	log := t.Log
	if log == nil {
		log = []string{}
	}
	return values{
		"Id": t.ID, "Kind": t.Kind, "Backend": t.Backend, "State": t.State, "Priority": t.Priority, "Attempt": t.Attempt,
		"Progress": t.Progress, "ProgressValid": t.ProgressValid, "ItemsDone": t.ItemsDone, "ItemsTotal": t.ItemsTotal,
		"BytesDone": t.BytesDone, "BytesTotal": t.BytesTotal, "BytesPerSecond": t.BytesPerSecond, "Reason": t.Reason,
		"CreatedUSec": usec(t.Created), "StartedUSec": usec(t.Started), "FinishedUSec": usec(t.Finished),
		"ExpectedEndUSec": usec(t.ExpectedEnd), "NextTryUSec": usec(t.NextTry), "Error": t.Error, "Log": log, "Cancelable": t.Cancelable,
	}
}

func workerValues(w status.Worker) values {
	return values{
		"Name": w.Name, "State": w.State, "Healthy": w.Healthy, "LastBeatUSec": usec(w.LastBeat), "IntervalUSec": uint64(w.Interval.Microseconds()), //nolint:gosec // not negative
		"Iterations": w.Iterations, "Restarts": w.Restarts, "LastError": w.LastError, "NextRunUSec": usec(w.NextRun),
	}
}

// object is one object: its path, its own interfaces, and their properties at this moment.
type object struct {
	path godbus.ObjectPath
	// kind is the object's own interface; empty for folders.
	kind string
	// name of the backend or worker, id of the task.
	name string
	id   uint64
}

// object finds what a path stands for; false when nothing is there.
func (s *Server) object(path godbus.ObjectPath) (object, bool) {
	o, ok := objectOf(path)
	if !ok {
		return o, false
	}
	switch o.kind {
	case ifWorker:
		_, ok = s.o.Engine.Worker(o.name)
	case ifBackend:
		_, ok = s.o.Engine.Backend(o.name)
	case ifTask:
		_, ok = s.o.Engine.Task(o.id)
	}
	return o, ok
}

// objectOf reads a path; false for one that no object has.
func objectOf(path godbus.ObjectPath) (object, bool) {
	o := object{path: path}
	switch path {
	case RootPath:
		o.kind = ifManager
		return o, true
	case logPath:
		o.kind = ifLogControl
		return o, true
	case "/", "/org", "/org/ipfskit", "/org/freedesktop", workersPath, backendsPath, tasksPath:
		return o, true
	}
	if name, ok := strings.CutPrefix(string(path), workersPath+"/"); ok {
		o.kind, o.name = ifWorker, name
		return o, true
	}
	if name, ok := backendName(path); ok {
		o.kind, o.name = ifBackend, name
		return o, true
	}
	if text, ok := strings.CutPrefix(string(path), tasksPath+"/"); ok {
		id, err := strconv.ParseUint(text, 10, 64)
		o.kind, o.id = ifTask, id
		return o, err == nil && strconv.FormatUint(id, 10) == text
	}
	return o, false
}

// values gives the properties of an object's own interface; false when it is gone.
func (s *Server) values(o object) (values, bool) {
	switch o.kind {
	case ifManager:
		return managerValues(s.o.Engine.Manager()), true
	case ifWorker:
		w, ok := s.o.Engine.Worker(o.name)
		return workerValues(w), ok
	case ifBackend:
		b, ok := s.o.Engine.Backend(o.name)
		return backendValues(b), ok
	case ifTask:
		t, ok := s.o.Engine.Task(o.id)
		return taskValues(t), ok
	case ifLogControl:
		return values{"LogLevel": s.o.Engine.LogLevel(), "LogTarget": s.o.Engine.LogTarget(), "SyslogIdentifier": "ipfs-kit-intelligent"}, true
	}
	return nil, true
}

// variants makes properties ready to be sent.
func (v values) variants() map[string]godbus.Variant {
	out := make(map[string]godbus.Variant, len(v))
	for k, x := range v {
		out[k] = variant(x)
	}
	return out
}

func variant(x any) godbus.Variant { return godbus.MakeVariant(sendable(x)) }

// sendable makes texts fit for the bus, which takes UTF-8 without NUL alone: names of files may be anything else.
func sendable(x any) any {
	switch v := x.(type) {
	case string:
		return cleanText(v)
	case []string:
		out := make([]string, len(v))
		for i := range v {
			out[i] = cleanText(v[i])
		}
		return out
	}
	return x
}

func cleanText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
