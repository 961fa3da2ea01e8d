package pinindex

import (
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/statedb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIndexFollowsTheMappings(t *testing.T) {
	db, _, err := statedb.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), statedb.Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	x := New(db)
	const v1, v0 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "no cid"
	update := func(backend, stamp string, cids ...string) {
		t.Helper()
		var pins []home.Pin
		for _, c := range cids {
			pins = append(pins, home.Pin{CID: c, Status: home.PinStored})
		}
		if err := x.Update(t.Context(), backend, stamp, pins); err != nil {
			t.Fatal(err)
		}
	}
	update("a", "1", v1, v0)
	update("b", "1", v1)
	if stale, err := x.Stale(t.Context(), "a", "1"); stale || err != nil {
		t.Error("fresh rows are stale", err)
	}
	if stale, err := x.Stale(t.Context(), "a", "2"); !stale || err != nil {
		t.Error("old rows are fresh", err)
	}
	if got, err := x.Where(t.Context(), v1); err != nil || fmt.Sprint(got) != "[{a stored} {b stored}]" {
		t.Errorf("%v %v", got, err)
	}
	if got, err := x.Redundancy(t.Context()); err != nil || fmt.Sprint(got) != "map[1:1 2:1]" {
		t.Errorf("%v %v", got, err)
	}
	update("a", "2", v0)
	if err := x.Drop(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if got, err := x.Where(t.Context(), v1); err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
}
