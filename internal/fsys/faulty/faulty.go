// Package faulty stands before a folder's system calls in tests: each is asked
// about before it is made, may be held up as a dead mount does, and may fail.
package faulty

import (
	"io/fs"
	"path"

	"ipfskit.org/intelligent/internal/fsys"
)

// Before is asked before each call. It may wait; its error takes the call's place.
// op is one of open, create, stat, lstat, readdir, opendir, look, rename, exchange, link, remove,
// mkdir, chmod, syncdir, statfs, read, write, fsync, truncate.
type Before func(op, name string) error

// Wrap gives a root whose calls are asked about.
func Wrap(r fsys.Root, before Before) fsys.Root { return &root{Root: r, before: before} }

type root struct {
	fsys.Root
	before Before
}

func (r *root) Open(name string) (fsys.File, error) {
	if err := r.before("open", name); err != nil {
		return nil, err
	}
	f, err := r.Root.Open(name)
	return r.file(f, name, err)
}

func (r *root) OpenFile(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if err := r.before("create", name); err != nil {
		return nil, err
	}
	f, err := r.Root.OpenFile(name, flag, perm)
	return r.file(f, name, err)
}

func (r *root) file(f fsys.File, name string, err error) (fsys.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{File: f, name: name, before: r.before}, nil
}

func (r *root) Stat(name string) (fs.FileInfo, error) {
	if err := r.before("stat", name); err != nil {
		return nil, err
	}
	return r.Root.Stat(name)
}

func (r *root) Lstat(name string) (fs.FileInfo, error) {
	if err := r.before("lstat", name); err != nil {
		return nil, err
	}
	return r.Root.Lstat(name)
}

func (r *root) ReadDir(name string) ([]fsys.Entry, error) {
	if err := r.before("readdir", name); err != nil {
		return nil, err
	}
	return r.Root.ReadDir(name)
}

func (r *root) OpenDir(name string) (fsys.Dir, error) {
	if err := r.before("opendir", name); err != nil {
		return nil, err
	}
	d, err := r.Root.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &dir{Dir: d, name: name, before: r.before}, nil
}

type dir struct {
	fsys.Dir
	name   string
	before Before
}

func (d *dir) Entries() ([]fsys.Entry, error) {
	if err := d.before("readdir", d.name); err != nil {
		return nil, err
	}
	return d.Dir.Entries()
}

func (d *dir) Look(name string) (fsys.Look, error) {
	if err := d.before("look", path.Join(d.name, name)); err != nil {
		return fsys.Look{}, err
	}
	return d.Dir.Look(name)
}

func (r *root) Rename(oldname, newname string) error {
	if err := r.before("rename", newname); err != nil {
		return err
	}
	return r.Root.Rename(oldname, newname)
}

func (r *root) Exchange(a, b string) error {
	if err := r.before("exchange", b); err != nil {
		return err
	}
	return r.Root.Exchange(a, b)
}

func (r *root) Link(oldname, newname string) error {
	if err := r.before("link", newname); err != nil {
		return err
	}
	return r.Root.Link(oldname, newname)
}

func (r *root) Remove(name string) error {
	if err := r.before("remove", name); err != nil {
		return err
	}
	return r.Root.Remove(name)
}

func (r *root) RemoveAll(name string) error {
	if err := r.before("remove", name); err != nil {
		return err
	}
	return r.Root.RemoveAll(name)
}

func (r *root) MkdirAll(name string, perm fs.FileMode) error {
	if err := r.before("mkdir", name); err != nil {
		return err
	}
	return r.Root.MkdirAll(name, perm)
}

func (r *root) Chmod(name string, perm fs.FileMode) error {
	if err := r.before("chmod", name); err != nil {
		return err
	}
	return r.Root.Chmod(name, perm)
}

func (r *root) SyncDir(name string) error {
	if err := r.before("syncdir", name); err != nil {
		return err
	}
	return r.Root.SyncDir(name)
}

func (r *root) Writable(name string) error {
	if err := r.before("access", name); err != nil {
		return err
	}
	return r.Root.Writable(name)
}

func (r *root) Usage() (fsys.Usage, error) {
	if err := r.before("statfs", "."); err != nil {
		return fsys.Usage{}, err
	}
	return r.Root.Usage()
}

type file struct {
	fsys.File
	name   string
	before Before
}

func (f *file) Read(p []byte) (int, error) {
	if err := f.before("read", f.name); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.before("read", f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *file) Write(p []byte) (int, error) {
	if err := f.before("write", f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *file) Sync() error {
	if err := f.before("fsync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *file) Truncate(size int64) error {
	if err := f.before("truncate", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// Fd is the kernel's number, for leases; ^0 where there is none.
func (f *file) Fd() uintptr {
	if d, ok := f.File.(interface{ Fd() uintptr }); ok {
		return d.Fd()
	}
	return ^uintptr(0)
}
