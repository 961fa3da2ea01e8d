package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/testenv"
	"ipfskit.org/intelligent/service"
)

// The scripts type commands as a user does: both programs, a real service in
// the background on a bus of its own, a real home with folders as backends.
func TestMain(m *testing.M) {
	completeLimit = scriptLimit
	env := SystemEnv()
	env.Serve = func(ctx context.Context, o ServeOptions) error {
		return service.Host(ctx, service.HostOptions(o), env.Getenv)
	}
	testscript.Main(leakless{m}, map[string]func(){
		"ipfs-kit":             func() { os.Exit(Main(os.Args[1:], env)) },
		"ipfs-kit-intelligent": func() { os.Exit(MainIntelligent(os.Args[1:], env)) },
	})
}

// leakless fails when the tests leave goroutines behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testenv.DBusDaemon(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setUp, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"exits":   exits,
		"json":    isJSON,
		"until":   until,
		"await":   await,
		"backend": makeBackend,
		"content": makeContent,
		"mark":    makeMark,
		"mute":    makeMute,
		"signal":  signalService,
	}})
}

// scriptLimit is how long a script waits for anything.
const scriptLimit = 5 * time.Minute

// setUp gives each script a user of its own, without systemd and without a bus.
func setUp(e *testscript.Env) error {
	run, err := os.MkdirTemp("", "ikk") // the name of a socket must be short
	if err != nil {
		return err
	}
	for key, v := range map[string]string{"HOME": e.WorkDir, "XDG_RUNTIME_DIR": run, "DBUS_SESSION_BUS_ADDRESS": "", "NO_COLOR": "1", "TERM": "xterm",
		"IPFS_KIT_HOME": filepath.Join(e.WorkDir, "home"), "TZ": "UTC"} {
		e.Setenv(key, v)
	}
	for _, d := range []string{"backend_index/dirty_metadata", "backend_state", "backends", "bucket_index", "cars"} {
		if err := os.MkdirAll(filepath.Join(e.WorkDir, "home", d), 0o755); err != nil {
			return err
		}
	}
	e.Defer(func() { // a script that failed left its service
		cmd := exec.Command("/proc/self/exe", "stop")
		cmd.Args[0], cmd.Env = "ipfs-kit-intelligent", e.Vars
		cmd.Run()         //nolint:errcheck // it may not run any more
		os.RemoveAll(run) //nolint:errcheck // a temporary folder
	})
	return nil
}

// exits CODE PROGRAM ARGS… runs a command that must exit with a code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		got = ee.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// isJSON FILE says that a file, "stdout" or "stderr" holds one JSON object, or one a line.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	text := strings.TrimSpace(ts.ReadFile(args[0]))
	if neg || text == "" {
		ts.Fatalf("%s is empty, or must not be looked for", args[0])
	}
	if json.Valid([]byte(text)) && text[0] == '{' {
		return
	}
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			ts.Fatalf("no JSON object: %s", line)
		}
	}
}

// until FILE REGEXP waits for a line of a file.
func until(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[1])
	for end := time.Now().Add(scriptLimit); ; time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && re.Match(data) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s has no %s:\n%s", args[0], args[1], data)
		}
	}
}

// await REGEXP PROGRAM ARGS… runs a command again and again until its output has a line; with !, until it has none.
func await(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(scriptLimit); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if re.MatchString(out) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v: waited in vain for %s: %v\n%s%s", args[1:], args[0], err, out, ts.ReadFile("stderr"))
		}
	}
}

// makeBackend NAME configures a folder as a backend: disks/NAME.
func makeBackend(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.MkAbs("disks/" + args[0])
	ts.Check(os.MkdirAll(root, 0o755))
	ts.Check(os.WriteFile(ts.MkAbs("home/backends/"+args[0]+".yaml"), fmt.Appendf(nil, "name: %s\ntype: filesystem\nstorage_path: %s\n", args[0], root), 0o644))
}

// scriptTB makes content for a script: what can't go wrong there.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
}

func (s scriptTB) Helper()                      {}
func (s scriptTB) Fatal(args ...any)            { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptTB) Fatalf(f string, args ...any) { s.ts.Fatalf(f, args...) }
func (s scriptTB) Errorf(f string, args ...any) { s.ts.Fatalf(f, args...) }
func (s scriptTB) Cleanup(f func())             { s.ts.Defer(f) }

// makeContent NAME SEED puts a CAR into the home and its CID into the variable NAME; with ! it is nowhere.
func makeContent(ts *testscript.TestScript, neg bool, args []string) {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	cid, data := cartest.Random(scriptTB{ts: ts}, seed, 5)
	ts.Setenv(args[0], cid.String())
	if !neg {
		ts.Check(os.WriteFile(ts.MkAbs("home/cars/"+cid.String()+".car"), data, 0o644))
	}
}

// makeMark BACKEND CID… marks a backend dirty as the Python programs do.
func makeMark(ts *testscript.TestScript, _ bool, args []string) {
	now := float64(time.Now().UnixMicro()) / 1e6
	actions := []map[string]any{}
	for _, c := range args[1:] {
		actions = append(actions, map[string]any{"action_type": "pin_add", "cids": []string{c}, "timestamp": now, "synced": false})
	}
	data, err := json.Marshal(map[string]any{"backend_name": args[0], "is_dirty": true, "pending_actions": actions,
		"affected_cids": args[1:], "created_at": now, "last_updated": now})
	ts.Check(err)
	path := ts.MkAbs("home/backend_index/dirty_metadata/" + args[0] + "_dirty.json")
	ts.Check(os.WriteFile(path+".tmp", data, 0o644))
	ts.Check(os.Rename(path+".tmp", path))
}

// signalService NAME sends a signal to the service in the background.
func signalService(ts *testscript.TestScript, _ bool, args []string) {
	a := &app{env: Env{Environ: []string{"HOME=" + ts.Getenv("HOME"), "XDG_RUNTIME_DIR=" + ts.Getenv("XDG_RUNTIME_DIR")}}}
	c, err := a.find(context.Background())
	ts.Check(err)
	defer c.Close()
	pid, err := c.Owner(context.Background())
	ts.Check(err)
	ts.Check(syscall.Kill(int(pid), unix.SignalNum("SIG"+args[0])))
}

// makeMute NAME configures a node as a backend that takes requests and never answers.
func makeMute(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() }) //nolint:errcheck // nothing was written
	ts.Check(os.WriteFile(ts.MkAbs("home/backends/"+args[0]+".yaml"), fmt.Appendf(nil, "name: %s\ntype: ipfs\nendpoint: http://%s\n", args[0], l.Addr()), 0o644))
}
