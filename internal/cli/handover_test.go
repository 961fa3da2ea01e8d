package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ipfs-kit":             func() { os.Exit(Main(os.Args[1:], SystemEnv())) },
		"ipfs-kit-intelligent": func() { os.Exit(MainIntelligent(os.Args[1:], SystemEnv())) },
	})
}

func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip("dbus-daemon is not installed")
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("HOME", e.WorkDir)
		e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
		e.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
		e.Setenv("NO_COLOR", "1")
		return os.MkdirAll(filepath.Join(e.WorkDir, "run"), 0o700)
	}})
}

func TestOldFlagsAreRefusedByName(t *testing.T) {
	var errOut bytes.Buffer
	env := Env{Stdout: &bytes.Buffer{}, Stderr: &errOut, Environ: []string{"PATH=/nonexistent"}}
	if code := Main([]string{"daemon", "start", "--role=leecher"}, env); code != ExitUsage || !strings.Contains(errOut.String(), "--role") {
		t.Errorf("%d %s", code, errOut.String())
	}
}
