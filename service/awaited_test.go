package service

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/clock"
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
	w.stop()
	w.start() // it is kept
	w.until("still blocked", func() bool { m := w.s.Manager(); return m.BlockedBackends == 1 && m.TasksActive == 0 })
	w.store(attic, cid, data)
	w.mapping("attic", cid)
	w.until("it looks again soon", func() bool {
		b, _ := w.s.Backend("nas")
		return b.NextRetry.Before(w.o.Clock.Now().Add(2 * awaitedGap))
	})
	w.later(2 * awaitedGap)
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
