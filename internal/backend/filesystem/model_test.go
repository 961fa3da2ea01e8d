package filesystem_test

import (
	"errors"
	"testing"

	"github.com/ipfs/go-cid"
	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/filesystem"
)

type content struct {
	c    cid.Cid
	data []byte
}

// model is what a folder should hold. After a call that failed it may hold what
// was before or what should have been after.
type model struct {
	stored map[string]bool
	unsure map[string]bool
}

func (m *model) done(id string, stored bool, err error) {
	switch {
	case err == nil:
		delete(m.unsure, id)
		m.stored[id] = stored
	case stored != m.stored[id]:
		m.unsure[id] = true
	}
}

var errModel = errors.New("disk failed")

// step does something with one content while the disk fails at one of the calls, or at none.
func (m *model) step(t *testing.T, rt *rapid.T, a *filesystem.Adapter, f *faults, x content) {
	n, fail := 0, rapid.IntRange(0, 40).Draw(rt, "fail at")
	f.set(func(string, string) error {
		if n++; n == fail {
			return errModel
		}
		return nil
	})
	defer f.set(nil)
	var err error
	switch rapid.SampledFrom([]string{"put", "put", "remove", "sweep"}).Draw(rt, "what") {
	case "put":
		_, err = a.Put(t.Context(), x.c, source(x.data), nil)
		m.done(x.c.String(), true, err)
	case "remove":
		err = a.Remove(t.Context(), x.c)
		m.done(x.c.String(), false, err)
	case "sweep":
		err = a.Sweep(t.Context())
	}
	if err != nil && !errors.Is(err, errModel) {
		rt.Fatalf("unexpected: %v", err)
	}
}

// Whatever is done in whatever order, on a disk that fails now and then: the
// folder holds what a map would hold, and all that it holds is whole.
func TestItBehavesAsAMapWould(t *testing.T) {
	var all []content
	for i := range 6 {
		c, data := cartest.Random(t, uint64(i), 1+i*5)
		all = append(all, content{c, data})
	}
	rapid.Check(t, func(rt *rapid.T) {
		d, f := deps(), &faults{}
		d.WrapRoot = f.wrap
		a := open(t, t.TempDir(), d)
		m := &model{stored: map[string]bool{}, unsure: map[string]bool{}}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			m.step(t, rt, a, f, rapid.SampledFrom(all).Draw(rt, "content"))
		}
		got := map[string]bool{}
		err := a.List(t.Context(), func(i backend.Item) error {
			got[i.CID.String()] = true
			_, err := a.Verify(t.Context(), i.CID)
			return err
		})
		if err != nil {
			rt.Fatalf("what is there is not whole: %v", err)
		}
		for _, x := range all {
			if id := x.c.String(); !m.unsure[id] && got[id] != m.stored[id] {
				rt.Fatalf("%s: there %v, want %v", id, got[id], m.stored[id])
			}
		}
	})
}
