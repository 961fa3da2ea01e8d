package pinsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/home"
)

// SourceFinder looks for content in one kind of place.
type SourceFinder struct {
	// Name is for people: "the home's cars".
	Name string
	// Find gives every source that seems to have the CID, the nearest first. An
	// error in place of a source says why a place could not be asked; it stops
	// nothing. text is the CID as the mark or mapping writes it. What a source
	// gives is proven while it is copied, so Find need not.
	Find func(ctx context.Context, c cid.Cid, text string) iter.Seq2[backend.Source, error]
}

// OpenCAR opens the CAR of a CID and tells its size in bytes; fs.ErrNotExist when there is none.
type OpenCAR func(ctx context.Context, name string) (io.ReadCloser, int64, error)

// HomeCARs finds content in the home's own store, by the CID's text and by its usual form.
func HomeCARs(open OpenCAR) SourceFinder {
	return SourceFinder{Name: "the home's cars", Find: func(ctx context.Context, c cid.Cid, text string) iter.Seq2[backend.Source, error] {
		return func(yield func(backend.Source, error) bool) {
			names := []string{c.String()}
			if text != names[0] {
				names = append(names, text)
			}
			for _, name := range names {
				src, err := fileSource(ctx, open, name, "the home's cars")
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if !yield(src, err) {
					return
				}
			}
		}
	}}
}

// fileSource looks whether a file is there, and makes it a source.
func fileSource(ctx context.Context, open OpenCAR, name, from string) (backend.Source, error) {
	r, size, err := open(ctx, name)
	if err != nil {
		return backend.Source{}, err
	}
	if err := r.Close(); err != nil {
		return backend.Source{}, err
	}
	return backend.Source{From: from, Size: size, Open: func(ctx context.Context) (io.ReadCloser, error) {
		r, _, err := open(ctx, name)
		return r, err
	}}, nil
}

// MappedCARs finds content where the rows of the mapping say that a CAR lies
// (car_file_path). The mapping is read once, when it is asked for the first time.
func MappedCARs(pins PinStore, open OpenCAR) SourceFinder {
	const name = "car_file_path of the mapping"
	var mu sync.Mutex
	var paths map[string][]string
	return SourceFinder{Name: name, Find: func(ctx context.Context, _ cid.Cid, text string) iter.Seq2[backend.Source, error] {
		return func(yield func(backend.Source, error) bool) {
			mu.Lock()
			var err error
			if paths == nil {
				paths, err = carPaths(ctx, pins)
			}
			files := paths[text]
			mu.Unlock()
			if err != nil {
				yield(backend.Source{}, err)
				return
			}
			for _, file := range files {
				src, err := fileSource(ctx, open, file, "the file "+file)
				if errors.Is(err, fs.ErrNotExist) {
					err = absentFile(file)
				}
				if !yield(src, err) {
					return
				}
			}
		}
	}}
}

// absentFile is a file that was named as a source and that is not there: it may come.
type absentFile string

// Error names it.
func (f absentFile) Error() string { return "there is no file " + string(f) }

func carPaths(ctx context.Context, pins PinStore) (map[string][]string, error) {
	rows, err := pins.All(ctx)
	if err != nil {
		return nil, err
	}
	m := map[string][]string{}
	for _, p := range rows {
		if p.CARPath != "" {
			m[p.CID] = append(m[p.CID], p.CARPath)
		}
	}
	return m, nil
}

// Neighbour is another backend that may have content.
type Neighbour struct {
	// Name of the backend.
	Name string
	// Open opens it for one look or one reading; it is closed after.
	Open func(ctx context.Context) (backend.Adapter, error)
}

// OtherBackends finds content on other backends. list gives those to be asked
// for a CID: the healthy ones that are known to list it, and caches such as an ipfs node.
func OtherBackends(list func(ctx context.Context, c cid.Cid) iter.Seq[Neighbour]) SourceFinder {
	return SourceFinder{Name: "other backends", Find: func(ctx context.Context, c cid.Cid, _ string) iter.Seq2[backend.Source, error] {
		return func(yield func(backend.Source, error) bool) {
			for n := range list(ctx, c) {
				src, err := n.look(ctx, c)
				if errors.Is(err, backend.ErrNotStored) {
					continue
				}
				if !yield(src, err) {
					return
				}
			}
		}
	}}
}

// look asks whether the neighbour has the content. A cache is not asked before
// it is read: its answer would cost as much.
func (n Neighbour) look(ctx context.Context, c cid.Cid) (backend.Source, error) {
	from := "backend " + n.Name
	a, err := n.Open(ctx)
	if err != nil {
		return backend.Source{}, fmt.Errorf("%s: %w", from, err)
	}
	item, err := a.Stat(ctx, c)
	_, cache := a.(backend.Cache)
	cerr := a.Close()
	switch {
	case errors.Is(err, backend.ErrNotStored) && cache:
		return backend.Source{From: from, Size: -1, Open: n.reader(c, true)}, nil
	case err == nil && item.Pending:
		err = backend.ErrNotStored
	case err == nil:
		err = cerr
	}
	if err != nil {
		return backend.Source{}, fmt.Errorf("%s: %w", from, err)
	}
	size := item.Size
	if cache {
		size = -1 // of the DAG, not of its CAR
	}
	return backend.Source{From: from, Size: size, Open: n.reader(c, false)}, nil
}

func (n Neighbour) reader(c cid.Cid, cached bool) func(ctx context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		a, err := n.Open(ctx)
		if err != nil {
			return nil, err
		}
		open := a.Open
		if cache, ok := a.(backend.Cache); ok && cached {
			open = cache.OpenCached
		}
		r, err := open(ctx, c)
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		return closeBoth{r, a}, nil
	}
}

// closeBoth closes what is read, then the backend it is read from.
type closeBoth struct {
	io.ReadCloser
	a backend.Adapter
}

func (c closeBoth) Close() error { return errors.Join(c.ReadCloser.Close(), c.a.Close()) }

// HomePins is the mapping of one backend of a home.
func HomePins(h *home.Home, name string) PinStore { return homeStore{h, name} }

// HomeMarks is the marks of one backend of a home.
func HomeMarks(h *home.Home, name string) MarkStore { return homeStore{h, name} }

type homeStore struct {
	h    *home.Home
	name string
}

func (s homeStore) Open(ctx context.Context) ([]home.Pin, error) { return s.h.OpenPins(ctx, s.name) }
func (s homeStore) All(ctx context.Context) ([]home.Pin, error)  { return s.h.ReadPins(ctx, s.name) }
func (s homeStore) Update(ctx context.Context, rows []home.PinUpdate) error {
	return s.h.UpdatePins(ctx, s.name, rows)
}
func (s homeStore) Clear(ctx context.Context, c home.Cleared) (*home.Dirty, error) {
	return s.h.ClearDirty(ctx, s.name, c)
}
