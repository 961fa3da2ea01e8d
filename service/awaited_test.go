package service

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
)

// lacking is a world with two backends, of which nas is blocked for want of content that nobody has.
func lacking(t *testing.T, prepare func(w *world)) (w *world, nas, attic, cid string, data []byte) {
	t.Helper()
	w = newWorld(t)
	w.o.Clock = &clock.Shifted{}
	nas, attic = w.backend("nas"), w.backend("attic")
	prepare(w)
	cid, data = w.content(5)
	w.mark("nas", cid)
	w.start()
	w.until("blocked, and nothing runs", func() bool { m := w.s.Manager(); return m.BlockedBackends == 1 && m.TasksActive == 0 })
	return w, nas, attic, cid, data
}

// store puts content into a backend's folder, as another program does.
func (w *world) store(root, cid string, data []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(root, "cars"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "cars", cid+".car"), data, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) later(d time.Duration) { w.o.Clock.(*clock.Shifted).Shift(d) }

// Content that a neighbour gets unblocks at once who waits for it, and not when six hours are over.
func TestContentThatANeighbourGetsUnblocks(t *testing.T) {
	w, nas, attic, cid, data := lacking(t, func(*world) {})
	w.store(attic, cid, data)
	w.later(2 * awaitedGap) // since the last look
	w.mapping("attic", cid)
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(nas, cid) })
}

// So it does where the mark names no content, and asks for a whole comparison.
func TestContentThatANeighbourGetsUnblocksAWholeComparison(t *testing.T) {
	w := newWorld(t)
	w.o.Clock = &clock.Shifted{}
	nas, attic := w.backend("nas"), w.backend("attic")
	cid, data := w.content(5)
	w.mapping("nas", cid) // which its folder does not hold
	w.mark("nas")
	w.start()
	w.until("blocked, and nothing runs", func() bool { m := w.s.Manager(); return m.BlockedBackends == 1 && m.TasksActive == 0 })
	w.store(attic, cid, data)
	w.later(2 * awaitedGap) // since the last look
	w.mapping("attic", cid)
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(nas, cid) })
}

// A CAR that only the mapping names comes with its disk.
func TestACARThatTheMappingNamesIsFoundWhenItsDiskComes(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "disk", "5.car")
	w, nas, _, cid, data := lacking(t, func(w *world) {
		w.put("../config/intelligent.yaml", "intervals: {metadata: 1s}\n")
		cid, _ := w.content(5)
		h, err := home.Open(w.home, home.Options{Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.UpdatePins(t.Context(), "nas", []home.PinUpdate{{CID: cid, Status: "pending", CARPath: elsewhere}}), h.Close()); err != nil {
			t.Fatal(err)
		}
	})
	if err := errors.Join(os.Mkdir(filepath.Dir(elsewhere), 0o755), os.WriteFile(elsewhere, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	w.later(2 * awaitedGap) // since the last look
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(nas, cid) })
}

// A disk that is slow to say that it has none of many files holds up nothing else that is to be read.
func TestALookForCARsOnASlowDiskHasAnEnd(t *testing.T) {
	inVirtualTime(t, func(w *world) {
		w.backend("nas")
		var slow atomic.Bool
		w.o.WrapHomeRoot = func(r fsys.Root) fsys.Root {
			return faulty.Wrap(r, func(_, name string) error {
				if slow.Load() && strings.HasPrefix(name, "far/") {
					time.Sleep(fileLook / 2)
				}
				return nil
			})
		}
		var cids []string
		var rows []home.PinUpdate
		for i := range uint64(5) {
			cid, _ := w.content(i)
			cids, rows = append(cids, cid), append(rows, home.PinUpdate{CID: cid, Status: "pending", CARPath: "far/" + cid + ".car"})
		}
		h, err := home.Open(w.home, home.Options{Clock: clock.System})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.UpdatePins(w.t.Context(), "nas", rows), h.Close()); err != nil {
			t.Fatal(err)
		}
		w.mark("nas", cids...)
		w.start()
		w.within(time.Minute, "blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
		w.s.mu.Lock()
		files := len(w.s.entries["nas"].blocked.Files)
		w.s.mu.Unlock()
		slow.Store(true)
		began, beats := time.Now(), 0
		w.s.lookForFiles(w.t.Context(), func() { beats++ })
		if took := time.Since(began); files != len(cids) || took > fileLook || beats < 2 {
			t.Errorf("a look at %d files took %s, with %d beats", files, took, beats)
		}
		slow.Store(false)
		time.Sleep(fileLook) // until the last call has returned
	})
}

// Who waits for a CID by its mark and by its mapping is one that waits.
func TestEachThatWaitsForACIDIsNamedOnce(t *testing.T) {
	w := newWorld(t)
	s, err := New(t.Context(), w.o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	for _, name := range []string{"a", "b", "c"} {
		s.entries[name] = &entry{name: name, cat: &catalog.Backend{Dirty: &home.Dirty{IsDirty: true, CIDs: []string{"x", "y", "x"}}}, blocked: &plan.Blocked{CIDs: []string{"x", "z"}}}
		s.totals.blocked.put(name, true)
	}
	by := s.awaits().by
	for _, cid := range []string{"x", "y", "z"} {
		if !slices.Equal(by[cid], []string{"a", "b", "c"}) {
			t.Errorf("%s is awaited by %q", cid, by[cid])
		}
	}
}

// A neighbour that works again may have it, too.
func TestContentOfANeighbourThatWorksAgainUnblocks(t *testing.T) {
	away := ""
	w, nas, attic, cid, data := lacking(t, func(w *world) {
		away = filepath.Join(filepath.Dir(w.home), "away")
		attic := filepath.Join(filepath.Dir(w.home), "disks", "attic")
		if err := os.Rename(attic, away); err != nil {
			w.t.Fatal(err)
		}
	})
	w.mapping("attic", cid)
	w.until("known as unhealthy", func() bool {
		b, ok := w.s.Backend("attic")
		return ok && b.Health == status.HealthUnhealthy && b.Pins == 1
	})
	w.later(2 * awaitedGap)
	w.store(away, cid, data)
	if err := os.Rename(away, attic); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.ended(w.one(w.s.Check(t.Context(), []string{"attic"})), status.TaskDone)
	}
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(nas, cid) })
}

// A CAR in a folder that nobody watches is found by the sweep.
func TestACARThatNobodyHeardOfIsFoundByTheSweep(t *testing.T) {
	w, nas, _, cid, data := lacking(t, func(w *world) {
		w.put("../config/intelligent.yaml", "intervals: {metadata: 1s, dirty: 1s}\n")
		w.o.Inotify = func() (*fsnotify.Watcher, error) { return nil, os.NewSyscallError("inotify_init", unix.EMFILE) }
	})
	w.put("cars/"+cid+".car", string(data))
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(nas, cid) })
}
