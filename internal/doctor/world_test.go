package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// world is a machine on which nothing is wrong, until a test changes that.
type world struct {
	t    *testing.T
	dir  string
	home string
	// env is what doctor's shell has set, shown what systemctl answers by its first word.
	env, shown map[string]string
	o          Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, home: filepath.Join(dir, ".ipfs_kit"),
		env:   map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run"), "DBUS_SESSION_BUS_ADDRESS": "unix:path=/somewhere"},
		shown: map[string]string{}}
	for _, d := range []string{".ipfs_kit/backend_index/dirty_metadata", ".ipfs_kit/backend_state", ".ipfs_kit/backends", ".ipfs_kit/bucket_index", ".ipfs_kit/cars",
		"state", "run", "root/proc/sys/fs/inotify", "root/run/systemd/seats", "root/var/lib/systemd/linger"} {
		w.mkdir(filepath.Join(dir, d))
	}
	w.write(filepath.Join(dir, "root/proc/sys/fs/inotify/max_user_watches"), "65536\n")
	w.write(filepath.Join(w.home, "bucket_registry.json"), "{}")
	w.o = Options{Paths: config.Paths{Home: w.home, State: filepath.Join(dir, "state"), Runtime: filepath.Join(dir, "run"), Config: []string{filepath.Join(dir, "config")}},
		Clock: clock.System, Version: "1.0", Getenv: func(k string) string { return w.env[k] }, Root: filepath.Join(dir, "root"),
		Service:      &Service{PID: uint32(os.Getpid()), Manager: status.Manager{Home: w.home, Version: "1.0", State: status.StateRunning}},
		Synchronised: func() bool { return true }, PythonAPI: "127.0.0.1:1", Probe: 10 * time.Second,
		Systemctl: func(_ context.Context, args ...string) (string, error) {
			if text, ok := w.shown[args[0]]; ok {
				return text, nil
			}
			return "", errors.New("there is no service manager")
		}}
	w.filesystem("nas")
	w.registry("nas")
	return w
}

func (w *world) mkdir(path string) string {
	w.t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) write(path, text string) {
	w.t.Helper()
	w.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// put writes a file of the home that nobody is writing any more.
func (w *world) put(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.home, name)
	w.write(path, text)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) configure(name, text string, args ...any) {
	w.put("backends/"+name+".yaml", fmt.Sprintf(text, args...))
}

// filesystem configures a backend with a folder.
func (w *world) filesystem(name string) (root string) {
	root = w.mkdir(filepath.Join(w.dir, "disks", name))
	w.configure(name, "type: filesystem\nstorage_path: %q\n", root)
	return root
}

// registry writes a backend registry as a health check does.
func (w *world) registry(name string) {
	w.t.Helper()
	h, err := home.Open(w.home, home.Options{Clock: clock.System})
	if err != nil {
		w.t.Fatal(err)
	}
	err = h.UpdateRegistry(w.t.Context(), []home.RegistryUpdate{{Name: name, Health: &home.RegistryHealth{Status: "healthy", Type: "filesystem", CheckedAt: time.Now()}}})
	if err := errors.Join(err, h.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// mark marks a backend dirty, with CIDs.
func (w *world) mark(name string, at time.Time, cids ...string) {
	w.put("backend_index/dirty_metadata/"+name+"_dirty.json", fmt.Sprintf(`{"backend_name": %q, "is_dirty": true, "pending_actions": [{"action_type": "pin_add", "cids": [%q], "timestamp": %d.5, "synced": false}]}`,
		name, strings.Join(cids, `","`), at.Unix()))
}

// unit says what the service manager knows of the unit.
func (w *world) unit(lines ...string) {
	w.shown["show"] = strings.Join(append([]string{"LoadState=loaded", "UnitFileState=enabled", "NeedDaemonReload=no", "MainPID=0"}, lines...), "\n") + "\n"
}

func (w *world) run() status.Diagnosis {
	w.t.Helper()
	return Run(w.t.Context(), w.o)
}

// finds asserts that a code is found, with what, why and mend, and gives it.
func (w *world) finds(code string) status.Finding {
	w.t.Helper()
	d := w.run()
	for _, f := range d.Findings {
		if f.Code != code {
			continue
		}
		if f.What == "" || f.Why == "" || f.Mend == "" {
			w.t.Errorf("%s does not say what, why and what to do: %+v", code, f)
		}
		if d.Healthy && f.Severity != status.SeverityInfo {
			w.t.Errorf("%s is found and all is healthy", code)
		}
		return f
	}
	w.t.Fatalf("%s is not found: %+v", code, d.Findings)
	return status.Finding{}
}

// of is the finding of a code about a subject; empty where there is none.
func (w *world) of(code, subject string) status.Finding {
	w.t.Helper()
	for _, f := range w.run().Findings {
		if f.Code == code && f.Subject == subject {
			return f
		}
	}
	return status.Finding{}
}

// misses asserts that a code is not found.
func (w *world) misses(code string) {
	w.t.Helper()
	for _, f := range w.run().Findings {
		if f.Code == code {
			w.t.Errorf("%s is found though nothing is wrong: %+v", code, f)
		}
	}
}

func codes(d status.Diagnosis) (out []string) {
	for _, f := range d.Findings {
		out = append(out, f.Code)
	}
	return out
}
