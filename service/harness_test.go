package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/status"
)

// world is a home with filesystem backends, and a service on it.
type world struct {
	t    testing.TB
	home string
	o    Options
	s    *Service
	stop func()
	// listed is how many backends ObjectManager lists.
	listed int
	log    tail
	// before, if set, is called before the service runs.
	before func(*Service)

	mu   sync.Mutex
	seen []status.Event
	news chan struct{}
}

// newWorld makes an empty home with the folders that upstream makes.
func newWorld(t testing.TB) *world {
	t.Helper()
	dir, run := t.TempDir(), shortDir(t)
	w := &world{t: t, listed: 1000, home: filepath.Join(dir, "home"), news: make(chan struct{}, 1)}
	for _, d := range []string{"backend_index/dirty_metadata", "backend_state", "backends", "bucket_index", "cars"} {
		if err := os.MkdirAll(filepath.Join(w.home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	no := false
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the service's log:\n%s", &w.log)
		}
	})
	log, flush := logging.New(logging.Options{Clock: clock.System, Out: &w.log, Level: "debug", Journal: &no})
	t.Cleanup(flush)
	w.o = Options{Paths: config.Paths{Home: w.home, State: filepath.Join(dir, "state"), Runtime: run, Config: []string{filepath.Join(dir, "config")}},
		Clock: clock.System, Version: "test", Log: log, Publish: w.publish}
	return w
}

// shortDir is a folder for sockets: their names must be short, and those of tests are long.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ikk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// tail keeps the end of a log, for when its test fails; with -v it shows all of it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailLength is how much of a log is kept.
const tailLength = 32 << 10

func (l *tail) Write(b []byte) (int, error) {
	if testing.Verbose() {
		os.Stderr.Write(b)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text = append(l.text, b...); len(l.text) > 2*tailLength {
		l.text = bytes.Clone(l.text[len(l.text)-tailLength:])
	}
	return len(b), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text[max(0, len(l.text)-tailLength):])
}

func (w *world) publish(ev status.Event) {
	w.mu.Lock()
	w.seen = append(w.seen, ev)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// backend configures a filesystem backend and makes its folder.
func (w *world) backend(name string) (root string) {
	w.t.Helper()
	root = filepath.Join(filepath.Dir(w.home), "disks", name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.put("backends/"+name+".yaml", fmt.Sprintf("name: %s\ntype: filesystem\nstorage_path: %s\n", name, root))
	return root
}

func (w *world) put(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// car makes content and puts its CAR into the home's store.
func (w *world) car(seed uint64) (cid string) {
	w.t.Helper()
	cid, data := w.content(seed)
	w.put("cars/"+cid+".car", string(data))
	return cid
}

func (w *world) content(seed uint64) (cid string, data []byte) {
	w.t.Helper()
	c, data := cartest.Random(w.t, seed, 5)
	return c.String(), data
}

// mark marks a backend dirty as upstream does.
func (w *world) mark(name string, cids ...string) {
	w.t.Helper()
	now := float64(time.Now().UnixMicro()) / 1e6
	var actions []map[string]any
	for i, c := range cids {
		actions = append(actions, map[string]any{"action_type": "pin_add", "cids": []string{c}, "timestamp": now + float64(i)/1000, "synced": false})
	}
	data, err := json.MarshalIndent(map[string]any{"backend_name": name, "is_dirty": true, "pending_actions": actions, "affected_cids": cids,
		"created_at": now, "last_updated": now}, "", "  ")
	if err != nil {
		w.t.Fatal(err)
	}
	w.put("backend_index/dirty_metadata/"+name+"_dirty.json", string(data))
	w.put("backend_index/dirty_metadata/"+name+".dirty", "")
}

// start runs the service until the test's end, or stop.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := New(ctx, w.o)
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	w.s = s
	if w.before != nil {
		w.before(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				w.t.Errorf("the service ended with %v", err)
			}
		case <-time.After(patience):
			panic("the service does not end")
		}
	})
	w.t.Cleanup(w.stop)
}

// copyState copies the state database to a folder, as a kill at this moment would leave it.
func (w *world) copyState(to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	rows, err := w.s.db.Query(context.Background(), "VACUUM INTO ?", filepath.Join(to, "state.db"))
	if err != nil {
		return err
	}
	return errors.Join(rows.Close(), rows.Err())
}

// patience is how long what must come is waited for, on a machine that does much else.
const patience = 5 * time.Minute

// until waits for something to be true; it is looked at after each event and every few milliseconds.
func (w *world) until(what string, good func() bool) {
	w.t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !good() {
		select {
		case <-w.news:
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("waited in vain for: %s\n%s", what, w.describe())
		}
	}
}

func (w *world) describe() string {
	if w.s == nil { // another process serves
		return ""
	}
	m := w.s.Manager()
	tasks, _, _ := w.s.Tasks(status.TaskQuery{Limit: 10}) //nolint:errcheck // for people
	return fmt.Sprintf("%+v\n%+v", m, tasks)
}

func (w *world) dirty(name string) bool {
	b, ok := w.s.Backend(name)
	return ok && b.Dirty
}

// stored tells whether a backend holds the CAR of a CID.
func (w *world) stored(root, cid string) bool {
	_, err := os.Stat(filepath.Join(root, "cars", cid+".car"))
	return err == nil
}

func (w *world) markText(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.home, "backend_index/dirty_metadata", name+"_dirty.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func (w *world) cleared(name string) bool {
	text := w.markText(name)
	return strings.Contains(text, `"is_dirty": false`) && !strings.Contains(text, `"synced": false`)
}

func errorsOf(name string) status.ErrorQuery { return status.ErrorQuery{Backend: name} }
