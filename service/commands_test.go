package service

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

// user types commands on a machine without systemd and without a bus.
type user struct {
	t   *testing.T
	bin string
	env []string
}

// types runs a command and gives what it printed, and its exit status.
func (u user) types(args ...string) (stdout, stderr string, code int) {
	u.t.Helper()
	var out, errOut strings.Builder
	cmd := exec.Command(u.bin, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = u.env, &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), errOut.String(), exit.ExitCode()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	return out.String(), errOut.String(), 0
}

func TestCommandsOnAMachineWithoutSystemdAndWithoutABus(t *testing.T) {
	testenv.DBusDaemon(t)
	w := newWorld(t)
	root := w.backend("nas")
	cid := w.car(1)
	missing, _ := w.content(99)
	dir := filepath.Dir(w.home)
	run := shortDir(t)
	u := user{t, program(t), []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + run, "IPFS_KIT_HOME=" + w.home}}
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, errOut, got := u.types(args...)
		if got != code || !strings.Contains(out+errOut, want) {
			t.Errorf("%v: exit %d, want %d and %q\n%s%s", args, got, code, want, out, errOut)
		}
	}
	expect(3, "Next: ipfs-kit-intelligent start --detach", "status")
	expect(3, "Next: ipfs-kit-intelligent start --detach", "history")
	expect(0, "Started", "start", "--detach")
	defer u.types("stop")
	expect(0, "runs already", "start", "--detach")
	expect(0, "", "wait", "--for", "healthy", "--timeout", "5m")
	w.mark("nas", cid)
	expect(0, "done", "sync", "--wait", "--timeout", "5m", "--backend", "nas")
	if !w.stored(root, cid) {
		t.Error("nothing was copied")
	}
	expect(0, "nas", "backends")
	expect(0, "no dirty mark stands", "explain", "nas")
	expect(0, "pin_sync", "tasks")
	expect(0, "Nothing is wrong", "health")
	expect(7, `did you mean "nas"`, "explain", "nass")
	expect(0, "pin_sync done in", "history")
	expect(0, "clean once after", "history", "--backend", "nas", "--since", "1h")
	expect(0, `"of":"mark","old":"dirty","new":"clean"`, "history", "--json", "--what", "transitions")
	expect(0, "nothing is recorded", "history", "--until", "2000-01-01")
	expect(7, `did you mean "nas"`, "history", "--backend", "nass")
	expect(2, "tasks, checks, transitions, workers", "history", "--what", "weather")
	expect(2, "is no time", "history", "--since", "soon")
	expect(0, "syncs (100% good), clean after", "insights")
	expect(7, "", "sync", "--backend", "nobody")
	expect(2, "", "status", "--state", "purple")
	expect(0, "Paused", "pause", "nas")
	expect(0, "Resumed", "resume", "nas")
	expect(0, "nothing was done", "sync", "--dry-run")

	w.mark("nas", missing)
	out, errOut, code := u.types("sync", "--wait", "--timeout", "5m", "--backend", "nas")
	if code != 1 && code != 5 || !strings.Contains(out, "no source for 1 pin") {
		t.Errorf("content that nobody has: exit %d\n%s%s", code, out, errOut)
	}
	expect(4, "no source", "health")
	expect(6, "timed out", "wait", "--for", "clean", "--timeout", "300ms")
	expect(0, "given up", "dismiss", "--yes", "nas")
	expect(0, "", "wait", "--for", "clean", "--timeout", "5m")

	for _, args := range [][]string{{"status", "--json"}, {"insights", "-j"}, {"health", "--json-output"}, {"tasks", "--json"}, {"errors", "--json"}, {"backends", "--json"}, {"explain", "nas", "--json"}, {"where", cid, "--json"}} {
		if out, errOut, _ := u.types(args...); !json.Valid([]byte(out)) {
			t.Errorf("%v is no JSON: %s%s", args, out, errOut)
		}
	}
	if _, errOut, code := u.types("explain", "nobody", "--json"); code != 7 || !json.Valid([]byte(strings.TrimSpace(errOut))) {
		t.Errorf("an error as JSON: %d %s", code, errOut)
	}
	other := u
	other.env = append(append([]string{}, u.env...), "IPFS_KIT_HOME="+dir+"/elsewhere")
	if _, errOut, code := other.types("status"); code != 1 || !strings.Contains(errOut, w.home) || !strings.Contains(errOut, "elsewhere") {
		t.Errorf("another home: %d %s", code, errOut)
	}
	expect(0, "Stopped", "stop")
	expect(0, "not running", "stop")
}
