package backup

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/filesystem"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
)

// world is a folder to be kept, and a real folder as the backend that keeps it,
// with a seam between them where faults are injected.
type world struct {
	t     testing.TB
	home  string
	root  string
	clk   *clock.Shifted
	hook  func(op, name string) error
	calls map[string]int
}

func newWorld(t testing.TB) *world {
	return &world{t: t, home: t.TempDir(), root: t.TempDir(), clk: &clock.Shifted{}, calls: map[string]int{}}
}

func (w *world) call(op, name string) error {
	w.calls[op]++
	if w.hook == nil {
		return nil
	}
	return w.hook(op, name)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.home, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.home, name)); err != nil {
		w.t.Fatal(err)
	}
}

// tree reads a folder whole, without what restores keep.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), StagePrefix) {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) files() []File {
	w.t.Helper()
	var out []File
	for name := range tree(w.t, w.home) {
		fi, err := os.Lstat(filepath.Join(w.home, name))
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, File{Name: name, Size: fi.Size(), Modified: fi.ModTime(), Stamp: fmt.Sprintf("%d.%d", fi.Size(), fi.ModTime().UnixNano()),
			Open: func(context.Context) (io.ReadCloser, error) {
				if err := w.call("read", name); err != nil {
					return nil, err
				}
				return os.Open(filepath.Join(w.home, name))
			}})
	}
	return out
}

var set = Set{Home: "h1", Kind: "buckets"}

func (w *world) store() backend.ObjectStore {
	w.t.Helper()
	a, err := filesystem.Open(context.Background(), filesystem.Config{Name: "fs1", Path: w.root},
		filesystem.Deps{Clock: clock.System, Lane: backend.NewLane(1, clock.System)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = a.Close() })
	return seam{a.Objects(), w}
}

func (w *world) job() Job {
	return Job{Set: set, Files: w.files(), Store: w.store(), Clock: w.clk, Version: "1.2.3"}
}

func (w *world) run() Manifest {
	w.t.Helper()
	m, err := Run(context.Background(), w.job())
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) folder(dir string) fsys.Root {
	w.t.Helper()
	r, err := fsys.OpenRoot(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// object is the file in which the store keeps a sum.
func (w *world) object(sum string) string {
	return filepath.Join(w.root, "backups", filepath.FromSlash(objectName(sum)))
}

type seam struct {
	s backend.ObjectStore
	w *world
}

func (s seam) PutObject(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := s.w.call("put", name); err != nil {
		return err
	}
	if err := s.s.PutObject(ctx, name, r, size); err != nil {
		return err
	}
	return s.w.call("after put", name)
}

func (s seam) GetObject(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := s.w.call("get", name); err != nil {
		return nil, err
	}
	return s.s.GetObject(ctx, name)
}

func (s seam) StatObject(ctx context.Context, name string) (backend.Object, error) {
	if err := s.w.call("stat", name); err != nil {
		return backend.Object{}, err
	}
	return s.s.StatObject(ctx, name)
}

func (s seam) ListObjects(ctx context.Context, prefix string, each func(backend.Object) error) error {
	if err := s.w.call("list", prefix); err != nil {
		return err
	}
	return s.s.ListObjects(ctx, prefix, each)
}

func (s seam) RemoveObject(ctx context.Context, name string) error {
	if err := s.w.call("remove", name); err != nil {
		return err
	}
	return s.s.RemoveObject(ctx, name)
}
