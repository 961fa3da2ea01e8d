// Package conformance is the suite that every adapter passes against its real
// server or file system: what backend.Adapter promises, tried out.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
)

// Backend is a fresh and empty backend, and what can be done to it behind the adapter's back.
type Backend struct {
	// Open opens it for one task, as often as it is asked.
	Open func(ctx context.Context) (backend.Adapter, error)
	// Leftovers lists what half-done work left there; nil where nothing can be left.
	Leftovers func(t *testing.T) []string
	// Damage changes what is stored for a CID, so that it is not what it should be; nil where that can't be done.
	Damage func(t *testing.T, c cid.Cid)
}

// Factory makes a fresh Backend for a test.
type Factory func(t *testing.T) Backend

// Traits are the ways in which types differ and may.
type Traits struct {
	// OtherCAR says that Open gives back an equivalent CAR, not the bytes that were put, and that Item has no SHA256.
	OtherCAR bool
	// OwnIdentity says that the backend has an identity of its own, so that none can be written.
	OwnIdentity bool
	// NoMend says that a put can't replace content that is damaged there; it must say so.
	NoMend bool
	// NoObjects says that Objects is nil.
	NoObjects bool
}

// Run runs the whole suite.
func Run(t *testing.T, traits Traits, factory Factory) {
	tests := []struct {
		name string
		run  func(s *suite)
	}{
		{"a fresh backend is healthy and empty", (*suite).fresh},
		{"what is put is there for all", (*suite).roundTrip},
		{"a put may be repeated", (*suite).repeat},
		{"progress is told", (*suite).progress},
		{"wrong content is refused and nothing published", (*suite).wrongContent},
		{"a source that fails is named, and nothing published", (*suite).brokenSource},
		{"a cancelled put leaves nothing", (*suite).cancelled},
		{"puts at the same time do not disturb each other", (*suite).concurrent},
		{"a list gives each once, and stops when told", (*suite).list},
		{"remove takes one and only that", (*suite).remove},
		{"damage is found", (*suite).damage},
		{"identity is kept", (*suite).identity},
		{"usage is told", (*suite).usage},
		{"a done context ends every call", (*suite).doneContext},
		{"objects are kept", (*suite).objects},
		{"objects stay inside", (*suite).objectNames},
		{"a broken object is not published", (*suite).brokenObject},
		{"close may be repeated", (*suite).closeTwice},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := &suite{T: t, traits: traits, b: factory(t)}
			s.a = s.open()
			tc.run(s)
			s.noLeftovers()
		})
	}
}

type suite struct {
	*testing.T
	traits Traits
	b      Backend
	a      backend.Adapter
}

func (s *suite) open() backend.Adapter {
	s.Helper()
	a, err := s.b.Open(s.Context())
	if err != nil {
		s.Fatalf("open: %v", err)
	}
	s.Cleanup(func() {
		if err := a.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
	})
	return a
}

func (s *suite) noLeftovers() {
	s.Helper()
	if err := s.a.Sweep(s.Context()); err != nil {
		s.Errorf("sweep: %v", err)
	}
	if s.b.Leftovers == nil {
		return
	}
	if left := s.b.Leftovers(s.T); len(left) > 0 {
		s.Errorf("left behind: %v", left)
	}
}

// source gives data as content.
func source(data []byte) backend.Source {
	return backend.Source{
		Size: int64(len(data)), From: "a test",
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// put stores random content and gives its CAR.
func (s *suite) put(seed uint64, blocks int) (cid.Cid, []byte) {
	s.Helper()
	c, data := cartest.Random(s.T, seed, blocks)
	item, err := s.a.Put(s.Context(), c, source(data), nil)
	if err != nil {
		s.Fatalf("put: %v", err)
	}
	s.checkItem("put", item, c, data)
	return c, data
}

func (s *suite) checkItem(op string, item backend.Item, c cid.Cid, data []byte) {
	s.Helper()
	if !item.CID.Equals(c) || item.Pending {
		s.Errorf("%s: %+v", op, item)
	}
	if s.traits.OtherCAR {
		return
	}
	if item.Size != int64(len(data)) || item.Path == "" {
		s.Errorf("%s: %+v, want %d bytes", op, item, len(data))
	}
}

func (s *suite) wantNotStored(a backend.Adapter, c cid.Cid) {
	s.Helper()
	if _, err := a.Stat(s.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("stat: %v", err)
	}
	if _, err := a.Verify(s.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("verify: %v", err)
	}
	if r, err := a.Open(s.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("open: %v", err)
		if err == nil {
			_ = r.Close()
		}
	}
}

// wantStored asks a in every way whether c is there as data.
func (s *suite) wantStored(a backend.Adapter, c cid.Cid, data []byte) {
	s.Helper()
	item, err := a.Stat(s.Context(), c)
	if err != nil {
		s.Errorf("stat: %v", err)
	}
	s.checkItem("stat", item, c, data)
	item, err = a.Verify(s.Context(), c)
	if err != nil {
		s.Errorf("verify: %v", err)
	}
	s.checkItem("verify", item, c, data)
	got := s.read(a, c)
	if !s.traits.OtherCAR && !bytes.Equal(got, data) {
		s.Errorf("read back %d bytes, want the %d that were put", len(got), len(data))
	}
	if _, err := carfile.Verify(s.Context(), bytes.NewReader(got), c, carfile.Limits{}); err != nil {
		s.Errorf("what was read back: %v", err)
	}
}

func (s *suite) read(a backend.Adapter, c cid.Cid) []byte {
	s.Helper()
	r, err := a.Open(s.Context(), c)
	if err != nil {
		s.Errorf("open: %v", err)
		return nil
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		s.Errorf("read: %v", err)
	}
	return data
}

func (s *suite) cids(a backend.Adapter) map[string]int {
	s.Helper()
	found := map[string]int{}
	if err := a.List(s.Context(), func(i backend.Item) error { found[i.CID.String()]++; return nil }); err != nil {
		s.Errorf("list: %v", err)
	}
	return found
}
