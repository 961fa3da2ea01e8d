package fsys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// OpenRoot opens a folder of the machine. An absent folder is fs.ErrNotExist.
func OpenRoot(path string) (Root, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", path, err)
	}
	r, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	return &osRoot{r: r, path: abs}, nil
}

type osRoot struct {
	r    *os.Root
	path string
}

func (o *osRoot) Path() string { return o.path }

// Open never waits for the other end of a FIFO, and refuses what is no file.
func (o *osRoot) Open(name string) (File, error) {
	f, err := o.r.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ENXIO) { // sockets and absent devices are not opened at all
		if fi, serr := o.r.Stat(name); serr == nil && !fi.Mode().IsRegular() {
			err = notFile(name, fi.Mode())
		}
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = notFile(name, fi.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func notFile(name string, mode fs.FileMode) error {
	return &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w, but %s", ErrNotFile, kindOf(mode))}
}

// kindOf says what lies where a file should be.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else (" + mode.Type().String() + ")"
}

func (o *osRoot) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := o.r.OpenFile(name, flag|unix.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (o *osRoot) Stat(name string) (fs.FileInfo, error)  { return o.r.Stat(name) }
func (o *osRoot) Lstat(name string) (fs.FileInfo, error) { return o.r.Lstat(name) }

func (o *osRoot) ReadDir(name string) ([]Entry, error) {
	d, err := o.OpenDir(name)
	if err != nil {
		return nil, err
	}
	entries, err := d.Entries()
	return entries, errors.Join(err, d.Close())
}

func (o *osRoot) Rename(oldname, newname string) error         { return o.r.Rename(oldname, newname) }
func (o *osRoot) Link(oldname, newname string) error           { return o.r.Link(oldname, newname) }
func (o *osRoot) Remove(name string) error                     { return o.r.Remove(name) }
func (o *osRoot) RemoveAll(name string) error                  { return o.r.RemoveAll(name) }
func (o *osRoot) MkdirAll(name string, perm fs.FileMode) error { return o.r.MkdirAll(name, perm) }
func (o *osRoot) Chmod(name string, perm fs.FileMode) error    { return o.r.Chmod(name, perm) }
func (o *osRoot) Close() error                                 { return o.r.Close() }

// Exchange opens both folders inside the root and swaps by descriptor, so that
// no name is resolved outside of it.
func (o *osRoot) Exchange(a, b string) error {
	da, err := o.dir(filepath.Dir(a))
	if err != nil {
		return err
	}
	defer da.Close() //nolint:errcheck // only a handle
	db, err := o.dir(filepath.Dir(b))
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only a handle
	err = unix.Renameat2(int(da.Fd()), filepath.Base(a), int(db.Fd()), filepath.Base(b), unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EOPNOTSUPP):
		return ErrNoExchange
	case err != nil:
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}

func (o *osRoot) dir(name string) (*os.File, error) {
	return o.r.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

func (o *osRoot) SyncDir(name string) error {
	d, err := o.dir(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	// Some network and FUSE file systems have no fsync of folders.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

func (o *osRoot) Usage() (Usage, error) {
	d, err := o.dir(".")
	if err != nil {
		return Usage{}, err
	}
	defer d.Close() //nolint:errcheck // only a handle
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.Fd()), &st); err != nil {
		return Usage{}, &fs.PathError{Op: "statfs", Path: o.path, Err: err}
	}
	bs := uint64(st.Bsize)
	return Usage{
		TotalBytes: st.Blocks * bs, AvailableBytes: st.Bavail * bs,
		TotalInodes: st.Files, AvailableInodes: st.Ffree, ReadOnly: st.Flags&unix.ST_RDONLY != 0, Type: int64(st.Type), //nolint:unconvert // its type differs between machines
	}, nil
}

func (o *osRoot) Writable(name string) error {
	d, err := o.dir(name)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only a handle
	if err := unix.Faccessat(int(d.Fd()), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "access", Path: name, Err: err}
	}
	return nil
}
