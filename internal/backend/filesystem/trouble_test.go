package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/filesystem"
	"ipfskit.org/intelligent/internal/clock"
)

func source(data []byte) backend.Source {
	return backend.Source{
		Size: int64(len(data)), From: "a test",
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

func put(t *testing.T, a *filesystem.Adapter, seed uint64, blocks int) (cid.Cid, []byte) {
	t.Helper()
	c, data := cartest.Random(t, seed, blocks)
	if _, err := a.Put(t.Context(), c, source(data), nil); err != nil {
		t.Fatal(err)
	}
	return c, data
}

func TestFolderThatIsNotThereIsNeverMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "mounted")
	_, err := filesystem.Open(t.Context(), filesystem.Config{Name: "fs1", Path: dir}, deps())
	if !errors.Is(err, fs.ErrNotExist) || backend.ClassOf(err) != backend.ClassConfiguration || !strings.Contains(err.Error(), "mount") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]filesystem.Config{
		"no path":       {Name: "fs1"},
		"relative path": {Name: "fs1", Path: "some/folder"},
		"a file":        {Name: "fs1", Path: file},
		"below a file":  {Name: "fs1", Path: file + "/x"},
		"content":       {Name: "fs1", Path: t.TempDir(), Content: "everything"},
	} {
		_, err := filesystem.Open(t.Context(), cfg, deps())
		if backend.ClassOf(err) != backend.ClassConfiguration || !strings.Contains(err.Error(), "fs1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsOfTheDiskAreClassified(t *testing.T) {
	tests := []struct {
		errno error
		class backend.Class
		says  string
	}{
		{syscall.ENOSPC, backend.ClassQuota, "are free"},
		{syscall.EDQUOT, backend.ClassQuota, "quota"},
		{syscall.EIO, backend.ClassServer, "kernel's log"},
		{syscall.EROFS, backend.ClassConfiguration, "read-only"},
		{syscall.EACCES, backend.ClassAuth, "let the user"},
		{syscall.ESTALE, backend.ClassNetwork, "mount"},
		{syscall.ENOTCONN, backend.ClassNetwork, "mount"},
		{syscall.EFBIG, backend.ClassContent, "size"},
		{errors.New("something new"), backend.ClassServer, "something new"},
	}
	c, data := cartest.Random(t, 1, 2000)
	for _, op := range []string{"create", "write", "fsync", "read", "rename", "syncdir", "mkdir"} {
		for _, tc := range tests {
			dir, d, f := t.TempDir(), deps(), &faults{}
			d.WrapRoot = f.wrap
			a := open(t, dir, d)
			f.set(func(o, name string) error {
				if o == op {
					return &fs.PathError{Op: o, Path: name, Err: tc.errno}
				}
				return nil
			})
			_, err := a.Put(t.Context(), c, source(data), nil)
			if !errors.Is(err, tc.errno) || backend.ClassOf(err) != tc.class || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s %v: class %s: %v", op, tc.errno, backend.ClassOf(err), err)
			}
			_, second := a.Put(t.Context(), c, source(data), nil) // the folder is there now
			if _, third := a.Put(t.Context(), c, source(data), nil); third == nil || third.Error() != second.Error() || strings.Contains(third.Error(), ".ipfs-kit-") {
				t.Errorf("%s %v: the next try has other words:\n%v\n%v", op, tc.errno, second, third)
			}
			f.set(nil)
			if left := partFiles(t, dir); len(left) > 0 {
				t.Errorf("%s %v: left %v", op, tc.errno, left)
			}
			if op != "syncdir" {
				if _, err := a.Stat(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
					t.Errorf("%s %v: stat %v", op, tc.errno, err)
				}
			}
			if _, err := a.Put(t.Context(), c, source(data), nil); err != nil {
				t.Errorf("%s %v: put afterwards: %v", op, tc.errno, err)
			}
		}
	}
}

func TestDiskThatLosesWritesIsFound(t *testing.T) {
	dir, d, f := t.TempDir(), deps(), &faults{}
	d.WrapRoot = f.wrap
	a := open(t, dir, d)
	c, data := cartest.Random(t, 1, 20)
	f.set(func(op, name string) error {
		if op == "fsync" && strings.HasPrefix(name, "cars/") {
			flip(t, filepath.Join(dir, name))
		}
		return nil
	})
	_, err := a.Put(t.Context(), c, source(data), nil)
	if err == nil || !strings.Contains(err.Error(), "loses data") {
		t.Errorf("got %v", err)
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("there is %v", got)
	}
}

// A call that hangs keeps its own lane, and nothing else: the other backend goes
// on, this one refuses at once, and goes on when the call has returned.
func TestHangHurtsOnlyItsOwnBackend(t *testing.T) {
	for _, op := range []string{"create", "write", "fsync", "read", "rename", "syncdir", "statfs", "lstat", "readdir", "open"} {
		dirA, dirB := t.TempDir(), t.TempDir()
		c, data := cartest.Random(t, 1, 2000)
		synctest.Test(t, func(t *testing.T) {
			f, dA := &faults{}, deps()
			dA.WrapRoot = f.wrap
			a, b := open(t, dirA, dA), open(t, dirB, deps())
			use := func(a *filesystem.Adapter) error {
				_, err := a.Put(t.Context(), c, source(data), nil)
				if err == nil {
					_, err = a.Stat(t.Context(), c)
				}
				if err == nil {
					_, err = a.Verify(t.Context(), c)
				}
				if err == nil {
					err = a.List(t.Context(), func(backend.Item) error { return nil })
				}
				return err
			}
			release := make(chan struct{})
			hung := false
			f.set(func(o, _ string) error {
				if o == op && !hung {
					hung = true
					<-release
				}
				return nil
			})
			start := time.Now()
			err := use(a)
			var o *backend.OverdueError
			if !errors.As(err, &o) || backend.ClassOf(err) != backend.ClassNetwork || time.Since(start) != 5*time.Minute {
				t.Fatalf("%s: %v after %s", op, err, time.Since(start))
			}
			if _, err := a.Check(t.Context()); !errors.As(err, &o) {
				t.Errorf("%s: check while it hangs: %v", op, err)
			}
			if err := use(b); err != nil {
				t.Errorf("%s: the other backend: %v", op, err)
			}
			if err := a.Close(); err != nil {
				t.Errorf("%s: close while it hangs: %v", op, err)
			}
			close(release)
			if err := dA.Lane.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := partFiles(t, dirA); len(left) > 0 {
				t.Errorf("%s: left %v", op, left)
			}
			if err := use(open(t, dirA, dA)); err != nil {
				t.Errorf("%s: after it returned: %v", op, err)
			}
		})
	}
}

func TestCheckThatHangsIsOverdueAfterItsOwnTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f, d := &faults{}, deps()
		d.WrapRoot, d.ProbeTimeout = f.wrap, 7*time.Second
		a := open(t, dir, d)
		release := make(chan struct{})
		f.set(func(op, _ string) error { <-release; return nil })
		start := time.Now()
		_, err := a.Check(t.Context())
		var o *backend.OverdueError
		if !errors.As(err, &o) || time.Since(start) != 7*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		close(release)
	})
}

func TestCancelledPutReturnsThoughItsCallHangs(t *testing.T) {
	dir := t.TempDir()
	c, data := cartest.Random(t, 1, 2000)
	synctest.Test(t, func(t *testing.T) {
		f, d := &faults{}, deps()
		d.WrapRoot = f.wrap
		a := open(t, dir, d)
		release := make(chan struct{})
		f.set(func(op, _ string) error {
			if op == "write" {
				<-release
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := a.Put(ctx, c, source(data), nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		close(release)
		if err := d.Lane.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}

// A real file system without room: nothing half stored, said in figures, and it
// goes on when there is room.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	a := open(t, dir, deps())
	put(t, a, 1, 3000)
	c, data := cartest.Random(t, 2, 6000)
	announced := source(data)
	unknown := source(data)
	unknown.Size = -1
	for name, src := range map[string]backend.Source{"size announced": announced, "size not known": unknown} {
		_, err := a.Put(t.Context(), c, src, nil)
		if backend.ClassOf(err) != backend.ClassQuota || !strings.Contains(err.Error(), "free") {
			t.Errorf("%s: class %s: %v", name, backend.ClassOf(err), err)
		}
		if left := partFiles(t, dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
		if _, err := a.Stat(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
			t.Errorf("%s: stat %v", name, err)
		}
	}
	err := a.Objects().PutObject(t.Context(), "big", bytes.NewReader(make([]byte, 8<<20)), -1)
	if backend.ClassOf(err) != backend.ClassQuota {
		t.Errorf("object: %v", err)
	}
	fill := filepath.Join(dir, "somebody else's")
	if err := os.WriteFile(fill, make([]byte, 9<<19+200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := a.Check(t.Context())
	if err != nil || !strings.Contains(h.Degraded, "nearly full") {
		t.Errorf("check: %+v %v", h, err)
	}
	first, _ := cartest.Random(t, 1, 3000)
	if err := errors.Join(os.Remove(fill), a.Remove(t.Context(), first)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Put(t.Context(), c, announced, nil); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if h, err := a.Check(t.Context()); err != nil || h.Degraded != "" {
		t.Errorf("check with room again: %+v %v", h, err)
	}
}

// smallDisk mounts a file system of that many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a file system can be mounted by root only")
	}
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if errors.Is(err, unix.EPERM) {
		t.Skip("file systems can't be mounted here")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Adapters are closed by now, so that it can be unmounted as a person would.
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v: something is still open", err)
		}
	})
	return dir
}

func TestDiskCanBeUnmountedAfterEachTask(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	a := open(t, dir, deps())
	c, _ := put(t, a, 1, 100)
	r, err := a.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Errorf("unmount: %v", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err) // the clean-up unmounts it
	}
	a = open(t, dir, deps())
	if _, err := a.Sentinel(t.Context()); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("another disk must not look like the one before: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoInodesLeftIsDegraded(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "nr_inodes=200"); err != nil {
		t.Skipf("inodes can't be limited: %v", err)
	}
	for i := range 195 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			break
		}
	}
	a := open(t, dir, deps())
	h, err := a.Check(t.Context())
	if err != nil || !strings.Contains(h.Degraded, "inodes") {
		t.Errorf("got %+v %v", h, err)
	}
}

// It can still be read, so others may take content from it; nobody is told that all is well.
func TestReadOnlyFileSystemIsDegraded(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("it can't be mounted read-only: %v", err)
	}
	h, err := open(t, dir, deps()).Check(t.Context())
	if err != nil || !strings.Contains(h.Degraded, "read-only") {
		t.Errorf("got %+v %v", h, err)
	}
}

// What keeps it from being written is named in plain words, with the mend of that.
func TestWhyAFolderCannotBeWrittenIsSaid(t *testing.T) {
	dir := t.TempDir()
	f, d := &faults{}, deps()
	d.WrapRoot = f.wrap
	a := open(t, dir, d)
	for why, want := range map[error]string{
		&fs.PathError{Op: "access", Path: ".", Err: unix.EACCES}: "permission denied; let the user",
		unix.EROFS: "read-only file system; its file system is mounted read-only",
		unix.EIO:   "input/output error; the disk reports errors",
	} {
		f.set(func(op, name string) error {
			if op == "access" && name == "." {
				return why
			}
			return nil
		})
		h, err := a.Check(t.Context())
		if err != nil || !strings.Contains(h.Degraded, "it can be read and not written: "+dir+": "+want) {
			t.Errorf("%v: %+v %v", why, h, err)
		}
	}
	for _, made := range []string{"cars", "pins"} { // then nothing is to be made in it
		if err := os.Mkdir(filepath.Join(dir, made), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := a.Check(t.Context()); err != nil || h.Degraded != "" {
		t.Errorf("a folder in which nothing is to be made: %+v %v", h, err)
	}
}

func TestLatencyIsMeasured(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f, d := &faults{}, deps()
		d.WrapRoot = f.wrap
		a := open(t, dir, d)
		f.set(func(op, _ string) error {
			if op == "statfs" {
				timer := clock.System.NewTimer(3 * time.Second)
				<-timer.C
			}
			return nil
		})
		h, err := a.Check(t.Context())
		if err != nil || h.Latency != 3*time.Second || h.Usage.AvailableBytes <= 0 || h.Pins != -1 {
			t.Errorf("got %+v %v", h, err)
		}
	})
}
