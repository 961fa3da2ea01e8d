package backup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"

	"ipfskit.org/intelligent/internal/backend"
)

// objects is what a whole listing of the store showed, by sum.
type objects map[string]backend.Object

func listObjects(ctx context.Context, store backend.ObjectStore) (objects, error) {
	o := objects{}
	err := store.ListObjects(ctx, objectsPrefix, func(obj backend.Object) error {
		if sum := path.Base(obj.Name); isSum(sum) && obj.Name == objectName(sum) {
			o[sum] = obj
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list what backups have: %w", err)
	}
	return o, nil
}

func (o objects) has(e Entry) bool {
	obj, ok := o[e.SHA256]
	return ok && obj.Size == e.Size
}

// missing gives the sums that a manifest names and the store does not have in their size.
func (o objects) missing(m *Manifest) []string {
	var out []string
	for _, e := range m.Files {
		if !o.has(e) {
			out = append(out, e.SHA256)
		}
	}
	return out
}

func (o objects) complete(m *Manifest) bool { return len(o.missing(m)) == 0 }

// listRefs gives the manifests below a prefix, the newest first.
func listRefs(ctx context.Context, store backend.ObjectStore, prefix string) ([]ref, error) {
	var refs []ref
	err := store.ListObjects(ctx, prefix, func(obj backend.Object) error {
		if r, ok := parseRef(obj.Name); ok {
			refs = append(refs, r)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	slices.SortFunc(refs, func(a, b ref) int {
		return cmp.Or(cmp.Compare(b.seq, a.seq), cmp.Compare(b.name, a.name))
	})
	return refs, nil
}

// Read gives the manifest under a name, as Manifest.Object has it.
func Read(ctx context.Context, store backend.ObjectStore, object string) (Manifest, error) {
	r, ok := parseRef(object)
	if !ok {
		return Manifest{}, fmt.Errorf("read the backup %q: that is no name of a manifest; see the list of backups", object)
	}
	return r.read(ctx, store)
}

func (r ref) read(ctx context.Context, store backend.ObjectStore) (Manifest, error) {
	m, err := r.get(ctx, store)
	if err != nil {
		return Manifest{}, fmt.Errorf("read the backup %s: %w", r.name, err)
	}
	return m, nil
}

func (r ref) get(ctx context.Context, store backend.ObjectStore) (Manifest, error) {
	in, err := store.GetObject(ctx, r.name)
	if err != nil {
		return Manifest{}, err
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(in, maxManifest+1))
	if err := errors.Join(err, in.Close()); err != nil {
		return Manifest{}, err
	}
	if n > maxManifest {
		return Manifest{}, &backend.CorruptError{What: "the manifest", Err: fmt.Errorf("it has more than %d bytes", maxManifest)}
	}
	sum := sha256.Sum256(buf.Bytes())
	if got := hex.EncodeToString(sum[:8]); got != r.sum {
		return Manifest{}, &backend.CorruptError{What: "the manifest", Err: fmt.Errorf("its SHA-256 begins with %s, its name says %s", got, r.sum)}
	}
	m, err := ParseManifest(buf.Bytes())
	if err != nil {
		return Manifest{}, err
	}
	if m.Seq != r.seq || m.Home != r.set.Home || m.Kind != r.set.Kind {
		return Manifest{}, &backend.CorruptError{What: "the manifest", Err: errors.New("it is not the one that its name says")}
	}
	m.Object = r.name
	return m, nil
}

// newest gives the newest manifest that can be read; ErrNone when there is none.
func newest(ctx context.Context, store backend.ObjectStore, refs []ref) (Manifest, error) {
	for m, err := range readable(ctx, store, refs) {
		return m, err
	}
	return Manifest{}, ErrNone
}

// readable goes through the manifests that can be read. An error of the store ends it, and is given.
func readable(ctx context.Context, store backend.ObjectStore, refs []ref) iter.Seq2[Manifest, error] {
	return func(yield func(Manifest, error) bool) {
		for _, r := range refs {
			m, err := r.read(ctx, store)
			if err != nil && damaged(err) {
				continue
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// All goes through the manifests of a set that can be read, the newest first. An error of the store ends it, and is given.
func All(ctx context.Context, store backend.ObjectStore, set Set) iter.Seq2[Manifest, error] {
	err := set.check()
	var refs []ref
	if err == nil {
		refs, err = listRefs(ctx, store, set.prefix())
	}
	if err != nil {
		return func(yield func(Manifest, error) bool) { yield(Manifest{}, err) }
	}
	return readable(ctx, store, refs)
}

// damaged tells what is wrong with one object apart from what is wrong with the store.
func damaged(err error) bool {
	var corrupt *backend.CorruptError
	return errors.As(err, &corrupt) || errors.Is(err, backend.ErrNotStored)
}

// Latest gives the newest manifest of a set that can be read; ErrNone when there
// is none. It does not look whether its objects are there; see List and Verify.
func Latest(ctx context.Context, store backend.ObjectStore, set Set) (Manifest, error) {
	for m, err := range All(ctx, store, set) {
		return m, err
	}
	return Manifest{}, ErrNone
}
