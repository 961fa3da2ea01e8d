package pinsync

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"ipfskit.org/intelligent/internal/backend"
)

// ErrIdentity says that a backend does not show the identity that it had.
var ErrIdentity = errors.New("the backend's identity is gone")

// identity is what the backend says of itself, and what is known of it.
type identity struct {
	mu sync.Mutex
	// found is what the backend showed; empty: nothing, or nothing readable.
	found string
	// none says that the type has no identity.
	none bool
	// same says that the backend is known to be the one it was, so that things may be deleted there.
	same bool
}

// identify looks at the sentinel before anything else. A backend that had one
// and shows none is a disk that is not mounted, more likely than not: nothing is
// sent to it. One that shows another is compared whole, and nothing is deleted there.
func (p *pass) identify(ctx context.Context) error {
	s, err := p.job.Adapter.Sentinel(ctx)
	known := p.job.SentinelID
	var corrupt *backend.CorruptError
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, backend.ErrUnsupported):
		p.id.none, p.id.same = true, true
		return nil
	case err == nil && s.ID != "":
		p.id.found = s.ID
		p.id.same = known == "" || known == s.ID || p.job.AcceptIdentity
		if !p.id.same {
			p.out.need(fmt.Sprintf("the backend shows the identity %s, it had %s", s.ID, known))
		}
		p.out.SentinelID = known
		if known == "" || p.id.same {
			p.out.SentinelID = s.ID
		}
		return nil
	case err == nil, errors.Is(err, backend.ErrNotStored), errors.As(err, &corrupt) && !backend.StopsPass(err):
		p.out.SentinelID = known
		if known == "" || p.job.AcceptIdentity {
			return nil
		}
		return &backend.Error{
			Class: backend.ClassConfiguration, Op: "look whether this is the right backend", Err: errors.Join(ErrIdentity, err),
			Hint: "mount its disk if it is not mounted; if it was emptied on purpose, ask for a sync with --reconcile",
		}
	}
	return err
}

// ensure writes an identity before the first put, where the backend has none. It
// is a new one: the old one may still be somewhere else.
func (id *identity) ensure(ctx context.Context, p *pass) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.none || id.found != "" {
		return nil
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	s := backend.Sentinel{ID: hex.EncodeToString(b[:]), Backend: p.job.Backend, Created: p.job.Clock.Now().UTC()}
	err := p.job.Adapter.WriteSentinel(ctx, s)
	if errors.Is(err, backend.ErrUnsupported) || errors.Is(err, errors.ErrUnsupported) {
		id.none = true
		return nil
	}
	if err != nil {
		return err
	}
	id.found = s.ID
	return nil
}
