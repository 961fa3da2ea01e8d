package filesystem

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"ipfskit.org/intelligent/internal/backend"
)

// objects keeps backups below backups/.
type objects struct{ a *Adapter }

var _ backend.ObjectStore = objects{}

// Objects is the store for backups.
func (a *Adapter) Objects() backend.ObjectStore { return objects{a} }

// maxName is the longest part of a name in bytes, as file systems have it.
const maxName = 255

// objectPath refuses names that are not plain: they come from manifests, which may be anybody's.
func objectPath(name string) (string, error) {
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("object name %q: %s", name, why)
	}
	if !fs.ValidPath(name) || name == "." {
		return bad("it must be a relative path without empty parts, . and ..")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case len(part) > maxName:
			return bad(fmt.Sprintf("a part is longer than %d bytes", maxName))
		case strings.ContainsAny(part, "\x00\\"):
			return bad("it must not contain NUL or a backslash")
		case strings.HasPrefix(part, tempPrefix):
			return bad("parts that begin with " + tempPrefix + " are temporary files")
		}
	}
	return path.Join(backupsDir, name), nil
}

// PutObject writes an object as a whole; size -1 means not known.
func (o objects) PutObject(ctx context.Context, name string, r io.Reader, size int64) error {
	op := "store object " + name
	file, err := objectPath(name)
	if err != nil {
		return err
	}
	if err := o.a.checkRoom(ctx, op, size); err != nil {
		return err
	}
	err = o.put(ctx, file, r, size)
	if errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
		err = fmt.Errorf("its folder went away meanwhile: %w", err)
	}
	return o.a.withRoom(o.a.classify(op, err))
}

func (o objects) put(ctx context.Context, file string, r io.Reader, size int64) error {
	t, err := o.a.newTemp(ctx, file, size, nil)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(h, t), backend.Source{From: "the backup"}.Reader(ctx, r))
	if err == nil && size >= 0 && n != size {
		err = &backend.SourceError{From: "the backup", Err: fmt.Errorf("%d bytes came, %d were announced", n, size)}
	}
	if err != nil {
		t.discard()
		return err
	}
	return t.publish(hex.EncodeToString(h.Sum(nil)))
}

// GetObject reads an object; the caller closes it.
func (o objects) GetObject(ctx context.Context, name string) (io.ReadCloser, error) {
	file, err := objectPath(name)
	if err != nil {
		return nil, err
	}
	r, err := o.a.open(ctx, file)
	if err != nil {
		return nil, o.a.classify("read object "+name, err)
	}
	return r, nil
}

// StatObject describes an object; ErrNotStored when there is none.
func (o objects) StatObject(ctx context.Context, name string) (backend.Object, error) {
	file, err := objectPath(name)
	if err != nil {
		return backend.Object{}, err
	}
	fi, err := o.a.lstat(ctx, file)
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return backend.Object{}, o.a.classify("look at object "+name, notStored(name, err))
	}
	return backend.Object{Name: name, Size: fi.Size(), Modified: fi.ModTime()}, nil
}

// ListObjects gives the objects whose name starts with prefix.
func (o objects) ListObjects(ctx context.Context, prefix string, each func(backend.Object) error) error {
	dir := backupsDir
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		var err error
		if dir, err = objectPath(prefix[:i]); err != nil {
			return err
		}
	}
	err := o.a.walk(ctx, dir, func(name string, fi fs.FileInfo) error {
		name = strings.TrimPrefix(name, backupsDir+"/")
		if !strings.HasPrefix(name, prefix) {
			return nil
		}
		return each(backend.Object{Name: name, Size: fi.Size(), Modified: fi.ModTime()})
	})
	return o.a.classify("list objects", err)
}

// RemoveObject deletes an object, and the folders that it leaves empty; what is not there is no error.
func (o objects) RemoveObject(ctx context.Context, name string) error {
	file, err := objectPath(name)
	if err != nil {
		return err
	}
	err = o.a.do(ctx, "remove "+file, func() error {
		if err := o.a.root.Remove(file); err != nil {
			return err
		}
		dir := path.Dir(file)
		for dir != backupsDir && o.a.root.Remove(dir) == nil {
			dir = path.Dir(dir)
		}
		return o.a.root.SyncDir(dir)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return o.a.classify("remove object "+name, err)
}
