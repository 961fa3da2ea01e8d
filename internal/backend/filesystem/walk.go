package filesystem

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"ipfskit.org/intelligent/internal/fsys"
)

// walkBatch is how many files one call describes.
const walkBatch = 256

// walk calls each for every regular file below dir, folders in the order of
// their names; temporary files are left out. A folder that is not there is
// empty. Files that vanish meanwhile are left out; any other error ends it.
func (a *Adapter) walk(ctx context.Context, dir string, each eachFile) error {
	return a.walkSome(ctx, dir, func(base string) bool { return !isTemp(base) }, each)
}

// eachFile gets a file's name from the root on.
type eachFile func(name string, fi fs.FileInfo) error

// walkSome is walk for the files whose last name is wanted; the others cost no system call.
func (a *Adapter) walkSome(ctx context.Context, dir string, want func(base string) bool, each eachFile) error {
	var entries []fsys.Entry
	err := a.do(ctx, "list "+dir, func() error {
		all, err := a.root.ReadDir(dir)
		for _, e := range all {
			if e.IsDir() || want(e.Name) {
				entries = append(entries, e)
			}
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for len(entries) > 0 {
		batch := entries[:min(walkBatch, len(entries))]
		entries = entries[len(batch):]
		infos, err := a.describe(ctx, dir, batch)
		if err != nil {
			return err
		}
		for i, e := range batch {
			name := path.Join(dir, e.Name)
			switch {
			case e.IsDir():
				err = a.walkSome(ctx, name, want, each)
			case infos[i] != nil && infos[i].Mode().IsRegular():
				err = each(name, infos[i])
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// describe looks at the files of a batch; nil stands for folders and what vanished.
func (a *Adapter) describe(ctx context.Context, dir string, batch []fsys.Entry) ([]fs.FileInfo, error) {
	infos := make([]fs.FileInfo, len(batch))
	err := a.do(ctx, "look at files in "+dir, func() error {
		for i, e := range batch {
			if e.IsDir() {
				continue
			}
			fi, err := a.root.Lstat(path.Join(dir, e.Name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			infos[i] = fi
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}
