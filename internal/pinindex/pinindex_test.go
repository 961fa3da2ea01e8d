package pinindex

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/statedb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *Index {
	t.Helper()
	db, _, err := statedb.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), statedb.Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(db)
}

func rows(cids ...string) (out []Row) {
	for _, c := range cids {
		out = append(out, Row{CID: c, Status: "stored"})
	}
	return out
}

const v1, v0 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "no cid"

func TestIndexFollowsTheMappings(t *testing.T) {
	x := open(t)
	if err := x.Update(t.Context(), []Mapping{{"a", "1", rows(v1, v0)}, {"b", "1", rows(v1)}}); err != nil {
		t.Fatal(err)
	}
	if got, err := x.Stamps(t.Context()); err != nil || !maps.Equal(got, map[string]string{"a": "1", "b": "1"}) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := x.Where(t.Context(), v1); err != nil || fmt.Sprint(got) != "[{a stored} {b stored}]" {
		t.Errorf("%v %v", got, err)
	}
	if got, err := x.Redundancy(t.Context()); err != nil || fmt.Sprint(got) != "map[1:1 2:1]" {
		t.Errorf("%v %v", got, err)
	}
	if err := x.Update(t.Context(), []Mapping{{"a", "2", rows(v0)}}); err != nil {
		t.Fatal(err)
	}
	if gone, err := x.Keep(t.Context(), map[string]bool{"a": true}); err != nil || gone != 1 {
		t.Errorf("%d went: %v", gone, err)
	}
	if got, err := x.Where(t.Context(), v1); err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
}

func TestRowsThatComeOneByOneMakeTheMappingStaleUntilItIsReadWhole(t *testing.T) {
	x := open(t)
	if err := x.Update(t.Context(), []Mapping{{"a", "1", rows(v1)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Put(t.Context(), map[string][]Row{"a": {{CID: v1, Status: "failed"}}}); err != nil {
		t.Fatal(err)
	}
	if got, err := x.Stamps(t.Context()); err != nil || got["a"] != "" {
		t.Errorf("%v %v", got, err)
	}
	if got, err := x.Where(t.Context(), v1); err != nil || fmt.Sprint(got) != "[{a failed}]" {
		t.Errorf("%v %v", got, err)
	}
}

// What Put says of the redundancy adds up to what a count of everything says.
func TestRedundancyAddsUp(t *testing.T) {
	x := open(t)
	levels := map[int]int{}
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(rt *rapid.T) {
		put := map[string][]Row{}
		for range rapid.IntRange(1, 3).Draw(rt, "backends") {
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 12), 0, 4).Draw(rt, "cids") {
				b := name.Draw(rt, "backend")
				put[b] = append(put[b], Row{CID: fmt.Sprint("c", n), Status: "stored"})
			}
		}
		delta, err := x.Put(t.Context(), put)
		if err != nil {
			rt.Fatal(err)
		}
		for n, d := range delta {
			if levels[n] += d; levels[n] == 0 {
				delete(levels, n)
			}
		}
		if want, err := x.Redundancy(t.Context()); err != nil || !maps.Equal(levels, want) {
			rt.Fatalf("%v, a count says %v (%v)", levels, want, err)
		}
	})
}
