package backup

import (
	"context"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

// summary is one backup in a list.
type summary struct {
	// Set is the series that it belongs to.
	Set Set
	// Object is the name of its manifest.
	Object string
	// Seq is its number in the set.
	Seq uint64
	// Time, Files and Bytes are zero where Err is set.
	Time time.Time
	// Files counts those that it holds.
	Files int
	// Bytes of them.
	Bytes int64
	// Complete says that everything that it names is there in its size.
	Complete bool
	// Err says why the manifest can't be read.
	Err error
}

// allBackups gives all backups on a store, of every home and kind, the newest first.
func allBackups(ctx context.Context, store backend.ObjectStore) ([]summary, error) {
	refs, err := listRefs(ctx, store, "manifests/")
	if err != nil {
		return nil, err
	}
	present, err := listObjects(ctx, store)
	if err != nil {
		return nil, err
	}
	out := make([]summary, 0, len(refs))
	for _, r := range refs {
		s := summary{Set: r.set, Object: r.name, Seq: r.seq}
		m, err := r.read(ctx, store)
		switch {
		case err == nil:
			s.Time, s.Files, s.Bytes, s.Complete = m.Time, len(m.Files), m.Bytes(), present.complete(&m)
		case damaged(err):
			s.Err = err
		default:
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
