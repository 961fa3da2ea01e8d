package service

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/status"
)

const (
	propertiesIface = "org.freedesktop.DBus.Properties"
	objectsIface    = "org.freedesktop.DBus.ObjectManager"
	managerIface    = dbus.BusName + ".Manager"
)

type properties = map[string]godbus.Variant

// recorder is a client that only listens, and reads again what it is told to.
type recorder struct {
	t       *testing.T
	conn    *godbus.Conn
	signals chan *godbus.Signal
	done    sync.WaitGroup

	mu   sync.Mutex
	log  []record
	last time.Time
}

// record is something that came from the bus, in its order.
type record struct {
	at      godbus.Sequence
	signal  *godbus.Signal
	objects map[godbus.ObjectPath]map[string]properties // answer of GetManagedObjects
	path    godbus.ObjectPath
	read    properties // answer of Get or GetAll
}

func (w *world) record(t *testing.T, address string) *recorder {
	t.Helper()
	conn, err := godbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, conn: conn, signals: make(chan *godbus.Signal, 100_000), last: time.Now()}
	conn.Signal(r.signals)
	if err := conn.AddMatchSignal(godbus.WithMatchSender(dbus.BusName)); err != nil {
		t.Fatal(err)
	}
	call := conn.Object(dbus.BusName, dbus.RootPath).Call(objectsIface+".GetManagedObjects", 0)
	rec := record{at: call.ResponseSequence}
	if err := call.Store(&rec.objects); err != nil {
		t.Fatal(err)
	}
	r.add(rec)
	r.readAll(dbus.RootPath, managerIface)
	r.done.Go(r.listen)
	return r
}

func (r *recorder) add(rec record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, rec)
	r.last = time.Now()
}

// listen notes each signal, and reads at once what became invalid.
func (r *recorder) listen() {
	for s := range r.signals {
		if strings.HasPrefix(s.Name, "org.freedesktop.DBus.Name") {
			continue
		}
		r.add(record{at: s.Sequence, signal: s})
		if s.Name != propertiesIface+".PropertiesChanged" {
			continue
		}
		for _, name := range s.Body[2].([]string) {
			call := r.conn.Object(dbus.BusName, s.Path).Call(propertiesIface+".Get", 0, s.Body[0], name)
			var v godbus.Variant
			if call.Store(&v) == nil {
				r.add(record{at: call.ResponseSequence, path: s.Path, read: properties{name: v}})
			}
		}
	}
}

func (r *recorder) readAll(path godbus.ObjectPath, iface string) properties {
	call := r.conn.Object(dbus.BusName, path).Call(propertiesIface+".GetAll", 0, iface)
	var v properties
	if call.Store(&v) == nil {
		r.add(record{at: call.ResponseSequence, path: path, read: v})
	}
	return v
}

// quiet waits until nothing came for a while: progress waits a second.
func (r *recorder) quiet() {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		r.mu.Lock()
		still := time.Since(r.last)
		r.mu.Unlock()
		if still > 1300*time.Millisecond {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("the signals do not come to rest")
		}
	}
}

// sum is what a client knows that applied all it heard, in order.
func (r *recorder) sum() map[godbus.ObjectPath]properties {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.log, func(a, b record) int { return cmp.Compare(a.at, b.at) })
	known := map[godbus.ObjectPath]properties{}
	for _, rec := range r.log {
		switch {
		case rec.objects != nil:
			for path, ifaces := range rec.objects {
				for _, p := range ifaces {
					known[path] = p
				}
			}
		case rec.read != nil:
			if known[rec.path] == nil {
				if rec.path != dbus.RootPath {
					continue // it is gone
				}
				known[rec.path] = properties{}
			}
			for k, v := range rec.read {
				known[rec.path][k] = v
			}
		default:
			r.apply(known, rec.signal)
		}
	}
	return known
}

func (r *recorder) apply(known map[godbus.ObjectPath]properties, s *godbus.Signal) {
	switch s.Name {
	case objectsIface + ".InterfacesAdded":
		path := s.Body[0].(godbus.ObjectPath)
		if known[path] != nil {
			r.t.Errorf("%s was added twice", path)
		}
		for _, p := range s.Body[1].(map[string]map[string]godbus.Variant) {
			known[path] = p
		}
	case objectsIface + ".InterfacesRemoved":
		path := s.Body[0].(godbus.ObjectPath)
		if known[path] == nil {
			r.t.Errorf("%s was removed, and was not there", path)
		}
		delete(known, path)
	case propertiesIface + ".PropertiesChanged":
		if known[s.Path] == nil {
			return // not listed, or told late
		}
		for k, v := range s.Body[1].(map[string]godbus.Variant) {
			known[s.Path][k] = v
		}
		for _, k := range s.Body[2].([]string) {
			delete(known[s.Path], k)
		}
	}
}

// check compares what was heard with what can be read.
func (r *recorder) check() {
	r.t.Helper()
	known := r.sum()
	var now map[godbus.ObjectPath]map[string]properties
	if err := r.conn.Object(dbus.BusName, dbus.RootPath).Call(objectsIface+".GetManagedObjects", 0).Store(&now); err != nil {
		r.t.Fatal(err)
	}
	now[dbus.RootPath] = map[string]properties{managerIface: r.readAll(dbus.RootPath, managerIface)}
	for path, ifaces := range now {
		for iface, p := range ifaces {
			if known[path] == nil {
				r.t.Errorf("%s is there, and nobody was told", path)
				continue
			}
			for k, v := range p {
				if got, ok := known[path][k]; !ok || fmt.Sprint(got.Value()) != fmt.Sprint(v.Value()) {
					r.t.Errorf("%s %s.%s: heard %v, it is %v", path, iface, k, got, v)
				}
			}
		}
	}
	for path := range known {
		if now[path] == nil {
			r.t.Errorf("%s is gone, and nobody was told", path)
		}
	}
}

// tooOften finds objects of which more than ten changes a second were told.
func (r *recorder) tooOften(span time.Duration) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[godbus.ObjectPath]int{}
	for _, rec := range r.log {
		if rec.signal != nil && rec.signal.Name == propertiesIface+".PropertiesChanged" {
			n[rec.signal.Path]++
		}
	}
	for path, k := range n {
		if most := int(span/(100*time.Millisecond)) + 2; k > most {
			r.t.Errorf("%d changes of %s in %s, at most %d may be", k, path, span, most)
		}
	}
}

func (r *recorder) close() {
	r.conn.Close()
	r.done.Wait()
}

// The sum of the signals is the state: a client that listens, and reads again
// what it is told to, knows what one that asks is told, also over a lost bus.
func TestSignalsAddUpToTheState(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.backend(fmt.Sprint("disk", i))
	}
	cid := w.car(1)
	address, bus := w.onBus()
	for round := range 2 {
		c := w.client(address)
		r := w.record(t, address)
		for i := range 30 {
			name := fmt.Sprint("disk", i%5)
			switch i % 6 {
			case 0:
				w.backend(fmt.Sprintf("guest%d-%d", round, i))
			case 1:
				w.mark(name, cid)
			case 2:
				c.Check(t.Context(), nil)
			case 3:
				c.Pause(t.Context(), name, 0)
				c.Resume(t.Context(), name)
			case 4:
				c.Sync(t.Context(), []string{name}, true)
				r.readAll(dbus.BackendPath(name), dbus.BusName+".Backend")
			case 5:
				os.Remove(filepath.Join(w.home, "backends", fmt.Sprintf("guest%d-%d.yaml", round, i-5)))
			}
			time.Sleep(20 * time.Millisecond)
		}
		w.until("all done", func() bool {
			m := w.s.Manager()
			return m.DirtyBackends == 0 && m.TasksActive == 0 && m.TasksQueued == 0
		})
		r.quiet()
		r.check()
		r.close()
		if round == 0 {
			if err := bus.Close(); err != nil {
				t.Fatal(err)
			}
			w.until("degraded", func() bool { return w.s.Manager().State == status.StateDegraded })
			w.bus()
		}
	}
}

func TestABurstIsToldTenTimesASecond(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	w.client(address)
	r := w.record(t, address)
	began := time.Now()
	for i := range 2000 {
		w.s.mu.Lock()
		w.s.entries["nas"].lastError = fmt.Sprint("trouble ", i)
		w.s.tell(status.Event{Kind: status.BackendChanged, Backend: "nas"})
		w.s.mu.Unlock()
		time.Sleep(500 * time.Microsecond)
	}
	r.quiet()
	r.check()
	r.tooOften(time.Since(began))
	r.close()
}

// What ObjectManager does not list is not announced either.
func TestBackendsBeyondTheConfiguredNumberAreNotAnnounced(t *testing.T) {
	w := newWorld(t)
	w.listed = 3
	for i := range 3 {
		w.backend(fmt.Sprint("disk", i))
	}
	address, _ := w.onBus()
	c := w.client(address)
	r := w.record(t, address)
	w.backend("more1")
	w.backend("more2")
	w.until("five", func() bool { return w.s.Manager().Backends == 5 })
	if _, err := c.Check(t.Context(), []string{"more1"}); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(w.home, "backends/disk1.yaml"))
	w.until("four", func() bool { return w.s.Manager().Backends == 4 && w.s.Manager().TasksActive == 0 })
	w.backend("late")
	w.until("five again", func() bool { return w.s.Manager().Backends == 5 })
	r.quiet()
	r.check()
	known := r.sum()
	for path, want := range map[godbus.ObjectPath]bool{dbus.BackendPath("disk0"): true, dbus.BackendPath("more1"): false, dbus.BackendPath("disk1"): false, dbus.BackendPath("late"): true} {
		if _, ok := known[path]; ok != want {
			t.Errorf("%s: announced %v", path, ok)
		}
	}
	r.close()
}

// A backend that is enabled is announced before anything else is told of it; a change of its health it has not.
func TestABackendThatIsEnabledIsAnnouncedFirst(t *testing.T) {
	w := newWorld(t)
	w.put("backends/nas.yaml", "type: filesystem\nenabled: false\nstorage_path: "+filepath.Dir(w.home)+"\n")
	address, _ := w.onBus()
	w.client(address)
	r := w.record(t, address)
	for _, text := range []string{"type: [", "type: filesystem\nenabled: false\n", "type: [", "type: filesystem\nstorage_path: " + filepath.Dir(w.home) + "\n", "enabled: false\n", "type: filesystem\nstorage_path: " + filepath.Dir(w.home) + "\n"} {
		w.put("backends/nas.yaml", text)
		w.until("it is noticed", func() bool { return (w.s.Manager().Backends == 1) != strings.Contains(text, "enabled") })
		time.Sleep(300 * time.Millisecond)
	}
	r.quiet()
	r.check()
	r.close()
	there := false
	for _, rec := range r.log {
		if rec.signal == nil {
			continue
		}
		about := strings.Contains(fmt.Sprint(rec.signal.Path, rec.signal.Body), "nas")
		switch name := strings.TrimPrefix(rec.signal.Name, objectsIface); {
		case name == ".InterfacesAdded" && strings.HasPrefix(fmt.Sprint(rec.signal.Body[0]), string(dbus.BackendPath("nas"))):
			there = true
		case name == ".InterfacesRemoved" && fmt.Sprint(rec.signal.Body[0]) == string(dbus.BackendPath("nas")):
			there = false
		case about && !there && !strings.Contains(rec.signal.Name+string(rec.signal.Path), "ask"): // tasks end later than their backend
			t.Errorf("told of a backend that nobody knows: %s %v", rec.signal.Name, rec.signal.Body)
		}
	}
}

// Who listens hears the end: what was done until then, and that the service is stopping.
func TestTheEndIsTold(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		w.backend("nas")
		address, _ := w.onBus()
		c := w.client(address)
		r := w.record(t, address)
		ids, err := c.Check(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.ended(ids[0], status.TaskDone) // just now: what changed waits to be told
		w.stop()
		told := func(path godbus.ObjectPath, key string) any { return r.sum()[path][key].Value() }
		w.until("it is told", func() bool {
			return told(dbus.RootPath, "State") == status.StateStopping && told(dbus.TaskPath(ids[0]), "FinishedUSec") != uint64(0)
		})
		r.close()
	}
}

// pidOfBus is the process of a bus.
func pidOfBus(t *testing.T, address string) (pid int) {
	conn, err := godbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.BusObject().Call("org.freedesktop.DBus.GetConnectionUnixProcessID", 0, "org.freedesktop.DBus").Store(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// What waits for a bus that does not read is bounded: then nobody can know the
// state from signals, and the connection is taken anew, where all begin with reading.
func TestTooManyWaitingSignalsMakeABeginningAnew(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	w.client(address)
	bus := pidOfBus(t, address)
	if err := syscall.Kill(bus, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := sync.OnceFunc(func() { syscall.Kill(bus, syscall.SIGCONT) })
	defer resume()
	w.s.mu.Lock()
	for i := range 200_000 {
		w.s.tell(status.Event{Kind: status.MetadataChanged, N: uint64(i)})
	}
	w.s.mu.Unlock()
	resume()
	w.until("the bus is given up", func() bool { return w.s.Manager().State == status.StateDegraded })
	w.until("on the bus again", func() bool { return w.s.Manager().State == status.StateRunning })
	w.client(address)
	r := w.record(t, address)
	if _, err := w.s.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.quiet()
	r.check()
	r.close()
}
