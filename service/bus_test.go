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
	o.Engine, o.Clock, o.MaxBackends, o.OnState = s, clock.System, w.listed, s.BusState
	server = dbus.NewServer(o)
	if w.before != nil {
		w.before(s)
	}
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
	for range 20 {
		if _, err := c.Check(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.until("checked", func() bool { m := w.s.Manager(); return m.TasksActive+m.TasksQueued == 0 })
	}
	end()
	if m := w.s.Manager(); m.TasksCompleted < 4000 {
		t.Errorf("%d tasks came and went", m.TasksCompleted)
	}
	if _, err := os.Stat(filepath.Join(w.o.Paths.Runtime, "bus")); err != nil {
		t.Error(err)
	}
}
