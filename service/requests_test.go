package service

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/health"
	"ipfskit.org/intelligent/internal/status"
)

// gate holds up the calls to backends while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: open
	held atomic.Int64
}

func (w *world) gate() *gate {
	g := &gate{}
	w.o.WrapBackendRoot = func(r fsys.Root) fsys.Root {
		return faulty.Wrap(r, func(string, string) error {
			g.mu.Lock()
			shut := g.shut
			g.mu.Unlock()
			if shut != nil {
				g.held.Add(1)
				<-shut
			}
			return nil
		})
	}
	w.t.Cleanup(g.open)
	return g
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
	g.held.Store(0)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// healthy waits until a backend was checked, and nothing is due.
func (w *world) healthy(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.until(name+" healthy", func() bool { b, ok := w.s.Backend(name); return ok && b.Health == status.HealthHealthy })
	}
	w.until("nothing runs", func() bool { m := w.s.Manager(); return m.TasksActive == 0 && m.TasksQueued == 0 })
}

func (w *world) ended(id uint64, state string) {
	w.t.Helper()
	w.until("task "+state, func() bool { task, ok := w.s.Task(id); return ok && task.State == state })
}

// one is the id of the one task that was asked for.
func (w *world) one(ids []uint64, err error) uint64 {
	w.t.Helper()
	if err != nil || len(ids) != 1 {
		w.t.Fatal(ids, err)
	}
	return ids[0]
}

// serving is a world whose service has these backends, all of them healthy.
func serving(t testing.TB, names ...string) *world {
	t.Helper()
	w := newWorld(t)
	for _, name := range names {
		w.backend(name)
	}
	w.start()
	w.healthy(names...)
	return w
}

// What follows a task that runs can be cancelled without any harm to what runs or to what comes later.
func TestCancelledFollowerIsNotInTheWayOfLaterWork(t *testing.T) {
	w := newWorld(t)
	root, g := w.backend("nas"), w.gate()
	w.start()
	w.healthy("nas")
	g.close()
	first := w.one(w.s.Sync(t.Context(), []string{"nas"}, false))
	w.until("it hangs", func() bool { return g.held.Load() > 0 })
	second := w.one(w.s.Sync(t.Context(), []string{"nas"}, true))
	if second == first {
		t.Fatal("what runs can't serve what is asked for later")
	}
	if err := w.s.CancelTask(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	g.open()
	w.ended(first, status.TaskDone)
	w.ended(second, status.TaskCancelled)
	cid := w.car(1)
	w.mark("nas", cid)
	w.until("later work is done", func() bool { return w.cleared("nas") && w.stored(root, cid) })
}

// inside says that a goroutine is in a function.
func inside(name string) bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(name+"("))
}

// A task that begins, or ends, while a request for it is written down does not serve it: its mode was chosen before.
func TestRequestWhoseTaskBeganMeanwhileGetsATaskOfItsOwn(t *testing.T) {
	t.Run("it runs", func(t *testing.T) { requestWhileItsTask(t, false) })
	t.Run("it ended", func(t *testing.T) { requestWhileItsTask(t, true) })
}

func requestWhileItsTask(t *testing.T, ends bool) {
	w := newWorld(t)
	w.backend("nas")
	g := w.gate()
	w.start()
	w.healthy("nas")
	w.s.queue.Pause(true)
	first := w.one(w.s.Sync(t.Context(), []string{"nas"}, false))
	if !ends {
		g.close()
	}
	busy, err := w.s.db.Query(t.Context(), "SELECT 1") // the only connection: the next request waits for it
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		ids []uint64
		err error
	}
	got := make(chan answer, 1)
	go func() {
		ids, err := w.s.Sync(t.Context(), []string{"nas"}, true)
		got <- answer{ids, err}
	}()
	// It was given the task that waits before it went to write that down.
	w.until("the request waits for the disk", func() bool { return inside("statedb.(*DB).AddRequests") })
	w.s.queue.Pause(false)
	w.until("the task began, or ended", func() bool {
		task, ok := w.s.Task(first)
		return g.held.Load() > 0 || ok && task.State == status.TaskDone
	})
	w.s.queue.Pause(ends)
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	a := <-got
	second := w.one(a.ids, a.err)
	if second == first {
		t.Error("one id for two tasks")
	}
	w.s.db.Flush()
	if list, err := w.s.db.Requests(t.Context()); err != nil || list[len(list)-1].ID != second || ends && len(list) > 1 {
		t.Errorf("what is written down is not what was promised: %+v %v", list, err)
	}
	w.s.queue.Pause(false)
	g.open()
	w.ended(first, status.TaskDone)
	w.ended(second, status.TaskDone)
	w.until("forgotten", func() bool { list, err := w.s.db.Requests(t.Context()); return err == nil && len(list) == 0 })
}

func TestPauseForATimeEndsThenThoughTheServiceWasStartedAgain(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.until("running", func() bool { return w.s.Manager().State == status.StateRunning })
	if err := w.s.Pause(t.Context(), "", 2*time.Second); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	w.until("resumed", func() bool { return !w.s.Manager().Paused })
}

func TestPauseOfOneBackendThatIsOverRefusesNothing(t *testing.T) {
	w := newWorld(t)
	clk := &clock.Shifted{}
	w.o.Clock = clk
	w.backend("nas")
	w.start()
	w.healthy("nas")
	if err := w.s.Pause(t.Context(), "nas", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Sync(t.Context(), []string{"nas"}, false); err == nil {
		t.Error("a sync of a backend that is paused was taken")
	}
	clk.Shift(time.Hour)
	var id uint64
	w.until("over", func() bool {
		ids, err := w.s.Sync(t.Context(), []string{"nas"}, false)
		if err == nil {
			id = ids[0]
		}
		return err == nil
	})
	w.ended(id, status.TaskDone)
}

// Whoever waits for a task is not told that it is done because its backend was paused before it began.
func TestTasksThatWereAskedForWaitWhileTheirBackendIsPaused(t *testing.T) {
	w := serving(t, "nas")
	w.s.queue.Pause(true)
	var all []uint64
	for _, ask := range []func() ([]uint64, error){
		func() ([]uint64, error) { return w.s.Check(t.Context(), []string{"nas"}) },
		func() ([]uint64, error) { return w.s.Verify(t.Context(), []string{"nas"}) },
		func() ([]uint64, error) { return w.s.Sync(t.Context(), []string{"nas"}, true) },
	} {
		all = append(all, w.one(ask()))
	}
	if err := w.s.Pause(t.Context(), "nas", 0); err != nil {
		t.Fatal(err)
	}
	w.s.queue.Pause(false)
	for _, id := range all {
		if task, ok := w.s.Task(id); !ok || task.State != status.TaskWaitingRetry {
			t.Errorf("while it is paused: %+v", task)
		}
	}
	if err := w.s.Resume(t.Context(), "nas"); err != nil {
		t.Fatal(err)
	}
	for _, id := range all {
		w.ended(id, status.TaskDone)
	}
}

func TestTaskWhoseBackendGoesBeforeItBeginsIsCancelledNotDone(t *testing.T) {
	w := serving(t, "nas")
	w.s.queue.Pause(true)
	id := w.one(w.s.Check(t.Context(), []string{"nas"}))
	if err := os.Remove(filepath.Join(w.home, "backends/nas.yaml")); err != nil {
		t.Fatal(err)
	}
	w.ended(id, status.TaskCancelled)
	w.stop()
	w.backend("nas")
	w.start()
	w.healthy("nas")
	if list, err := w.s.db.Requests(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("it is asked for still: %+v %v", list, err)
	}
}

func TestIDOfACancelledTaskIsNotGivenAgainAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	cid, data := w.content(3)
	w.mark("nas", cid)
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	id := w.s.liveTasks(status.TaskQuery{State: status.TaskBlocked}, 1<<62, 10)[0].ID
	w.until("checked", func() bool {
		b, ok := w.s.Backend("nas")
		return ok && b.Health == status.HealthHealthy && w.s.Manager().TasksActive == 0
	})
	w.s.mu.Lock()
	w.s.saveAll() // as the next tick of the health monitor does
	w.s.mu.Unlock()
	if err := w.s.CancelTask(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.mu.Lock()
	w.seen = nil
	w.mu.Unlock()
	w.start()
	w.put("cars/"+cid+".car", string(data))
	w.until("its successor is done", func() bool { return w.cleared("nas") })
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ev := range w.seen {
		if ev.Kind == status.TaskNew && ev.Task.ID == id {
			t.Fatalf("task %d was cancelled, and lives again", id)
		}
	}
}

// A check that goes well is written down late; its id is gone all the same.
func TestIDOfATaskThatEndedIsNotGivenAgainAfterAKill(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.start()
	w.healthy("nas")
	w.s.queue.Pause(true)
	id := w.one(w.s.Check(t.Context(), []string{"nas"}))
	w.s.mu.Lock()
	w.s.save(w.s.entries["nas"]) // as the end of another task of it does
	w.s.mu.Unlock()
	w.s.queue.Pause(false)
	w.ended(id, status.TaskDone)
	w.s.db.Flush()
	left := filepath.Join(t.TempDir(), "state")
	if err := w.copyState(left); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.o.Paths.State = left
	w.start()
	w.healthy("nas")
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.entries["nas"].health.Reset() // its next check is due
	w.s.look(w.s.entries["nas"])
	if w.s.tasks.byID[id] != nil {
		t.Errorf("task %d ended, and lives again", id)
	}
}

// A task that waits for its next try is there after a restart, before that try.
func TestTaskThatWaitsIsThereAfterARestart(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	w.put("../config/intelligent.yaml", "retry: {min: 1h, max: 2h}\n")
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	w.mark("nas", w.car(1))
	w.start()
	w.until("it waits", func() bool {
		return len(w.s.liveTasks(status.TaskQuery{State: status.TaskWaitingRetry}, 1<<62, 10)) == 1
	})
	id := w.s.liveTasks(status.TaskQuery{State: status.TaskWaitingRetry}, 1<<62, 10)[0].ID
	w.stop()
	w.start()
	w.ended(id, status.TaskWaitingRetry)
}

// Whoever was promised a task finds it after a restart: one that runs, and one that follows it.
func TestTasksThatWerePromisedEndAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	g := w.gate()
	w.start()
	w.healthy("nas")
	g.close()
	first := w.one(w.s.Sync(t.Context(), []string{"nas"}, false))
	w.until("it hangs", func() bool { return g.held.Load() > 0 })
	second := w.one(w.s.Sync(t.Context(), []string{"nas"}, true))
	if third := w.one(w.s.Sync(t.Context(), []string{"nas"}, false)); third != second {
		t.Errorf("tasks %d and %d follow one", second, third)
	}
	w.stop()
	g.open()
	w.start()
	w.ended(second, status.TaskDone)
	w.until("the first has ended too: the second did its work", func() bool {
		page, _, err := w.s.Tasks(status.TaskQuery{State: status.TaskCancelled})
		return err == nil && len(page) == 1 && page[0].ID == first
	})
	w.until("forgotten", func() bool { list, err := w.s.db.Requests(t.Context()); return err == nil && len(list) == 0 })
}

func TestTwoRestoresThatDifferAreNotTakenForOne(t *testing.T) {
	w := serving(t, "nas")
	w.s.queue.Pause(true)
	first, err := w.s.Restore(t.Context(), "nas", "buckets", dbus.RestoreOptions{Into: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.s.Restore(t.Context(), "nas", "metadata", dbus.RestoreOptions{Into: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "another restore from backend nas is not done yet") {
		t.Errorf("the second, while task %d waits: %v", first, err)
	}
}

// What a home held that was replaced is not counted, planned or synced any more.
func TestBackendsOfAHomeThatWasReplacedAreForgotten(t *testing.T) {
	w := serving(t, "old", "both")
	fresh := w.home + ".new"
	for _, dir := range []string{"backends", "backend_index/dirty_metadata", "cars"} {
		if err := os.MkdirAll(filepath.Join(fresh, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := os.ReadFile(filepath.Join(w.home, "backends/both.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(fresh, "backends/both.yaml"), conf, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, w.home, unix.RENAME_EXCHANGE); err != nil {
		t.Skip("this file system can't exchange two names:", err)
	}
	w.until("the new home is read", func() bool {
		m := w.s.Manager()
		_, old := w.s.Backend("old")
		return m.Backends == 1 && !old && m.State == status.StateRunning
	})
	cid := w.car(1)
	root := filepath.Join(filepath.Dir(w.home), "disks", "both")
	w.mark("both", cid)
	w.until("work goes on in the new one", func() bool { return w.cleared("both") && w.stored(root, cid) })
}

// Other programs may have all instances of inotify that an account gets.
func TestWithoutInotifyTheSweepFindsEverything(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	w.put("../config/intelligent.yaml", "intervals: {metadata: 1s, dirty: 1s}\n")
	w.o.Inotify = func() (*fsnotify.Watcher, error) { return nil, os.NewSyscallError("inotify_init", unix.EMFILE) }
	w.start()
	w.healthy("nas")
	cid := w.car(1)
	w.mark("nas", cid)
	w.until("found and synced", func() bool { return w.cleared("nas") && w.stored(root, cid) })
	if x, _ := w.s.Worker(status.WorkerDirtyMonitor); x.Restarts != 0 {
		t.Errorf("the monitor was replaced %d times", x.Restarts)
	}
}

// A backup's set takes 64 letters. Two homes whose long paths begin alike are two homes there.
func TestHomeWithALongPathHasANameThatBackupsTake(t *testing.T) {
	long := "/home/" + strings.Repeat("long/", 30)
	a, b := homeID(long+"a"), homeID(long+"b")
	if len(a) != homeIDLimit || len(b) != homeIDLimit || a == b {
		t.Errorf("%q and %q", a, b)
	}
	if short := homeID("/h"); !strings.HasSuffix(short, "__h") {
		t.Errorf("a short one is kept as it was: %q", short)
	}
}

// Content that comes while the service is away unblocks what waited for it, at the next start and not hours later.
func TestContentThatCameWhileTheServiceWasAwayIsFoundAtTheStart(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	cid, data := w.content(7)
	w.mark("nas", cid)
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	w.stop()
	w.put("cars/"+cid+".car", string(data))
	w.start()
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(root, cid) })
}

// Of backends that are as urgent, the one with the lowest priority in its configuration goes first; a changed file counts at once.
func TestBackendsOfLowerPriorityGoFirst(t *testing.T) {
	w := newWorld(t)
	w.put("../config/intelligent.yaml", "limits: {tasks: 1}\n")
	weigh := func(name string, priority int) {
		w.put("backends/"+name+".yaml", fmt.Sprintf("name: %s\ntype: filesystem\nstorage_path: %s\npriority: %d\n", name, w.backend(name), priority))
	}
	weigh("a", 150)
	w.backend("b")
	weigh("c", 7)
	weigh("d", 180)
	w.start()
	w.healthy("a", "b", "c", "d")
	w.s.queue.Pause(true)
	if _, err := w.s.Check(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	weigh("d", 1)
	w.until("the file is read", func() bool {
		doc, err := w.s.ExplainJSON(t.Context(), "d")
		return err == nil && strings.Contains(string(doc), "it is served as 1, by the priority of its configuration")
	})
	w.mu.Lock()
	w.seen = nil
	w.mu.Unlock()
	w.s.queue.Pause(false)
	w.until("all are checked", func() bool { m := w.s.Manager(); return m.TasksActive+m.TasksQueued == 0 })
	w.mu.Lock()
	defer w.mu.Unlock()
	order := ""
	for _, ev := range w.seen {
		if ev.Kind == status.TaskFinished {
			order += ev.Backend
		}
	}
	if order != "dcba" {
		t.Errorf("the order was %s", order)
	}
}

// A check that other work made needless before it began is no work done.
func TestATaskThatNeverBeganIsNotSaidToBeDone(t *testing.T) {
	w := serving(t, "nas")
	w.s.queue.Pause(true)
	w.s.mu.Lock()
	e, before := w.s.entries["nas"], w.s.complete
	e.health = health.Tracker{} // never checked: a check is due
	w.s.look(e)
	task := e.live[status.KindHealthCheck]
	e.health.Success(w.s.clk.Now(), "nas", time.Millisecond, "", w.s.healthRules()) // a sync, say
	w.s.look(e)
	after := w.s.complete
	w.s.mu.Unlock()
	if task == nil {
		t.Fatal("no check was planned")
	}
	if task.State != status.TaskCancelled || !strings.Contains(task.Error, "not needed") || after != before {
		t.Errorf("%+v; %d tasks are done, before %d", task.Task, after, before)
	}
}

// A task that ended is on the bus for five minutes, whatever else happens or does not, and in the history then.
func TestAFinishedTaskIsOnTheBusForFiveMinutes(t *testing.T) {
	inVirtualTime(t, func(w *world) {
		w.put("../config/intelligent.yaml", "intervals: {health: 24h}\nhealth: {probe_min: 24h, probe_max: 48h}\n")
		w.backend("nas")
		w.start()
		w.within(time.Minute, "running", func() bool { return w.s.Manager().State == status.StateRunning })
		var last status.Task
		for range 2 { // the second one, a minute later, has its own five minutes
			ids, err := w.s.Check(w.t.Context(), []string{"nas"})
			if err != nil {
				w.t.Fatal(err)
			}
			w.within(time.Minute, "it ended", func() bool { last, _ = w.s.Task(ids[0]); return !last.Finished.IsZero() })
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Until(last.Finished.Add(5*time.Minute - 2*time.Second)))
		if ids := w.s.BusTasks(); len(ids) != 1 || ids[0] != last.ID {
			w.t.Errorf("on the bus shortly before its time: %v, want %d alone", ids, last.ID)
		}
		time.Sleep(4 * time.Second)
		if ids := w.s.BusTasks(); len(ids) > 0 {
			w.t.Errorf("on the bus: %v", ids)
		}
		if page, _, err := w.s.Tasks(status.TaskQuery{}); err != nil || len(page) < 2 {
			w.t.Errorf("listed: %v, %v", page, err)
		}
	})
}

// A backend that goes while a request of it is written down takes the request along, and its task is told to be over.
func TestARequestForABackendThatGoesMeanwhileIsOver(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.start()
	w.until("checked", func() bool { b, _ := w.s.Backend("nas"); return b.Health == status.HealthHealthy })
	w.s.mu.Lock()
	e := w.s.entries["nas"]
	r := request{ID: w.s.freshID(), Kind: status.KindHealthCheck, Target: e.target}
	w.s.mu.Unlock()
	w.s.writeRequests(t.Context(), []*entry{e}, []request{r}, w.s.clk.Now())
	if err := os.Remove(filepath.Join(w.home, "backends", "nas.yaml")); err != nil {
		t.Fatal(err)
	}
	w.until("gone", func() bool { w.s.mu.Lock(); defer w.s.mu.Unlock(); return w.s.entries["nas"] == nil })
	ids, late := w.s.take([]*entry{e}, []request{r}, w.s.clk.Now())
	if len(ids) != 1 || ids[0] != r.ID || len(late) != 0 {
		t.Errorf("%v %v", ids, late)
	}
	w.ended(r.ID, status.TaskCancelled)
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}
