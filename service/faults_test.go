package service

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// Each of the four workers panics, fails, hangs and ends by itself, is replaced, and the work goes on.
func TestEveryWorkerIsHealedFromEveryFault(t *testing.T) {
	faults := map[string]func(release chan struct{}) error{
		"panic":  func(chan struct{}) error { panic("a fault that was asked for") },
		"error":  func(chan struct{}) error { return errors.New("a fault that was asked for") },
		"hang":   func(release chan struct{}) error { <-release; return nil },
		"ending": func(chan struct{}) error { runtime.Goexit(); return nil },
	}
	for _, worker := range status.Workers {
		for name, fault := range faults {
			t.Run(worker+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				root := w.backend("nas")
				cid := w.car(1)
				w.put("../config/intelligent.yaml", "intervals: {metadata: 1s, dirty: 1s, health: 1s}\nsupervision: {hang: 1s, grace: 100ms, abandoned: 9}\n")
				release := make(chan struct{})
				var done atomic.Bool
				w.o.Inject = func(who string) error {
					if who == worker && done.CompareAndSwap(false, true) {
						return fault(release)
					}
					return nil
				}
				w.start()
				w.until("the fault", func() bool {
					if worker == status.WorkerMetadataReader {
						w.s.Rescan(t.Context())
					}
					return done.Load()
				})
				w.until("replaced", func() bool { x, _ := w.s.Worker(worker); return x.Restarts >= 1 && x.State == workerRunning })
				w.mark("nas", cid)
				w.until("the work goes on", func() bool { return w.cleared("nas") && w.stored(root, cid) })
				close(release)
				w.stop()
				w.s.sup.strays.Wait()
			})
		}
	}
}

// What an executor ran that was replaced is planned again.
func TestWorkOfAnExecutorThatWasReplacedIsDone(t *testing.T) {
	w := newWorld(t)
	root, cid, g := w.backend("nas"), w.car(1), w.gate()
	w.start()
	w.healthy("nas")
	g.close()
	w.mark("nas", cid)
	w.until("it hangs", func() bool { return g.held.Load() > 0 })
	if err := w.s.RestartWorker(t.Context(), status.WorkerTaskExecutor); err != nil {
		t.Fatal(err)
	}
	w.until("replaced", func() bool { x, _ := w.s.Worker(status.WorkerTaskExecutor); return x.Restarts == 1 })
	g.open()
	w.until("done", func() bool { return w.cleared("nas") && w.stored(root, cid) })
}

func TestWrongConfigurationIsRefusedAndTheOldOneStays(t *testing.T) {
	w := newWorld(t)
	w.put("../config/intelligent.yaml", "limits: {tasks: 3}\n")
	w.start()
	w.put("../config/intelligent.yaml", "limits: {tasks: many}\n")
	err := w.s.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "intelligent.yaml:1: key limits.tasks") || w.s.config().Tasks != 3 {
		t.Errorf("%v, tasks %d", err, w.s.config().Tasks)
	}
	w.put("../config/intelligent.yaml", "limits: {tasks: 4}\n")
	if err := w.s.Reload(t.Context()); err != nil || w.s.config().Tasks != 4 {
		t.Errorf("%v, tasks %d", err, w.s.config().Tasks)
	}
}

// Intervals that a configuration changes are those of the workers at once, and told.
func TestReloadChangesIntervals(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.until("running", func() bool { return w.s.Manager().State == status.StateRunning })
	w.put("../config/intelligent.yaml", "intervals: {metadata: 1s, dirty: 2s, health: 3s}\n")
	if err := w.s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, want := range map[string]time.Duration{status.WorkerMetadataReader: time.Second, status.WorkerDirtyMonitor: 2 * time.Second, status.WorkerHealthMonitor: 3 * time.Second} {
		x, _ := w.s.Worker(name)
		if x.Interval != want {
			t.Errorf("%s: interval %s, want %s", name, x.Interval, want)
		}
		iterations := x.Iterations
		w.until(name+" works at its new interval", func() bool {
			x, _ := w.s.Worker(name)
			return x.Iterations > iterations && x.Restarts == 0 && x.NextRun.After(now) && x.NextRun.Before(time.Now().Add(want+time.Second))
		})
	}
}

// Marks as upstream's tools write them, in every layout and both ways of writing.
func TestMarksOfEveryLayoutAndModeAreServed(t *testing.T) {
	python := testenv.Python3(t)
	for _, layout := range []string{"both", "upstream", "spec"} {
		for _, mode := range []string{"rename", "inplace"} {
			t.Run(layout+" "+mode, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				account := t.TempDir()
				if err := os.Rename(w.home, filepath.Join(account, ".ipfs_kit")); err != nil {
					t.Fatal(err)
				}
				w.home = filepath.Join(account, ".ipfs_kit")
				w.o.Paths.Home = w.home
				root := w.backend("nas")
				w.start()
				w.until("known", func() bool { return w.s.Manager().Backends == 1 })
				for n := 1; n <= 3; n++ {
					cmd := exec.Command(python, filepath.Join(testenv.Source(t), "scripts/touch_dirty.py"), "--home", account, "--layout", layout, "--mode", mode, "nas")
					cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					w.until("copied and clean", func() bool {
						cars, err := filepath.Glob(filepath.Join(root, "cars", "*.car"))
						return err == nil && len(cars) >= n && !w.dirty("nas")
					})
				}
				pins, err := w.s.home.ReadPins(t.Context(), "nas")
				if err != nil || len(pins) < 3 {
					t.Fatal(pins, err)
				}
				for _, p := range pins {
					if p.Status != "stored" {
						t.Errorf("%+v", p)
					}
				}
			})
		}
	}
}

func TestTaskThatRunsIsCancelledAtTheNextItem(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	var cids []string
	for i := range 300 {
		cids = append(cids, w.car(uint64(i+1)))
	}
	w.mark("nas", cids...)
	w.start()
	var id uint64
	w.until("it runs", func() bool {
		for _, task := range w.s.liveTasks(status.TaskQuery{State: status.TaskRunning}, 1<<62, 1000) {
			if task.Kind == status.KindPinSync {
				id = task.ID
			}
		}
		return id != 0
	})
	if err := w.s.CancelTask(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	stored := func() int {
		cars, err := filepath.Glob(filepath.Join(root, "cars", "*.car"))
		if err != nil {
			t.Fatal(err)
		}
		return len(cars)
	}
	then := stored()
	w.until("cancelled", func() bool { task, ok := w.s.Task(id); return ok && task.State != status.TaskRunning })
	if now := stored(); now > then+2 {
		t.Errorf("%d were stored when it was cancelled, and %d at its end", then, now)
	}
	if _, whole := w.markState("nas"); whole {
		if task, _ := w.s.Task(id); task.State == status.TaskCancelled {
			t.Error("the mark was cleared though the task was cancelled")
		}
	}
}
