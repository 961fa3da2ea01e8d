package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"ipfskit.org/intelligent/internal/backend"
)

// VerifyOptions say how deep a verification goes.
type VerifyOptions struct {
	// Share of the objects that is read back, from 0 to 1; one at least is.
	Share float64
	// RemoveDamaged removes objects whose content is proven not to be what their
	// name says, so that the next backup sends them again.
	RemoveDamaged bool
	// Progress, if set, is told how far it is.
	Progress func(Progress)
}

// Report is what a verification found.
type Report struct {
	// Objects that the manifest names, each once; Read were read back.
	Objects, Read int
	// Bytes that were read.
	Bytes int64
	// Missing and Damaged are SHA-256 sums.
	Missing, Damaged []string
}

// OK says that nothing was found to be wrong.
func (r *Report) OK() bool { return len(r.Missing) == 0 && len(r.Damaged) == 0 }

// Verify looks whether every object of a backup is there, and reads back a
// random share of them. An error means that it could not be found out; what is
// missing or damaged is in the report.
func Verify(ctx context.Context, store backend.ObjectStore, m Manifest, o VerifyOptions) (Report, error) {
	present, err := listObjects(ctx, store)
	if err != nil {
		return Report{}, fmt.Errorf("verify the backup: %w", err)
	}
	var r Report
	var there []Entry
	seen := map[string]bool{}
	for _, e := range m.Files {
		if seen[e.SHA256] {
			continue
		}
		seen[e.SHA256] = true
		r.Objects++
		if present.has(e) {
			there = append(there, e)
		} else {
			r.Missing = append(r.Missing, e.SHA256)
		}
	}
	rand.Shuffle(len(there), func(i, j int) { there[i], there[j] = there[j], there[i] })
	n := min(len(there), max(1, int(math.Ceil(o.Share*float64(len(there))))))
	p := Progress{FilesTotal: uint64(n)}
	for _, e := range there[:n] {
		p.BytesTotal += uint64(e.Size)
	}
	for _, e := range there[:n] {
		if err := verifyOne(ctx, store, e, o, &r); err != nil {
			return r, fmt.Errorf("verify the backup: %w", err)
		}
		p.FilesDone++
		p.BytesDone += uint64(e.Size)
		if o.Progress != nil {
			o.Progress(p)
		}
	}
	return r, nil
}

func verifyOne(ctx context.Context, store backend.ObjectStore, e Entry, o VerifyOptions, r *Report) error {
	err := fetch(ctx, store, e, io.Discard)
	r.Read++
	switch {
	case err == nil:
		r.Bytes += e.Size
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, backend.ErrNotStored):
		r.Missing = append(r.Missing, e.SHA256)
	case damaged(err):
		r.Damaged = append(r.Damaged, e.SHA256)
		if o.RemoveDamaged {
			return store.RemoveObject(ctx, objectName(e.SHA256))
		}
	default:
		return err
	}
	return nil
}

// fetch copies an object and proves it. Content that is not what it should be is a *backend.CorruptError.
func fetch(ctx context.Context, store backend.ObjectStore, e Entry, to io.Writer) error {
	in, err := store.GetObject(ctx, objectName(e.SHA256))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, newProven(in, e.Name, e.SHA256, e.Size))
	cerr := in.Close()
	if errors.Is(err, ErrChanging) {
		return &backend.CorruptError{What: "the backup of " + e.Name, Err: err}
	}
	return errors.Join(err, cerr)
}
