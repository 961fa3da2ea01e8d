package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/testenv"
)

// tool finds a program, or skips.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testenv.Skip(t, name+" is not installed")
	}
	return path
}

func output(t *testing.T, address, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "DBUS_SESSION_BUS_ADDRESS="+address)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, out, errs.String())
	}
	return string(out)
}

func lines(t *testing.T, got string, want ...string) {
	t.Helper()
	if w := strings.Join(want, "\n") + "\n"; got != w {
		t.Errorf("the client saw\n%swant\n%s", got, w)
	}
}

// The code that gdbus-codegen makes of the interface files speaks with the service, unmodified.
func TestGeneratedClientsWork(t *testing.T) {
	codegen, cc := tool(t, "gdbus-codegen"), tool(t, "cc")
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "gio-unix-2.0").Output()
	if err != nil {
		testenv.Skip(t, "the headers of GLib are not installed")
	}
	dir := t.TempDir()
	args := []string{"--interface-prefix", "org.ipfskit.Intelligent1.", "--c-namespace", "Ipfskit", "--c-generate-object-manager", "--generate-c-code", "ipfskit", "--output-directory", dir}
	files, err := filepath.Glob(filepath.Join(testenv.Source(t), "dbus/*.xml"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	if out, err := exec.Command(codegen, append(args, files...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	bin := filepath.Join(dir, "client")
	args = append([]string{"-o", bin, "-I", dir, "testdata/clients/client.c", filepath.Join(dir, "ipfskit.c")}, strings.Fields(string(flags))...)
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w := newWorld(t)
	w.backend("nas-1")
	address, _ := w.onBus()
	w.client(address)
	lines(t, output(t, address, bin, "nas-1"), "workers 4 backends 1", "state running backends 1", "status has upstream's keys",
		"backend nas-1 type filesystem", "completed 1 ", "state done finished 1", "changes 1 added 1", "history 1", "error org.ipfskit.Intelligent1.Error.InvalidArgument")
}

func TestClientsInPythonWork(t *testing.T) {
	const python = "/usr/bin/python3" // that of the distribution: it has GLib's bindings
	if err := exec.Command(python, "-c", "import dasbus, gi").Run(); err != nil {
		testenv.Skip(t, "dasbus is not installed (python3-dasbus)")
	}
	w := newWorld(t)
	w.backend("nas-1")
	address, _ := w.onBus()
	w.client(address)
	lines(t, output(t, address, python, "testdata/clients/client.py", address, "nas-1"), "workers 4 backends 1", "state running backends 1",
		"status has upstream's keys", "backend nas-1 type filesystem", "completed 1 ", "state done finished 1", "changes 1", "error InvalidArgument True")
}

func TestToolsShowTheService(t *testing.T) {
	busctl, gdbus := tool(t, "busctl"), tool(t, "gdbus")
	w := newWorld(t)
	w.backend("nas-1")
	address, _ := w.onBus()
	w.client(address)
	for says, args := range map[string][]string{
		"/org/ipfskit/Intelligent1/backends/nas_2d1": {busctl, "--user", "tree", dbus.BusName},
		"emits-invalidation":                         {busctl, "--user", "introspect", dbus.BusName, dbus.RootPath},
		`s "running"`:                                {busctl, "--user", "get-property", dbus.BusName, dbus.RootPath, dbus.BusName + ".Manager", "State"},
		"org.ipfskit.Intelligent1.Backend":           {gdbus, "introspect", "--session", "--dest", dbus.BusName, "--object-path", "/", "--recurse"},
		"objectpath '/org/ipfskit/Intelligent1/backends/nas_2d1'": {gdbus, "call", "--session", "--dest", dbus.BusName, "--object-path", dbus.RootPath,
			"--method", dbus.BusName + ".Manager.GetBackend", "nas-1"},
	} {
		if out := output(t, address, args[0], args[1:]...); !strings.Contains(out, says) {
			t.Errorf("%v does not say %q:\n%s", args, says, out)
		}
	}
}
