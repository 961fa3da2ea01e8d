package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backup"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/pinsync"
)

// store opens a backend's object store for a task, by open or openToWrite.
func (s *Service) store(ctx context.Context, name string, open func(context.Context, string) (backend.Adapter, error)) (backend.Adapter, backend.ObjectStore, error) {
	a, err := open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if o := a.Objects(); o != nil {
		return a, o, nil
	}
	return nil, nil, errors.Join(&backend.Error{Class: backend.ClassConfiguration, Op: "back up to " + name, Err: backend.ErrUnsupported,
		Hint: "backups need a filesystem backend"}, a.Close())
}

// backupFiles lists what a kind of backup holds.
func (s *Service) backupFiles(ctx context.Context, set string) ([]backup.File, []home.BackupFile, error) {
	s.mu.Lock()
	h := s.home
	s.mu.Unlock()
	if h == nil {
		return nil, nil, errHomeGone(h)
	}
	list, err := h.BackupSet(ctx, set)
	if err != nil {
		return nil, nil, err
	}
	files := make([]backup.File, len(list))
	for i, f := range list {
		files[i] = backup.File{Name: f.Name, Size: f.Size, Modified: f.Modified, Stamp: f.Stamp, Open: func(context.Context) (io.ReadCloser, error) {
			return h.Root().Open(f.Name)
		}}
	}
	return files, list, nil
}

func (s *Service) set(kind string) backup.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	return backup.Set{Home: s.homeID, Kind: kind}
}

// runBackup is one backup of one kind to one backend.
func (s *Service) runBackup(ctx context.Context, t *task, p *Pulse) result {
	set := sets[t.Kind]
	files, list, err := s.backupFiles(ctx, set)
	if err != nil {
		return result{err: &backend.Error{Class: backend.ClassContent, Op: "back up " + set, Err: err}}
	}
	a, store, err := s.store(ctx, t.Backend, s.openToWrite)
	if err != nil {
		return result{err: err}
	}
	m, err := backup.Run(ctx, backup.Job{Set: s.set(set), Files: files, Store: store, Clock: s.clk, Version: s.opts.Version, Progress: s.backupProgress(t), Alive: p.Alive})
	if err == nil {
		err = s.prune(ctx, store, set)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		return result{err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[t.Backend]; e != nil {
		if e.backups == nil {
			e.backups = map[string]backupState{}
		}
		e.backups[t.Kind] = backupState{State: hashFiles(list), Last: s.clk.Now()}
	}
	text := fmt.Sprintf("backup %d of %s: %s, %s", m.Seq, set, human.Count(len(m.Files), "file", "files"), human.Bytes(m.Bytes()))
	if !m.Fresh {
		text = fmt.Sprintf("nothing changed since backup %d of %s", m.Seq, set)
	}
	return result{worked: true, text: text}
}

// prune removes what retention does not keep.
func (s *Service) prune(ctx context.Context, store backend.ObjectStore, set string) error {
	c := s.config().Backup
	r := backup.DefaultRetention()
	r.Last, r.Daily, r.Weekly, r.Monthly = max(c.KeepLast, r.Min), c.KeepDaily, c.KeepWeekly, c.KeepMonthly
	p, err := backup.Prune(ctx, store, s.set(set), r, s.clk.Now())
	for _, u := range p.Unreadable {
		s.log.Warnf("a manifest can't be read, and what it names is kept: %s", u)
	}
	return err
}

func (s *Service) backupProgress(t *task) func(backup.Progress) {
	return func(p backup.Progress) { s.advance(t, p.FilesDone, p.FilesTotal, p.BytesDone, p.BytesTotal) }
}

// verifyShare is the part of a backup that a verification reads back.
const verifyShare = 0.25

// runVerify reads back what is stored: every CAR, a share of the newest backups,
// and proves that they can be restored, in a scratch folder.
func (s *Service) runVerify(ctx context.Context, t *task) result {
	a, err := s.open(ctx, t.Backend)
	if err != nil {
		return result{err: err}
	}
	damaged := map[string]string{}
	good, bad, err := s.verifyItems(ctx, t, a, damaged)
	var proofs int
	if err == nil && a.Objects() != nil {
		proofs, err = s.verifyBackups(ctx, a.Objects(), &bad)
	}
	if err := errors.Join(err, a.Close(), s.suspect(ctx, t.Backend, damaged)); err != nil {
		return result{err: err}
	}
	s.mu.Lock()
	if e := s.entries[t.Backend]; e != nil {
		e.lastVerify = s.clk.Now()
		if len(bad) == 0 {
			e.lastProof = e.lastVerify
		}
	}
	s.mu.Unlock()
	if len(bad) > 0 {
		s.wantReconcile(t.Backend)
		return result{worked: true, partial: true, text: fmt.Sprintf("%d read back, %d damaged, the first: %s; all of it is compared again", good, len(bad), bad[0])}
	}
	return result{worked: true, text: fmt.Sprintf("%s read back, %s restored to a scratch folder", human.Count(good, "item", "items"), human.Count(proofs, "backup", "backups"))}
}

// suspect writes down which rows are not what they say, so that the comparison that follows
// looks into them: by its size alone, what is damaged is as good as new.
func (s *Service) suspect(ctx context.Context, name string, damaged map[string]string) error {
	s.mu.Lock()
	h, cat := s.home, s.cat
	s.mu.Unlock()
	if h == nil || len(damaged) == 0 {
		return nil
	}
	pins := indexedPins{pinsync.HomePins(h, name), s, name}
	rows, err := pins.All(ctx)
	if err != nil {
		return fmt.Errorf("read which pins are damaged: %w", err)
	}
	var updates []home.PinUpdate
	for _, row := range rows {
		c, err := cid.Decode(row.CID)
		if err != nil {
			continue
		}
		if why, ok := damaged[c.KeyString()]; ok {
			updates = append(updates, home.PinUpdate{CID: row.CID, Status: home.PinFailed, Meta: map[string]any{"error": why}})
		}
	}
	if len(updates) == 0 {
		return nil
	}
	if err := pins.Update(ctx, updates); err != nil {
		return fmt.Errorf("write down which pins are damaged: %w", err)
	}
	_, err = cat.RefreshPins(ctx, name)
	return err
}

// verifyItems reads back every item; what is wrong with the content of one goes to damaged, by the key of its CID.
func (s *Service) verifyItems(ctx context.Context, t *task, a backend.Adapter, damaged map[string]string) (good int, bad []string, err error) {
	var all []backend.Item
	if err := a.List(ctx, func(i backend.Item) error { all = append(all, i); return nil }); err != nil {
		return 0, nil, err
	}
	verify := a.Verify
	if d, ok := a.(backend.DeepVerifier); ok {
		verify = func(ctx context.Context, c cid.Cid) (backend.Item, error) { return d.DeepVerify(ctx, c) }
	}
	for n, item := range all {
		if ctx.Err() != nil {
			return good, bad, ctx.Err()
		}
		_, err := verify(ctx, item.CID)
		var corrupt *backend.CorruptError
		if errors.As(err, &corrupt) {
			damaged[item.CID.KeyString()] = err.Error()
		}
		switch {
		case err == nil:
			good++
		case corrupt != nil || errors.Is(err, backend.ErrNotStored):
			bad = append(bad, item.CID.String()+": "+err.Error())
		default:
			return good, bad, err
		}
		s.backupProgress(t)(backup.Progress{FilesDone: uint64(n + 1), FilesTotal: uint64(len(all))}) //nolint:gosec // counts
	}
	return good, bad, nil
}

// verifyBackups reads a share of the newest backups back and restores them to a scratch folder.
func (s *Service) verifyBackups(ctx context.Context, store backend.ObjectStore, bad *[]string) (proofs int, err error) {
	for _, kind := range []string{home.SetBuckets, home.SetMetadata} {
		m, err := backup.Latest(ctx, store, s.set(kind))
		if errors.Is(err, backup.ErrNone) {
			continue
		}
		if err != nil {
			return proofs, err
		}
		rep, err := backup.Verify(ctx, store, m, backup.VerifyOptions{Share: verifyShare, RemoveDamaged: true})
		if err != nil {
			return proofs, err
		}
		if !rep.OK() {
			*bad = append(*bad, fmt.Sprintf("backup %d of %s: %s missing, %d damaged", m.Seq, kind, human.Count(len(rep.Missing), "object", "objects"), len(rep.Damaged)))
			continue
		}
		if err := s.drill(ctx, store, m); err != nil {
			return proofs, err
		}
		proofs++
	}
	return proofs, nil
}

// drill restores a backup to a scratch folder of our own; every byte is proven on the way.
func (s *Service) drill(ctx context.Context, store backend.ObjectStore, m backup.Manifest) (err error) {
	scratch, err := makeScratch(s.opts.Paths.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	root, err := fsys.OpenRoot(scratch)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it is removed
	_, err = backup.Restore(ctx, store, m, root, backup.RestoreOptions{})
	return err
}

// wantReconcile has a backend compared whole.
func (s *Service) wantReconcile(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[name]; e != nil {
		e.sentinelDiffers = true
	}
}

// content marks an error as one of the item, not of the backend, unless it is classified already.
func content(op string, err error) error {
	var b *backend.Error
	if errors.As(err, &b) {
		return err
	}
	return &backend.Error{Class: backend.ClassContent, Op: op, Err: err}
}

// runCleanup removes this program's own leftovers.
func (s *Service) runCleanup(ctx context.Context, t *task) result {
	a, err := s.open(ctx, t.Backend)
	if err != nil {
		return result{err: err}
	}
	began := s.clk.Now()
	if err := errors.Join(a.Sweep(ctx), a.Close()); err != nil {
		return result{err: err}
	}
	return result{worked: true, text: "swept in " + s.clk.Now().Sub(began).Round(time.Millisecond).String()}
}
