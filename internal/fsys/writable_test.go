package fsys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWritableTellsWhoMayMakeNames(t *testing.T) {
	dir := t.TempDir()
	r, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Writable("."); err != nil {
		t.Error(err)
	}
	if err := r.Writable("absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	asNobody(func() {
		if err := r.Writable("locked"); !errors.Is(err, fs.ErrPermission) {
			t.Error(err)
		}
	})
}

// asNobody calls f with the rights of nobody on files, in a thread that ends with it: root may write anywhere.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			unix.Setfsuid(65534) //nolint:errcheck // it tells no error: what f sees does
		}
		f()
	}()
	<-done
}
