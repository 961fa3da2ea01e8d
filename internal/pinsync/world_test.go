package pinsync

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/filesystem"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
)

// world is a real home and a real folder as its backend "fs1", with a seam
// between them and the sync where faults are injected.
type world struct {
	t    testing.TB
	home string
	root string
	h    *home.Home
	// hook is called before every call to the backend, the mapping and the marks.
	hook func(op string, c cid.Cid) error

	mu    sync.Mutex
	calls map[string]int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, home: t.TempDir(), root: t.TempDir(), calls: map[string]int{}}
	for _, dir := range []string{"cars", "backend_index/dirty_metadata", "backends/fs1"} {
		if err := os.MkdirAll(filepath.Join(w.home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.reopen()
	t.Cleanup(func() { _ = w.h.Close() })
	return w
}

// reopen forgets everything that is kept in memory, as a restart does.
func (w *world) reopen() {
	w.t.Helper()
	if w.h != nil {
		if err := w.h.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	h, err := home.Open(w.home, home.Options{Clock: clock.System})
	if err != nil {
		w.t.Fatal(err)
	}
	w.h = h
}

func (w *world) call(op string, c cid.Cid) error {
	w.mu.Lock()
	w.calls[op]++
	hook := w.hook
	w.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op, c)
}

// content makes the CAR of a seed, and puts it in the home's cars.
func (w *world) content(seed uint64) cid.Cid {
	w.t.Helper()
	c, data := cartest.Random(w.t, seed, 3)
	w.car(c, data)
	return c
}

func (w *world) car(c cid.Cid, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.home, "cars", c.String()+".car"), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

type action struct {
	Type   string   `json:"action_type"`
	CIDs   []string `json:"cids"`
	Time   float64  `json:"timestamp"`
	Synced bool     `json:"synced"`
}

// mark appends an action as upstream does: the file is read whole and written in place.
func (w *world) mark(kind string, cids ...string) {
	w.t.Helper()
	file := filepath.Join(w.home, "backend_index/dirty_metadata/fs1_dirty.json")
	doc := map[string]any{"backend_name": "fs1", "created_at": 1.0, "pending_actions": []any{}, "affected_cids": []any{}}
	if data, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, &doc); err != nil {
			w.t.Fatal(err)
		}
	}
	actions, _ := doc["pending_actions"].([]any)
	doc["pending_actions"] = append(actions, action{Type: kind, CIDs: cids, Time: 1753900000.5})
	affected, _ := doc["affected_cids"].([]any)
	for _, c := range cids {
		if !slices.Contains(affected, any(c)) {
			affected = append(affected, c)
		}
	}
	doc["affected_cids"], doc["is_dirty"] = affected, true
	data, err := json.MarshalIndent(doc, "", "  ")
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) dirty() *home.Dirty {
	w.t.Helper()
	d, err := w.h.ReadDirty(context.Background(), "fs1")
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// mappingStamp differs whenever the mapping's file differs.
func (w *world) mappingStamp() string {
	w.t.Helper()
	n, err := w.h.PinSummary(context.Background(), "fs1")
	if err != nil {
		w.t.Fatal(err)
	}
	return n.Stamp()
}

func (w *world) status() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, p := range w.pins() {
		if _, twice := out[p.CID]; twice {
			w.t.Errorf("%s has two rows", p.CID)
		}
		out[p.CID] = p.Status
	}
	return out
}

func (w *world) pins() []home.Pin {
	w.t.Helper()
	rows, err := w.h.ReadPins(context.Background(), "fs1")
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func (w *world) meta(c cid.Cid) map[string]any {
	w.t.Helper()
	for _, p := range w.pins() {
		if p.CID == c.String() {
			m := map[string]any{}
			if err := json.Unmarshal([]byte(p.Metadata), &m); err != nil {
				w.t.Fatal(err)
			}
			return m
		}
	}
	w.t.Fatalf("%s has no row", c)
	return nil
}

// stored lists what lies in the backend under final names.
func (w *world) stored() []string {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.root, "cars"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".car"); ok && !strings.HasPrefix(name, ".") {
			out = append(out, name)
		}
	}
	return out
}

func (w *world) open(root string) (backend.Adapter, error) {
	a, err := filesystem.Open(context.Background(), filesystem.Config{Name: "fs1", Path: root},
		filesystem.Deps{Clock: clock.System, Lane: backend.NewLane(4, clock.System)})
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (w *world) adapter() backend.Adapter {
	w.t.Helper()
	a, err := w.open(w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = a.Close() })
	return seam{a, w}
}

func (w *world) job(mode Mode) Job {
	w.t.Helper()
	d := w.dirty()
	if !d.IsDirty {
		d = nil
	}
	s := storeSeam{homeStore{w.h, "fs1"}, w}
	return Job{Backend: "fs1", Mode: mode, Dirty: d, Adapter: w.adapter(), Sources: []SourceFinder{HomeCARs(w.h.OpenCAR)},
		Pins: s, Marks: s, Clock: clock.System}
}

func (w *world) run(mode Mode) Outcome {
	w.t.Helper()
	out, err := Run(context.Background(), w.job(mode))
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// seam counts the calls to an adapter and injects faults.
type seam struct {
	backend.Adapter
	w *world
}

func (s seam) Stat(ctx context.Context, c cid.Cid) (backend.Item, error) {
	if err := s.w.call("stat", c); err != nil {
		return backend.Item{}, err
	}
	return s.Adapter.Stat(ctx, c)
}

func (s seam) Put(ctx context.Context, c cid.Cid, src backend.Source, told func(int64)) (backend.Item, error) {
	if err := s.w.call("put", c); err != nil {
		return backend.Item{}, err
	}
	open := src.Open
	src.Open = func(ctx context.Context) (io.ReadCloser, error) {
		if err := s.w.call("open source", c); err != nil {
			return nil, err
		}
		return open(ctx)
	}
	item, err := s.Adapter.Put(ctx, c, src, told)
	if err == nil {
		err = s.w.call("after put", c)
	}
	return item, err
}

func (s seam) Verify(ctx context.Context, c cid.Cid) (backend.Item, error) {
	if err := s.w.call("verify", c); err != nil {
		return backend.Item{}, err
	}
	return s.Adapter.Verify(ctx, c)
}

func (s seam) List(ctx context.Context, each func(backend.Item) error) error {
	if err := s.w.call("list", cid.Undef); err != nil {
		return err
	}
	return s.Adapter.List(ctx, each)
}

func (s seam) Remove(ctx context.Context, c cid.Cid) error {
	if err := s.w.call("remove", c); err != nil {
		return err
	}
	return s.Adapter.Remove(ctx, c)
}

func (s seam) Sentinel(ctx context.Context) (backend.Sentinel, error) {
	if err := s.w.call("sentinel", cid.Undef); err != nil {
		return backend.Sentinel{}, err
	}
	return s.Adapter.Sentinel(ctx)
}

func (s seam) WriteSentinel(ctx context.Context, id backend.Sentinel) error {
	if err := s.w.call("write sentinel", cid.Undef); err != nil {
		return err
	}
	return s.Adapter.WriteSentinel(ctx, id)
}

// storeSeam does the same for mapping and marks.
type storeSeam struct {
	homeStore
	w *world
}

func (s storeSeam) Open(ctx context.Context) ([]home.Pin, error) {
	if err := s.w.call("open pins", cid.Undef); err != nil {
		return nil, err
	}
	return s.homeStore.Open(ctx)
}

func (s storeSeam) All(ctx context.Context) ([]home.Pin, error) {
	if err := s.w.call("all pins", cid.Undef); err != nil {
		return nil, err
	}
	return s.homeStore.All(ctx)
}

func (s storeSeam) Update(ctx context.Context, rows []home.PinUpdate) error {
	if err := s.w.call("update pins", cid.Undef); err != nil {
		return err
	}
	if err := s.homeStore.Update(ctx, rows); err != nil {
		return err
	}
	return s.w.call("after update", cid.Undef)
}

func (s storeSeam) Clear(ctx context.Context, c home.Cleared) (*home.Dirty, error) {
	if err := s.w.call("clear", cid.Undef); err != nil {
		return nil, err
	}
	d, err := s.homeStore.Clear(ctx, c)
	if err == nil {
		err = s.w.call("after clear", cid.Undef)
	}
	return d, err
}

func texts(cids ...cid.Cid) []string {
	out := make([]string, len(cids))
	for i, c := range cids {
		out[i] = c.String()
	}
	return out
}
