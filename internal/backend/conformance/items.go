package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing/iotest"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
)

func (s *suite) fresh() {
	if _, err := s.a.Check(s.Context()); err != nil {
		s.Errorf("check: %v", err)
	}
	if n := s.cids(s.a); len(n) != 0 {
		s.Errorf("it holds %v", n)
	}
	c, _ := cartest.Random(s.T, 1, 3)
	s.wantNotStored(s.a, c)
	if err := s.a.Remove(s.Context(), c); err != nil {
		s.Errorf("remove what is not there: %v", err)
	}
}

func (s *suite) roundTrip() {
	for i, blocks := range []int{1, 2, 40, 3000} {
		c, data := s.put(uint64(i), blocks)
		s.wantStored(s.a, c, data)
		s.wantStored(s.open(), c, data)
	}
	if _, err := s.a.Check(s.Context()); err != nil {
		s.Errorf("check: %v", err)
	}
}

func (s *suite) repeat() {
	c, data := s.put(1, 20)
	for range 3 {
		s.put(1, 20)
	}
	s.wantStored(s.a, c, data)
	if n := s.cids(s.a); len(n) != 1 || n[c.String()] != 1 {
		s.Errorf("it holds %v", n)
	}
}

func (s *suite) progress() {
	c, data := cartest.Random(s.T, 5, 3000)
	var last int64
	_, err := s.a.Put(s.Context(), c, source(data), func(n int64) {
		if n < last {
			s.Errorf("progress went from %d to %d", last, n)
		}
		last = n
	})
	if err != nil || last != int64(len(data)) {
		s.Errorf("put: %v, last progress %d of %d", err, last, len(data))
	}
}

func (s *suite) wrongContent() {
	c, data := cartest.Random(s.T, 2, 30)
	_, other := cartest.Random(s.T, 3, 30)
	flipped := bytes.Clone(data)
	flipped[len(flipped)/2] ^= 1
	bs := cartest.File(s.T, 2, 30)
	for name, bad := range map[string][]byte{
		"nothing":                {},
		"no CAR":                 []byte("<html>not found</html>"),
		"another CID's CAR":      other,
		"one bit flipped":        flipped,
		"cut inside a block":     data[:len(data)/2],
		"cut between blocks":     cartest.Build(s.T, []cid.Cid{c}, bs[:20]),
		"a block in the middle":  cartest.Build(s.T, []cid.Cid{c}, append(bs[:7:7], bs[8:]...)),
		"the root alone":         cartest.Build(s.T, []cid.Cid{c}, bs[:1]),
		"no block at all":        cartest.Build(s.T, []cid.Cid{c}, nil),
		"another root is named":  cartest.Build(s.T, []cid.Cid{bs[3].CID}, bs),
		"something stands after": append(bytes.Clone(data), 9, 1, 2),
	} {
		_, err := s.a.Put(s.Context(), c, source(bad), nil)
		if err == nil {
			s.Errorf("%s: was taken", name)
			continue
		}
		if backend.StopsPass(err) {
			s.Errorf("%s: is taken for the backend's fault: %v", name, err)
		}
		s.wantNotStored(s.a, c)
	}
	if n := s.cids(s.a); len(n) != 0 {
		s.Errorf("it holds %v", n)
	}
	if _, err := s.a.Put(s.Context(), c, source(data), nil); err != nil {
		s.Errorf("the right content after all that: %v", err)
	}
	s.wantStored(s.a, c, data)
	// Wrong content must not hurt what is stored already.
	if _, err := s.a.Put(s.Context(), c, source(flipped), nil); err == nil {
		s.Error("wrong content over right content: was taken")
	}
	s.wantStored(s.a, c, data)
}

var errSource = errors.New("the source broke off")

func (s *suite) brokenSource() {
	c, data := cartest.Random(s.T, 4, 30)
	broken := source(nil)
	broken.Open = func(context.Context) (io.ReadCloser, error) { return nil, errSource }
	half := source(nil)
	half.Open = func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(errSource))), nil
	}
	for name, src := range map[string]backend.Source{"open": broken, "read": half} {
		src.Size = -1
		_, err := s.a.Put(s.Context(), c, src, nil)
		if !errors.Is(err, errSource) || backend.StopsPass(err) {
			s.Errorf("%s: %v, stops the pass: %v", name, err, backend.StopsPass(err))
		}
		s.wantNotStored(s.a, c)
	}
}

func (s *suite) cancelled() {
	c, data := cartest.Random(s.T, 6, 3000)
	for _, at := range []int{0, 1000, len(data) / 2, len(data) - 1} {
		ctx, cancel := context.WithCancel(s.Context())
		src := source(data)
		src.Open = func(context.Context) (io.ReadCloser, error) {
			rest := readerFunc(func([]byte) (int, error) { cancel(); <-ctx.Done(); return 0, ctx.Err() })
			return io.NopCloser(io.MultiReader(bytes.NewReader(data[:at]), rest)), nil
		}
		_, err := s.a.Put(ctx, c, src, nil)
		if !errors.Is(err, context.Canceled) {
			s.Errorf("cancelled at %d: %v", at, err)
		}
		cancel()
		s.wantNotStored(s.a, c)
	}
	s.put(6, 3000)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (s *suite) concurrent() {
	var wg sync.WaitGroup
	const each, kinds = 3, 4
	for i := range each * kinds {
		wg.Go(func() {
			c, data := cartest.Random(s.T, uint64(i%kinds), 200)
			if _, err := s.a.Put(s.Context(), c, source(data), nil); err != nil {
				s.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	for i := range kinds {
		c, data := cartest.Random(s.T, uint64(i), 200)
		s.wantStored(s.a, c, data)
	}
	if n := s.cids(s.a); len(n) != kinds {
		s.Errorf("it holds %v", n)
	}
}

func (s *suite) list() {
	want := map[string]int{}
	for i := range 30 {
		c, _ := s.put(uint64(100+i), 1+i%3)
		want[c.String()]++
	}
	if got := s.cids(s.a); !maps.Equal(got, want) {
		s.Errorf("got %d, want %d", len(got), len(want))
	}
	stop := errors.New("stop")
	n := 0
	err := s.a.List(s.Context(), func(backend.Item) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		s.Errorf("stopped: %v after %d", err, n)
	}
}

func (s *suite) remove() {
	a, dataA := s.put(1, 10)
	b, _ := s.put(2, 10)
	for range 2 {
		if err := s.a.Remove(s.Context(), b); err != nil {
			s.Errorf("remove: %v", err)
		}
		s.wantNotStored(s.a, b)
	}
	s.wantStored(s.a, a, dataA)
	if n := s.cids(s.a); len(n) != 1 {
		s.Errorf("it holds %v", n)
	}
	s.put(2, 10)
}

func (s *suite) damage() {
	if s.b.Damage == nil {
		s.Skip("this type's content can't be damaged from outside")
	}
	damage := s.b.Damage
	c, data := s.put(1, 50)
	verify := s.a.Verify
	if deep, ok := s.a.(backend.DeepVerifier); ok {
		verify = deep.DeepVerify
	}
	if _, err := verify(s.Context(), c); err != nil {
		s.Errorf("verify what is whole: %v", err)
	}
	damage(s.T, c)
	_, err := verify(s.Context(), c)
	var corrupt *backend.CorruptError
	if !errors.As(err, &corrupt) && !errors.Is(err, backend.ErrNotStored) || backend.ClassOf(err) != backend.ClassContent && !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("verify: %v", err)
	}
	_, err = s.a.Put(s.Context(), c, source(data), nil)
	if s.traits.NoMend {
		if err == nil {
			s.Error("put says that it is stored, and it is damaged")
		}
		return
	}
	if err != nil {
		s.Errorf("put mends it: %v", err)
	}
	s.wantStored(s.a, c, data)
}

func (s *suite) usage() {
	before, err := s.a.Usage(s.Context())
	if err != nil {
		s.Fatalf("usage: %v", err)
	}
	_, data := s.put(9, 500)
	after, err := s.a.Usage(s.Context())
	if err != nil {
		s.Fatalf("usage: %v", err)
	}
	if before.UsedBytes >= 0 && after.UsedBytes-before.UsedBytes < int64(len(data))/2 {
		s.Errorf("used %d before and %d after %d bytes", before.UsedBytes, after.UsedBytes, len(data))
	}
}

func (s *suite) doneContext() {
	c, data := s.put(1, 3)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	calls := map[string]func() error{
		"check":  func() error { _, err := s.a.Check(ctx); return err },
		"stat":   func() error { _, err := s.a.Stat(ctx, c); return err },
		"put":    func() error { _, err := s.a.Put(ctx, c, source(data), nil); return err },
		"verify": func() error { _, err := s.a.Verify(ctx, c); return err },
		"list":   func() error { return s.a.List(ctx, func(backend.Item) error { return nil }) },
		"remove": func() error { return s.a.Remove(ctx, c) },
		"open":   func() error { _, err := s.a.Open(ctx, c); return err },
		"usage":  func() error { _, err := s.a.Usage(ctx); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v", name, err)
		}
	}
	s.wantStored(s.a, c, data)
}

func (s *suite) closeTwice() {
	c, data := s.put(1, 3)
	for i := range 2 {
		if err := s.a.Close(); err != nil {
			s.Errorf("close %d: %v", i, err)
		}
	}
	if _, err := s.a.Stat(s.Context(), c); err == nil {
		s.Error(fmt.Errorf("stat after close: no error"))
	}
	s.a = s.open()
	s.wantStored(s.a, c, data)
}
