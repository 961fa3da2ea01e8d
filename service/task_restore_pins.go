package service

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/backup"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/parquetfile"
	"ipfskit.org/intelligent/internal/pinsync"
)

// runRestorePins brings the pins of a backend back. What belongs to them is said
// by its mapping, by the mapping in its newest backup of metadata, by buckets, and
// by what lies on it. All of it is read back: what is missing or damaged comes from
// the usual sources, and the mapping gets the rows that it lost. With a folder
// named, the content goes there instead, and backend and mapping stay as they are.
func (s *Service) runRestorePins(ctx context.Context, t *task, p *Pulse, req request, h *home.Home) result {
	open := s.openToWrite
	if req.Into != "" {
		open = s.open
	}
	a, err := open(ctx, t.Backend)
	if err != nil {
		return result{err: err}
	}
	r := s.restorePins(ctx, t, p, req, h, a)
	r.err = errors.Join(r.err, a.Close())
	return r
}

func (s *Service) restorePins(ctx context.Context, t *task, p *Pulse, req request, h *home.Home, a backend.Adapter) result {
	job, _, err := s.syncJob(t, a, p)
	if err != nil {
		return result{err: err}
	}
	kept, err := keepDamaged(ctx, h, t.Backend, req)
	if err != nil {
		return result{err: content("restore the pins", err)}
	}
	lost, err := s.lostPins(ctx, t.Backend, req, h, a, job)
	if err != nil {
		return result{err: err}
	}
	wanted := job.Desired
	job.Desired = func(ctx context.Context) ([]string, error) {
		texts, err := wanted(ctx)
		return append(texts, lost...), err
	}
	// A mark has a sync of its own: what is asked for here is content, and nothing is removed.
	job.Mode, job.Prove, job.Dirty, job.Marks, job.AcceptIdentity = pinsync.Reconcile, true, nil, nil, true
	if req.Into != "" {
		return s.restorePinsInto(ctx, req, job)
	}
	out, err := pinsync.Run(ctx, job)
	r := s.synced(ctx, t, job, h, out, err)
	if kept != "" {
		r.text += "; the damaged mapping is kept in " + kept
	}
	return r
}

// keepDamaged moves a mapping aside that is damaged, if it is to be made anew.
func keepDamaged(ctx context.Context, h *home.Home, name string, req request) (kept string, err error) {
	_, err = h.ReadPins(ctx, name)
	var damaged *parquetfile.CorruptError
	switch {
	case err == nil, req.Into != "" && errors.As(err, &damaged):
		return "", nil
	case errors.As(err, &damaged):
		return h.KeepMappingAside(name)
	}
	return "", err
}

// lostPins lists the CIDs that the mapping does not have, and that a backup of it or the backend itself does.
func (s *Service) lostPins(ctx context.Context, name string, req request, h *home.Home, a backend.Adapter, job pinsync.Job) ([]string, error) {
	known := map[string]bool{}
	rows, err := h.ReadPins(ctx, name)
	if err != nil && req.Into == "" { // into a folder goes what else is known
		return nil, content("restore the pins", err)
	}
	for _, row := range rows {
		if c, err := cid.Decode(row.CID); err == nil {
			known[c.KeyString()] = req.Into == "" || row.Status == pinsync.StatusRemoved
		}
	}
	var lost []string
	add := func(c cid.Cid) {
		if !known[c.KeyString()] {
			known[c.KeyString()] = true
			lost = append(lost, c.String())
		}
	}
	if job.Dirty != nil {
		for _, text := range job.Dirty.Removes { // a person wants these gone
			if c, err := cid.Decode(text); err == nil {
				known[c.KeyString()] = true
			}
		}
	}
	saved, err := s.savedPins(ctx, name, req, a)
	if err != nil {
		return nil, err
	}
	for _, row := range slices.Concat(rows, saved) {
		if c, err := cid.Decode(row.CID); err == nil && row.Status != pinsync.StatusRemoved {
			add(c)
		}
	}
	if err := a.List(ctx, func(item backend.Item) error { add(item.CID); return nil }); err != nil {
		return nil, err
	}
	if rec, ok := a.(backend.Recorder); ok {
		err = rec.Records(ctx, func(c cid.Cid) error { add(c); return nil })
	}
	return lost, err
}

// savedPins are the rows of the mapping in a backup on the backend: in the one that was named, else in the newest where
// it can be read, because the damage may have been backed up too; none where there is none.
func (s *Service) savedPins(ctx context.Context, name string, req request, a backend.Adapter) ([]home.Pin, error) {
	store := a.Objects()
	switch {
	case store == nil && req.Backup != "":
		return nil, &backend.Error{Class: backend.ClassConfiguration, Op: "read backup " + req.Backup, Err: backend.ErrUnsupported, Hint: "backups are on filesystem backends"}
	case store == nil:
		return nil, nil
	case req.Backup != "":
		m, err := backup.Read(ctx, store, req.Backup)
		if err != nil {
			return nil, err
		}
		if !hasMapping(m, name) {
			return nil, content("restore the pins", fmt.Errorf("backup %s has no mapping of %s; name one of metadata", req.Backup, name))
		}
		return s.pinsIn(ctx, store, m, name)
	}
	for m, err := range backup.All(ctx, store, s.set(home.SetMetadata)) {
		if err != nil {
			return nil, err
		}
		if !hasMapping(m, name) {
			return nil, nil
		}
		if rows, err := s.pinsIn(ctx, store, m, name); err == nil || !unreadable(err) {
			return rows, err
		}
	}
	return nil, nil
}

func hasMapping(m backup.Manifest, name string) bool {
	return slices.ContainsFunc(m.Files, func(e backup.Entry) bool { return e.Name == home.MappingFile(name) })
}

// unreadable tells a backup that is damaged, or that is of a damaged file, from a store that does not work.
func unreadable(err error) bool {
	var file *parquetfile.CorruptError
	var object *backend.CorruptError
	return errors.As(err, &file) || errors.As(err, &object) || errors.Is(err, backend.ErrNotStored)
}

// pinsIn reads the mapping that is in a backup.
func (s *Service) pinsIn(ctx context.Context, store backend.ObjectStore, m backup.Manifest, name string) (rows []home.Pin, err error) {
	m.Files = slices.DeleteFunc(m.Files, func(e backup.Entry) bool { return e.Name != home.MappingFile(name) })
	scratch, err := makeScratch(s.opts.Paths.State)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	saved, err := home.Open(scratch, home.Options{Clock: s.clk})
	if err != nil {
		return nil, err
	}
	defer saved.Close() //nolint:errcheck // it is removed
	if _, err := backup.Restore(ctx, store, m, saved.Root(), backup.RestoreOptions{}); err != nil {
		return nil, err
	}
	return saved.ReadPins(ctx, name)
}

// restorePinsInto puts the content into a folder, as a filesystem backend has it: every
// block proven on the way, from the backend itself before all other sources.
func (s *Service) restorePinsInto(ctx context.Context, req request, job pinsync.Job) result {
	into, err := types.Open(ctx, types.Spec{Name: job.Backend, Type: "filesystem", RootPath: req.Into},
		types.Deps{Clock: s.clk, Lane: backend.NewLane(1, s.clk), Stall: job.StallLimit})
	if err != nil {
		return result{err: notTheBackend(req.Into, err)}
	}
	if !req.Overwrite {
		if err := nothingThere(ctx, into); err != nil {
			return result{err: notTheBackend(req.Into, errors.Join(err, into.Close()))}
		}
	}
	name := job.Backend
	itself := pinsync.OtherBackends(func(context.Context, cid.Cid) iter.Seq[pinsync.Neighbour] {
		return slices.Values([]pinsync.Neighbour{{Name: name, Open: func(ctx context.Context) (backend.Adapter, error) { return s.open(ctx, name) }}})
	})
	itself.Name = "backend " + name
	job.Adapter, job.Pins, job.Records, job.SentinelID = into, noPins{}, false, ""
	job.Sources = append([]pinsync.SourceFinder{itself}, job.Sources...)
	out, err := pinsync.Run(ctx, job)
	if err = errors.Join(err, into.Close()); err != nil {
		return result{err: notTheBackend(req.Into, err)}
	}
	return result{text: syncText(out), partial: !out.Complete(), blocked: out.Blocked, items: out.Stored.Count + out.AlreadyThere.Count}
}

// notTheBackend marks an error as one of a folder, about which the backend can do nothing.
func notTheBackend(folder string, err error) error {
	return &backend.Error{Class: backend.ClassContent, Op: "restore into " + folder, Err: err}
}

// nothingThere refuses a folder that has content already.
func nothingThere(ctx context.Context, a backend.Adapter) error {
	return a.List(ctx, func(item backend.Item) error {
		return fmt.Errorf("%s is there already: name an empty folder, or say so with --overwrite (only what is damaged is replaced)", item.Path)
	})
}

// noPins is the mapping of a folder that is no backend.
type noPins struct{}

func (noPins) Open(context.Context) ([]home.Pin, error)       { return nil, nil }
func (noPins) All(context.Context) ([]home.Pin, error)        { return nil, nil }
func (noPins) Update(context.Context, []home.PinUpdate) error { return nil }
