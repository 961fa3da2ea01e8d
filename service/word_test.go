package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/status"
)

// unpin marks pins for removal.
func (w *world) unpin(name string, cids ...string) {
	w.t.Helper()
	w.put("backend_index/dirty_metadata/"+name+"_dirty.json", fmt.Sprintf(`{"is_dirty": true, "pending_actions": [{"action_type": "unpin", "cids": ["%s"], "synced": false}]}`, strings.Join(cids, `","`)))
}

// manyRemovals is a service whose backend is asked to remove eleven of twelve pins, which waits for a word. Its disk is away while away is true.
func manyRemovals(t *testing.T) (w *world, root string, cids []string, away *atomic.Bool) {
	t.Helper()
	w, away = newWorld(t), &atomic.Bool{}
	root = w.backend("nas")
	w.put("../config/intelligent.yaml", "retry: {min: 1h, max: 2h}\n")
	w.o.WrapBackendRoot = func(r fsys.Root) fsys.Root {
		return faulty.Wrap(r, func(op, _ string) error {
			if away.Load() && op != "close" {
				return unix.ESTALE
			}
			return nil
		})
	}
	for i := range uint64(12) {
		cids = append(cids, w.car(i))
	}
	w.mark("nas", cids...)
	w.start()
	w.until("stored", func() bool { return w.cleared("nas") && w.stored(root, cids[11]) && !w.dirty("nas") })
	w.unpin("nas", cids[:11]...)
	w.until("blocked", func() bool { b, _ := w.s.Backend("nas"); return strings.Contains(b.Blocked, "sync --reconcile") })
	return w, root, cids, away
}

// refusedWord gives the word while the disk is away, and is the task that waits for its next try then.
func (w *world) refusedWord(away *atomic.Bool) uint64 {
	w.t.Helper()
	away.Store(true)
	id := w.one(w.s.Sync(w.t.Context(), []string{"nas"}, true))
	w.until("failed", func() bool {
		task, ok := w.s.Task(id)
		return ok && task.State == status.TaskWaitingRetry && task.Error != ""
	})
	away.Store(false)
	return id
}

func (w *world) again(id uint64) {
	w.t.Helper()
	if err := w.s.RetryTask(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) requests() int {
	w.t.Helper()
	w.s.db.Flush()
	list, err := w.s.db.Requests(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

// A word that meets an error stands until its work is done, also after a restart.
func TestAPersonsWordStandsUntilItsWorkIsDone(t *testing.T) {
	w, root, cids, away := manyRemovals(t)
	id := w.refusedWord(away)
	away.Store(true)
	w.stop()
	w.start()
	w.ended(id, status.TaskWaitingRetry)
	if !w.stored(root, cids[0]) {
		t.Fatal("removed at once")
	}
	away.Store(false)
	w.again(id)
	w.ended(id, status.TaskDone)
	if !w.cleared("nas") || w.stored(root, cids[0]) || !w.stored(root, cids[11]) {
		t.Error("the word is not kept")
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d words stand though all is done", n)
	}
}

// What is asked for while an earlier failure is waited out begins at once: also after a kill, and where it was asked for
// while the one ran that failed.
func TestWhatIsAskedForWaitsForNoEarlierFailure(t *testing.T) {
	t.Run("after a kill", func(t *testing.T) {
		w, _, _, away := manyRemovals(t)
		w.refusedWord(away)
		w.s.queue.Pause(true)
		id := w.one(w.s.Sync(t.Context(), []string{"nas"}, true))
		w.s.db.Flush()
		left := filepath.Join(t.TempDir(), "state")
		if err := w.copyState(left); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.o.Paths.State = left
		w.start()
		w.ended(id, status.TaskDone)
	})
	t.Run("after one that ran", func(t *testing.T) {
		w := newWorld(t)
		w.put("../config/intelligent.yaml", "retry: {min: 1h, max: 2h}\n")
		w.backend("nas")
		var armed, held atomic.Bool
		goOn := make(chan struct{})
		w.o.WrapBackendRoot = func(r fsys.Root) fsys.Root {
			return faulty.Wrap(r, func(op, _ string) error {
				if op == "close" || !armed.Load() {
					return nil
				}
				held.Store(true)
				<-goOn
				return unix.ESTALE
			})
		}
		w.start()
		w.healthy("nas")
		armed.Store(true)
		first := w.one(w.s.Sync(t.Context(), []string{"nas"}, true))
		w.until("it runs", held.Load)
		second := w.one(w.s.Sync(t.Context(), []string{"nas"}, true))
		armed.Store(false)
		close(goOn)
		w.ended(second, status.TaskDone)
		w.ended(first, status.TaskCancelled)
	})
}

// A clean backend that a person wants compared is compared once it works again.
func TestAComparisonThatWasAskedForIsMadeOnceTheBackendWorks(t *testing.T) {
	w, _, _, away := manyRemovals(t)
	if _, err := w.s.Dismiss(t.Context(), "nas"); err != nil {
		t.Fatal(err)
	}
	w.until("clean", func() bool { return !w.dirty("nas") })
	id := w.refusedWord(away)
	w.again(id)
	w.ended(id, status.TaskDone)
	if n := w.requests(); n != 0 {
		t.Errorf("%d words stand though all is done", n)
	}
}

// The word is for what the mark asked for when it was given, and for that place.
func TestAPersonsWordIsNotStretched(t *testing.T) {
	t.Run("more removals", func(t *testing.T) {
		w, root, cids, away := manyRemovals(t)
		id := w.refusedWord(away)
		w.unpin("nas", cids...)
		w.until("the new mark is seen", func() bool { b, _ := w.s.Backend("nas"); return b.PendingActions == 1 && w.removals("nas") == 12 })
		w.again(id)
		w.ended(id, status.TaskBlocked)
		if !w.stored(root, cids[0]) {
			t.Error("a word for eleven is taken for one for twelve")
		}
	})
	t.Run("another place", func(t *testing.T) {
		w, root, cids, away := manyRemovals(t)
		w.refusedWord(away)
		other := root + "-2"
		if err := os.CopyFS(other, os.DirFS(root)); err != nil {
			t.Fatal(err)
		}
		w.put("backends/nas.yaml", fmt.Sprintf("name: nas\ntype: filesystem\nstorage_path: %s\n", other))
		w.until("blocked there", func() bool { b, _ := w.s.Backend("nas"); return strings.Contains(b.Blocked, "removals wait") })
		if !w.stored(other, cids[0]) || !w.stored(root, cids[0]) {
			t.Error("the word for one place is taken for another")
		}
	})
}

func (w *world) removals(name string) int {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.entries[name].removals()
}

func TestAPersonsWordEndsWithItsTaskOrItsMark(t *testing.T) {
	for name, end := range map[string]func(w *world, id uint64) error{
		"cancelled": func(w *world, id uint64) error { return w.s.CancelTask(w.t.Context(), id) },
		"dismissed": func(w *world, _ uint64) error { _, err := w.s.Dismiss(w.t.Context(), "nas"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			w, root, cids, away := manyRemovals(t)
			id := w.refusedWord(away)
			if err := end(w, id); err != nil {
				t.Fatal(err)
			}
			w.until("over", func() bool { return w.requests() == 0 })
			w.unpin("nas", cids[:11]...)
			w.until("blocked", func() bool {
				w.s.mu.Lock()
				for kind, a := range w.s.entries["nas"].tries {
					a.Next = a.Last
					w.s.entries["nas"].tries[kind] = a
				}
				w.s.look(w.s.entries["nas"])
				w.s.mu.Unlock()
				b, _ := w.s.Backend("nas")
				return strings.Contains(b.Blocked, "removals wait")
			})
			if !w.stored(root, cids[0]) {
				t.Error("removed by a word that is over")
			}
			if _, err := os.Stat(filepath.Join(root, "cars")); err != nil {
				t.Error(err)
			}
		})
	}
}
