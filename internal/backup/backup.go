// Package backup keeps files of the home on a backend's object store:
// content-addressed, so that unchanged files cost nothing, and complete once the
// manifest, which is written last, is there.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/human"
)

// ErrNone says that there is no backup of that set.
var ErrNone = errors.New("there is no backup")

// ErrReplaced says that the run was replaced by a newer one, and committed nothing.
var ErrReplaced = errors.New("this run was replaced by a newer one")

// ErrChanging says that a file did not stand still long enough to be read.
var ErrChanging = errors.New("the file changes while it is read")

// Set names one series of backups: backups of several homes and kinds lie beside each other on one backend.
type Set struct {
	// Home identifies the home; letters, digits, "-" and "_".
	Home string
	// Kind is "buckets" or "metadata".
	Kind string
}

// File is one file to be kept.
type File struct {
	// Name is relative, with slashes.
	Name string
	// Size in bytes when it was listed.
	Size int64
	// Modified is its mtime.
	Modified time.Time
	// Stamp differs whenever the file differs; where it is empty the file is always read.
	Stamp string
	// Open reads it; fs.ErrNotExist when it is gone meanwhile.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Job is one backup.
type Job struct {
	// Set is the series that it belongs to.
	Set Set
	// Files are all that it holds, in any order.
	Files []File
	// Store is where it goes.
	Store backend.ObjectStore
	// Clock tells the manifest's time.
	Clock clock.Clock
	// Version of the program, for the manifest.
	Version string
	// Progress, if set, is told how far it is.
	Progress func(Progress)
	// Alive, if set, is asked before anything is written: false means that this run was replaced.
	Alive func() bool
}

// Progress tells how far a backup, restore or verification is.
type Progress struct {
	// FilesDone counts files that are done.
	FilesDone uint64
	// FilesTotal counts all of them.
	FilesTotal uint64
	// BytesDone are the bytes of the files that are done.
	BytesDone uint64
	// BytesTotal are those of all of them.
	BytesTotal uint64
}

// StateHash differs whenever one of the files differs, by what was listed: it
// reads none of them. The order does not matter.
func StateHash(files []File) string {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	for _, f := range sorted {
		fmt.Fprintf(h, "%q %d %d %q\n", f.Name, f.Size, f.Modified.UnixNano(), f.Stamp)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Run makes a backup, and gives its manifest. Where nothing changed since the
// last one, which is still complete, that one is given and nothing is written.
func Run(ctx context.Context, job Job) (Manifest, error) {
	m, err := run(ctx, job)
	if err != nil {
		return Manifest{}, fmt.Errorf("back up %s: %w", job.Set.Kind, err)
	}
	return m, nil
}

func run(ctx context.Context, job Job) (Manifest, error) {
	if err := job.check(); err != nil {
		return Manifest{}, err
	}
	refs, err := listRefs(ctx, job.Store, job.Set.prefix())
	if err != nil {
		return Manifest{}, err
	}
	last, err := newest(ctx, job.Store, refs)
	if err != nil && !errors.Is(err, ErrNone) {
		return Manifest{}, err
	}
	present, err := listObjects(ctx, job.Store)
	if err != nil {
		return Manifest{}, err
	}
	state := StateHash(job.Files)
	if last.Object != "" && last.State == state && present.complete(&last) {
		return last, nil
	}
	m := Manifest{
		Format: format, Kind: job.Set.Kind, Home: job.Set.Home, Seq: 1, State: state,
		Program: programName, Version: job.Version,
	}
	if len(refs) > 0 {
		m.Seq = refs[0].seq + 1
	}
	if m.Files, err = newUpload(job, &last, present).all(ctx); err != nil {
		return Manifest{}, err
	}
	return m, publish(ctx, job, &m)
}

// publish writes the manifest, when everything that it names is there.
func publish(ctx context.Context, job Job, m *Manifest) error {
	present, err := listObjects(ctx, job.Store)
	if err != nil {
		return err
	}
	if missing := present.missing(m); len(missing) > 0 {
		return &backend.Error{Class: backend.ClassServer, Op: "look at what was stored", Hint: "it is tried again by itself",
			Err: fmt.Errorf("%s gone, %s among them", human.Count(len(missing), "object is", "objects are"), objectName(missing[0]))}
	}
	m.Time = job.Clock.Now().UTC()
	data, sum, err := m.encode()
	if err != nil {
		return err
	}
	if !job.alive() {
		return ErrReplaced
	}
	m.Object, m.Fresh = refName(m, sum), true
	if err := job.Store.PutObject(ctx, m.Object, strings.NewReader(string(data)), int64(len(data))); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

func (j *Job) alive() bool { return j.Alive == nil || j.Alive() }

func (j *Job) check() error {
	if j.Store == nil {
		return &backend.Error{Class: backend.ClassConfiguration, Op: "find room for backups", Err: backend.ErrUnsupported,
			Hint: "choose a backend that keeps files, such as a filesystem one"}
	}
	names := make([]string, len(j.Files))
	for i, f := range j.Files {
		names[i] = f.Name
	}
	if err := errors.Join(j.Set.check(), checkNames(names)); err != nil {
		return &backend.Error{Class: backend.ClassContent, Op: "look at what is to be kept", Err: err}
	}
	return nil
}

// upload brings what is missing to the store.
type upload struct {
	job     Job
	old     map[string]Entry
	kept    map[string]bool // sums that the last manifest has and the store too
	sent    map[string]bool
	now     Progress
	present objects
}

func newUpload(job Job, last *Manifest, present objects) *upload {
	u := &upload{job: job, old: map[string]Entry{}, kept: map[string]bool{}, sent: map[string]bool{}, present: present}
	for _, e := range last.Files {
		u.old[e.Name] = e
		if present.has(e) {
			u.kept[e.SHA256] = true
		}
	}
	for _, f := range job.Files {
		u.now.FilesTotal++
		u.now.BytesTotal += uint64(max(0, f.Size))
	}
	return u
}

func (u *upload) all(ctx context.Context) ([]Entry, error) {
	entries := make([]Entry, 0, len(u.job.Files))
	for _, f := range u.job.Files {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		e, err := u.one(ctx, f)
		if errors.Is(err, errGone) {
			continue // gone since it was listed: the next listing will differ
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
		u.now.FilesDone++
		u.now.BytesDone += uint64(max(0, f.Size))
		if u.job.Progress != nil {
			u.job.Progress(u.now)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// one keeps one file. It is read twice, so that a writer at work in it is noticed.
func (u *upload) one(ctx context.Context, f File) (Entry, error) {
	if e, ok := u.old[f.Name]; ok && f.Stamp != "" && e.Stamp == f.Stamp && e.Size == f.Size && u.kept[e.SHA256] {
		e.Modified = f.Modified.UTC()
		return e, nil
	}
	const tries = 3
	for try := 1; ; try++ {
		e, err := u.send(ctx, f)
		if !errors.Is(err, ErrChanging) || try == tries {
			return e, err
		}
	}
}

func (u *upload) send(ctx context.Context, f File) (Entry, error) {
	e := Entry{Name: f.Name, Modified: f.Modified.UTC(), Stamp: f.Stamp}
	r, err := f.Open(ctx)
	if err != nil {
		return e, fileError(f.Name, err)
	}
	h := sha256.New()
	e.Size, err = io.Copy(h, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return e, fileError(f.Name, err)
	}
	e.SHA256 = hex.EncodeToString(h.Sum(nil))
	if e.Size != f.Size {
		e.Stamp = "" // not what was listed: read it again the next time
	}
	// An object that only older backups have may just be about to be pruned: it is sent again, and so made new.
	if u.kept[e.SHA256] || u.sent[e.SHA256] {
		return e, nil
	}
	if !u.job.alive() {
		return e, ErrReplaced
	}
	if r, err = f.Open(ctx); err != nil {
		return e, fileError(f.Name, err)
	}
	err = u.job.Store.PutObject(ctx, objectName(e.SHA256), newProven(r, f.Name, e.SHA256, e.Size), e.Size)
	if cerr := r.Close(); err == nil && cerr != nil {
		err = fileError(f.Name, cerr)
	}
	if err != nil {
		return e, fmt.Errorf("store %s: %w", f.Name, err)
	}
	u.sent[e.SHA256] = true
	return e, nil
}

// errGone says that a file of the home is not there any more.
var errGone = errors.New("the file is gone")

// fileError is about a file of the home, and no fault of the backend.
func fileError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errGone, err)
	}
	return &backend.SourceError{From: name, Err: err}
}
