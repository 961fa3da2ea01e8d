package filesystem

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"
)

// abandonedAfter is how old a temporary file of an unknown run must be to count as left
// over: a live one is written to at least every Stall.
const abandonedAfter = time.Hour

// Sweep removes temporary files of runs that ended: those of processes of this
// boot that are gone, and of unknown ones that nobody wrote to for an hour. What
// this run could not remove is left to the next one. It reads all names, so that
// it belongs to a start or a whole comparison, not to every put.
func (a *Adapter) Sweep(ctx context.Context) error {
	const op = "remove what an earlier run left"
	now := a.deps.Clock.Now()
	sweep := func(name string, fi fs.FileInfo) error {
		switch lifeOf(path.Base(name)) {
		case lifeAlive:
			return nil
		case lifeUnknown:
			if now.Sub(fi.ModTime()) < abandonedAfter {
				return nil
			}
		case lifeDead:
		}
		err := a.do(ctx, "remove "+name, func() error { return a.root.Remove(name) })
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, dir := range []string{carsDir, pinsDir, backupsDir} {
		if err := a.walkSome(ctx, dir, isTemp, sweep); err != nil {
			return a.classify(op, err)
		}
	}
	return a.classify(op, a.sweepRoot(ctx, sweep))
}

// sweepRoot looks at the root's own files, not below: other people's folders may lie there.
func (a *Adapter) sweepRoot(ctx context.Context, sweep eachFile) error {
	var found []fs.FileInfo
	err := a.do(ctx, "list "+a.cfg.Path, func() error {
		entries, err := a.root.ReadDir(".")
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !isTemp(e.Name) {
				continue
			}
			if fi, err := a.root.Lstat(e.Name); err == nil && fi.Mode().IsRegular() {
				found = append(found, fi)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, fi := range found {
		if err := sweep(fi.Name(), fi); err != nil {
			return err
		}
	}
	return nil
}
