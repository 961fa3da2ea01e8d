package home

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
	"time"

	"golang.org/x/sys/unix"
)

// CARFile is the name of the CAR of a CID below the home.
func CARFile(cid string) string { return path.Join(dirCars, cid+".car") }

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
		tops = append([]string{}, metadataSet...)
		entries, err := h.list(ctx, dirBackends)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() {
				tops = append(tops, mappingFile(e.Name))
			}
		}
	}
	var out []BackupFile
	for _, top := range tops {
		if err := h.walk(ctx, top, 0, &out); err != nil {
			return nil, fmt.Errorf("list the files of the %s backup: %w", kind, err)
		}
	}
	return out, nil
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

func (h *Home) walk(ctx context.Context, name string, depth int, out *[]BackupFile) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fi, err := h.root.Lstat(name)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(*out) >= maxBackupFiles || depth > maxNesting {
		return fmt.Errorf("%s: more than %d files, or nested deeper than %d", name, maxBackupFiles, maxNesting)
	}
	switch {
	case fi.Mode().IsRegular():
		if base := path.Base(name); base[0] != '.' {
			*out = append(*out, BackupFile{Name: name, Size: fi.Size(), Modified: fi.ModTime(), Stamp: stampOf(fi).String()})
		}
	case fi.IsDir():
		entries, err := h.root.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := h.walk(ctx, path.Join(name, e.Name), depth+1, out); err != nil {
				return err
			}
		}
	}
	return nil
}
