package filesystem

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
)

// temp is a file under a temporary name, in the folder where it is published as final.
// Errors name the final file.
type temp struct {
	a        *Adapter
	ctx      context.Context
	name     string
	final    string
	f        fsys.File
	buf      []byte
	size     int64 // written or in buf
	unsynced int64
	progress func(int64)
}

// newTemp makes a temporary file beside final, and its folder with its parents if need
// be. size is a hint of how much will be written; -1 when it is not known.
func (a *Adapter) newTemp(ctx context.Context, final string, size int64, progress func(int64)) (*temp, error) {
	dir := path.Dir(final)
	name := path.Join(dir, newTempName())
	f, err := a.openFile(ctx, name, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		if err := a.makeDir(ctx, dir); err != nil {
			return nil, err
		}
		f, err = a.openFile(ctx, name, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	}
	if err != nil {
		return nil, &fsys.TempError{Err: err, Temp: name, Final: final}
	}
	room := int64(chunk)
	if size >= 0 {
		room = min(room, size+1)
	}
	return &temp{a: a, ctx: ctx, name: name, final: final, f: f, buf: make([]byte, 0, room), progress: progress}, nil
}

// makeDir makes a folder below the root, and its name durable in each parent.
func (a *Adapter) makeDir(ctx context.Context, dir string) error {
	return a.do(ctx, "make folder "+dir, func() error {
		if err := a.root.MkdirAll(dir, dirMode); err != nil {
			return err
		}
		for d := dir; d != "."; {
			d = path.Dir(d)
			if err := a.root.SyncDir(d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *temp) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		n := min(len(rest), chunk-len(t.buf))
		t.buf, rest = append(t.buf, rest[:n]...), rest[n:]
		if len(t.buf) < chunk {
			break
		}
		if err := t.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// flush writes the buffer, which is given up if the call hangs.
func (t *temp) flush() error {
	if len(t.buf) == 0 {
		return nil
	}
	buf, f := t.buf, t.f
	t.buf = nil
	sync := t.unsynced+int64(len(buf)) >= syncEvery
	err := t.a.do(t.ctx, "write "+t.final, func() error {
		if _, err := f.Write(buf); err != nil || !sync {
			return err
		}
		return f.Sync()
	})
	if err != nil {
		return t.said(err)
	}
	t.buf, t.unsynced = buf[:0], t.unsynced+int64(len(buf))
	if sync {
		t.unsynced = 0
	}
	if t.progress != nil {
		t.progress(t.size)
	}
	return nil
}

// said is an error that names the final file.
func (t *temp) said(err error) error {
	if err == nil {
		return nil
	}
	var known *backend.Error
	if errors.As(err, &known) { // what is said of it is taken from inside of it
		inside := *known
		inside.Err = &fsys.TempError{Err: known.Err, Temp: t.name, Final: t.final}
		return &inside
	}
	return &fsys.TempError{Err: err, Temp: t.name, Final: t.final}
}

// publish makes the file durable, reads it back, and gives it its final name.
// sum is the SHA-256 that it must have, in hex. Whatever happens, the temporary name is gone after it.
func (t *temp) publish(sum string) error {
	if err := t.finish(sum); err != nil {
		t.discard()
		return err
	}
	root, f, name, final := t.a.root, t.f, t.name, t.final
	err := t.a.do(t.ctx, "publish "+final, func() error {
		if err := f.Close(); err != nil {
			return errors.Join(err, root.Remove(name))
		}
		if err := root.Rename(name, final); err != nil {
			return errors.Join(err, root.Remove(name))
		}
		return root.SyncDir(path.Dir(final))
	})
	if err != nil {
		t.discard() // what was never admitted did not clean up
	}
	return t.said(err)
}

func (t *temp) finish(sum string) error {
	if err := t.flush(); err != nil {
		return err
	}
	f := t.f
	if err := t.a.do(t.ctx, "fsync "+t.final, func() error { return f.Sync() }); err != nil {
		return t.said(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, t.a.newReader(t.ctx, t.final, t.f, t.size)); err != nil {
		return t.said(err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return &backend.Error{
			Class: backend.ClassServer, Op: "read back " + t.final,
			Err:  fmt.Errorf("its SHA-256 is %s, written was %s", got, sum),
			Hint: "the disk, its cable or the memory loses data: look at the kernel's log",
		}
	}
	return nil
}

// discard removes the file, at the latest when a call that hangs has returned.
func (t *temp) discard() {
	root, f, name := t.a.root, t.f, t.name
	t.a.deps.Lane.Release("remove "+name, t.a.deps.Stall, func() {
		_ = f.Close() // it is thrown away
		_ = root.Remove(name)
	})
}
