// Package testenv is what tests need of a machine beyond Go: it says plainly why
// a test is skipped, and makes a skip a failure where none may be (IPFSKIT_CI=1).
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Skip skips a test for a reason; in CI it fails instead.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("IPFSKIT_CI") == "1" {
		t.Fatalf("CI skips nothing, and this machine lacks something: %s", reason)
	}
	t.Skip(reason)
}

// Python is a python that has pandas, pyarrow and duckdb.
func Python(t testing.TB) string {
	t.Helper()
	p := os.Getenv("IPFSKIT_PYTHON")
	if p == "" {
		Skip(t, "IPFSKIT_PYTHON does not name a python with pandas, pyarrow and duckdb (scripts/pyenv makes one)")
	}
	return p
}

// Python3 is any python 3.
func Python3(t testing.TB) string {
	t.Helper()
	p, err := exec.LookPath("python3")
	if err != nil {
		Skip(t, "python3 is not installed")
	}
	return p
}

// Root needs the test to run as root.
func Root(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		Skip(t, "it needs root")
	}
}

// DBusDaemon needs dbus-daemon.
func DBusDaemon(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		Skip(t, "dbus-daemon is not installed")
	}
}

// Source is the folder of the project's source.
func Source(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
}

// boxed is why systemd-box can't run, empty where it can; it is tried once.
var boxed struct {
	sync.Once
	trouble string
}

// Box is the path of scripts/systemd-box, where it can run.
func Box(t testing.TB) string {
	t.Helper()
	Root(t)
	if _, err := exec.LookPath("/lib/systemd/systemd"); err != nil {
		Skip(t, "systemd is not installed")
	}
	box := filepath.Join(Source(t), "scripts", "systemd-box")
	boxed.Do(func() {
		if out, err := exec.Command(box, "--user", "--timeout", "600", "--", "true").CombinedOutput(); err != nil {
			boxed.trouble = fmt.Sprintf("%v: %s", err, out)
		}
	})
	if boxed.trouble != "" {
		Skip(t, "systemd-box can't run here: "+boxed.trouble)
	}
	return box
}
