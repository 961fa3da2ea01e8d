package service

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/testenv"
)

// nobody is a user who is neither root nor the service's own.
const nobody = 65534

const openBusConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// openBus is a bus that every user may connect to, as the system's is.
func openBus(t *testing.T) (address string) {
	t.Helper()
	testenv.Root(t)
	testenv.DBusDaemon(t)
	dir, err := os.MkdirTemp("", "ipfs-kit-open-bus-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, openBusConfig, filepath.Join(dir, "bus")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// dialAs connects as another user: the bus sees whose the connecting thread is.
func dialAs(t *testing.T, address string, uid int) *godbus.Conn {
	t.Helper()
	var conn *godbus.Conn
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			err = e
			return
		}
		if conn, err = godbus.Dial(address); err == nil {
			err = conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(uid))})
		}
	}()
	<-done
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		t.Fatalf("connect as user %d: %v", uid, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// polkit stands for the real one, which TestSystemService asks.
type polkit struct {
	mu    sync.Mutex
	asked []string // action and flags
	// answer is given at once, or when hold is closed.
	answer polkitAnswer
	hold   chan struct{}
	waits  chan struct{}
}

type polkitAnswer struct {
	Authorized, Challenge bool
	Details               map[string]string
}

type polkitSubject struct {
	Kind    string
	Details map[string]godbus.Variant
}

// CheckAuthorization is the method of polkit's interface.
func (p *polkit) CheckAuthorization(s polkitSubject, action string, _ map[string]string, flags uint32, _ string) (polkitAnswer, *godbus.Error) {
	p.mu.Lock()
	p.asked = append(p.asked, fmt.Sprintf("%s %s %d", s.Kind, action, flags))
	answer, hold := p.answer, p.hold
	p.mu.Unlock()
	if hold != nil {
		p.waits <- struct{}{}
		<-hold
	}
	return answer, nil
}

func (p *polkit) says(a polkitAnswer) (asked []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, p.asked = p.asked, nil
	p.answer = a
	return asked
}

func startPolkit(t *testing.T, address string) *polkit {
	t.Helper()
	p := &polkit{waits: make(chan struct{}, 100)}
	conn := dialAs(t, address, 0)
	if err := conn.Export(p, "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.PolicyKit1", godbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return p
}

// manager calls a method of the service's root object without options. The library's own calls lose some flags.
func manager(conn *godbus.Conn, flags godbus.Flags, method string) error {
	return (<-managerGo(conn, flags, method).Done).Err
}

func managerGo(conn *godbus.Conn, flags godbus.Flags, method string) *godbus.Call {
	msg := &godbus.Message{Type: godbus.TypeMethodCall, Flags: flags, Body: []any{none}, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: godbus.MakeVariant(dbus.BusName),
		godbus.FieldPath:        godbus.MakeVariant(godbus.ObjectPath(dbus.RootPath)),
		godbus.FieldInterface:   godbus.MakeVariant(dbus.BusName + ".Manager"),
		godbus.FieldMember:      godbus.MakeVariant(method),
		godbus.FieldSignature:   godbus.MakeVariant(godbus.SignatureOf(none)),
	}}
	return conn.Send(msg, make(chan *godbus.Call, 1))
}

var none = map[string]godbus.Variant{}

func nameOf(err error) string {
	var e godbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return fmt.Sprint(err)
}

const denied = dbus.ErrorPrefix + "AccessDenied"

func TestReadingIsFreeAndChangingAsksPolkit(t *testing.T) {
	address := openBus(t)
	w := newWorld(t)
	w.serve(dbus.ServerOptions{Address: address, Polkit: true})
	w.client(address)
	foreign, own := dialAs(t, address, nobody), dialAs(t, address, 0)
	ask := godbus.FlagAllowInteractiveAuthorization
	if err := manager(foreign, 0, "Rescan"); nameOf(err) != denied || !strings.Contains(err.Error(), "polkit can't be asked") {
		t.Errorf("without polkit: %v", err)
	}
	p := startPolkit(t, address)
	if err := manager(foreign, 0, "GetStatus"); err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := manager(own, 0, "Rescan"); err != nil {
		t.Errorf("by the service's own user: %v", err)
	}
	if asked := p.says(polkitAnswer{}); len(asked) != 0 {
		t.Errorf("polkit was asked %q", asked)
	}
	for _, c := range []struct {
		answer polkitAnswer
		flags  godbus.Flags
		want   string // in the error; empty: allowed
	}{
		{polkitAnswer{Authorized: true}, 0, ""},
		{polkitAnswer{Authorized: true}, ask, ""},
		{polkitAnswer{}, 0, "polkit does not allow"},
		{polkitAnswer{Challenge: true}, 0, "did not allow to ask"},
		{polkitAnswer{Challenge: true}, ask, "no polkit agent"},
		{polkitAnswer{Details: map[string]string{"polkit.dismissed": "true"}}, ask, "dismissed"},
	} {
		p.says(c.answer)
		err := manager(foreign, c.flags, "Rescan")
		if c.want == "" && err != nil || c.want != "" && (nameOf(err) != denied || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v, flags %d: %v", c.answer, c.flags, err)
		}
		want := "system-bus-name org.ipfskit.intelligent1.rescan 0"
		if c.flags != 0 {
			want = "system-bus-name org.ipfskit.intelligent1.rescan 1"
		}
		if asked := p.says(polkitAnswer{}); len(asked) != 1 || asked[0] != want {
			t.Errorf("polkit was asked %q, want %q", asked, want)
		}
	}
}

func TestAccessDeniedComesBeforeAnyOtherError(t *testing.T) {
	address := openBus(t)
	w := newWorld(t)
	w.serve(dbus.ServerOptions{Address: address, Polkit: true})
	w.client(address)
	p := startPolkit(t, address)
	foreign := dialAs(t, address, nobody)
	level := godbus.MakeVariant("loud")
	calls := map[string]struct {
		path   godbus.ObjectPath
		method string
		args   []any
		then   string // the error once it is allowed
	}{
		"types":    {dbus.RootPath, dbus.BusName + ".Manager.Sync", []any{7}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"option":   {dbus.RootPath, dbus.BusName + ".Manager.Rescan", []any{map[string]godbus.Variant{"x": godbus.MakeVariant(1)}}, dbus.ErrorPrefix + "InvalidArgument"},
		"name":     {dbus.RootPath, dbus.BusName + ".Manager.Sync", []any{[]string{"none"}, none}, dbus.ErrorPrefix + "NoSuchBackend"},
		"object":   {dbus.BackendPath("none"), dbus.BusName + ".Backend.Sync", []any{none}, "org.freedesktop.DBus.Error.UnknownObject"},
		"task":     {dbus.TaskPath(77), dbus.BusName + ".Task.Cancel", []any{none}, "org.freedesktop.DBus.Error.UnknownObject"},
		"level":    {"/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties.Set", []any{"org.freedesktop.LogControl1", "LogLevel", level}, dbus.ErrorPrefix + "InvalidArgument"},
		"property": {"/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties.Set", []any{"org.freedesktop.LogControl1", "None", level}, "org.freedesktop.DBus.Error.UnknownProperty"},
	}
	for name, c := range calls {
		p.says(polkitAnswer{})
		if err := foreign.Object(dbus.BusName, c.path).Call(c.method, 0, c.args...).Err; nameOf(err) != denied {
			t.Errorf("%s, not allowed: %v", name, err)
		}
		p.says(polkitAnswer{Authorized: true})
		if err := foreign.Object(dbus.BusName, c.path).Call(c.method, 0, c.args...).Err; nameOf(err) != c.then {
			t.Errorf("%s, allowed: %s, want %s", name, nameOf(err), c.then)
		}
	}
}

// A person may take minutes to answer: the caller waits, and nobody else, also not the service's end.
func TestAQuestionToAPersonHoldsUpNobodyElse(t *testing.T) {
	address := openBus(t)
	w := newWorld(t)
	w.serve(dbus.ServerOptions{Address: address, Polkit: true})
	w.client(address)
	p := startPolkit(t, address)
	hold := make(chan struct{})
	defer close(hold)
	p.mu.Lock()
	p.hold = hold
	p.mu.Unlock()
	foreign, own := dialAs(t, address, nobody), dialAs(t, address, 0)
	asks := managerGo(foreign, godbus.FlagAllowInteractiveAuthorization, "Rescan")
	<-p.waits
	for _, conn := range []*godbus.Conn{foreign, own} {
		if err := manager(conn, 0, "GetStatus"); err != nil {
			t.Error(err)
		}
	}
	if err := manager(own, 0, "Rescan"); err != nil {
		t.Error(err)
	}
	select {
	case <-asks.Done:
		t.Fatalf("answered without polkit's word: %v", asks.Err)
	default:
	}
	w.stop()
	<-asks.Done
	if asks.Err == nil {
		t.Error("it was done although nobody allowed it")
	}
}

// One user's questions that nobody answers leave room for those of others.
func TestAUserMayNotHaveTooManyOpenQuestions(t *testing.T) {
	address := openBus(t)
	w := newWorld(t)
	w.serve(dbus.ServerOptions{Address: address, Polkit: true})
	w.client(address)
	p := startPolkit(t, address)
	hold := make(chan struct{})
	p.mu.Lock()
	p.hold, p.answer = hold, polkitAnswer{Authorized: true}
	p.mu.Unlock()
	foreign, other := dialAs(t, address, nobody), dialAs(t, address, 1) // daemon
	var open []*godbus.Call
	for range 8 {
		open = append(open, managerGo(foreign, godbus.FlagAllowInteractiveAuthorization, "Rescan"))
		<-p.waits
	}
	if err := manager(foreign, godbus.FlagAllowInteractiveAuthorization, "Rescan"); nameOf(err) != denied || !strings.Contains(err.Error(), "8 questions of yours") {
		t.Errorf("one more: %v", err)
	}
	open = append(open, managerGo(other, godbus.FlagAllowInteractiveAuthorization, "Rescan"))
	<-p.waits
	close(hold)
	for _, c := range open {
		if <-c.Done; c.Err != nil {
			t.Error(c.Err)
		}
	}
	if err := manager(foreign, 0, "Rescan"); err != nil {
		t.Errorf("after the answers: %v", err)
	}
}

func TestOnAUsersOwnBusOthersAreRefused(t *testing.T) {
	address := openBus(t)
	w := newWorld(t)
	w.serve(dbus.ServerOptions{Address: address})
	w.client(address)
	foreign := dialAs(t, address, nobody)
	for range 2 {
		for _, method := range []string{"GetStatus", "Rescan"} {
			if err := manager(foreign, 0, method); nameOf(err) != denied {
				t.Errorf("%s by another user: %v", method, err)
			}
			if err := manager(dialAs(t, address, 0), 0, method); err != nil {
				t.Errorf("%s by root: %v", method, err)
			}
		}
	}
}
