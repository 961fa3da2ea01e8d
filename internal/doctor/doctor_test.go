package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

const aCID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	w := newWorld(t)
	w.unit()
	w.enableLinger()
	if d := w.run(); !d.Healthy || len(d.Findings) > 0 || d.Checks != len(checks) {
		t.Errorf("%+v", d)
	}
}

// Each kind of trouble is made for real, found by its code, and was not found before.
func TestEachTroubleIsFoundByItsCode(t *testing.T) {
	for code, seed := range map[string]func(*world){
		"no-home":     func(w *world) { w.remove(w.home) },
		"no-registry": func(w *world) { w.remove(filepath.Join(w.home, "backend_index/backend_registry.parquet")) },
		"no-bucket-registry": func(w *world) {
			w.remove(filepath.Join(w.home, "bucket_registry.json"))
		},
		"layouts-differ": func(w *world) {
			w.put("backend_configs/nas.yaml", "type: filesystem\nconfig:\n  storage_path: /elsewhere\n")
		},
		"configuration-wrong": func(w *world) { w.write(filepath.Join(w.dir, "config/intelligent.yaml"), "limits:\n  tasks: many\n") },
		"configuration-key":   func(w *world) { w.write(filepath.Join(w.dir, "config/intelligent.yaml"), "limit: 3\n") },
		"backend-misconfigured": func(w *world) {
			w.configure("odd", "type: filesystem\nstorage_path: relative\n")
		},
		"no-adapter":   func(w *world) { w.configure("odd", "type: carrier_pigeon\n") },
		"path-missing": func(w *world) { w.remove(filepath.Join(w.dir, "disks/nas")) },
		"path-not-folder": func(w *world) {
			w.remove(filepath.Join(w.dir, "disks/nas"))
			w.write(filepath.Join(w.dir, "disks/nas"), "")
		},
		"home-unreadable": func(w *world) {
			w.remove(w.home)
			w.write(w.home, "no folder")
		},
		"path-trouble": func(w *world) { // a link to itself
			w.remove(filepath.Join(w.dir, "disks/nas"))
			if err := os.Symlink("nas", filepath.Join(w.dir, "disks/nas")); err != nil {
				w.t.Fatal(err)
			}
		},
		"credentials-missing": func(w *world) {
			w.configure("kubo", "type: ipfs\nenabled: true\napi_url: http://127.0.0.1:1\nusername: me\n")
		},
		"content-without-source": func(w *world) { w.o.Service = nil; w.mark("nas", time.Now(), aCID) },
		"dirty-unserved":         func(w *world) { w.o.Service = nil; w.mark("nas", time.Now(), aCID) },
		"watch-limit":            func(w *world) { w.write(filepath.Join(w.o.Root, "proc/sys/fs/inotify/max_user_watches"), "12\n") },
		"shared-node": func(w *world) {
			w.configure("kubo", "type: ipfs\napi_url: http://127.0.0.1:1\n")
			w.configure("again", "type: kubo\napi_url: /ip4/127.0.0.1/tcp/1\n")
		},
		"watch-instances": func(w *world) { w.o.Inotify = func() error { return unix.EMFILE } },
		"clock-behind": func(w *world) {
			behind := &clock.Shifted{}
			behind.Shift(-24 * time.Hour)
			w.o.Clock = behind
		},
		"clock-unsynchronised": func(w *world) { w.o.Synchronised = func() bool { return false } },
		"runtime-dir-missing":  func(w *world) { delete(w.env, "XDG_RUNTIME_DIR") },
		"bus-missing":          func(w *world) { w.o.Service = nil; delete(w.env, "DBUS_SESSION_BUS_ADDRESS") },
		"state-damaged": func(w *world) {
			w.o.Service = nil
			w.write(filepath.Join(w.dir, "state/state.db"), strings.Repeat("no database ", 1000))
		},
		"state-newer": func(w *world) {
			w.o.Service = nil
			file := filepath.Join(w.dir, "state/state.db")
			db, _, err := statedb.Open(w.t.Context(), file, statedb.Options{Clock: clock.System})
			if err != nil {
				w.t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				w.t.Fatal(err)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				w.t.Fatal(err)
			}
			binary.BigEndian.PutUint32(data[60:], 99) // user_version, by the format of SQLite's files
			w.write(file, string(data))
		},
		"state-kept-aside":    func(w *world) { w.write(filepath.Join(w.dir, "state/state.db.damaged-1764150000"), "") },
		"unit-not-enabled":    func(w *world) { w.unit("UnitFileState=disabled") },
		"unit-changed":        func(w *world) { w.unit("NeedDaemonReload=yes") },
		"linger-off":          func(w *world) { w.unit() },
		"service-not-running": func(w *world) { w.o.Service = nil },
		"service-silent":      func(w *world) { w.o.Service, w.o.Silent, w.o.LastEnd = nil, true, "no answer" },
		"other-home":          func(w *world) { w.o.Service.Manager.Home = "/elsewhere" },
		"other-version":       func(w *world) { w.o.Service.Manager.Version = "0.9" },
		"worker-unhealthy": func(w *world) {
			w.o.Service.Issues = []status.Finding{{Code: "worker-unhealthy", Severity: status.SeverityError, What: "a", Why: "b", Mend: "c"}}
		},
	} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			w.misses(code)
			seed(w)
			w.finds(code)
		})
	}
}

func TestWhereTheLayoutsDifferIsShownByTheCommandThatIsNamed(t *testing.T) {
	w := newWorld(t)
	w.put("backend_configs/nas.yaml", "type: filesystem\nconfig:\n  storage_path: /elsewhere\n")
	f := w.finds("layouts-differ")
	typed, _, _ := strings.Cut(strings.TrimPrefix(f.Mend, "see what: "), ";")
	out, err := exec.Command("sh", "-c", typed).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "/elsewhere") {
		t.Errorf("%s: %v\n%s", typed, err, out)
	}
}

func TestTornAndUnreadableFilesAreNamed(t *testing.T) {
	for _, file := range []string{"backend_index/dirty_metadata/nas_dirty.json", "backends/nas/pin_mappings.parquet", "backend_index/backend_registry.parquet",
		"bucket_index/bucket_registry.parquet"} {
		if strings.HasSuffix(file, "pin_mappings.parquet") != strings.Contains(home.Mend(file), "restore nas pins") {
			t.Error(home.Mend(file))
		}
		t.Run(strings.ReplaceAll(file, "/", "_"), func(t *testing.T) {
			w := newWorld(t)
			w.misses("file-unreadable")
			w.put(file, `{"is_dirty": tr`)
			if f := w.finds("file-unreadable"); f.Subject != file || !strings.Contains(f.Mend, file) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// Law of the house: what comes and what is mended tells load from trouble.
func TestManyDirtyBackendsAreLoadOrTrouble(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	for code, m := range map[string]status.Manager{
		"dirty-stuck":   {DirtyBackends: 40, OldestDirty: long},
		"dirty-growing": {DirtyBackends: 40, OldestDirty: long, DirtyPerMinute: 9, MendedPerMinute: 4},
		"dirty-many":    {DirtyBackends: 40, OldestDirty: long, DirtyPerMinute: 1, MendedPerMinute: 4},
	} {
		w := newWorld(t)
		m.Home, m.Version = w.home, "1.0"
		w.o.Service.Manager = m
		if f := w.finds(code); !strings.Contains(f.Why, "a minute come") {
			t.Errorf("%+v", f)
		}
		w.o.Service.Manager.DirtyBackends = 3
		w.misses(code)
	}
}

// A burst that came within five minutes, and is being mended, is no load that grows.
func TestABurstThatIsBeingMendedIsNotSaidToGrow(t *testing.T) {
	w := newWorld(t)
	w.o.Service.Manager = status.Manager{Home: w.home, Version: "1.0", DirtyBackends: 40, OldestDirty: time.Now(), DirtyPerMinute: 50, MendedPerMinute: 20, ExpectedClean: time.Now().Add(time.Minute)}
	if f := w.finds("dirty-many"); f.Severity != status.SeverityInfo || !strings.Contains(f.Why, "all is clean at") {
		t.Errorf("%+v", f)
	}
	w.misses("dirty-growing")
}

func TestContentThatSomebodyHasIsNotMissed(t *testing.T) {
	w := newWorld(t)
	w.o.Service = nil
	w.mark("nas", time.Now(), aCID)
	w.put("cars/"+aCID+".car", "content")
	w.misses("content-without-source")
	w.o.Service = &Service{Blocked: []status.Backend{{Name: "nas", Blocked: "no source for 1 pin"}}}
	if f := w.finds("content-without-source"); f.Subject != "nas" || !strings.Contains(f.Why, "no source for 1 pin") {
		t.Errorf("what the service says: %+v", f)
	}
}

func TestCredentialsAreLookedForWhereTheServiceSeesThem(t *testing.T) {
	w := newWorld(t)
	w.configure("cloud", "type: s3\nbucket: b\naccess_key: AKIDEXAMPLE\n")
	w.misses("credentials-missing") // nothing can be done with them yet
	w.finds("no-adapter")
	w.o.Serves = func(string) bool { return true }
	if f := w.finds("credentials-missing"); f.Subject != "cloud/secret_access_key" {
		t.Errorf("%+v", f)
	}
	w.env["AWS_SECRET_ACCESS_KEY"] = "hidden-in-the-shell"
	w.unit("Environment=OTHER=1 \"QUOTED=a b\"")
	f := w.finds("credentials-not-in-unit")
	if !strings.Contains(f.Mend, "import-environment AWS_SECRET_ACCESS_KEY") || strings.Contains(fmt.Sprint(f), "hidden-in-the-shell") {
		t.Errorf("%+v", f)
	}
	w.unit(`Environment="AWS_SECRET_ACCESS_KEY=also for the unit"`)
	w.misses("credentials-not-in-unit")
	w.misses("credentials-missing")
	w.configure("cloud", "type: s3\naccess_key: AKIDEXAMPLE\nsecret_key: secretref:vault:x\n")
	w.unit()
	delete(w.env, "AWS_SECRET_ACCESS_KEY")
	w.finds("credentials-missing")
}

func TestAHomeThatAnotherProcessHasIsTold(t *testing.T) {
	w := newWorld(t)
	h, err := home.Open(w.home, home.Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	unlock, err := h.Lock(home.Owner{PID: os.Getpid(), Host: "here", Bus: "unix:path=/its/bus", Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	w.misses("home-locked") // it is the service that answers
	w.o.Service = nil
	if f := w.finds("home-locked"); !strings.Contains(f.What, fmt.Sprint(os.Getpid())) || !strings.Contains(f.Mend, "unix:path=/its/bus") {
		t.Errorf("%+v", f)
	}
}

func TestThePythonDaemonBesideIsFound(t *testing.T) {
	python := testenv.Python3(t)
	w := newWorld(t)
	w.misses("python-daemon")
	file := filepath.Join(w.dir, "ipfs_kit_daemon.py")
	w.write(file, "import sys\nprint('up', flush=True)\nsys.stdin.read()\n")
	cmd := exec.Command(python, file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := out.Read(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	if f := w.finds("python-daemon"); f.Subject != fmt.Sprint(cmd.Process.Pid) {
		t.Errorf("%+v", f)
	}
	w.misses("python-api")
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	w.o.PythonAPI = strings.TrimPrefix(server.URL, "http://")
	w.misses("python-api")
	server.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	w.finds("python-api")
}

func TestAPythonDaemonIsToldByItsCommandLine(t *testing.T) {
	for line, want := range map[string]bool{
		"python3 /opt/ipfs_kit_daemon.py --port 9999":                    true,
		"/usr/bin/python3.11 -u -m mcp.ipfs_kit.daemon.ipfs_kit_daemon":  true,
		"python3 /home/me/.local/bin/ipfs-kit daemon intelligent start":  true,
		"python /usr/bin/ipfs-kit daemon start --port 9999":              true,
		"python3 -m ipfs_kit_py.cli daemon intelligent start":            true,
		"python3 -m ipfs_kit_py.daemon_cli start":                        true,
		"python3 /home/me/.local/bin/ipfs-kit daemon intelligent status": false,
		"python3 /home/me/.local/bin/ipfs-kit bucket create start":       false,
		"python3 -m other.cli daemon start":                              false,
		"python3":                                                        false,
		"/usr/local/bin/ipfs-kit daemon intelligent start":               false,
		"vim ipfs_kit_daemon.py":                                         false,
		"python3 -c import ipfs_kit_daemon":                              false,
	} {
		if got := isPythonDaemon(strings.Fields(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestADiskWithoutRoomOrInodesIsTold(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	disk := w.filesystem("small")
	w.mount("tmpfs", disk, "tmpfs", 0, "size=1m,nr_inodes=100")
	w.misses("disk-nearly-full")
	w.misses("inodes-nearly-gone")
	w.write(filepath.Join(disk, "large"), strings.Repeat("x", 1000<<10))
	w.finds("disk-nearly-full")
	w.remove(filepath.Join(disk, "large"))
	for i := range 97 {
		w.write(filepath.Join(disk, fmt.Sprint(i)), "")
	}
	w.finds("inodes-nearly-gone")
}

// The state of a service that never ran lies where it will be made.
func TestTheDiskOfAStateThatIsNotMadeYetIsLookedAt(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	disk := w.mkdir(filepath.Join(w.dir, "small"))
	w.o.Paths.State = filepath.Join(disk, "local/state")
	w.mount("tmpfs", disk, "tmpfs", 0, "size=1m")
	w.misses("disk-nearly-full")
	w.write(filepath.Join(disk, "large"), strings.Repeat("x", 1000<<10))
	if f := w.finds("disk-nearly-full"); f.Subject != w.o.Paths.State || !strings.HasSuffix(f.Mend, "df -h "+disk) {
		t.Errorf("%+v", f)
	}
	w.o.Paths.Home = filepath.Join(disk, "home") // which nobody makes there
	if f := w.of("disk-nearly-full", w.o.Paths.Home); f.Code != "" {
		t.Errorf("%+v", f)
	}
}

// The system's service has an account of its own: what the one who types has taken says nothing.
func TestInstancesOfInotifyAreThoseOfTheServicesAccount(t *testing.T) {
	w := newWorld(t)
	w.o.Inotify = func() error { return unix.EMFILE }
	w.finds("watch-instances")
	w.o.System = true
	w.misses("watch-instances")
}

// One subject can have two causes of one kind; each is told, and none twice.
func TestFindingsOfOneKindThatDifferAreAllTold(t *testing.T) {
	one := status.Finding{Code: "backend-misconfigured", Severity: status.SeverityError, Subject: "nas", What: "can't be used", Why: "its type is unknown", Mend: "mend it"}
	other := one
	other.Why = "a key is unknown"
	if d := status.Diagnose(1, []status.Finding{one, other, one}); len(d.Findings) != 2 {
		t.Errorf("%+v", d.Findings)
	}
}

func TestWhatIsMountedReadOnlyIsTold(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	w.o.Service = nil
	disk := w.filesystem("cd")
	for code, dir := range map[string]string{"path-read-only": disk, "home-not-writable": w.home, "state-not-writable": w.o.Paths.State} {
		w.misses(code)
		w.mount(dir, dir, "", unix.MS_BIND, "")
		w.mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
		w.finds(code)
	}
}

// A mount that does not answer costs its own finding and a bounded time, whatever lies on it.
func TestAMountThatHangsIsAFindingAndHoldsUpNothingElse(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	disk := w.filesystem("dead")
	w.configure("odd", "type: carrier_pigeon\n")
	w.misses("path-hangs")
	w.o.Probe = time.Second
	revive := w.kill(disk)
	if f := w.finds("path-hangs"); f.Subject != "dead" {
		t.Errorf("%+v", f)
	}
	w.finds("no-adapter")
	revive()
}

// kill mounts a file system whose server never answers; the function it returns ends it.
func (w *world) kill(dir string) (revive func()) {
	w.t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		testenv.Skip(w.t, "/dev/fuse can't be opened: "+err.Error())
	}
	w.mount("dead", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	closed := false
	revive = func() {
		if !closed {
			closed = true
			unix.Close(fd)
		}
	}
	w.t.Cleanup(revive)
	return revive
}

func (w *world) mount(source, dir, kind string, flags uintptr, data string) {
	w.t.Helper()
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		w.t.Fatalf("mount %s: %v", dir, err)
	}
	if flags&unix.MS_REMOUNT == 0 {
		w.t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	}
}

func (w *world) remove(path string) {
	w.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) enableLinger() {
	w.write(filepath.Join(w.o.Root, "var/lib/systemd/linger", currentUser(w.t)), "")
}

func TestSecretsOfConfigurationsAreNotInWhatIsSaid(t *testing.T) {
	w := newWorld(t)
	const planted = "planted-secret-4711"
	w.configure("kubo", "type: ipfs\napi_url: http://me:%s@127.0.0.1:1/%s\ntoken: %s\n", planted, planted, planted)
	w.o.Service.Issues = []status.Finding{{Code: "backend-unhealthy", Severity: status.SeverityError, Subject: "other", What: "with " + planted, Why: planted, Mend: planted}}
	doc, err := status.DoctorDocument(w.run())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(doc), planted) {
		t.Errorf("a secret is said:\n%s", doc)
	}
}

func TestAConfigurationThatOnlyTheServiceMayNotReadIsSaid(t *testing.T) {
	w := newWorld(t)
	w.remove(filepath.Join(w.dir, "disks/nas"))
	w.o.Service.Issues = []status.Finding{{Code: "backend-misconfigured", Severity: status.SeverityError, Subject: "nas", What: "a", Why: "openat backends/nas.yaml: permission denied", Mend: "c"}}
	w.finds("backend-misconfigured")
	w.finds("path-missing")
}

// Two files that differ, or one folder for two, are not why a backend fails.
func TestWhatTheServiceSaysOfABackendIsToldBesideWhatHasNothingToDoWithIt(t *testing.T) {
	w := newWorld(t)
	w.put("backend_configs/nas.yaml", "type: filesystem\nconfig:\n  storage_path: /elsewhere\n")
	w.at("other", filepath.Join(w.dir, "disks/nas"))
	for _, name := range []string{"nas", "other"} {
		w.o.Service.Issues = append(w.o.Service.Issues, status.Finding{Code: "backend-unhealthy", Severity: status.SeverityError, Subject: name, What: "a", Why: "b", Mend: "c"})
	}
	for _, code := range []string{"layouts-differ", "shared-root"} {
		w.finds(code)
	}
	n := 0
	for _, code := range codes(w.run()) {
		if code == "backend-unhealthy" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("told of %d backends", n)
	}
}

func TestWhatIsWrongWithAnEndpointIsMendedInItsFile(t *testing.T) {
	w := newWorld(t)
	w.configure("kubo", "type: ipfs\napi_url: ftp://host\n")
	if f := w.finds("backend-misconfigured"); !strings.Contains(f.Mend, filepath.Join(w.home, "backends/kubo.yaml")) || !strings.Contains(f.Mend, "http://127.0.0.1:5001") {
		t.Errorf("%+v", f)
	}
}

// A credential of the unit that a configuration names: not loaded, loaded since the last start, there.
func TestCredentialsThatTheUnitDoesNotHaveAreFound(t *testing.T) {
	w := newWorld(t)
	w.configure("kubo", "type: ipfs\napi_url: http://127.0.0.1:1\ntoken: secretref:systemd:kubo-token\n")
	w.unit("MainPID=4711")
	if f := w.finds("credentials-not-in-unit"); f.Subject != "kubo" || !strings.Contains(f.Mend, "LoadCredential=kubo-token:/path") {
		t.Errorf("%+v", f)
	}
	w.misses("endpoint-refused") // nothing was asked without it
	w.shown["cat"] = "# /etc/x.conf\n[Service]\nLoadCredential=other:/x\nLoadCredential=kubo-token:/etc/token\n"
	if f := w.finds("credentials-not-in-unit"); !strings.Contains(f.Mend, "restart") || strings.Contains(f.Mend, "LoadCredential") {
		t.Errorf("%+v", f)
	}
	w.unit() // it does not run
	w.misses("credentials-not-in-unit")
	w.env["XDG_RUNTIME_DIR"] = w.mkdir(filepath.Join(w.dir, "runtime"))
	w.write(filepath.Join(w.dir, "runtime/credentials/ipfs-kit-intelligent.service/kubo-token"), "it")
	w.unit("MainPID=4711")
	w.misses("credentials-not-in-unit")
	w.finds("endpoint-refused")
}

// A configuration that was removed leaves the row in the registry, by which the backend goes on; the mend ends that.
func TestABackendThatOnlyTheRegistryNamesIsTold(t *testing.T) {
	w := newWorld(t)
	w.misses("registry-only")
	root := w.filesystem("old")
	h, err := home.Open(w.home, home.Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	err = h.UpdateRegistry(t.Context(), []home.RegistryUpdate{{Name: "old", Health: &home.RegistryHealth{Status: "healthy", Type: "filesystem", Endpoint: root, CheckedAt: time.Now()}}})
	if err := errors.Join(err, h.Close()); err != nil {
		t.Fatal(err)
	}
	w.misses("registry-only")
	file := filepath.Join(w.home, "backends/old.yaml")
	w.remove(file)
	f := w.finds("registry-only")
	if f.Subject != "old" || f.Severity != status.SeverityInfo || !strings.Contains(f.Why, root) || !strings.HasSuffix(f.Mend, "echo 'enabled: false' >"+file) {
		t.Errorf("%+v", f)
	}
	w.o.Serves = func(typ string) bool { return typ == "ipfs" }
	if f := w.finds("no-adapter"); !strings.HasSuffix(w.of("no-adapter", "old").Mend, "echo 'enabled: false' >"+file) {
		t.Errorf("%+v", f)
	}
	w.misses("registry-only")
	w.o.Serves = nil
	w.remove(root)
	w.finds("path-missing")
	w.put("backends/old.yaml", "enabled: false\n")
	w.misses("registry-only")
	w.misses("path-missing")
	w.misses("file-unreadable")
}

// What is at the endpoint of a row is asked as that of a configuration is.
func TestTheEndpointThatOnlyTheRegistryNamesIsAsked(t *testing.T) {
	node := httptest.NewServer(kubo)
	defer node.Close()
	for endpoint, code := range map[string]string{node.URL: "", "http://" + closedPort(t): "endpoint-refused"} {
		w := newWorld(t)
		h, err := home.Open(w.home, home.Options{Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		err = h.UpdateRegistry(t.Context(), []home.RegistryUpdate{{Name: "node", Health: &home.RegistryHealth{Status: "healthy", Type: "ipfs", Endpoint: endpoint, CheckedAt: time.Now()}}})
		if err := errors.Join(err, h.Close()); err != nil {
			t.Fatal(err)
		}
		if w.of("registry-only", "node").Code == "" {
			t.Error("it is not told that only the registry names it")
		}
		if code == "" {
			w.misses("endpoint-refused")
		} else if f := w.finds(code); f.Subject != "node" || !strings.Contains(f.Mend, "configure it in "+filepath.Join(w.home, "backends/node.yaml")) {
			t.Errorf("%+v", f)
		}
	}
}

// Of a type that can be synced: a variable in the place of a secret, which works in a shell and not here.
func TestAVariableInThePlaceOfASecretIsFound(t *testing.T) {
	w := newWorld(t)
	w.misses("credentials-missing")
	w.configure("kubo", "type: ipfs\napi_url: http://127.0.0.1:1\ntoken: ${KUBO_TOKEN}\n")
	if f := w.finds("credentials-missing"); f.Subject != "kubo" || !strings.Contains(f.What, "variable KUBO_TOKEN") {
		t.Errorf("%+v", f)
	}
	w.misses("credentials-not-in-unit")
	w.env["KUBO_TOKEN"] = "hidden-in-the-shell"
	f := w.finds("credentials-not-in-unit")
	if f.Subject != "kubo" || !strings.Contains(f.What, "set in this shell") || !strings.Contains(f.Mend, "secretref:systemd:NAME") || strings.Contains(fmt.Sprint(f), "hidden") {
		t.Errorf("%+v", f)
	}
	for _, code := range []string{"credentials-missing", "endpoint-refused", "backend-misconfigured", "credentials-readable"} {
		w.misses(code)
	}
	// Of several the first by name is told, each time the same.
	w.configure("kubo", "type: ipfs\napi_url: http://127.0.0.1:1\nusername: me\ntoken: ${OTHER}\npassword: ${KUBO_PASSWORD}\n")
	for range 5 {
		if f := w.finds("credentials-missing"); !strings.Contains(f.What, "password names the variable KUBO_PASSWORD") {
			t.Errorf("%+v", f)
		}
	}
}

func TestSecretsThatOthersCanReadAreFound(t *testing.T) {
	w := newWorld(t)
	w.configure("kubo", "type: ipfs\napi_url: http://127.0.0.1:1\ntoken: something\n")
	file := filepath.Join(w.home, "backends/kubo.yaml")
	mode := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for dir := w.home; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		mode(dir, 0o755)
	}
	mode(filepath.Dir(file), 0o755)
	mode(file, 0o600)
	w.misses("credentials-readable")
	mode(file, 0o644)
	if f := w.finds("credentials-readable"); !strings.Contains(f.Mend, "chmod go= "+file) {
		t.Errorf("%+v", f)
	}
	mode(w.home, 0o700)
	w.misses("credentials-readable")
	mode(w.home, 0o755)
	w.configure("kubo", "type: ipfs\napi_url: http://127.0.0.1:1\ntoken: secretref:systemd:x\npassword: ''\n")
	mode(file, 0o644)
	w.misses("credentials-readable")
}

// On a full disk a service that locks the home can't write down who it is.
func TestALockWithoutANameIsNobodyToKill(t *testing.T) {
	w := newWorld(t)
	f, err := os.Create(filepath.Join(w.home, ".ipfs-kit-intelligent.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only its lock counts
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for _, found := range w.run().Findings {
		if found.Code == "home-locked" {
			t.Errorf("the service that answers has it: %+v", found)
		}
	}
	w.o.Service = nil
	if f := w.finds("home-locked"); strings.Contains(f.Mend, "kill") || strings.Contains(f.What, " 0 ") {
		t.Errorf("%+v", f)
	}
}

// What is typed to mend it depends on why it can't be read.
func TestWhatCannotBeReadIsMendedByItsCause(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EACCES: "sudo chown -R $(id -un) '/a b' && chmod -R u+rwX '/a b'", syscall.EROFS: "mount it for writing", syscall.ENOTDIR: "namei -l '/a b'", syscall.EIO: "dmesg",
	} {
		if got := (&visit{}).allow(&os.PathError{Op: "open", Path: "/a b", Err: err}, "/a b"); !strings.Contains(got, want) {
			t.Errorf("%v: %s", err, got)
		}
	}
	// The system's home stays its account's, whoever looks.
	system := &visit{Options: Options{System: true}}
	if got := system.allow(syscall.EACCES, "/a b"); !strings.Contains(got, "sudo ipfs-kit-intelligent --system doctor") || !strings.Contains(got, "chown -R ipfs-kit:ipfs-kit '/a b'") {
		t.Error(got)
	}
}

func TestLateAnswersAreDropped(t *testing.T) {
	hold := make(chan struct{})
	n, err := bounded(t.Context(), clock.System, time.Millisecond, "wait", func() (int, error) { <-hold; return 7, nil })
	if n != 0 || !hangs(err) {
		t.Errorf("%d %v", n, err)
	}
	close(hold)
	if n, err := bounded(t.Context(), clock.System, time.Minute, "fail", func() (int, error) { return 7, errors.ErrUnsupported }); n != 7 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%d %v", n, err)
	}
}

// What the service says too, and what is a backend's own trouble, is said once.
func TestAFileThatCannotBeReadIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.configure("bad", "type: [filesystem\n")
	w.put("backend_index/backend_registry.parquet", "no parquet")
	w.o.Service.Issues = []status.Finding{
		{Code: "file-unreadable", Severity: status.SeverityError, What: "/home/backend_registry.parquet can't be read", Why: "b", Mend: "c"},
		{Code: "backend-misconfigured", Severity: status.SeverityError, Subject: "bad", What: "a", Why: "b", Mend: "c"},
	}
	var told []string
	for _, f := range w.run().Findings {
		if f.Severity == status.SeverityError {
			told = append(told, f.Code+" "+f.Subject)
		}
	}
	if want := []string{"backend-misconfigured bad", "file-unreadable backend_index/backend_registry.parquet"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

// What waits for a person is no content that could be brought, and a torn mark is told by its file alone.
func TestABackendThatWaitsForAPersonIsNotToldToWaitForContent(t *testing.T) {
	w := newWorld(t)
	w.o.Service.Blocked = []status.Backend{{Name: "nas", Blocked: "11 removals wait: a word"}}
	if f := w.finds("sync-waits"); f.Why != "11 removals wait: a word" || !strings.Contains(f.Mend, "sync --backend nas") || strings.Contains(f.Mend, ".car") {
		t.Errorf("%+v", f)
	}
	w.misses("content-without-source")
	w.put("backend_index/dirty_metadata/nas_dirty.json", "{")
	w.o.Service.Blocked[0].Blocked = "its mark can't be read: {"
	if f := w.finds("file-unreadable"); !strings.Contains(f.Mend, "sync --reconcile --backend nas") {
		t.Errorf("%+v", f)
	}
	w.misses("sync-waits")
	w.misses("content-without-source")
}

// A dirty backend that can't be used waits for its configuration, and not for content.
func TestWhatABackendThatCannotBeUsedWaitsForIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	w.configure("pigeon", "type: carrier_pigeon\n")
	w.o.Service.Blocked = []status.Backend{{Name: "pigeon", Blocked: "type has no adapter"}}
	w.finds("no-adapter")
	w.misses("content-without-source")
	service := w.o.Service
	w.o.Service = nil
	w.mark("pigeon", time.Now(), aCID)
	w.misses("content-without-source")
	w.o.Service = service
	w.mark("ghost", time.Now(), aCID)
	if f := w.finds("backend-misconfigured"); f.Subject != "ghost" || !strings.Contains(f.Why, "only a dirty mark") || !strings.Contains(f.Mend, "dismiss ghost") {
		t.Errorf("%+v", f)
	}
}
