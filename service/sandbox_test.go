package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/privatebus"
	"ipfskit.org/intelligent/internal/status"
)

// sandboxed puts the world into a sandbox that holds everything read-only but the folders given.
func (w *world) sandboxed(writable ...string) *clock.Shifted {
	mounts := []fsys.Mount{{Point: "/", ReadOnly: true}}
	for _, p := range writable {
		mounts = append(mounts, fsys.Mount{Point: p})
	}
	clk := &clock.Shifted{}
	w.o.Clock = clk
	w.o.Mounts = func() ([]fsys.Mount, error) { return mounts, nil }
	return clk
}

// started runs a service, which may end by itself.
func (w *world) started() (*Service, <-chan error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := New(ctx, w.o)
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	w.s = s
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() { ended <- s.Run(ctx, nil); close(done) }()
	w.stop = func() { cancel(); <-done }
	w.t.Cleanup(w.stop)
	return s, ended
}

func TestAFolderThatComesIntoTheSandboxEndsTheServiceOnce(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	clk := w.sandboxed(w.home)
	s, done := w.started()
	w.until("the missing folder was noticed", func() bool { b, ok := s.Backend("nas"); return ok && b.ErrorCount > 0 })
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	clk.Shift(time.Minute)
	if _, err := s.Check(t.Context(), []string{"nas"}); err != nil {
		t.Fatal(err)
	}
	var again *status.StartAgainError
	if err := <-done; !errors.As(err, &again) || again.Folder != root {
		t.Fatalf("it ended with %v", err)
	}
	// The next start finds it there: it does not end again, and says what is wrong.
	s, _ = w.started()
	w.until("the folder is told as held by the sandbox", func() bool {
		b, ok := s.Backend("nas")
		return ok && b.Health == status.HealthUnhealthy && strings.Contains(b.LastError, "read-only in the sandbox") && strings.Contains(b.LastError, "doctor --drop-in --install")
	})
}

// One that came between the making of the sandbox and the first look: the unit names it, so a new start mends it. That is tried once.
func TestAFolderThatTheUnitNamesAndTheSandboxHoldsEndsTheServiceOnce(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	clk := w.sandboxed(w.home, w.o.Paths.State)
	named := []string{filepath.Dir(root)}
	w.o.Named = func(context.Context) ([]string, error) { return named, nil }
	_, done := w.started()
	clk.Shift(time.Minute)
	var again *status.StartAgainError
	if err := <-done; !errors.As(err, &again) || again.Folder != root || !again.Named {
		t.Fatalf("it ended with %v", err)
	}
	// Still held: something else does it, and it is told.
	s, done := w.started()
	clk.Shift(time.Minute)
	told := func() bool {
		b, ok := s.Backend("nas")
		return ok && b.Health == status.HealthUnhealthy && strings.Contains(b.LastError, "read-only in the sandbox")
	}
	w.until("it is told", told)
	select {
	case err := <-done:
		t.Fatalf("it ended again: %v", err)
	case <-time.After(time.Second):
	}
	w.stop()
	// Written again once, it counts as new.
	mounts := w.o.Mounts
	w.o.Mounts = func() ([]fsys.Mount, error) {
		return []fsys.Mount{{Point: "/", ReadOnly: true}, {Point: filepath.Dir(w.home)}}, nil
	}
	s, _ = w.started()
	w.until("it runs", func() bool { return s.Manager().State == status.StateRunning })
	if _, err := s.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.until("it works", func() bool { b, ok := s.Backend("nas"); return ok && b.LastError == "" && b.ErrorCount == 0 })
	w.stop()
	w.o.Mounts = mounts
	s, done = w.started()
	clk.Shift(time.Minute)
	var end error
	w.until("it ends again", func() bool {
		_, _ = s.Check(t.Context(), nil) // it may be too early for it, or too late
		select {
		case end = <-done:
			return true
		default:
			return false
		}
	})
	if !errors.As(end, &again) {
		t.Fatalf("it ended with %v", end)
	}
	// One that the unit does not name is told at once.
	w.o.Named = func(context.Context) ([]string, error) { return []string{w.home}, nil }
	s, _ = w.started()
	w.until("it is told", told)
}

func TestAHomeThatComesIntoTheSandboxEndsTheService(t *testing.T) {
	w := newWorld(t)
	aside := w.home + ".aside"
	if err := os.Rename(w.home, aside); err != nil {
		t.Fatal(err)
	}
	clk := w.sandboxed(filepath.Dir(w.home) + "/state")
	s, done := w.started()
	w.until("it waits for the home", func() bool { return s.Manager().State == status.StateWaiting })
	clk.Shift(time.Minute)
	if err := os.Rename(aside, w.home); err != nil {
		t.Fatal(err)
	}
	var again *status.StartAgainError
	if err := <-done; !errors.As(err, &again) || again.Folder != w.home {
		t.Fatalf("it ended with %v", err)
	}
	s, _ = w.started()
	w.until("the reason is told", func() bool {
		m := s.Manager()
		return m.State == status.StateWaiting && strings.Contains(m.StateReason, "read-only in the sandbox")
	})
}

func TestAFolderThatTheSandboxHidesIsToldAsThat(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	w.o.System = true
	w.o.Mounts = func() ([]fsys.Mount, error) {
		return []fsys.Mount{{Point: "/", ReadOnly: true}, {Point: w.home}, {Point: root, Root: "/systemd/inaccessible/dir", ReadOnly: true, Type: "tmpfs"}}, nil
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	s, _ := w.started()
	w.until("the sandbox is named, and what an administrator does", func() bool {
		b, ok := s.Backend("nas")
		return ok && b.Health == status.HealthUnhealthy && strings.Contains(b.LastError, "is hidden by the sandbox of the unit (InaccessiblePaths=)") &&
			strings.Contains(b.LastError, "as root: systemctl edit ipfs-kit-intelligent.service")
	})
}

// Mounts and credentials are fixed at the start: a new one may have mended what failed before, however often it did.
func TestWhatTheUnitsSettingsForbadeIsTriedAgainAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.o.Mounts = func() ([]fsys.Mount, error) {
		return []fsys.Mount{{Point: "/", ReadOnly: true}, {Point: w.home}}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, w.o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil) }()
	w.s = s
	w.until("it failed", func() bool { b, ok := s.Backend("nas"); return ok && b.ErrorCount > 0 })
	s.mu.Lock()
	e := s.entries["nas"]
	for range 8 { // the next try would be minutes away
		e.health.Failure(s.clk.Now(), "nas", true, s.healthRules())
	}
	e.changed = true
	s.mu.Unlock()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.o.Mounts = nil
	s, _ = w.started()
	w.until("it works", func() bool {
		b, ok := s.Backend("nas")
		return ok && b.LastError == "" && b.ErrorCount == 0 && !b.LastCheck.IsZero()
	})
}

// Where a link leads is what counts: the link itself can be seen.
func TestALinkIntoAFolderThatTheSandboxHidesIsToldAsThat(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/home/nobody-here/disk", root); err != nil {
		t.Fatal(err)
	}
	w.o.System = true
	w.o.Mounts = func() ([]fsys.Mount, error) {
		return []fsys.Mount{{Point: "/", ReadOnly: true}, {Point: w.home}, {Point: "/home", Root: "/systemd/inaccessible/dir", ReadOnly: true, Type: "tmpfs"}}, nil
	}
	s, _ := w.started()
	w.until("the sandbox is named, where it leads, and what an administrator does", func() bool {
		b, ok := s.Backend("nas")
		return ok && strings.Contains(b.LastError, root+", which leads to /home/nobody-here/disk, is hidden by the sandbox of the unit (ProtectHome=yes)") &&
			strings.Contains(b.LastError, "ProtectHome=tmpfs and BindPaths=-/home/nobody-here/disk;")
	})
}

// Each broker of a bus has its own word for a name that nobody has.
func TestAServiceManagerThatIsNotOnTheBusYetIsKnown(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("ask: %w", godbus.Error{Name: "org.freedesktop.DBus.Error.NameHasNoOwner"}): true,
		fmt.Errorf("ask: %w", godbus.Error{Name: "org.freedesktop.DBus.Error.ServiceUnknown"}): true,
		fmt.Errorf("ask: %w", godbus.Error{Name: "org.freedesktop.DBus.Error.AccessDenied"}):   false,
		fmt.Errorf("ask: %w", context.DeadlineExceeded):                                        false,
	} {
		if got := absentManager(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if absentManager(nil) {
		t.Error("one that answers is taken for absent")
	}
}

// hardening is the sandbox as people put it in place, for scripts in the box.
const hardening = boxHelpers + `
harden() { ipfs-kit-intelligent doctor --drop-in --install | grep -q "Next: systemctl --user restart" || fail "not installed"; }
`

// Contract, section 1: in the sandbox the unit starts without a home and with a
// path that is not there; what appears later leads to one new start, and then it syncs.
func TestTheSandboxOfTheUserUnit(t *testing.T) {
	boxed(t, "", hardening+`
# A fresh account: nothing is there yet, also not the folder of the state.
harden
systemctl --user start $U || fail "no start without a home"
await eval 'ipfs-kit-intelligent status | grep -q "^waiting"'
touch ~/x 2>/dev/null || fail "the shell itself can't write"
pid=$(systemctl --user show -p MainPID --value $U)
grep -q ' /home/tester/.local/state/ipfs-kit-intelligent .* rw,' /proc/$pid/mountinfo || fail "the state can't be written"
grep -q ' / / ro,' /proc/$pid/mountinfo || fail "there is no sandbox"

# The home comes: one new start, said in the journal, and then it is served.
home
await eval 'ipfs-kit-intelligent status | grep -q "appeared after the start"'
restarted() { [ "$(systemctl --user show -p NRestarts --value $U)" = $1 ]; }
await restarted 1
ipfs-kit-intelligent wait --for ready --timeout 5m
await eval '[ "$(state)" = running ]'
await eval 'journalctl --user -u $U MESSAGE_ID=5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0e --no-pager | grep -q ".ipfs_kit appeared after the start"'

# A backend configured after the drop-in was written: doctor says so, and its mend mends it.
backend nas
await eval 'ipfs-kit-intelligent explain nas >/dev/null 2>&1'
await eval 'ipfs-kit-intelligent doctor --json | grep -q path-hidden-by-sandbox'
await eval 'ipfs-kit-intelligent health | grep -q "read-only in the sandbox"'
restarted 1 || fail "a folder that no drop-in names led to a new start"
mkdir -p ~/.ipfs_kit/backends; printf 'name: late\ntype: filesystem\nstorage_path: %s/disk/late one\n' ~ >~/.ipfs_kit/backends/late.yaml
harden
ipfs-kit-intelligent doctor --drop-in | grep -q '^ReadWritePaths="-/home/tester/disk/late one"' || fail "the drop-in does not name the folder: $(ipfs-kit-intelligent doctor --drop-in)"
systemctl --user restart $U || fail "no start with a path that is not there"
ipfs-kit-intelligent wait --for ready --timeout 5m
python3 scripts/touch_dirty.py --home ~ --layout both nas
await cleared nas
ls ~/disk/nas/cars/*.car || fail "no copy"
ipfs-kit-intelligent doctor --json | grep -q path-hidden-by-sandbox && fail "still hidden: $(ipfs-kit-intelligent doctor)" || true

# It backs up, to a backend that proved twice that it is healthy again.
ipfs-kit-intelligent check nas --wait && ipfs-kit-intelligent check nas --wait
ipfs-kit-intelligent backends | grep -q '^nas .* healthy' || fail "not healthy: $(ipfs-kit-intelligent backends)"
mkdir -p ~/.ipfs_kit/pin_metadata; printf x >~/.ipfs_kit/pin_metadata/some.json
ipfs-kit-intelligent backup --wait --timeout 5m || fail "no backup"
ls -d ~/disk/nas/backups/* || fail "no backup there"

# The folder of the other backend comes: one new start, and then its sync works.
python3 scripts/touch_dirty.py --home ~ --layout both late
sleep 1
before=$(systemctl --user show -p MainPID --value $U)
mkdir "$HOME/disk/late one"
await cleared late
ls "$HOME/disk/late one"/cars/*.car || fail "no copy to the folder that came"
[ "$(systemctl --user show -p MainPID --value $U)" != $before ] || fail "it was not started again"
restarted 1 || fail "more than one new start: $(systemctl --user show -p NRestarts --value $U)"

# What can be got out of it is measured on the unit together with the drop-in.
mkdir ~/merged
cat /usr/lib/systemd/user/$U.service ~/.config/systemd/user/$U.service.d/hardened.conf >~/merged/$U.service
cd ~/merged
systemd-analyze security --offline=true --threshold=16 ./$U.service >~/out || fail "exposed: $(tail -1 ~/out)"
tail -1 ~/out
# Nor do the installed file and what is printed differ in what they forbid.
grep -v -e '^#' -e ReadWritePaths -e ExecStartPre /usr/share/doc/$U/hardened.conf >~/a
grep -v -e '^#' -e ReadWritePaths -e ExecStartPre ~/.config/systemd/user/$U.service.d/hardened.conf >~/b
diff ~/a ~/b || fail "they differ"
`)
}

// What the unit names is held when it comes between the making of the sandbox and the first look.
func TestAFolderThatComesBeforeTheFirstLookIsWrittenAfterOneNewStart(t *testing.T) {
	boxed(t, "", hardening+`
# A folder that the drop-in names comes between the making of the sandbox and the first look: one new start by itself.
home; printf 'name: later\ntype: filesystem\nstorage_path: %s/disk/later\n' ~ >~/.ipfs_kit/backends/later.yaml
harden
cat >~/slow <<'S'
#!/bin/sh
# Is in the sandbox already, and begins when the folder is there.
touch $XDG_RUNTIME_DIR/waits
until [ -d ~/disk/later ]; do sleep 0.05; done
exec /usr/bin/ipfs-kit-intelligent run
S
chmod +x ~/slow
D=~/.config/systemd/user/$U.service.d
printf '[Service]\nExecStart=\nExecStart=%s/slow\n' ~ >$D/slow.conf
systemctl --user daemon-reload
python3 scripts/touch_dirty.py --home ~ --layout both later
(while :; do [ ! -e $XDG_RUNTIME_DIR/waits ] || { mkdir -p ~/disk/later; rm $XDG_RUNTIME_DIR/waits; }; sleep 0.05; done) &
restarted() { [ "$(systemctl --user show -p NRestarts --value $U)" = $1 ]; }
systemctl --user start $U
await restarted 1
await cleared later
ls ~/disk/later/cars/*.car || fail "no copy to the folder that came in between"
await eval 'journalctl --user -u $U MESSAGE_ID=5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0e --no-pager | grep -q "disk/later is read-only in the sandbox of the unit, which was made before"'
journalctl --user -u $U --no-pager | grep -q 'could not be asked' && fail "the manager was not waited for" || true

# Where each start finds it held, a new one is tried once, and then it is told.
printf '[Service]\nExecStartPre=+/bin/rm -rf %%h/disk/later\n' >$D/zz.conf
systemctl --user daemon-reload
systemctl --user restart $U
ipfs-kit-intelligent check later --wait && fail "it could be written" || true
await restarted 1
ipfs-kit-intelligent wait --for ready --timeout 5m
for i in $(seq 18); do
  ipfs-kit-intelligent check later --wait && fail "it could be written" || true
  sleep 1
done
ipfs-kit-intelligent health | grep -q "disk/later is read-only in the sandbox" || fail "it is not told: $(ipfs-kit-intelligent health)"
restarted 1 || fail "a loop: $(systemctl --user show -p NRestarts --value $U)"
`)
}

// unitOwner is what a service manager says of this process's unit.
type unitOwner struct{}

func (unitOwner) GetUnitByPID(uint32) (godbus.ObjectPath, *godbus.Error) { return "/unit", nil }

func (unitOwner) Get(string, string) (godbus.Variant, *godbus.Error) {
	return godbus.MakeVariant([]string{"-/disk/one", "+/disk/two"}), nil
}

// A service manager that comes to the bus later than this service is asked once it does.
func TestAServiceManagerThatComesLateIsAsked(t *testing.T) {
	bus, err := privatebus.Start(t.Context(), t.TempDir(), clock.System)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close() //nolint:errcheck // the test is over
	type answer struct {
		paths []string
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		paths, err := namedByUnit(bus.Address)(t.Context())
		got <- answer{paths, err}
	}()
	conn, err := client.Connect(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	for path, of := range map[godbus.ObjectPath]string{"/org/freedesktop/systemd1": unitManager + ".Manager", "/unit": "org.freedesktop.DBus.Properties"} {
		if err := conn.Export(unitOwner{}, path, of); err != nil {
			t.Fatal(err)
		}
	}
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var names []string
		if err := conn.BusObject().Call("org.freedesktop.DBus.ListNames", 0).Store(&names); err != nil || time.Now().After(limit) {
			t.Fatal("nobody asks: ", err)
		}
		if len(names) > 2 { // the bus, this test, and who asks
			break
		}
	}
	if _, err := conn.RequestName(unitManager, 0); err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.err != nil || !slices.Equal(a.paths, []string{"/disk/one", "/disk/two"}) {
		t.Errorf("%v %v", a.paths, a.err)
	}
}
