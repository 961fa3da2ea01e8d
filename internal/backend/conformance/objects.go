package conformance

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing/iotest"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

func (s *suite) identity() {
	if s.traits.OwnIdentity {
		got, err := s.a.Sentinel(s.Context())
		if err != nil || got.ID == "" {
			s.Fatalf("sentinel: %+v %v", got, err)
		}
		if again, err := s.open().Sentinel(s.Context()); err != nil || again.ID != got.ID {
			s.Errorf("asked again: %+v %v", again, err)
		}
		if err := s.a.WriteSentinel(s.Context(), got); err != nil {
			s.Errorf("write its own: %v", err)
		}
		if err := s.a.WriteSentinel(s.Context(), backend.Sentinel{ID: "other"}); !errors.Is(err, backend.ErrUnsupported) {
			s.Errorf("write another: %v", err)
		}
		return
	}
	if _, err := s.a.Sentinel(s.Context()); !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("sentinel of a fresh backend: %v", err)
	}
	for _, id := range []string{"first", "second"} {
		want := backend.Sentinel{ID: id, Backend: "b", Created: time.Date(2025, 7, 30, 12, 0, 0, 0, time.UTC)}
		if err := s.a.WriteSentinel(s.Context(), want); err != nil {
			s.Fatalf("write: %v", err)
		}
		got, err := s.open().Sentinel(s.Context())
		if err != nil || got.ID != want.ID || got.Backend != want.Backend || !got.Created.Equal(want.Created) {
			s.Errorf("got %+v %v, want %+v", got, err, want)
		}
	}
	if n := s.cids(s.a); len(n) != 0 {
		s.Errorf("the sentinel is listed: %v", n)
	}
}

func (s *suite) store() backend.ObjectStore {
	o := s.a.Objects()
	if s.traits.NoObjects {
		if o != nil {
			s.Error("it has objects after all")
		}
		s.Skip("this type has no objects")
	}
	if o == nil {
		s.Fatal("Objects is nil")
	}
	return o
}

func (s *suite) putObject(o backend.ObjectStore, name string, data []byte) {
	s.Helper()
	if err := o.PutObject(s.Context(), name, bytes.NewReader(data), int64(len(data))); err != nil {
		s.Fatalf("put %s: %v", name, err)
	}
}

func (s *suite) getObject(o backend.ObjectStore, name string) []byte {
	s.Helper()
	r, err := o.GetObject(s.Context(), name)
	if err != nil {
		s.Errorf("get %s: %v", name, err)
		return nil
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		s.Errorf("get %s: %v", name, err)
	}
	return data
}

func (s *suite) names(o backend.ObjectStore, prefix string) []string {
	s.Helper()
	var names []string
	err := o.ListObjects(s.Context(), prefix, func(ob backend.Object) error {
		names = append(names, ob.Name)
		return nil
	})
	if err != nil {
		s.Errorf("list %q: %v", prefix, err)
	}
	slices.Sort(names)
	return names
}

func (s *suite) objects() {
	o := s.store()
	if got := s.names(o, ""); len(got) != 0 {
		s.Errorf("a fresh store has %v", got)
	}
	if _, err := o.StatObject(s.Context(), "a"); !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("stat of nothing: %v", err)
	}
	if _, err := o.GetObject(s.Context(), "a/b"); !errors.Is(err, backend.ErrNotStored) {
		s.Errorf("get of nothing: %v", err)
	}
	if err := o.RemoveObject(s.Context(), "a/b"); err != nil {
		s.Errorf("remove of nothing: %v", err)
	}
	contents := map[string][]byte{
		"top": []byte("1"), "empty": {}, "buckets/2025/manifest.json": []byte("{}"),
		"buckets/2025/objects/ab": bytes.Repeat([]byte("long "), 600000), "bucketsish": []byte("2"),
		"metadata/name with spaces and ünïcode": []byte("3"),
	}
	for name, data := range contents {
		s.putObject(o, name, []byte("an older one"))
		s.putObject(o, name, data)
	}
	for name, data := range contents {
		if got := s.getObject(o, name); !bytes.Equal(got, data) {
			s.Errorf("%s: %d bytes, want %d", name, len(got), len(data))
		}
		if ob, err := o.StatObject(s.Context(), name); err != nil || ob.Size != int64(len(data)) || ob.Name != name {
			s.Errorf("stat %s: %+v %v", name, ob, err)
		}
	}
	for prefix, want := range map[string]int{"": 6, "buckets": 3, "buckets/": 2, "buckets/2025/objects/a": 1, "none": 0, "none/below": 0} {
		if got := s.names(o, prefix); len(got) != want {
			s.Errorf("list %q: %v", prefix, got)
		}
	}
	for range 2 {
		if err := o.RemoveObject(s.Context(), "buckets/2025/objects/ab"); err != nil {
			s.Errorf("remove: %v", err)
		}
	}
	if got := s.names(o, "buckets/"); !slices.Equal(got, []string{"buckets/2025/manifest.json"}) {
		s.Errorf("after remove: %v", got)
	}
	if n := s.cids(s.a); len(n) != 0 {
		s.Errorf("objects are listed as content: %v", n)
	}
}

func (s *suite) objectNames() {
	o := s.store()
	for _, name := range []string{
		"", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "a\x00b",
		strings.Repeat("n", 2000),
	} {
		if err := o.PutObject(s.Context(), name, strings.NewReader("x"), 1); err == nil {
			s.Errorf("put %.50q was taken", name)
		}
		if r, err := o.GetObject(s.Context(), name); err == nil {
			_ = r.Close()
			s.Errorf("get %.50q was taken", name)
		}
		if err := o.RemoveObject(s.Context(), name); err == nil {
			s.Errorf("remove %.50q was taken", name)
		}
	}
	if got := s.names(o, ""); len(got) != 0 {
		s.Errorf("it holds %v", got)
	}
}

func (s *suite) brokenObject() {
	o := s.store()
	s.putObject(o, "x/y", []byte("right"))
	long := strings.Repeat("z", 3<<20)
	for name, tc := range map[string]struct {
		r    io.Reader
		size int64
	}{
		"breaks off": {io.MultiReader(strings.NewReader(long), iotest.ErrReader(errSource)), -1},
		"too short":  {strings.NewReader(long), int64(len(long)) + 1},
		"too long":   {strings.NewReader(long), int64(len(long)) - 1},
	} {
		if err := o.PutObject(s.Context(), "x/y", tc.r, tc.size); err == nil {
			s.Errorf("%s: was taken", name)
		}
		if got := s.getObject(o, "x/y"); string(got) != "right" {
			s.Errorf("%s: the older one is %d bytes now", name, len(got))
		}
	}
}
