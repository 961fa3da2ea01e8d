package fsys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T) (Root, string) {
	t.Helper()
	dir := t.TempDir()
	r, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNothingOutsideTheRootIsReached(t *testing.T) {
	r, dir := open(t)
	put(t, filepath.Join(filepath.Dir(dir), "outside"), "secret")
	if err := os.Symlink("../outside", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../outside", "/etc/passwd", "link", "a/../../outside"} {
		if _, _, err := ReadFile(r, name, 100); err == nil {
			t.Errorf("%s was read", name)
		}
		if f, err := r.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
			f.Close()
			t.Errorf("%s was opened for writing", name)
		}
	}
	if err := r.Rename("link", "../moved"); err == nil {
		t.Error("a file was moved out")
	}
}

func TestReadingNeverBlocksOnAFIFO(t *testing.T) {
	r, dir := open(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, _, err := ReadFile(r, "pipe", 100); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a FIFO was read")
		}
	case <-time.After(time.Minute):
		t.Fatal("it blocks")
	}
}

func TestLargerThanTheLimitIsAnErrorThatSaysSo(t *testing.T) {
	r, dir := open(t)
	put(t, filepath.Join(dir, "big"), "12345678901")
	var large *TooLargeError
	if _, _, err := ReadFile(r, "big", 10); !errors.As(err, &large) || large.Size != 11 || large.Limit != 10 {
		t.Errorf("error %v", err)
	}
}

func TestExchangeSwapsTwoNames(t *testing.T) {
	r, dir := open(t)
	put(t, filepath.Join(dir, "a"), "1")
	put(t, filepath.Join(dir, "b"), "2")
	err := r.Exchange("a", "b")
	if errors.Is(err, ErrNoExchange) {
		t.Skip("this file system can't exchange two names")
	}
	if err != nil {
		t.Fatal(err)
	}
	if data, _, err := ReadFile(r, "a", 10); err != nil || string(data) != "2" {
		t.Errorf("%s %v", data, err)
	}
	if err := r.Exchange("a", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestLinkReplacesNothing(t *testing.T) {
	r, dir := open(t)
	put(t, filepath.Join(dir, "a"), "1")
	put(t, filepath.Join(dir, "b"), "2")
	if err := r.Link("a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v", err)
	}
	if u, err := r.Usage(); err != nil || u.TotalBytes == 0 || u.TotalInodes == 0 {
		t.Errorf("%+v %v", u, err)
	}
}
