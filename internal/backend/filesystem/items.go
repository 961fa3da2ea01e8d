package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
)

// path is where a name lies, for people.
func (a *Adapter) path(name string) string {
	return filepath.Join(a.cfg.Path, filepath.FromSlash(name))
}

// Stat looks at the CAR's name and size, or with records alone at the record. It
// proves nothing of the content; Verify does. The checksum is the one that was
// recorded when the CAR was stored.
func (a *Adapter) Stat(ctx context.Context, c cid.Cid) (backend.Item, error) {
	op := fmt.Sprintf("look at %s", c)
	if !a.keepsCARs() {
		item, err := a.statRecord(ctx, c)
		return item, a.classify(op, err)
	}
	fi, err := a.lstat(ctx, carName(c))
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file (%s): %w", carName(c), fi.Mode().Type(), backend.ErrNotStored)
	}
	if err != nil {
		return backend.Item{}, a.classify(op, notStored(carName(c), err))
	}
	item := backend.Item{CID: c, Size: fi.Size(), Path: a.path(carName(c))}
	if r, err := a.readRecord(ctx, pinName(c)); err == nil && r.number("car_bytes") == item.Size {
		item.SHA256 = r.text("sha256")
	}
	return item, nil
}

func (a *Adapter) lstat(ctx context.Context, name string) (fs.FileInfo, error) {
	var fi fs.FileInfo
	err := a.do(ctx, "look at "+name, func() (err error) { fi, err = a.root.Lstat(name); return err })
	if err != nil {
		return nil, err
	}
	return fi, nil
}

func (a *Adapter) statRecord(ctx context.Context, c cid.Cid) (backend.Item, error) {
	r, err := a.readRecord(ctx, pinName(c))
	if err != nil {
		return backend.Item{}, notStored(pinName(c), err)
	}
	if got := r.text("cid"); got != c.String() {
		return backend.Item{}, &backend.CorruptError{What: "the record of " + c.String(), Err: fmt.Errorf("it is about %q", got)}
	}
	return backend.Item{CID: c, Size: r.number("size_bytes"), Path: a.path(pinName(c))}, nil
}

// Verify reads the whole CAR and proves it; see carfile.Verify. With records
// alone it reads the record.
func (a *Adapter) Verify(ctx context.Context, c cid.Cid) (backend.Item, error) {
	op := fmt.Sprintf("verify %s", c)
	if !a.keepsCARs() {
		item, err := a.statRecord(ctx, c)
		return item, a.classify(op, err)
	}
	r, err := a.open(ctx, carName(c))
	if err != nil {
		return backend.Item{}, a.classify(op, err)
	}
	sum, err := carfile.Verify(ctx, r, c, a.deps.Limits)
	if err := errors.Join(err, r.Close()); err != nil {
		return backend.Item{}, a.classify(op, err)
	}
	return backend.Item{CID: c, Size: sum.Bytes, SHA256: sum.SHA256, Path: a.path(carName(c))}, nil
}

// Open reads the CAR back; the caller closes it before it closes the adapter.
func (a *Adapter) Open(ctx context.Context, c cid.Cid) (io.ReadCloser, error) {
	op := fmt.Sprintf("read %s", c)
	if !a.keepsCARs() {
		return nil, fmt.Errorf("%s: only its record is kept here: %w", op, backend.ErrNotStored)
	}
	r, err := a.open(ctx, carName(c))
	if err != nil {
		return nil, a.classify(op, err)
	}
	return r, nil
}

func (a *Adapter) open(ctx context.Context, name string) (*reader, error) {
	f, err := a.openFile(ctx, name, os.O_RDONLY)
	if err != nil {
		return nil, notStored(name, err)
	}
	var size int64
	r := a.newReader(ctx, name, f, 0)
	err = a.do(ctx, "look at "+name, func() error {
		fi, err := f.Stat()
		if err == nil {
			size = fi.Size()
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return a.newReader(ctx, name, f, size), nil
}

// Remove deletes the CAR and its record; what is not there is no error.
func (a *Adapter) Remove(ctx context.Context, c cid.Cid) error {
	names := []string{pinName(c)}
	if a.keepsCARs() {
		names = []string{carName(c), pinName(c)}
	}
	for _, name := range names {
		err := a.do(ctx, "remove "+name, func() error {
			if err := a.root.Remove(name); err != nil {
				return err
			}
			return a.root.SyncDir(path.Dir(name))
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return a.classify(fmt.Sprintf("remove %s", c), err)
		}
	}
	return nil
}

// List gives every CAR, or every record where records alone are kept, by name.
// Files whose name is no CID are not ours and are left out.
func (a *Adapter) List(ctx context.Context, each func(backend.Item) error) error {
	dir, ext := carsDir, carExt
	if !a.keepsCARs() {
		dir, ext = pinsDir, pinExt
	}
	err := a.walkItems(ctx, dir, ext, func(item backend.Item) error {
		if !a.keepsCARs() {
			item.Size = -1 // the record's own size says nothing
		}
		return each(item)
	})
	return a.classify("list what is stored", err)
}

// walkItems gives the files of a folder that are named by a CID.
func (a *Adapter) walkItems(ctx context.Context, dir, ext string, each func(backend.Item) error) error {
	return a.walk(ctx, dir, func(name string, fi fs.FileInfo) error {
		stem, ok := strings.CutSuffix(path.Base(name), ext)
		c, err := cid.Decode(stem)
		if !ok || err != nil || path.Dir(name) != dir {
			return nil
		}
		return each(backend.Item{CID: c, Size: fi.Size(), Path: a.path(name)})
	})
}

// Records gives every CID that has a record.
func (a *Adapter) Records(ctx context.Context, each func(cid.Cid) error) error {
	err := a.walkItems(ctx, pinsDir, pinExt, func(item backend.Item) error { return each(item.CID) })
	return a.classify("list the records of pins", err)
}

// Record writes the record of a CAR, unless there is one that says the same.
func (a *Adapter) Record(ctx context.Context, item backend.Item) error {
	r, err := a.readRecord(ctx, pinName(item.CID))
	if err == nil && r.text("cid") == item.CID.String() && r.text("sha256") == item.SHA256 {
		return nil
	}
	return a.classify(fmt.Sprintf("write the record of %s", item.CID), a.putRecord(ctx, item))
}
