package service

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
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
