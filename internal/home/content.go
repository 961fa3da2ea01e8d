package home

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/fsys"
)

// CARFile is the name of the CAR of a CID below the home.
func CARFile(cid string) string { return path.Join(dirCars, cid+".car") }

// CARsChanged is when a name came to the home's own store of CARs last, or went; zero where there is none.
func (h *Home) CARsChanged() time.Time {
	fi, err := h.root.Stat(dirCars)
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// OpenCAR opens the CAR of a CID in the home's own store; fs.ErrNotExist when there is none.
func (h *Home) OpenCAR(_ context.Context, cid string) (io.ReadCloser, int64, error) {
	if !safeName(cid) {
		return nil, 0, fmt.Errorf("open the CAR of %q: that is no CID: %w", cid, fs.ErrNotExist)
	}
	f, err := h.root.Open(CARFile(cid))
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, fi.Size(), nil
}

// OpenCARPath opens the file that a mapping's car_file_path names, if it exists
// on this machine: relative to the home, or absolute. It is only ever read.
func (h *Home) OpenCARPath(_ context.Context, name string) (io.ReadCloser, int64, error) {
	if name == "" {
		return nil, 0, fs.ErrNotExist
	}
	if !filepath.IsAbs(name) {
		f, err := h.root.Open(filepath.ToSlash(name))
		if err != nil {
			return nil, 0, err
		}
		fi, err := f.Stat()
		if err != nil {
			return nil, 0, errors.Join(err, f.Close())
		}
		return f, fi.Size(), nil
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, errors.Join(&fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}, f.Close())
	}
	return f, fi.Size(), nil
}

// BackupFile is one file that belongs to a backup.
type BackupFile struct {
	// Name is relative to the home.
	Name string
	// Size in bytes.
	Size int64
	// Modified is its mtime.
	Modified time.Time
	// Stamp differs whenever the file differs.
	Stamp string
}

// What each kind of backup holds: files and folders below the home.
var (
	bucketSet   = []string{"buckets", "vfs_indices", "bucket_configs", dirBuckets, fileBucketsTop, fileBucketsYAML, fileBucketsJSON}
	metadataSet = []string{"pin_metadata", "pins", dirIndex, dirState}
)

// Kinds of backup sets.
const (
	SetBuckets  = "buckets"
	SetMetadata = "metadata"
)

// maxBackupFiles bounds a backup set.
const maxBackupFiles = 1_000_000

// BackupSet lists the files of a kind of backup, in the order of their names.
// Links, temporary files and locks are left out.
func (h *Home) BackupSet(ctx context.Context, kind string) ([]BackupFile, error) {
	tops := bucketSet
	if kind == SetMetadata {
		tops = metadataSet
	}
	w := walk{h: h, ctx: ctx}
	for _, top := range tops {
		w.top(top)
	}
	if kind == SetMetadata {
		w.mappings()
	}
	if w.err != nil {
		return nil, fmt.Errorf("list the files of the %s backup: %w", kind, w.err)
	}
	slices.SortFunc(w.out, func(a, b BackupFile) int { return strings.Compare(a.Name, b.Name) })
	return w.out, nil
}

// InBackupSet tells whether a name can be part of a kind of backup: whoever
// restores one writes nothing else.
func InBackupSet(kind, name string) bool {
	if !filepath.IsLocal(name) {
		return false
	}
	tops := bucketSet
	if kind == SetMetadata {
		tops = metadataSet
		if k, _ := Classify(name); k == Mapping {
			return true
		}
	}
	for _, top := range tops {
		if name == top || strings.HasPrefix(name, top+"/") {
			return true
		}
	}
	return false
}

// walk gathers files; it stops at the first error. Folders are held open, so that a file costs one look.
type walk struct {
	h   *Home
	ctx context.Context
	out []BackupFile
	err error
}

// top adds a file, or all that lies below a folder.
func (w *walk) top(name string) {
	if w.err != nil {
		return
	}
	fi, err := w.h.root.Lstat(name)
	switch {
	case absent(err):
	case err != nil:
		w.err = err
	case fi.Mode().IsRegular():
		w.add(name, fsys.Look{Type: fi.Mode().Type(), Size: fi.Size(), Modified: fi.ModTime()}, stampOf(fi))
	case fi.IsDir():
		w.folder(name, 0)
	}
}

// folder adds what lies below a folder.
func (w *walk) folder(dir string, depth int) {
	if depth > maxNesting {
		w.err = fmt.Errorf("%s: nested deeper than %d", dir, maxNesting)
		return
	}
	err := w.h.scan(w.ctx, dir, func(e fsys.Entry, look func(string) (fsys.Look, error)) {
		switch {
		case w.err != nil:
		case e.IsDir():
			w.folder(path.Join(dir, e.Name), depth+1)
		default:
			w.look(path.Join(dir, e.Name), e.Name, look)
		}
	})
	w.err = cmp.Or(w.err, err)
}

// mappings adds the mapping of each backend.
func (w *walk) mappings() {
	err := w.h.scan(w.ctx, dirBackends, func(e fsys.Entry, look func(string) (fsys.Look, error)) {
		if w.err == nil && e.IsDir() {
			w.look(mappingFile(e.Name), path.Join(e.Name, fileMapping), look)
		}
	})
	w.err = cmp.Or(w.err, err)
}

// look adds a file that lies in a folder under a name, if it is one.
func (w *walk) look(name, inFolder string, look func(string) (fsys.Look, error)) {
	l, err := look(inFolder)
	switch {
	case absent(err):
	case err != nil:
		w.err = err
	case l.Type.IsRegular():
		w.add(name, l, stampOfLook(l))
	}
}

func (w *walk) add(name string, l fsys.Look, st stamp) {
	switch {
	case path.Base(name)[0] == '.':
	case len(w.out) >= maxBackupFiles:
		w.err = fmt.Errorf("%s: more than %d files", name, maxBackupFiles)
	default:
		w.out = append(w.out, BackupFile{Name: name, Size: l.Size, Modified: l.Modified, Stamp: st.String()})
	}
}
