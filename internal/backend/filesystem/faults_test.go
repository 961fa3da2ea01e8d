package filesystem_test

import (
	"io/fs"
	"strings"
	"sync"

	"ipfskit.org/intelligent/internal/fsys"
)

// faults stands before a folder's system calls: hook is asked before each of
// them, may wait as a dead mount does, and its error takes the call's place.
type faults struct {
	mu   sync.Mutex
	hook func(op, name string) error
	ops  []string
}

func (f *faults) set(hook func(op, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *faults) before(op, name string) error {
	f.mu.Lock()
	f.ops = append(f.ops, op+" "+name)
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op, name)
}

// count tells how many calls began with a word, and forgets all.
func (f *faults) count(op string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.ops {
		if strings.HasPrefix(o, op+" ") {
			n++
		}
	}
	return n
}

func (f *faults) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops = nil
}

func (f *faults) wrap(r fsys.Root) fsys.Root { return &faultyRoot{Root: r, f: f} }

type faultyRoot struct {
	fsys.Root
	f *faults
}

func (r *faultyRoot) Open(name string) (fsys.File, error) {
	if err := r.f.before("open", name); err != nil {
		return nil, err
	}
	f, err := r.Root.Open(name)
	return r.file(f, name, err)
}

func (r *faultyRoot) OpenFile(name string, flag int, perm fs.FileMode) (fsys.File, error) {
	if err := r.f.before("create", name); err != nil {
		return nil, err
	}
	f, err := r.Root.OpenFile(name, flag, perm)
	return r.file(f, name, err)
}

func (r *faultyRoot) file(f fsys.File, name string, err error) (fsys.File, error) {
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: f, name: name, f: r.f}, nil
}

func (r *faultyRoot) Lstat(name string) (fs.FileInfo, error) {
	if err := r.f.before("lstat", name); err != nil {
		return nil, err
	}
	return r.Root.Lstat(name)
}

func (r *faultyRoot) ReadDir(name string) ([]fsys.Entry, error) {
	if err := r.f.before("readdir", name); err != nil {
		return nil, err
	}
	return r.Root.ReadDir(name)
}

func (r *faultyRoot) Rename(oldname, newname string) error {
	if err := r.f.before("rename", newname); err != nil {
		return err
	}
	return r.Root.Rename(oldname, newname)
}

func (r *faultyRoot) Remove(name string) error {
	if err := r.f.before("remove", name); err != nil {
		return err
	}
	return r.Root.Remove(name)
}

func (r *faultyRoot) MkdirAll(name string, perm fs.FileMode) error {
	if err := r.f.before("mkdir", name); err != nil {
		return err
	}
	return r.Root.MkdirAll(name, perm)
}

func (r *faultyRoot) SyncDir(name string) error {
	if err := r.f.before("syncdir", name); err != nil {
		return err
	}
	return r.Root.SyncDir(name)
}

func (r *faultyRoot) Usage() (fsys.Usage, error) {
	if err := r.f.before("statfs", "."); err != nil {
		return fsys.Usage{}, err
	}
	return r.Root.Usage()
}

type faultyFile struct {
	fsys.File
	name string
	f    *faults
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.f.before("read", f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.f.before("write", f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *faultyFile) Sync() error {
	if err := f.f.before("fsync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}
