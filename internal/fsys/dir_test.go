package fsys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFolderTellsWhatEachNameIs(t *testing.T) {
	r, dir := open(t)
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "folder", "inner"), "123")
	put(t, filepath.Join(dir, "file"), "12345")
	if err := os.Symlink("folder", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := r.ReadDir(".")
	want := []Entry{{"file", 0}, {"folder", fs.ModeDir}, {"link", fs.ModeSymlink}, {"pipe", fs.ModeNamedPipe}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
	d, err := r.OpenDir(".")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]struct {
		kind fs.FileMode
		size int64
	}{"file": {0, 5}, "folder/inner": {0, 3}, "link": {fs.ModeSymlink, 6}} {
		l, err := d.Look(name)
		if err != nil {
			t.Fatal(err)
		}
		fi, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if l.Type != want.kind || l.Size != want.size || !l.Modified.Equal(fi.ModTime()) || l.Ino != fi.Sys().(*syscall.Stat_t).Ino {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if _, err := d.Look("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestAListIsWholeHoweverLongItIs(t *testing.T) {
	r, dir := open(t)
	const n = 3000 // more than one answer of the kernel holds
	for i := range n {
		put(t, filepath.Join(dir, fmt.Sprintf("a-name-that-takes-some-room-%05d", i)), "")
	}
	got, err := r.ReadDir(".")
	if err != nil || len(got) != n {
		t.Fatalf("%d of %d (%v)", len(got), n, err)
	}
	for i, e := range got {
		if want := fmt.Sprintf("a-name-that-takes-some-room-%05d", i); e.Name != want {
			t.Fatalf("%s, want %s", e.Name, want)
		}
	}
}

func TestAFolderOutsideTheRootIsNotListed(t *testing.T) {
	r, dir := open(t)
	if err := os.Symlink("..", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"..", "out", "/etc"} {
		if d, err := r.OpenDir(name); err == nil {
			d.Close()
			t.Errorf("%s was opened", name)
		}
	}
}
