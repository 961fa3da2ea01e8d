package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
)

func TestRestoreBringsBackTheFilesAndKeepsTheOldOnes(t *testing.T) {
	w := newWorld(t)
	w.write("buckets/a", "one")
	w.write("buckets/deep/b", "two")
	w.write("back\\slash/a\nline", "") // one odd name must not keep all else from being backed up
	m := w.run()
	want := tree(t, w.home)
	w.write("buckets/a", "changed")
	w.remove("buckets/deep/b")
	w.remove("back\\slash/a\nline")
	w.write("buckets/later", "newer")
	w.write("other", "not of the set")
	var last Progress
	r, err := Restore(context.Background(), w.store(), m, w.folder(w.home), RestoreOptions{
		Aside: []string{"buckets/a", "buckets/later"}, Progress: func(p Progress) { last = p }})
	if err != nil || r.Files != 3 || r.Bytes != 6 || r.Old == "" || last.FilesDone != 3 || last.BytesDone != 6 {
		t.Fatalf("%v, %+v, %+v", err, r, last)
	}
	want["other"] = "not of the set"
	if got := tree(t, w.home); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	old := tree(t, filepath.Join(w.home, r.Old))
	if !maps.Equal(old, map[string]string{"buckets/a": "changed", "buckets/later": "newer"}) {
		t.Errorf("old set: %v", old)
	}
	if fi, err := os.Stat(filepath.Join(w.home, "buckets/a")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
}

func TestRestoreIntoAnEmptyFolderLeavesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	m := w.run()
	dir := t.TempDir()
	r, err := Restore(context.Background(), w.store(), m, w.folder(dir), RestoreOptions{})
	if err != nil || r.Old != "" || len(entries(t, dir)) != 1 {
		t.Errorf("%v, %+v, %v", err, r, entries(t, dir))
	}
}

func entries(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func TestRestoreRefusesBeforeItWrites(t *testing.T) {
	outside := t.TempDir()
	for name, tc := range map[string]struct {
		name  string
		allow func(string) bool
		place func(t *testing.T, home string) error
	}{
		"leads out":          {name: "../x"},
		"absolute":           {name: "/tmp/x"},
		"not allowed":        {name: "backends/s3.yaml", allow: func(n string) bool { return strings.HasPrefix(n, "buckets/") }},
		"link to a folder":   {name: "out/x", place: func(_ *testing.T, home string) error { return os.Symlink(outside, filepath.Join(home, "out")) }},
		"link to a file":     {name: "l", place: func(_ *testing.T, home string) error { return os.Symlink("a", filepath.Join(home, "l")) }},
		"folder in its way":  {name: "d", place: func(_ *testing.T, home string) error { return os.Mkdir(filepath.Join(home, "d"), 0o700) }},
		"file in its way":    {name: "a/x"},
		"FIFO in its way":    {name: "pipe", place: func(_ *testing.T, home string) error { return syscall.Mkfifo(filepath.Join(home, "pipe"), 0o600) }},
		"content that is no": {name: "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("a", "one")
			m := w.run()
			if tc.place != nil {
				if err := tc.place(t, w.home); err != nil {
					t.Fatal(err)
				}
			}
			before := entries(t, w.home)
			evil := m.Files[0]
			evil.Name = tc.name
			if tc.name == "bad" {
				if err := os.WriteFile(w.object(evil.SHA256), []byte("ONE"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			m.Files = append([]Entry{}, evil)
			_, err := Restore(context.Background(), w.store(), m, w.folder(w.home), RestoreOptions{Allow: tc.allow})
			if err == nil || !slices.Equal(entries(t, w.home), before) || len(entries(t, outside)) != 0 {
				t.Errorf("%v: %v, outside %v", err, entries(t, w.home), entries(t, outside))
			}
			if text, err := os.ReadFile(filepath.Join(w.home, "a")); err != nil || string(text) != "one" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// faulty fails at its k-th change, and can't exchange if it is told so.
type faulty struct {
	fsys.Root
	k, n       int
	noExchange bool
	dead       bool // once it failed everything does
}

func (f *faulty) step() error {
	f.n++
	if f.n == f.k || f.dead && f.n > f.k {
		return syscall.EIO
	}
	return nil
}

func (f *faulty) Rename(a, b string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Root.Rename(a, b)
}

func (f *faulty) Exchange(a, b string) error {
	if f.noExchange {
		return fsys.ErrNoExchange
	}
	if err := f.step(); err != nil {
		return err
	}
	return f.Root.Exchange(a, b)
}

func (f *faulty) Remove(a string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Root.Remove(a)
}

func (f *faulty) RemoveAll(a string) error {
	if f.dead && f.n >= f.k {
		return syscall.EIO
	}
	return f.Root.RemoveAll(a)
}

func TestRestoreThatFailsInTheMiddleIsUndone(t *testing.T) {
	for _, noExchange := range []bool{false, true} {
		for _, dead := range []bool{false, true} {
			t.Run(fmt.Sprint(noExchange, dead), func(t *testing.T) { undone(t, noExchange, dead) })
		}
	}
}

// undone lets a restore fail at every change. With dead even the undoing fails,
// as after a kill: then nothing may be lost, and a second restore mends it.
func undone(t *testing.T, noExchange, dead bool) {
	for k := 1; ; k++ {
		w := newWorld(t)
		w.write("a", "one")
		w.write("d/b", "two")
		w.write("gone", "three")
		m := w.run()
		want := tree(t, w.home)
		w.write("a", "changed")
		w.write("d/b", "changed too")
		w.write("aside", "later")
		w.remove("gone")
		before := tree(t, w.home)
		f := &faulty{Root: w.folder(w.home), k: k, noExchange: noExchange, dead: dead}
		_, err := Restore(context.Background(), w.store(), m, f, RestoreOptions{Aside: []string{"aside"}})
		if err == nil {
			if k < 4 || !maps.Equal(tree(t, w.home), want) {
				t.Errorf("after %d steps: %v", k, tree(t, w.home))
			}
			return
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("step %d: %v", k, err)
		}
		if !dead {
			if got := tree(t, w.home); !maps.Equal(got, before) || slices.ContainsFunc(entries(t, w.home), func(n string) bool { return strings.HasPrefix(n, StagePrefix) }) {
				t.Fatalf("step %d: %v, want %v; %v", k, got, before, entries(t, w.home))
			}
			continue
		}
		for _, text := range before {
			if !w.somewhere(text) {
				t.Fatalf("step %d: %q is lost", k, text)
			}
		}
		if _, err := Restore(context.Background(), w.store(), m, w.folder(w.home), RestoreOptions{Aside: []string{"aside"}}); err != nil || !maps.Equal(tree(t, w.home), want) {
			t.Fatalf("again after step %d: %v, %v", k, err, tree(t, w.home))
		}
	}
}

// somewhere tells whether a text is in any file of the home, staged ones included.
func (w *world) somewhere(text string) bool {
	found := false
	_ = filepath.WalkDir(w.home, func(p string, _ os.DirEntry, _ error) error {
		data, err := os.ReadFile(p)
		found = found || err == nil && string(data) == text
		return nil
	})
	return found
}

func TestRestoreThatIsCancelledChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	w.write("b", "two")
	m := w.run()
	w.write("a", "changed")
	before := tree(t, w.home)
	ctx, cancel := context.WithCancelCause(context.Background())
	w.hook = func(op, _ string) error {
		if op == "get" {
			cancel(errKilled)
		}
		return nil
	}
	_, err := Restore(ctx, w.store(), m, w.folder(w.home), RestoreOptions{})
	if err == nil || !maps.Equal(tree(t, w.home), before) || len(entries(t, w.home)) != 2 {
		t.Errorf("%v: %v", err, entries(t, w.home))
	}
}

func TestRestoreOfABackupThatLacksSomethingChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	w.write("b", "two")
	m := w.run()
	if err := os.Remove(w.object(m.Files[1].SHA256)); err != nil {
		t.Fatal(err)
	}
	w.write("a", "changed")
	before := tree(t, w.home)
	_, err := Restore(context.Background(), w.store(), m, w.folder(w.home), RestoreOptions{})
	if !errors.Is(err, backend.ErrNotStored) || !maps.Equal(tree(t, w.home), before) {
		t.Errorf("%v: %v", err, tree(t, w.home))
	}
}
