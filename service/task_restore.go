package service

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backup"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// restorePins is what is restored beside the sets of the backups.
const restorePins = "pins"

// checkRestore refuses a restore that could not be done as it was asked for.
func checkRestore(name, what string, o dbus.RestoreOptions) error {
	known := []string{home.SetBuckets, home.SetMetadata, restorePins}
	switch {
	case !slices.Contains(known, what):
		return status.Errorf(status.InvalidArgument, "what %q is none of: buckets, metadata, pins", what)
	case o.Into != "" && !filepath.IsAbs(o.Into):
		return status.Errorf(status.InvalidArgument, "the folder %q is relative: write it from the root", o.Into)
	case o.Into != "" || o.Overwrite:
		return nil
	case what == restorePins:
		return status.Errorf(status.InvalidArgument, "it would change the mapping of %s and replace what is damaged there: say so with --overwrite, or name a folder with --into", name)
	}
	return status.Errorf(status.InvalidArgument, "it would replace files of the home: say so with --overwrite (what is there is kept), or name a folder with --into")
}

// runRestore writes a backup back: into the folder that was named, else into the home.
func (s *Service) runRestore(ctx context.Context, t *task, p *Pulse) result {
	req, h, err := s.restoreRequest(t)
	if err != nil {
		return result{err: content("restore", err)}
	}
	if req.What == restorePins {
		return s.runRestorePins(ctx, t, p, req, h)
	}
	a, store, err := s.store(ctx, t.Backend, s.open)
	if err != nil {
		return result{err: err}
	}
	out, err := s.restore(ctx, t, req, h, store)
	if err := errors.Join(err, a.Close()); err != nil {
		return result{err: content("restore", err)}
	}
	text := human.Count(out.Files, "file", "files") + " restored"
	if out.Old != "" {
		text += "; what was there is kept in " + out.Old
	}
	return result{worked: true, text: text}
}

func (s *Service) restoreRequest(t *task) (request, *home.Home, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[t.Backend]
	if e == nil || s.home == nil {
		return request{}, nil, errGone
	}
	i := slices.IndexFunc(e.asked, func(r request) bool { return r.Kind == status.KindRestore })
	if i < 0 {
		return request{}, nil, errors.New("nobody asks for it any more")
	}
	return e.asked[i], s.home, nil
}

func (s *Service) restore(ctx context.Context, t *task, req request, h *home.Home, store backend.ObjectStore) (backup.Restored, error) {
	m, err := s.manifest(ctx, store, req)
	if err != nil {
		return backup.Restored{}, err
	}
	o := backup.RestoreOptions{Progress: s.backupProgress(t)}
	if req.Into == "" {
		now, err := h.BackupSet(ctx, req.What)
		if err != nil {
			return backup.Restored{}, err
		}
		for _, f := range now {
			o.Aside = append(o.Aside, f.Name)
		}
		o.Allow = func(name string) bool { return home.InBackupSet(req.What, name) }
		return backup.Restore(ctx, store, m, h.Root(), o)
	}
	root, err := fsys.OpenRoot(req.Into)
	if err != nil {
		return backup.Restored{}, fmt.Errorf("open the folder to restore into: %w; make it first, if it is new", err)
	}
	defer root.Close() //nolint:errcheck // what was written is synced
	for _, f := range m.Files {
		if _, err := root.Lstat(f.Name); err == nil && !req.Overwrite {
			return backup.Restored{}, fmt.Errorf("%s is there already: name an empty folder, or say so with --overwrite (what is there is kept)", filepath.Join(req.Into, f.Name))
		}
	}
	return backup.Restore(ctx, store, m, root, o)
}

// manifest finds the backup that was named by its object, else the newest one.
func (s *Service) manifest(ctx context.Context, store backend.ObjectStore, req request) (backup.Manifest, error) {
	if req.Backup == "" {
		m, err := backup.Latest(ctx, store, s.set(req.What))
		if errors.Is(err, backup.ErrNone) {
			err = fmt.Errorf("%w of the %s of this home on it; make one: ipfs-kit-intelligent backup, or name a backend that has one", err, req.What)
		}
		return m, err
	}
	return backup.Read(ctx, store, req.Backup)
}
