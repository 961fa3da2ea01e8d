package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// disk has a folder lie on a disk that can be made bad.
func (w *world) disk(folder string) *disk {
	d, before := newDisk(), w.o.WrapBackendRoot
	over := make(chan struct{})
	w.t.Cleanup(func() { close(over) })
	wrap := func(r fsys.Root) fsys.Root {
		if before != nil {
			r = before(r)
		}
		if r.Path() != folder {
			return r
		}
		return faulty.Wrap(r, func(op, name string) error { return d.call(op, name, over) })
	}
	w.o.WrapHomeRoot, w.o.WrapBackendRoot = wrap, wrap
	return d
}

// Whichever call of a backend hangs or fails, at whichever step of a sync: others go on, it is
// said of whom and why, nothing is cleared and nothing half under a final name; and it goes on.
func TestEachCallThatHangsOrFindsNoRoomHurtsItsBackendAlone(t *testing.T) {
	for fault, ops := range map[string][]string{
		"has not returned":   {"open", "lstat", "readdir", "create", "write", "read", "fsync", "rename", "syncdir", "mkdir"},
		"no space left":      {"create", "write", "fsync", "rename", "syncdir", "mkdir"},
		"input/output error": {"open", "lstat", "read"},
	} {
		for _, op := range ops {
			t.Run(op+" "+fault, func(t *testing.T) {
				inVirtualTime(t, func(w *world) { badCall(w, fault, op) })
			})
		}
	}
}

func badCall(w *world, said, bad string) {
	w.put("../config/intelligent.yaml", "stall: 1m\n")
	root, fine, cid := w.backend("bad"), w.backend("fine"), w.car(1)
	d := w.disk(root)
	w.start()
	w.within(time.Minute, "both known", func() bool { return w.s.Manager().Backends == 2 })
	d.set(func(op, _ string, _ int) (error, bool) {
		errs := map[string]error{"no space left": unix.ENOSPC, "input/output error": unix.EIO}
		if op != bad {
			return nil, false
		}
		return errs[said], errs[said] == nil
	})
	w.s.queue.Pause(true)
	w.mark("bad", cid)
	if _, err := w.s.Sync(w.t.Context(), []string{"bad"}, true); err != nil { // it lists, too
		w.t.Fatal(err)
	}
	w.s.queue.Pause(false)
	w.mark("fine", cid)
	w.within(time.Minute, "the other goes on", func() bool { return w.cleared("fine") && w.stored(fine, cid) })
	w.within(5*time.Minute, "said", func() bool {
		b, _ := w.s.Backend("bad")
		return strings.Contains(b.LastError, said) && b.Dirty && !b.NextRetry.IsZero()
	})
	if ok, why := w.s.sup.healthy(); !ok || w.cleared("bad") || d.hanging() > 2 {
		w.t.Errorf("the watchdog is fed %v %s, the mark is cleared %v, %d calls hang", ok, why, w.cleared("bad"), d.hanging())
	}
	d.set(faults["is well"])
	w.within(time.Hour, "it goes on", func() bool { return w.cleared("bad") && w.stored(root, cid) })
	if left, _ := filepath.Glob(filepath.Join(root, "cars", ".*")); len(left) > 0 {
		w.t.Errorf("left behind: %s", left)
	}
}

// A home that comes back and can't be read is not taken for an empty one.
func TestHomeThatComesBackUnreadableKeepsWhatWasKnown(t *testing.T) {
	inVirtualTime(t, func(w *world) {
		root, cid := w.backend("nas"), w.car(1)
		d := w.disk(w.home)
		w.start()
		w.within(time.Minute, "known", func() bool { return w.s.Manager().Backends == 1 })
		d.set(func(op, name string, _ int) (error, bool) {
			switch {
			case op == "stat" && name == ".":
				return unix.ESTALE, false
			case op == "opendir" || op == "readdir" || op == "open":
				return unix.EIO, false
			}
			return nil, false
		})
		w.within(time.Minute, "said", func() bool { return w.s.Manager().State == status.StateDegraded })
		time.Sleep(5 * time.Minute)
		if m := w.s.Manager(); m.Backends != 1 {
			t.Errorf("it is read as %d backends", m.Backends)
		}
		d.set(faults["is well"])
		w.mark("nas", cid)
		w.within(5*time.Minute, "it goes on", func() bool { return w.cleared("nas") && w.stored(root, cid) })
	})
}

// A home whose disk hangs when the last of a sync is written down is noticed as a stall, and others go on.
func TestHomeThatHangsAtTheEndOfASyncIsNoticed(t *testing.T) {
	for _, file := range []string{"pin_mappings.parquet", "nas_dirty.json"} {
		t.Run(file, func(t *testing.T) {
			inVirtualTime(t, func(w *world) {
				w.put("../config/intelligent.yaml", "stall: 1m\n")
				root, fine, cid := w.backend("nas"), w.backend("fine"), w.car(1)
				d := w.disk(w.home)
				w.start()
				w.within(time.Minute, "both known", func() bool { return w.s.Manager().Backends == 2 })
				d.set(func(op, name string, _ int) (error, bool) {
					return nil, op == "fsync" && strings.Contains(name, file) && !strings.Contains(name, "fine")
				})
				w.mark("nas", cid)
				w.mark("fine", cid)
				w.within(5*time.Minute, "noticed", func() bool {
					page, _, _ := w.s.Errors(errorsOf("nas"))
					return len(page) > 0 && strings.Contains(page[0].Message, "has not returned") && w.cleared("fine") && w.stored(fine, cid)
				})
				if d.hanging() != 1 {
					t.Errorf("%d calls hang", d.hanging())
				}
				d.set(faults["is well"])
				w.within(time.Hour, "it goes on", func() bool { return w.cleared("nas") && w.stored(root, cid) })
			})
		})
	}
}

// However much urgent work comes all the time, the least urgent is done within the bound: ten times what raises a task by one.
func TestLeastUrgentWorkIsDoneWithinTheBoundThoughUrgentWorkNeverEnds(t *testing.T) {
	inVirtualTime(t, func(w *world) {
		w.put("../config/intelligent.yaml", "limits: {tasks: 1}\npriority: {asked: 10}\n")
		cid, names := w.car(1), []string{"a", "b", "c", "d"}
		for _, name := range append(names, "least") {
			w.backend(name)
		}
		w.o.WrapBackendRoot = func(r fsys.Root) fsys.Root {
			return faulty.Wrap(r, func(op, _ string) error {
				if op == "lstat" { // each look at content takes its time
					time.Sleep(20 * time.Second)
				}
				return nil
			})
		}
		w.start()
		w.within(time.Minute, "all known", func() bool { return w.s.Manager().Backends == 5 })
		busy := func() bool {
			for _, name := range names {
				if !w.dirty(name) {
					w.mark(name, cid)
				}
			}
			m := w.s.Manager()
			return m.TasksActive == 1 && m.TasksQueued > 1
		}
		w.within(5*time.Minute, "much to do", busy)
		id, asked := w.one(w.s.Verify(w.t.Context(), []string{"least"})), time.Now()
		w.within(time.Hour, "its turn", func() bool {
			busy()
			task, _ := w.s.Task(id)
			return !task.Finished.IsZero()
		})
		const step = time.Minute
		least := plan.DefaultRules().Priority[plan.CauseVerify]
		if waited := time.Since(asked); waited < 5*step || waited > time.Duration(least)*step+2*time.Minute {
			t.Errorf("it waited for %s", waited)
		}
		w.stop()
		time.Sleep(time.Minute) // the last look returns
	})
}

// More events than the kernel keeps: what is lost costs one more look, and nothing else.
func TestMarkWhoseEventTheKernelLostIsServed(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || most > 1<<16 {
		testenv.Skip(t, fmt.Sprintf("the kernel keeps %s events", text))
	}
	w := newWorld(t)
	w.put("../config/intelligent.yaml", "intervals: {dirty: 1h, metadata: 1h}\n") // the sweep does not find it
	root, cid := w.backend("nas"), w.car(1)
	release, busy := make(chan struct{}), make(chan struct{}, 1)
	var late atomic.Bool
	w.o.Inject = func(worker string) error {
		if worker == status.WorkerDirtyMonitor && late.Load() {
			busy <- struct{}{}
			<-release
		}
		return nil
	}
	w.start()
	w.healthy("nas")
	late.Store(true)
	w.put("cars/0.part", "")
	<-busy
	late.Store(false)
	names := [2]string{filepath.Join(w.home, "cars/0.part"), filepath.Join(w.home, "cars/1.part")}
	for i := range most/2 + 8192 { // two events each; some wait in this program
		if err := os.Rename(names[i%2], names[1-i%2]); err != nil {
			t.Fatal(err)
		}
	}
	w.mark("nas", cid)
	close(release)
	w.until("found all the same", func() bool { return w.cleared("nas") && w.stored(root, cid) })
}

// A folder that can be read and not written: what checks find does not disprove that work fails,
// and the work goes on once a check finds the rights there, or with its next try.
func TestHealthDoesNotSwingWhileAFolderCantBeWritten(t *testing.T) {
	inVirtualTime(t, func(w *world) {
		root, cid := w.backend("nas"), w.car(1)
		d := w.disk(root)
		w.start()
		w.within(time.Minute, "well", func() bool { b, _ := w.s.Backend("nas"); return b.Health == status.HealthHealthy })
		d.set(func(op, _ string, _ int) (error, bool) {
			if op == "access" || op == "create" || op == "mkdir" || op == "rename" {
				return unix.EACCES, false
			}
			return nil, false
		})
		w.mark("nas", cid)
		w.within(time.Minute, "said", func() bool { b, _ := w.s.Backend("nas"); return b.Health == status.HealthUnhealthy })
		checked := time.Time{}
		other := w.car(2)
		for i := range 600 {
			time.Sleep(10 * time.Second)
			if i%3 == 0 {
				w.mark("nas", cid, other) // another mark is no other folder
			}
			if i%200 == 50 { // which reads only
				if _, err := w.s.Verify(w.t.Context(), []string{"nas"}); err != nil {
					t.Fatal(err)
				}
			}
			b, _ := w.s.Backend("nas")
			if b.Health != status.HealthUnhealthy {
				t.Fatalf("it is told as %s (%s)", b.Health, b.LastError)
			}
			checked = b.LastCheck
		}
		w.mu.Lock()
		for _, ev := range w.seen {
			if ev.Kind == status.BackendHealth && ev.Old == status.HealthUnhealthy {
				t.Errorf("it was told as %s: %s", ev.New, ev.Why)
			}
		}
		w.mu.Unlock()
		if time.Since(checked) > 30*time.Minute || w.cleared("nas") {
			t.Errorf("it was looked at %s ago, and is clean: %v", time.Since(checked), w.cleared("nas"))
		}
		d.set(faults["is well"])
		w.within(40*time.Minute, "it goes on", func() bool {
			b, _ := w.s.Backend("nas")
			return w.stored(root, cid) && b.Health == status.HealthHealthy
		})
	})
}

// The home's CARs may hang: who has another source goes on with that, the others wait for
// nothing but what they can't have, and it is said.
func TestCARsOfTheHomeThatHangHoldUpNobodyElse(t *testing.T) {
	for _, bad := range []string{"open", "read"} {
		t.Run(bad, func(t *testing.T) {
			inVirtualTime(t, func(w *world) {
				w.put("../config/intelligent.yaml", "stall: 1m\n")
				nas, attic := w.backend("nas"), w.backend("attic")
				both, alone := w.car(1), w.car(2)
				data, err := os.ReadFile(filepath.Join(w.home, "cars", both+".car"))
				if err != nil {
					t.Fatal(err)
				}
				w.store(attic, both, data)
				w.mapping("attic", both)
				d := w.disk(w.home)
				w.start()
				w.within(time.Minute, "both known", func() bool { return w.s.Manager().Backends == 2 })
				d.set(func(op, name string, _ int) (error, bool) { return nil, op == bad && strings.HasPrefix(name, "cars/") })
				w.mark("nas", both, alone)
				w.within(5*time.Minute, "what a neighbour has", func() bool { return w.stored(nas, both) })
				w.within(5*time.Minute, "said", func() bool {
					b, _ := w.s.Backend("nas")
					return b.Dirty && b.Health == status.HealthHealthy && strings.Contains(b.LastError+b.Blocked, "no source for 1 pin")
				})
				if ok, why := w.s.sup.healthy(); !ok || d.hanging() > carReaders {
					t.Errorf("the watchdog is fed %v %s, %d calls hang", ok, why, d.hanging())
				}
				d.set(faults["is well"])
				w.within(12*time.Hour, "it goes on", func() bool { return w.cleared("nas") && w.stored(nas, alone) })
			})
		})
	}
}
