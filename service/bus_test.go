package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/privatebus"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// onBus starts a private bus and the service on it.
func (w *world) onBus() (address string, bus *privatebus.Bus) {
	w.t.Helper()
	testenv.DBusDaemon(w.t)
	bus = w.bus()
	w.serve(dbus.ServerOptions{Address: bus.Address})
	return bus.Address, bus
}

// serve starts the service on the bus that o names.
func (w *world) serve(o dbus.ServerOptions) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var server *dbus.Server
	w.o.Publish = func(ev status.Event) { w.publish(ev); server.Publish(ev) }
	w.o.Bus = o.Address
	s, err := New(ctx, w.o)
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	w.s = s
	o.Engine, o.Clock, o.MaxBackends, o.OnState = s, clock.System, 1000, s.BusState
	server = dbus.NewServer(o)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, server.Run) }()
	w.stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(w.stop)
}

func (w *world) bus() *privatebus.Bus {
	w.t.Helper()
	if err := os.MkdirAll(w.o.Paths.Runtime, 0o700); err != nil {
		w.t.Fatal(err)
	}
	b, err := privatebus.Start(w.t.Context(), w.o.Paths.Runtime, clock.System)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { b.Close() })
	return b
}

func (w *world) client(address string) *client.Client {
	w.t.Helper()
	var c *client.Client
	w.until("the bus name", func() bool {
		var err error
		if c, err = client.Dial(w.t.Context(), address); err != nil {
			return false
		}
		if m, err := c.Properties(w.t.Context()); err != nil || m.State != status.StateRunning {
			c.Close()
			return false
		}
		return true
	})
	w.t.Cleanup(func() { c.Close() })
	return c
}

func TestAnotherProcessSeesAndStartsWork(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas-1")
	cid := w.car(1)
	address, _ := w.onBus()
	c := w.client(address)
	w.until("running", func() bool {
		m, err := c.Properties(t.Context())
		return err == nil && m.State == status.StateRunning && m.Backends == 1
	})
	ids, err := c.Sync(t.Context(), []string{"nas-1"}, true)
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	tasks, err := c.WaitTasks(t.Context(), ids, func(status.Task) {})
	if err != nil || len(tasks) != 1 || tasks[0].State != status.TaskDone {
		t.Fatalf("%+v %v", tasks, err)
	}
	w.mark("nas-1", cid)
	w.until("cleared", func() bool { return w.cleared("nas-1") && w.stored(root, cid) })
	for name, get := range map[string]func(context.Context) ([]byte, error){
		"status":   func(ctx context.Context) ([]byte, error) { return c.Status(ctx, true, nil, "") },
		"insights": c.Insights, "health": c.Health,
		"explain": func(ctx context.Context) ([]byte, error) { return c.Explain(ctx, "nas-1") },
		"plan":    func(ctx context.Context) ([]byte, error) { return c.PlanSync(ctx, []string{"nas-1"}, false) },
		"where":   func(ctx context.Context) ([]byte, error) { return c.Where(ctx, cid) },
	} {
		doc, err := get(t.Context())
		if err != nil || !json.Valid(doc) {
			t.Errorf("%s: %s %v", name, doc, err)
		}
	}
	var e *status.Error
	if _, err := c.Sync(t.Context(), []string{"nobody"}, false); !errors.As(err, &e) || e.Code != status.NoSuchBackend {
		t.Errorf("error %v", err)
	}
}

func TestUnknownOptionsAndTypesAreNamedErrors(t *testing.T) {
	w := newWorld(t)
	address, _ := w.onBus()
	w.client(address)
	conn, err := godbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o := conn.Object(dbus.BusName, dbus.RootPath)
	for want, call := range map[string]*godbus.Call{
		dbus.ErrorPrefix + "InvalidArgument":          o.Call(dbus.BusName+".Manager.GetStatus", 0, map[string]godbus.Variant{"detail": godbus.MakeVariant(true)}),
		dbus.ErrorPrefix + "InvalidArgument ":         o.Call(dbus.BusName+".Manager.GetStatus", 0, map[string]godbus.Variant{"detailed": godbus.MakeVariant("yes")}),
		"org.freedesktop.DBus.Error.InvalidArgs":      o.Call(dbus.BusName+".Manager.GetStatus", 0, "x"),
		"org.freedesktop.DBus.Error.UnknownMethod":    o.Call(dbus.BusName+".Manager.Nothing", 0),
		"org.freedesktop.DBus.Error.PropertyReadOnly": o.Call("org.freedesktop.DBus.Properties.Set", 0, dbus.BusName+".Manager", "Version", godbus.MakeVariant("1")),
		"org.freedesktop.DBus.Error.UnknownProperty":  o.Call("org.freedesktop.DBus.Properties.Get", 0, dbus.BusName+".Manager", "Nothing"),
		"org.freedesktop.DBus.Error.UnknownInterface": o.Call("org.freedesktop.DBus.Properties.Get", 0, "no.Such", "Nothing"),
	} {
		var e godbus.Error
		if !errors.As(call.Err, &e) || e.Name != strings.TrimSpace(want) {
			t.Errorf("got %v, want %s", call.Err, want)
		}
	}
}

func TestLostBusIsSurvivedAndTakenAgain(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	address, bus := w.onBus()
	w.client(address)
	if err := bus.Close(); err != nil {
		t.Fatal(err)
	}
	w.until("degraded", func() bool { return w.s.Manager().State == status.StateDegraded })
	cid := w.car(3)
	w.mark("nas", cid)
	w.until("synced without a bus", func() bool { return w.cleared("nas") && w.stored(root, cid) })
	w.bus()
	c := w.client(address)
	if m, err := c.Properties(t.Context()); err != nil || m.State != status.StateRunning {
		t.Errorf("%+v %v", m, err)
	}
}

// The sum of the signals is the state: a client that only listens knows what one that asks is told.
func TestSignalsAddUpToTheState(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.backend(fmt.Sprint("disk", i))
	}
	cid := w.car(1)
	address, _ := w.onBus()
	w.client(address)
	conn, err := godbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.AddMatchSignal(godbus.WithMatchSender(dbus.BusName)); err != nil {
		t.Fatal(err)
	}
	signals := make(chan *godbus.Signal, 10_000)
	conn.Signal(signals)
	known := map[string]godbus.Variant{}
	o := conn.Object(dbus.BusName, dbus.RootPath)
	if err := o.Call("org.freedesktop.DBus.Properties.GetAll", 0, dbus.BusName+".Manager").Store(&known); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		w.mark(fmt.Sprint("disk", i), cid)
	}
	w.until("all clean", func() bool {
		m := w.s.Manager()
		return m.TasksCompleted >= 5 && m.DirtyBackends == 0 && m.TasksActive == 0
	})
	quiet := time.NewTimer(time.Second)
	for listening := true; listening; {
		select {
		case sg := <-signals:
			if sg.Name == "org.freedesktop.DBus.Properties.PropertiesChanged" && sg.Path == dbus.RootPath {
				for k, v := range sg.Body[1].(map[string]godbus.Variant) {
					known[k] = v
				}
			}
			quiet.Reset(time.Second)
		case <-quiet.C:
			listening = false
		}
	}
	now := map[string]godbus.Variant{}
	if err := o.Call("org.freedesktop.DBus.Properties.GetAll", 0, dbus.BusName+".Manager").Store(&now); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"State", "Backends", "DirtyBackends", "TasksActive", "TasksQueued", "TasksCompleted", "TasksFailed", "HealthPercent", "OldestDirtyUSec"} {
		if known[p].String() != now[p].String() {
			t.Errorf("%s: the signals say %v, the property is %v", p, known[p], now[p])
		}
	}
}

func TestToolsIntrospectWhileTasksComeAndGo(t *testing.T) {
	busctl, err := exec.LookPath("busctl")
	if err != nil {
		testenv.Skip(t, "busctl is not installed")
	}
	w := newWorld(t)
	for i := range 200 {
		w.backend(fmt.Sprint("disk", i))
	}
	address, _ := w.onBus()
	c := w.client(address)
	stop := make(chan struct{})
	var tools sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); tools.Wait() })
	defer end()
	for _, args := range [][]string{{"tree", dbus.BusName}, {"introspect", dbus.BusName, dbus.RootPath}, {"introspect", dbus.BusName, dbus.RootPath + "/tasks"}} {
		tools.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if out, err := exec.Command(busctl, append([]string{"--address=" + address}, args...)...).CombinedOutput(); err != nil && !strings.Contains(string(out), "Unknown object") {
					t.Errorf("busctl %v: %v %s", args, err, out)
					return
				}
			}
		})
	}
	for range 50 {
		if _, err := c.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.until("checked", func() bool { m := w.s.Manager(); return m.TasksActive+m.TasksQueued == 0 })
	}
	end()
	if m := w.s.Manager(); m.TasksCompleted < 10_000 {
		t.Errorf("%d tasks came and went", m.TasksCompleted)
	}
	if _, err := os.Stat(filepath.Join(w.o.Paths.Runtime, "bus")); err != nil {
		t.Error(err)
	}
}
