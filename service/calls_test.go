package service

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

func (w *world) raw(address string, opts ...godbus.ConnOption) *godbus.Conn {
	w.t.Helper()
	conn, err := godbus.Connect(address, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

type options = map[string]godbus.Variant

func option(key string, v any) options { return options{key: godbus.MakeVariant(v)} }

func TestWrongCallsAreNamedErrors(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	w.client(address)
	conn := w.raw(address)
	const own, bus = dbus.ErrorPrefix, "org.freedesktop.DBus.Error."
	manager, props := managerIface+".", propertiesIface+"."
	root := godbus.ObjectPath(dbus.RootPath)
	for _, c := range []struct {
		path       godbus.ObjectPath
		method     string
		args       []any
		name, says string
	}{
		{root, manager + "GetStatus", []any{option("detail", true)}, own + "InvalidArgument", `"detail" is not known; known are: backends, current, detailed, state`},
		{root, manager + "GetStatus", []any{option("detailed", "yes")}, own + "InvalidArgument", `"detailed" has type s`},
		{root, manager + "GetStatus", []any{option("state", "odd")}, own + "InvalidArgument", `"odd" is none of`},
		{root, manager + "GetStatus", []any{option("backends", []string{"nobody"})}, own + "NoSuchBackend", `"nobody"`},
		{root, manager + "GetStatus", []any{"x"}, bus + "InvalidArgs", `takes arguments of type "a{sv}", and was called with "s"`},
		{root, manager + "ListBackends", []any{option("cursor", "task:3")}, own + "InvalidArgument", `"task:3"`},
		{root, manager + "ListBackends", []any{option("cursor", "backend:%zz")}, own + "InvalidArgument", `"backend:%zz"`},
		{root, manager + "ListTasks", []any{option("cursor", "task:x")}, own + "InvalidArgument", `"task:x"`},
		{root, manager + "ListTasks", []any{option("state", "odd")}, own + "InvalidArgument", `"odd" is none of`},
		{root, manager + "ListErrors", []any{option("cursor", "1")}, own + "InvalidArgument", `"1"`},
		{root, manager + "ListBackends", []any{option("dirty", "yes")}, own + "InvalidArgument", `"dirty" has type s, which is wrong: it takes b`},
		{root, manager + "ListBackends", []any{option("limit", int32(3))}, own + "InvalidArgument", `"limit" has type i`},
		{root, manager + "Pause", []any{option("for-usec", uint64(1)<<60)}, own + "InvalidArgument", `longer than a lifetime`},
		{root, manager + "History", []any{option("what", "odd")}, own + "InvalidArgument", `"odd" is none of: tasks, checks, transitions, workers`},
		{root, manager + "Nothing", nil, bus + "UnknownMethod", `"Nothing"`},
		{root, "no.Such.Thing", nil, bus + "UnknownInterface", `"no.Such"`},
		{root + "/backends/nobody", props + "GetAll", []any{dbus.BusName + ".Backend"}, bus + "UnknownObject", `backends/nobody`},
		{root + "/tasks/77777", dbus.BusName + ".Task.Cancel", []any{options{}}, bus + "UnknownObject", `tasks/77777`},
		{root + "/workers/nobody", dbus.BusName + ".Worker.Restart", []any{options{}}, bus + "UnknownObject", `workers/nobody`},
		{root, props + "Get", []any{managerIface, "Nothing"}, bus + "UnknownProperty", `"Nothing"`},
		{root, props + "Get", []any{"no.Such", "Nothing"}, bus + "UnknownInterface", `"no.Such"`},
		{root, props + "Set", []any{managerIface, "Version", godbus.MakeVariant("1")}, bus + "PropertyReadOnly", "Version"},
		{dbus.BackendPath("nas"), dbus.BusName + ".Backend.Sync", []any{option("fast", true)}, own + "InvalidArgument", "known are: reconcile"},
		{"/org/freedesktop/LogControl1", props + "Set", []any{"org.freedesktop.LogControl1", "LogLevel", godbus.MakeVariant("loud")}, own + "InvalidArgument", `"loud"`},
	} {
		err := conn.Object(dbus.BusName, c.path).Call(c.method, 0, c.args...).Err
		var e godbus.Error
		switch {
		case c.name == "" && err == nil:
		case !errors.As(err, &e) || e.Name != c.name || !strings.Contains(e.Error(), c.says):
			t.Errorf("%s %s: got %s: %v, want %s: …%s…", c.path, c.method, e.Name, err, c.name, c.says)
		}
	}
}

// Each method that takes options refuses one that it does not know, and a wrong type of each that it knows.
func TestEveryOptionIsKnownAndOfItsType(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	ids, err := c.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn := w.raw(address)
	refused := func(path godbus.ObjectPath, method string, args []any, says string) string {
		err := conn.Object(dbus.BusName, path).Call(method, 0, args...).Err
		var e godbus.Error
		if !errors.As(err, &e) || e.Name != dbus.ErrorPrefix+"InvalidArgument" || !strings.Contains(e.Error(), says) {
			t.Errorf("%s %v: %v", method, args, err)
		}
		return e.Error()
	}
	calls, known := 0, 0
	for iface, path := range map[string]godbus.ObjectPath{"Manager": dbus.RootPath, "Backend": dbus.BackendPath("nas"), "Worker": dbus.WorkerPath(status.WorkerDirtyMonitor), "Task": dbus.TaskPath(ids[0])} {
		data, err := os.ReadFile(filepath.Join(testenv.Source(t), "dbus", dbus.BusName+"."+iface+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Methods []struct {
				Name string `xml:"name,attr"`
				Args []struct {
					Type      string `xml:"type,attr"`
					Direction string `xml:"direction,attr"`
				} `xml:"arg"`
			} `xml:"interface>method"`
		}
		if err := xml.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for _, m := range file.Methods {
			var args []any
			for _, a := range m.Args {
				if v := map[string]any{"s": "nas", "as": []string{"nas"}, "t": ids[0], "a{sv}": options{}}[a.Type]; a.Direction == "in" {
					args = append(args, v)
				}
			}
			last := len(args) - 1
			if _, takes := args[last].(options); !takes {
				continue
			}
			calls++
			name := dbus.BusName + "." + iface + "." + m.Name
			args[last] = option("no-such", true)
			_, list, _ := strings.Cut(refused(path, name, args, `option "no-such" is not known`), "known are: ")
			for _, key := range strings.Split(list, ", ") {
				if key != "none" {
					known++
					args[last] = option(key, 1.5)
					refused(path, name, args, `"`+key+`" has type d, which is wrong: it takes`)
				}
			}
		}
	}
	if calls != 28 || known != 29 {
		t.Errorf("%d methods with %d options were called", calls, known)
	}
}

// Levels of LogControl1 that are one level of the log are told as they were set.
func TestTheLogLevelIsToldAsItWasSet(t *testing.T) {
	w := newWorld(t)
	w.put("../config/intelligent.yaml", "log: {level: warning}\n")
	address, _ := w.onBus()
	c := w.client(address)
	o := w.raw(address).Object(dbus.BusName, "/org/freedesktop/LogControl1")
	for _, level := range []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"} {
		if err := o.SetProperty("org.freedesktop.LogControl1.LogLevel", godbus.MakeVariant(level)); err != nil {
			t.Errorf("%s: %v", level, err)
		}
		if got, err := o.GetProperty("org.freedesktop.LogControl1.LogLevel"); err != nil || got.Value() != level {
			t.Errorf("%s is told as %v, %v", level, got, err)
		}
	}
	// A reload that says nothing new of it leaves it, one that does sets it.
	for _, configured := range []string{"warning", "err"} {
		w.put("../config/intelligent.yaml", "log: {level: "+configured+"}\n")
		want := map[string]string{"warning": "debug", "err": "err"}[configured]
		if err := c.Reload(t.Context()); err != nil || w.s.LogLevel() != want {
			t.Errorf("after the reload with %s: %s, %v", configured, w.s.LogLevel(), err)
		}
	}
}

// Times that are out of reach are the latest there is, not none.
func TestSinceAfterTheEndOfTimeIsNotSinceEver(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	w.client(address)
	w.until("a check", func() bool { return w.s.Manager().TasksCompleted > 0 })
	root := w.raw(address).Object(dbus.BusName, dbus.RootPath)
	for since, want := range map[uint64]bool{0: true, 1: true, 1 << 62: false, 1 << 63: false, ^uint64(0): false} {
		var rows [][]any
		var cursor string
		if err := root.Call(managerIface+".ListTasks", 0, option("since", since)).Store(&rows, &cursor); err != nil || len(rows) > 0 != want {
			t.Errorf("since %d: %d tasks, %v", since, len(rows), err)
		}
		var fd godbus.UnixFD
		if err := root.Call(managerIface+".History", 0, option("since", since)).Store(&fd); err != nil {
			t.Error(err)
			continue
		}
		f := os.NewFile(uintptr(fd), "history")
		if text, err := io.ReadAll(f); err != nil || len(text) > 0 != want {
			t.Errorf("since %d: a history of %d bytes, %v", since, len(text), err)
		}
		f.Close()
	}
}

func TestEveryNodeAnswersPeerAndIntrospection(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	ids, err := c.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn := w.raw(address)
	want, err := os.ReadFile("/etc/machine-id")
	for _, path := range []godbus.ObjectPath{"/", "/org", "/org/ipfskit", "/org/freedesktop", "/org/freedesktop/LogControl1", dbus.RootPath, dbus.RootPath + "/workers",
		dbus.RootPath + "/backends", dbus.RootPath + "/tasks", dbus.BackendPath("nas"), dbus.WorkerPath("dirty_monitor"), dbus.TaskPath(ids[0])} {
		o := conn.Object(dbus.BusName, path)
		var text, id string
		if err := o.Call("org.freedesktop.DBus.Introspectable.Introspect", 0).Store(&text); err != nil || !strings.Contains(text, "<node") {
			t.Errorf("%s: %q %v", path, text, err)
		}
		if err := o.Call("org.freedesktop.DBus.Peer.Ping", 0).Err; err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := o.Call("Ping", 0).Err; err != nil { // a call that names no interface
			t.Errorf("%s: %v", path, err)
		}
		if e := o.Call("org.freedesktop.DBus.Peer.GetMachineId", 0).Store(&id); err == nil && (e != nil || id != strings.TrimSpace(string(want))) {
			t.Errorf("%s: machine id %q, want %q: %v", path, id, want, e)
		}
	}
}

// incoming notes what comes on a connection, in its order: names of signals, and "reply".
func (w *world) incoming(address string) (conn *godbus.Conn, since func() []string) {
	var mu sync.Mutex
	var seen []string
	conn = w.raw(address, godbus.WithIncomingInterceptor(func(m *godbus.Message) {
		mu.Lock()
		defer mu.Unlock()
		switch m.Type {
		case godbus.TypeSignal:
			seen = append(seen, fmt.Sprint(m.Headers[godbus.FieldMember].Value()))
		case godbus.TypeMethodReply:
			seen = append(seen, "reply")
		}
	}))
	if err := conn.AddMatchSignal(godbus.WithMatchSender(dbus.BusName)); err != nil {
		w.t.Fatal(err)
	}
	return conn, func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := seen
		seen = nil
		return out
	}
}

// A method's own changes are out before its reply; what it removes is there until after it.
func TestSignalsAndRepliesComeInOrder(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.mark("ghost", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy") // dirty, and configured nowhere
	address, _ := w.onBus()
	c := w.client(address)
	w.until("calm", func() bool { m := w.s.Manager(); return m.TasksActive == 0 && m.Backends == 2 })
	conn, since := w.incoming(address)
	root := conn.Object(dbus.BusName, dbus.RootPath)
	before := func(want, than string) {
		t.Helper()
		var all []string
		w.until(want+" and "+than, func() bool {
			all = append(all, since()...)
			text := strings.Join(all, " ")
			return strings.Contains(text, want) && strings.Contains(text, than)
		})
		if text := strings.Join(all, " "); strings.Index(text, want) > strings.Index(text, than) {
			t.Errorf("%s comes after %s: %s", want, than, text)
		}
	}
	settle := func() {
		for quiet := false; !quiet; quiet = len(since()) == 0 {
			time.Sleep(300 * time.Millisecond)
		}
	}
	settle()
	if err := root.Call(managerIface+".Pause", 0, options{}).Err; err != nil {
		t.Fatal(err)
	}
	before("PropertiesChanged", "reply")
	settle()
	if err := conn.Object(dbus.BusName, dbus.WorkerPath(status.WorkerHealthMonitor)).Call(dbus.BusName+".Worker.Restart", 0, options{}).Err; err != nil {
		t.Fatal(err)
	}
	before("WorkerRestarted", "reply")
	settle()
	if err := root.Call(managerIface+".Dismiss", 0, "ghost", options{}).Err; err != nil && !strings.Contains(err.Error(), "paused") {
		t.Fatal(err)
	}
	if err := c.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	settle()
	if err := root.Call(managerIface+".Check", 0, []string{"nas"}, options{}).Err; err != nil {
		t.Fatal(err)
	}
	before("InterfacesAdded", "TaskNew")
	settle()
	if err := root.Call(managerIface+".Sync", 0, []string{"nas"}, options{}).Err; err != nil {
		t.Fatal(err)
	}
	before("TaskNew", "reply")
	settle()
	if err := root.Call(managerIface+".Dismiss", 0, "ghost", options{}).Err; err != nil {
		t.Fatal(err)
	}
	before("reply", "InterfacesRemoved")
}

// No method waits for a backend that accepts connections and says nothing.
func TestNoMethodWaitsForABackendThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	w.backend("nas")
	w.configure("stall: 24h\n")
	w.put("backends/hole.yaml", "type: ipfs\napi_url: http://"+l.Addr().String()+"\n")
	cid := w.car(1)
	w.mark("hole", cid)
	w.mark("nas", cid)
	address, _ := w.onBus()
	w.client(address)
	conn := w.raw(address)
	root, hole := conn.Object(dbus.BusName, dbus.RootPath), conn.Object(dbus.BusName, dbus.BackendPath("hole"))
	none, named := options{}, []string{"hole"}
	for _, c := range []struct {
		o      godbus.BusObject
		method string
		args   []any
	}{
		{root, ".Manager.PlanSync", []any{named, none}},
		{root, ".Manager.PlanSync", []any{[]string{}, option("reconcile", true)}},
		{root, ".Manager.Sync", []any{named, none}},
		{root, ".Manager.Check", []any{named, none}},
		{root, ".Manager.Verify", []any{named, none}},
		{root, ".Manager.Backup", []any{named, none}},
		{root, ".Manager.Restore", []any{"hole", "pins", option("overwrite", true)}},
		{root, ".Manager.Explain", []any{"hole", none}},
		{root, ".Manager.Where", []any{cid, none}},
		{root, ".Manager.GetStatus", []any{option("detailed", true)}},
		{root, ".Manager.GetInsights", []any{none}},
		{root, ".Manager.GetHealth", []any{none}},
		{root, ".Manager.Rescan", []any{none}},
		{root, ".Manager.Reload", []any{none}},
		{hole, ".Backend.Pause", []any{none}},
		{hole, ".Backend.Resume", []any{none}},
		{hole, ".Backend.Check", []any{none}},
		{root, ".Manager.Dismiss", []any{"hole", none}},
	} {
		began := time.Now()
		call := c.o.Call(dbus.BusName+c.method, 0, c.args...)
		if took := time.Since(began); took > 25*time.Second { // even a check of it takes 30 s
			t.Errorf("%s took %s", c.method, took)
		}
		if call.Err != nil {
			t.Errorf("%s: %v", c.method, call.Err)
		} else if strings.HasSuffix(c.method, "PlanSync") && !strings.Contains(fmt.Sprint(call.Body...), "no answer within") {
			t.Errorf("%s does not say what it does not know: %s", c.method, call.Body)
		}
	}
}

func fds(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestHistoryEndsWithItsReader(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	for i := range 600 {
		w.s.db.SaveTask(status.Task{ID: uint64(i + 100_000), Kind: status.KindHealthCheck, Backend: "nas", State: status.TaskDone,
			Reason: strings.Repeat("long ", 20), Created: time.Now(), Finished: time.Now()})
	}
	w.s.db.Flush()
	lines := func(f io.Reader, slow time.Duration) (n int) {
		for s := bufio.NewScanner(f); s.Scan(); n++ {
			if n%100 == 0 {
				time.Sleep(slow)
			}
		}
		return n
	}
	open := func() *os.File {
		f, err := c.History(t.Context(), status.HistoryQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	base, goroutines := fds(t), runtime.NumGoroutine()
	for range 3 {
		f := open()
		if n := lines(f, 5*time.Millisecond); n < 600 {
			t.Errorf("a slow reader got %d lines", n)
		}
		f.Close()
	}
	for range 40 { // more than may be open at once: each that is closed ends
		f := open()
		f.Read(make([]byte, 10))
		f.Close()
		w.until("the writer's end", func() bool { return fds(t) <= base+2 })
	}
	var unread []*os.File
	for {
		f, err := c.History(t.Context(), status.HistoryQuery{})
		if err != nil {
			var e *status.Error
			if !errors.As(err, &e) || e.Code != status.LimitsExceeded {
				t.Fatal(err)
			}
			break
		}
		if unread = append(unread, f); len(unread) > 100 {
			t.Fatal("histories that nobody reads are not bounded")
		}
	}
	for _, f := range unread {
		f.Close()
	}
	w.until("no leaks", func() bool { return fds(t) <= base && runtime.NumGoroutine() <= goroutines+2 })
}

// One client's flood neither stops another client's answers nor grows without bound.
func TestAFloodOfOneClientStopsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	flood := w.raw(address)
	o := flood.Object(dbus.BusName, dbus.RootPath)
	done := make(chan *godbus.Call, 10_000)
	go func() {
		for range 5000 {
			o.Go(managerIface+".GetStatus", 0, done, options{})
		}
	}()
	other := w.raw(address).Object(dbus.BusName, dbus.RootPath)
	for range 50 {
		if err := other.Call(managerIface+".GetStatus", 0, options{}).Err; err != nil {
			t.Fatal(err)
		}
		if ok, why := w.s.sup.healthy(); !ok {
			t.Errorf("the watchdog would not be fed: %s", why)
		}
	}
	limited := 0
	for range 5000 {
		call := <-done
		var e godbus.Error
		switch {
		case call.Err == nil:
		case errors.As(call.Err, &e) && e.Name == dbus.ErrorPrefix+"LimitsExceeded":
			limited++
		default:
			t.Fatal(call.Err)
		}
	}
	t.Logf("%d of 5,000 calls were refused", limited)
	// An argument that is far too big ends in an error for its sender alone.
	if err := w.raw(address).Object(dbus.BusName, dbus.RootPath).Call(managerIface+".Where", 0, strings.Repeat("x", 8<<20), options{}).Err; err == nil {
		t.Error("8 MiB are taken for a CID")
	} else if len(err.Error()) > 5000 {
		t.Errorf("the error repeats %d bytes", len(err.Error()))
	}
	if _, err := c.Properties(t.Context()); err != nil {
		t.Error(err)
	}
}

// pages calls get for one page after the other, until the end.
func pages(t *testing.T, get func(cursor string) (next string, err error)) {
	t.Helper()
	for cursor := ""; ; {
		next, err := get(cursor)
		if err != nil {
			t.Fatal(err)
		}
		if cursor = next; cursor == "" {
			return
		}
	}
}

func TestListsGiveEachOfTenThousandBackendsOnceWhileOthersComeAndGo(t *testing.T) {
	w := newWorld(t)
	const n = 10_000
	for i := range n { // without folders: they are not used
		w.put(fmt.Sprintf("backends/disk-%05d.yaml", i), "type: carrier-pigeon\n")
	}
	address, _ := w.onBus()
	c := w.client(address)
	seen, page := map[string]int{}, 0
	pages(t, func(cursor string) (string, error) {
		rows, next, err := c.ListBackends(t.Context(), status.BackendQuery{Limit: 97, Cursor: cursor})
		for _, b := range rows {
			seen[b.Name]++
		}
		os.Remove(filepath.Join(w.home, "backends", fmt.Sprintf("disk-%05d-guest.yaml", (page-1)*97)))
		w.put(fmt.Sprintf("backends/disk-%05d-guest.yaml", page*97), "type: carrier-pigeon\n")
		page++
		return next, err
	})
	for i := range n {
		if k := seen[fmt.Sprintf("disk-%05d", i)]; k != 1 {
			t.Errorf("disk-%05d was listed %d times", i, k)
		}
	}
	if rows, next, err := c.ListBackends(t.Context(), status.BackendQuery{Limit: 1 << 30}); err != nil || len(rows) != 1000 || next == "" {
		t.Errorf("more than the most: %d rows, %v", len(rows), err)
	}
}

// Names that are no UTF-8 are told with a sign for what can't be told, and each is listed once all the same.
func TestListsGiveEachBackendOnceWhateverItsName(t *testing.T) {
	w := newWorld(t)
	names := []string{"a", "a%b", "a b", "z\xff", "y\xfe", "ü", "backend:x"}
	for _, name := range names {
		w.backend(name)
	}
	address, _ := w.onBus()
	c := w.client(address)
	seen, asked := map[string]int{}, 0
	pages(t, func(cursor string) (string, error) {
		rows, next, err := c.ListBackends(t.Context(), status.BackendQuery{Limit: 1, Cursor: cursor})
		for _, b := range rows {
			seen[b.Name]++
		}
		if asked++; asked > 2*len(names) {
			return "", errors.New("the list has no end")
		}
		return next, err
	})
	if len(seen) != len(names) || seen["z\ufffd"] != 1 || seen["a%b"] != 1 {
		t.Errorf("%v", seen)
	}
}

func TestListsOfTasksAndErrorsGiveEachOnce(t *testing.T) {
	w := newWorld(t)
	const n = 60
	for i := range n {
		w.backend(fmt.Sprintf("disk-%05d", i))
	}
	address, _ := w.onBus()
	c := w.client(address)
	if _, err := c.Check(t.Context(), nil); err != nil { // they end while they are listed
		t.Fatal(err)
	}
	last, count := uint64(1<<62), 0
	pages(t, func(cursor string) (string, error) {
		rows, next, err := c.ListTasks(t.Context(), status.TaskQuery{Limit: 7, Cursor: cursor})
		for _, x := range rows {
			if x.ID >= last {
				t.Errorf("task %d comes after %d", x.ID, last)
			}
			last = x.ID
			count++
		}
		return next, err
	})
	if count < n {
		t.Errorf("%d tasks of %d were listed", count, n)
	}
	w.s.mu.Lock()
	for i := range n {
		w.s.noteError(fmt.Sprintf("disk-%05d", i), "network", "away", w.s.clk.Now())
	}
	w.s.mu.Unlock()
	seen := map[string]int{}
	pages(t, func(cursor string) (string, error) {
		rows, next, err := c.ListErrors(t.Context(), status.ErrorQuery{Limit: 7, Cursor: cursor})
		for _, x := range rows {
			seen[x.Backend]++
		}
		w.s.mu.Lock()
		w.s.noteError(fmt.Sprintf("disk-%05d", len(seen)-1), "network", "away", w.s.clk.Now()) // again: it does not move
		w.s.mu.Unlock()
		return next, err
	})
	for i := range n {
		if k := seen[fmt.Sprintf("disk-%05d", i)]; k != 1 {
			t.Errorf("the error of disk-%05d was listed %d times", i, k)
		}
	}
}
