package filesystem

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
)

// chunk is how much one call reads or writes, in bytes: small enough that each
// one is progress, large enough that the lane costs nothing.
const chunk = 1 << 20

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

// reader reads a file through the lane. Its buffer is given up with a call that
// hangs, which may still write to it when the caller has gone on.
type reader struct {
	a    *Adapter
	ctx  context.Context
	name string
	f    fsys.File
	buf  []byte // all of it
	left []byte // what was not taken yet
	at   int64
	err  error
}

// newReader reads f from its beginning; size is a hint.
func (a *Adapter) newReader(ctx context.Context, name string, f fsys.File, size int64) *reader {
	return &reader{a: a, ctx: ctx, name: name, f: f, buf: make([]byte, max(512, min(chunk, size+1)))}
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.left) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.left) == 0 {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *reader) fill() {
	buf, n, at, f := r.buf, 0, r.at, r.f
	err := r.a.do(r.ctx, "read "+r.name, func() (err error) { n, err = f.ReadAt(buf, at); return err })
	if err != nil && !errors.Is(err, io.EOF) {
		r.buf, r.err = nil, r.a.classify("read "+r.name, err)
		return
	}
	r.left, r.at, r.err = buf[:n], at+int64(n), err
}

// Close lets the file go.
func (r *reader) Close() error {
	f := r.f
	r.a.deps.Lane.Release("close "+r.name, r.a.deps.Stall, func() { _ = f.Close() }) // only read
	return nil
}
