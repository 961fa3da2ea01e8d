package filesystem

import (
	"context"
	"io/fs"
	"os"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
)

// chunk is how much one call reads or writes, in bytes.
const chunk = backend.Chunk

// syncEvery bounds how much an fsync has to write back, and so how long it takes.
const syncEvery = 256 << 20

// openFile opens a name through the lane.
func (a *Adapter) openFile(ctx context.Context, name string, flag int) (fsys.File, error) {
	var f fsys.File
	err := a.deps.Lane.Call(ctx, backend.Call{
		What: "open " + name + " below " + a.cfg.Path, Deadline: a.deps.Stall,
		Run: func() (err error) {
			if flag == os.O_RDONLY {
				f, err = a.root.Open(name)
			} else {
				f, err = a.root.OpenFile(name, flag, fileMode)
			}
			return err
		},
		Late: func(err error) {
			if err == nil {
				_ = f.Close() // nobody is left to tell
				if flag != os.O_RDONLY {
					_ = a.root.Remove(name)
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// reader reads a file through the lane.
type reader struct {
	*backend.Reader
	a    *Adapter
	name string
	f    fsys.File
}

// newReader reads f from its beginning; size is a hint.
func (a *Adapter) newReader(ctx context.Context, name string, f fsys.File, size int64) *reader {
	at := int64(0)
	read := func(p []byte) (int, error) {
		n, err := f.ReadAt(p, at)
		at += int64(n)
		return n, err
	}
	call := func(run func() error) error { return a.classify("read "+name, a.do(ctx, "read "+name, run)) }
	return &reader{backend.NewReader(size, read, call), a, name, f}
}

// Close lets the file go.
func (r *reader) Close() error {
	r.a.deps.Lane.Release("close "+r.name, r.a.deps.Stall, func() { _ = r.f.Close() }) // only read
	return nil
}
