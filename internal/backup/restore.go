package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
)

// RestoreOptions say what a restore may do.
type RestoreOptions struct {
	// Allow, if set, tells which names may be written; one that may not refuses the whole restore.
	Allow func(name string) bool
	// Aside are files of the set that are there now: those that the backup does not have are moved to the old set.
	Aside []string
	// Progress, if set, is told how far it is.
	Progress func(Progress)
}

// Restored is what a restore did.
type Restored struct {
	// Files counts those that were written.
	Files int
	// Bytes of them.
	Bytes int64
	// Old is the folder, below the root, that keeps what was replaced or moved aside; empty when nothing was.
	Old string
}

// Restore writes the files of a backup below a root. All of them are fetched and
// proven first; then each takes its place by a rename, and what was there is
// kept. An error before that leaves everything as it was; one in the middle is
// undone. Repeating it after a crash comes to the same end.
func Restore(ctx context.Context, store backend.ObjectStore, m Manifest, into fsys.Root, o RestoreOptions) (Restored, error) {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	r := restore{store: store, m: m, root: into, o: o, stage: fmt.Sprintf("%s%d-%s", StagePrefix, m.Seq, hex.EncodeToString(b[:]))}
	out, err := r.run(ctx)
	if err != nil {
		return out, fmt.Errorf("restore backup %d of %s: %w", m.Seq, m.Kind, err)
	}
	return out, nil
}

type restore struct {
	store backend.ObjectStore
	m     Manifest
	root  fsys.Root
	o     RestoreOptions
	stage string
	old   bool // something was kept
	undo  []func() error
}

func (r *restore) fresh(name string) string { return path.Join(r.stage, "new", name) }
func (r *restore) kept(name string) string  { return path.Join(r.stage, "old", name) }

func (r *restore) run(ctx context.Context) (Restored, error) {
	aside, err := r.check()
	if err != nil {
		return Restored{}, err
	}
	if err := r.fetch(ctx); err != nil {
		return Restored{}, errors.Join(err, r.root.RemoveAll(r.stage))
	}
	if err := r.swapAll(ctx, aside); err != nil {
		return Restored{}, r.rollBack(err)
	}
	out := Restored{Files: len(r.m.Files), Bytes: r.m.Bytes(), Old: path.Join(r.stage, "old")}
	rest := path.Join(r.stage, "new")
	if !r.old {
		out.Old, rest = "", r.stage
	}
	return out, errors.Join(r.syncDirs(aside), r.root.RemoveAll(rest))
}

// check refuses what must not be written, before anything is.
func (r *restore) check() (aside []string, err error) {
	names := make([]string, len(r.m.Files))
	has := make(map[string]bool, len(r.m.Files))
	for i, e := range r.m.Files {
		names[i], has[e.Name] = e.Name, true
	}
	for _, name := range r.o.Aside {
		if !has[name] {
			aside = append(aside, name)
		}
	}
	all := slices.Concat(names, aside)
	if err := checkNames(all); err != nil {
		return nil, &backend.Error{Class: backend.ClassContent, Op: "look at the manifest", Err: err}
	}
	for _, name := range all {
		if r.o.Allow != nil && !r.o.Allow(name) {
			return nil, &backend.Error{Class: backend.ClassContent, Op: "look at the manifest", Err: fmt.Errorf("a %s backup has no business with %q", r.m.Kind, name)}
		}
		if err := r.checkPlace(name); err != nil {
			return nil, err
		}
	}
	return aside, nil
}

// checkPlace lets only folders lead to a name, and only a plain file or nothing be there.
func (r *restore) checkPlace(name string) error {
	for p := name; p != "."; p = path.Dir(p) {
		fi, err := r.root.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if p == name && !fi.Mode().IsRegular() || p != name && !fi.IsDir() {
			return fmt.Errorf("%s is no plain %s (%s): move it away first", p, map[bool]string{true: "file", false: "folder"}[p == name], fi.Mode().Type())
		}
	}
	return nil
}

// fetch brings every file, proven, under its staged name.
func (r *restore) fetch(ctx context.Context) error {
	p := Progress{FilesTotal: uint64(len(r.m.Files)), BytesTotal: uint64(max(0, r.m.Bytes()))}
	if err := r.root.MkdirAll(path.Join(r.stage, "new"), 0o700); err != nil {
		return err
	}
	for _, e := range r.m.Files {
		if err := r.fetchOne(ctx, e); err != nil {
			return fmt.Errorf("fetch %s: %w", e.Name, err)
		}
		p.FilesDone++
		p.BytesDone += uint64(e.Size)
		if r.o.Progress != nil {
			r.o.Progress(p)
		}
	}
	return nil
}

func (r *restore) fetchOne(ctx context.Context, e Entry) error {
	perm := fs.FileMode(0o644)
	if fi, err := r.root.Lstat(e.Name); err == nil {
		perm = fi.Mode().Perm()
	}
	name := r.fresh(e.Name)
	if err := r.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := r.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	err = fetch(ctx, r.store, e, io.Writer(f))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (r *restore) swapAll(ctx context.Context, aside []string) error {
	for _, e := range r.m.Files {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := r.swap(e.Name); err != nil {
			return fmt.Errorf("put %s in its place: %w", e.Name, err)
		}
	}
	for _, name := range aside {
		if err := r.keep(name, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move %s aside: %w", name, err)
		}
	}
	return nil
}

// swap gives a staged file its place, and keeps what was there.
func (r *restore) swap(name string) error {
	if err := r.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	_, err := r.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.root.Rename(r.fresh(name), name); err != nil {
			return err
		}
		r.undo = append(r.undo, func() error { return r.root.Remove(name) })
		return nil
	}
	if err != nil {
		return err
	}
	err = r.root.Exchange(r.fresh(name), name)
	if err == nil { // what was there lies under the staged name now, and no moment was without a file
		r.undo = append(r.undo, func() error { return r.root.Exchange(r.fresh(name), name) })
		return r.keep(r.fresh(name), name)
	}
	if !errors.Is(err, fsys.ErrNoExchange) {
		return err
	}
	if err := r.keep(name, name); err != nil {
		return err
	}
	return r.root.Rename(r.fresh(name), name)
}

// keep moves a file to the old set; undone, it stands in its place again.
func (r *restore) keep(from, name string) error {
	if err := r.root.MkdirAll(path.Dir(r.kept(name)), 0o700); err != nil {
		return err
	}
	if err := r.root.Rename(from, r.kept(name)); err != nil {
		return err
	}
	r.old = true
	r.undo = append(r.undo, func() error { return r.root.Rename(r.kept(name), from) })
	return nil
}

// rollBack undoes what was swapped; if that fails too, nothing more is touched and the folder is named.
func (r *restore) rollBack(err error) error {
	for _, undo := range slices.Backward(r.undo) {
		if uerr := undo(); uerr != nil {
			return errors.Join(err, fmt.Errorf("undo it: %w; what was there before lies in %s", uerr, path.Join(r.root.Path(), r.stage)))
		}
	}
	return errors.Join(err, r.root.RemoveAll(r.stage))
}

// syncDirs makes the names survive a power loss.
func (r *restore) syncDirs(aside []string) error {
	dirs := map[string]bool{}
	for _, e := range r.m.Files {
		dirs[path.Dir(e.Name)] = true
	}
	for _, name := range aside {
		dirs[path.Dir(name)] = true
	}
	for dir := range dirs {
		for d := dir; ; d = path.Dir(d) {
			if err := r.root.SyncDir(d); err != nil {
				return err
			}
			if d == "." {
				break
			}
		}
	}
	return nil
}
