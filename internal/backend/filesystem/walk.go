package filesystem

import (
	"context"
	"errors"
	"io/fs"
	"path"
)

// walkBatch is how many files one call describes.
const walkBatch = 256

// walk calls each for every regular file below dir, folders in the order of
// their names; temporary files are left out. A folder that is not there is
// empty. Files that vanish meanwhile are left out; any other error ends it.
func (a *Adapter) walk(ctx context.Context, dir string, each func(name string, fi fs.FileInfo) error) error {
	return a.walkAll(ctx, dir, func(name string, fi fs.FileInfo) error {
		if isTemp(path.Base(name)) {
			return nil
		}
		return each(name, fi)
	})
}

func (a *Adapter) walkAll(ctx context.Context, dir string, each func(name string, fi fs.FileInfo) error) error {
	var entries []fs.DirEntry
	err := a.do(ctx, "list "+dir, func() (err error) { entries, err = a.root.ReadDir(dir); return err })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for len(entries) > 0 {
		batch := entries[:min(walkBatch, len(entries))]
		entries = entries[len(batch):]
		if err := a.walkBatch(ctx, dir, batch, each); err != nil {
			return err
		}
	}
	return nil
}

func (a *Adapter) walkBatch(ctx context.Context, dir string, batch []fs.DirEntry, each func(string, fs.FileInfo) error) error {
	infos := make([]fs.FileInfo, len(batch))
	err := a.do(ctx, "look at files in "+dir, func() error {
		for i, e := range batch {
			if e.IsDir() {
				continue
			}
			fi, err := a.root.Lstat(path.Join(dir, e.Name()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			infos[i] = fi
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, e := range batch {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = a.walkAll(ctx, name, each)
		case infos[i] != nil && infos[i].Mode().IsRegular():
			err = each(name, infos[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
