package service

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/status"
)

func TestMarkIsFoundCopiedVerifiedAndCleared(t *testing.T) {
	w := newWorld(t)
	nas, other := w.backend("nas"), w.backend("other")
	cid := w.car(1)
	w.start()
	w.until("both backends known", func() bool { return w.s.Manager().Backends == 2 })
	w.mark("nas", cid)
	w.until("the mark cleared", func() bool { return w.cleared("nas") })
	if !w.stored(nas, cid) || w.stored(other, cid) {
		t.Error("the CAR is not there, or where nobody wanted it")
	}
	w.until("clean", func() bool { return !w.dirty("nas") && w.s.Manager().DirtyBackends == 0 })
	pins, err := w.s.home.ReadPins(t.Context(), "nas")
	if err != nil || len(pins) != 1 || pins[0].CID != cid || pins[0].Status != "stored" {
		t.Errorf("mapping %+v %v", pins, err)
	}
	w.until("the flag gone", func() bool {
		_, err := os.Stat(filepath.Join(w.home, "backend_index/dirty_metadata/nas.dirty"))
		return err != nil
	})
}

func TestTwoHundredMarksAtOnce(t *testing.T) {
	w := newWorld(t)
	cid := w.car(1)
	roots := map[string]string{}
	for i := range 200 {
		name := fmt.Sprintf("disk-%03d", i)
		roots[name] = w.backend(name)
	}
	w.start()
	w.until("all known", func() bool { return w.s.Manager().Backends == 200 })
	for name := range roots {
		w.mark(name, cid)
	}
	w.until("all clean", func() bool {
		for name := range roots {
			if !w.cleared(name) {
				return false
			}
		}
		return true
	})
	for name, root := range roots {
		if !w.stored(root, cid) {
			t.Errorf("%s has no CAR", name)
		}
	}
}

func TestContentThatNobodyHasBlocksUntilItAppears(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	cid, data := w.content(7)
	w.mark("nas", cid)
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	b, _ := w.s.Backend("nas")
	if !strings.Contains(b.Blocked, "no source for 1 pin") || b.Health == status.HealthUnhealthy || !b.Dirty {
		t.Errorf("%+v", b)
	}
	w.put("cars/"+cid+".car", string(data))
	w.until("mended", func() bool { return w.cleared("nas") && w.stored(root, cid) })
	w.until("not blocked", func() bool { return w.s.Manager().BlockedBackends == 0 })
}

// Nobody can clear an action that says nothing. It waits for a person, and is not tried again and again.
func TestActionThatCannotBeUnderstoodBlocksAndIsNotTriedHot(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	cid := w.car(1)
	w.put("backend_index/dirty_metadata/nas_dirty.json", fmt.Sprintf(`{"is_dirty": true, "pending_actions": [null, 3, {"cids": [%q]}]}`, cid))
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	if b, _ := w.s.Backend("nas"); !strings.Contains(b.Blocked, "2 actions that can't be understood") || !w.stored(root, cid) {
		t.Errorf("%+v", b)
	}
	if n := w.s.Manager().TasksCompleted; n > 5 {
		t.Errorf("%d tasks for one mark", n)
	}
	if n, err := w.s.Dismiss(t.Context(), "nas"); n != 2 || err != nil {
		t.Error(n, err)
	}
	w.until("given up", func() bool { return !w.dirty("nas") })
}

func TestActionThatAsksForRemovalIsServed(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	cid := w.car(1)
	w.mark("nas", cid)
	w.start()
	w.until("stored", func() bool { return w.cleared("nas") && w.stored(root, cid) })
	w.put("backend_index/dirty_metadata/nas_dirty.json", fmt.Sprintf(`{"is_dirty": true, "pending_actions": [{"action_type": "unpin", "cids": [%q], "synced": false}], "affected_cids": [%[1]q]}`, cid))
	w.until("removed", func() bool { return w.cleared("nas") && !w.stored(root, cid) })
	w.until("clean", func() bool { return !w.dirty("nas") })
	if n := w.s.Manager().TasksCompleted; n > 8 {
		t.Errorf("%d tasks for two marks", n)
	}
}

// Very many removals may be a mistake of the program that marked them: they wait until a person asks for a whole comparison.
func TestManyRemovalsWaitForAPersonWhoAsksForAComparison(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	var cids []string
	for i := range uint64(12) {
		cids = append(cids, w.car(i))
	}
	w.mark("nas", cids...)
	w.start()
	w.until("stored", func() bool { return w.cleared("nas") && w.stored(root, cids[11]) })
	w.put("backend_index/dirty_metadata/nas_dirty.json", fmt.Sprintf(`{"is_dirty": true, "pending_actions": [{"action_type": "unpin", "cids": ["%s"], "synced": false}]}`, strings.Join(cids[:11], `","`)))
	w.until("blocked", func() bool { b, _ := w.s.Backend("nas"); return strings.Contains(b.Blocked, "sync --reconcile") })
	if !w.stored(root, cids[0]) {
		t.Error("removed without a word")
	}
	planned := func(names []string, reconcile bool) (doc string, removes int) {
		t.Helper()
		b, err := w.s.PlanSyncJSON(t.Context(), names, reconcile)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), strings.Count(string(b), `"action": "remove"`)
	}
	for _, names := range [][]string{nil, {"nas"}} {
		if doc, n := planned(names, false); n != 0 || !strings.Contains(doc, "11 removals wait: 11 of 12 pins would be removed") || strings.Count(doc, `"action": "keep"`) != 11 {
			t.Errorf("planned without a word, for %v: %s", names, doc)
		}
	}
	if doc, n := planned([]string{"nas"}, true); n != 11 || !strings.Contains(doc, `"blocked": null`) {
		t.Errorf("planned with a word: %s", doc)
	}
	ids, err := w.s.Sync(t.Context(), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	w.until("blocked again", func() bool {
		task, ok := w.s.Task(ids[0])
		return ok && task.State == status.TaskBlocked && task.Attempt > 1
	})
	if !w.stored(root, cids[0]) {
		t.Error("a word for all backends is taken for one that names this one")
	}
	if _, err := w.s.Sync(t.Context(), []string{"nas"}, true); err != nil {
		t.Fatal(err)
	}
	w.until("removed", func() bool { return w.cleared("nas") && !w.stored(root, cids[0]) && w.stored(root, cids[11]) })
}

// A mark that can't be read says nothing that could be given up.
func TestAMarkThatCannotBeReadIsNotGivenUp(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	const file = "backend_index/dirty_metadata/nas_dirty.json"
	w.put(file, `{"is_dirty": tr`)
	w.configure("intervals: {dirty: 1s}\n") // it counts once it settled
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	n, err := w.s.Dismiss(t.Context(), "nas")
	if err == nil || n != 0 || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "sync --reconcile --backend nas") {
		t.Errorf("%d %v", n, err)
	}
	if err := os.Remove(filepath.Join(w.home, file)); err != nil {
		t.Fatal(err)
	}
	w.until("clean", func() bool { return !w.dirty("nas") })
}

// However many backends there are, the one that lists the content is asked for it.
func TestContentComesFromTheBackendThatListsIt(t *testing.T) {
	w := newWorld(t)
	common, rare := w.car(1), w.car(2)
	for i := range 2 * maxNeighbours {
		name := fmt.Sprintf("disk-%02d", i)
		w.backend(name)
		w.mark(name, common)
	}
	w.backend("zuletzt")
	w.mark("zuletzt", rare)
	w.start()
	w.until("all clean", func() bool { return w.s.Manager().Backends == 2*maxNeighbours+1 && w.s.Manager().DirtyBackends == 0 })
	if err := os.Remove(filepath.Join(w.home, "cars", rare+".car")); err != nil {
		t.Fatal(err)
	}
	w.until("indexed", func() bool { found, err := w.s.index.Where(t.Context(), rare); return err == nil && len(found) == 1 })
	root := w.backend("new")
	w.mark("new", rare)
	w.until("stored", func() bool { return w.cleared("new") && w.stored(root, rare) })
}

// What is damaged has its old size: reading it back finds it, and the comparison that follows mends it.
func TestWhatIsFoundDamagedIsMended(t *testing.T) {
	w := newWorld(t)
	root, cid := w.backend("nas"), w.car(1)
	w.mark("nas", cid)
	w.start()
	w.until("stored", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	file := filepath.Join(root, "cars", cid+".car")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[len(bad)-2] ^= 1
	if err := os.WriteFile(file, bad, 0o644); err != nil {
		t.Fatal(err)
	}
	ended := func(state string) status.Backend {
		w.ended(w.one(w.s.Verify(t.Context(), []string{"nas"})), state)
		b, _ := w.s.Backend("nas")
		return b
	}
	if b := ended(status.TaskPartial); !b.LastRestoreProof.IsZero() {
		t.Errorf("damage is called a proof: %+v", b)
	}
	w.until("mended", func() bool { now, err := os.ReadFile(file); return err == nil && bytes.Equal(now, good) })
	w.until("the row says so", func() bool {
		pins, err := w.s.home.ReadPins(t.Context(), "nas")
		return err == nil && len(pins) == 1 && pins[0].Status == "stored"
	})
	if b := ended(status.TaskDone); b.LastRestoreProof.IsZero() {
		t.Errorf("nothing is damaged, and that is no proof: %+v", b)
	}
}

// fullDisk is a folder whose disk has no room; unknown: it does not tell how much.
type fullDisk struct {
	fsys.Root
	unknown bool
}

func (d fullDisk) Usage() (fsys.Usage, error) {
	if d.unknown {
		return fsys.Usage{}, nil
	}
	return fsys.Usage{TotalBytes: 1 << 30}, nil
}

func TestAFullDiskIsNotOneOfUnknownRoom(t *testing.T) {
	for unknown, want := range map[bool]int64{true: -1, false: 0} {
		w := newWorld(t)
		w.backend("nas")
		w.o.WrapBackendRoot = func(r fsys.Root) fsys.Root { return fullDisk{r, unknown} }
		for range 2 { // the second time from what was kept
			w.start()
			w.until("checked", func() bool { b, ok := w.s.Backend("nas"); return ok && !b.LastCheck.IsZero() })
			if b, _ := w.s.Backend("nas"); b.AvailableBytes != want {
				t.Errorf("unknown %v: %d bytes are free, want %d", unknown, b.AvailableBytes, want)
			}
			w.stop()
		}
	}
}

func TestConfigurationThatIsDeletedEndsItsSyncAndTheMarkStays(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	var cids []string
	for i := range uint64(20) {
		cids = append(cids, w.car(i))
	}
	w.mark("nas", cids...)
	g := w.gate()
	g.close()
	w.start()
	w.until("it runs", func() bool {
		running := w.s.liveTasks(status.TaskQuery{State: status.TaskRunning}, 1<<62, 10)
		return len(running) == 1 && running[0].Kind == status.KindPinSync && g.held.Load() > 0
	})
	file := filepath.Join(w.home, "backends/nas.yaml")
	conf, err := os.ReadFile(file)
	if err := errors.Join(err, os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	w.until("it is noticed", func() bool {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		return w.s.entries["nas"].cat.Config == nil
	})
	g.open()
	w.until("it ended", func() bool { return len(w.s.liveTasks(status.TaskQuery{State: status.TaskRunning}, 1<<62, 10)) == 0 })
	if w.cleared("nas") {
		t.Fatal("all of it was synced to a backend that is configured no more")
	}
	w.put("backends/nas.yaml", string(conf))
	w.until("it went on", func() bool { return w.cleared("nas") })
}

// A configuration that points elsewhere starts with nothing stored, though the service was started again meanwhile.
func TestBackendThatPointsElsewhereIsFilledAfterARestart(t *testing.T) {
	w := newWorld(t)
	cid := w.car(1)
	w.backend("nas")
	w.mark("nas", cid)
	w.start()
	w.until("clean", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	if err := w.s.Pause(t.Context(), "nas", 0); err != nil {
		t.Fatal(err)
	}
	other := w.backend("other")
	w.put("backends/nas.yaml", "type: filesystem\nstorage_path: "+other+"\n")
	w.until("seen", func() bool { b, ok := w.s.Backend("nas"); return ok && b.Endpoint == other })
	w.stop()
	w.start()
	w.until("known", func() bool { return w.s.Manager().Backends == 2 })
	if err := w.s.Resume(t.Context(), "nas"); err != nil {
		t.Fatal(err)
	}
	w.until("stored there too", func() bool { return w.stored(other, cid) })
}

// A first sync may take long: where it stores is known to a service that is started again in the middle of it.
func TestWhereABackendPointsIsKeptBeforeItsFirstSyncEnds(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	g := w.gate()
	w.start()
	w.healthy("nas")
	g.close()
	defer g.open()
	w.mark("nas", w.car(1))
	w.until("it is in its first sync", func() bool { return g.held.Load() > 0 })
	w.s.db.Flush()
	docs, err := w.s.db.Backends(t.Context())
	if err != nil || !strings.Contains(string(docs["nas"]), `"target"`) {
		t.Errorf("%s %v", docs["nas"], err)
	}
}

// A slow disk, or a long write by the pin index, holds up neither answers nor other work.
func TestABusyStateDatabaseHoldsUpNobodyAtATasksEnd(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.start()
	w.until("healthy", func() bool { b, ok := w.s.Backend("nas"); return ok && b.Health == status.HealthHealthy })
	w.s.queue.Pause(true)
	w.mark("nas", w.car(1))
	ids, err := w.s.Sync(t.Context(), []string{"nas"}, false)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := w.s.db.Query(t.Context(), "SELECT 1") // the only connection
	if err != nil {
		t.Fatal(err)
	}
	w.s.queue.Pause(false)
	done := make(chan bool, 1)
	go func() {
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if task, ok := w.s.Task(ids[0]); ok && task.State == status.TaskDone {
				done <- true
				return
			}
		}
		done <- false
	}()
	select {
	case ok := <-done:
		if !ok {
			t.Error("the task does not end")
		}
	case <-time.After(2 * patience):
		t.Error("nobody gets an answer")
	}
	if err := errors.Join(busy.Err(), busy.Close()); err != nil {
		t.Error(err)
	}
	w.until("forgotten", func() bool { list, err := w.s.db.Requests(t.Context()); return err == nil && len(list) == 0 })
}

func TestMarkOfBeforeTheStartIsServed(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	cid := w.car(1)
	w.mark("nas", cid)
	w.start()
	w.until("cleared", func() bool { return w.cleared("nas") && w.stored(root, cid) })
}

func TestHomeThatIsNotThereIsWaitedForAndNotMade(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	aside := w.home + ".aside"
	if err := os.Rename(w.home, aside); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("waiting", func() bool { return w.s.Manager().State == status.StateWaiting })
	if _, err := os.Stat(w.home); err == nil {
		t.Fatal("the home was made")
	}
	if err := os.Rename(aside, w.home); err != nil {
		t.Fatal(err)
	}
	w.until("running", func() bool { m := w.s.Manager(); return m.State == status.StateRunning && m.Backends == 1 })
	if err := os.Rename(w.home, aside); err != nil {
		t.Fatal(err)
	}
	w.until("waiting again", func() bool { return w.s.Manager().State == status.StateWaiting })
	if m := w.s.Manager(); m.Backends != 1 {
		t.Errorf("a home that went away is read as %d backends", m.Backends)
	}
}

func TestSecondServiceSaysWhoHasTheHome(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.until("running", func() bool { return w.s.Manager().State == status.StateRunning })
	o := w.o
	o.Paths.State = filepath.Join(t.TempDir(), "other")
	o.Publish = nil
	second, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the second service ended with %v", err)
	}
}

func TestForcedSyncOfACleanBackendComparesItWhole(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	cid := w.car(1)
	w.mark("nas", cid)
	w.start()
	w.until("cleared", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	if err := os.Remove(filepath.Join(root, "cars", cid+".car")); err != nil {
		t.Fatal(err)
	}
	ids, err := w.s.Sync(t.Context(), []string{"nas"}, false)
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	w.until("the task done", func() bool { task, ok := w.s.Task(ids[0]); return ok && task.State == status.TaskDone })
	if !w.stored(root, cid) {
		t.Error("what was lost is not back")
	}
	if _, err := w.s.Sync(t.Context(), []string{"nobody"}, false); err == nil {
		t.Error("no error for a backend that is not there")
	}
}

// A mark that was written before a sync is asked for is what that sync does, though the monitor has not come to it yet.
func TestSyncServesTheMarkThatWasWrittenJustBefore(t *testing.T) {
	for name, named := range map[string][]string{"named": {"nas"}, "all": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			root, cid := w.backend("nas"), w.car(1)
			var late atomic.Bool
			release := make(chan struct{})
			w.o.Inject = func(who string) error {
				if who == status.WorkerDirtyMonitor && late.Load() {
					<-release
				}
				return nil
			}
			w.start()
			defer close(release)
			w.until("healthy", func() bool { b, ok := w.s.Backend("nas"); return ok && b.Health == status.HealthHealthy })
			late.Store(true)
			w.mark("nas", cid)
			ids, err := w.s.Sync(t.Context(), named, false)
			if err != nil || len(ids) != 1 {
				t.Fatal(ids, err)
			}
			w.until("the task done", func() bool { task, ok := w.s.Task(ids[0]); return ok && task.State == status.TaskDone })
			if !w.cleared("nas") || !w.stored(root, cid) {
				t.Error("the task is done, and the mark stands")
			}
		})
	}
}

func TestRestartKeepsIDsAndCounters(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	cid, _ := w.content(9)
	w.mark("nas", cid)
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	blocked := w.s.liveTasks(status.TaskQuery{State: status.TaskBlocked}, 1<<62, 1000)
	if len(blocked) != 1 {
		t.Fatalf("%+v", blocked)
	}
	w.stop()
	w.start()
	w.until("blocked again", func() bool { return w.s.Manager().BlockedBackends == 1 })
	w.ended(blocked[0].ID, status.TaskBlocked)
}

func TestBucketIndicesAreBackedUpByDefault(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	w.put("bucket_index/bucket_registry.parquet", "not read here, but backed up")
	w.start()
	w.until("healthy", func() bool { b, ok := w.s.Backend("nas"); return ok && b.Health == status.HealthHealthy })
	if err := w.s.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("a manifest", func() bool {
		found := false
		filepath.WalkDir(root, func(path string, _ os.DirEntry, _ error) error { //nolint:errcheck // it looks
			found = found || strings.Contains(filepath.Base(path), "manifest") && !strings.HasSuffix(path, "manifests")
			return nil
		})
		return found
	})
}

// A mistake of ours in the plan of one backend ends neither the service nor the other plans.
func TestAPanicInAPlanIsAnErrorOfThatPlan(t *testing.T) {
	w := newWorld(t)
	var broken atomic.Bool
	w.o.WrapHomeRoot = func(r fsys.Root) fsys.Root {
		return faulty.Wrap(r, func(_, name string) error {
			if broken.Load() && strings.Contains(name, "nas/pin_mappings") {
				panic("planted")
			}
			return nil
		})
	}
	w.backend("nas")
	w.backend("attic")
	w.start()
	w.until("calm", func() bool {
		m := w.s.Manager()
		return m.Backends == 2 && m.TasksActive+m.TasksQueued == 0 && m.UnhealthyBackends == 0
	})
	broken.Store(true)
	doc, err := w.s.PlanSyncJSON(t.Context(), []string{"nas", "attic"}, true)
	broken.Store(false)
	if err != nil || strings.Count(string(doc), "a panic, please report it") != 1 || !strings.Contains(string(doc), "attic") {
		t.Errorf("%s %v", doc, err)
	}
}

// Secrets that stand in configurations are found nowhere else: not in answers, events, the log or our own state.
func TestPlantedSecretsStayWhereTheyAre(t *testing.T) {
	const secret = "planted-hunter2-secret"
	w := newWorld(t)
	w.put("backends/node.yaml", "name: node\ntype: ipfs\napi_url: http://user:"+secret+"@127.0.0.1:1\ntoken: "+secret+"\n")
	w.put("backends/s3.yaml", "name: s3\ntype: s3\nendpoint: https://key:"+secret+"@s3.example\nsecret_key: "+secret+"\n")
	w.mark("node", w.car(1))
	w.start()
	w.until("it failed", func() bool { page, _, _ := w.s.Errors(errorsOf("node")); return len(page) > 0 })
	var all []string
	for _, get := range []func() ([]byte, error){
		func() ([]byte, error) { return w.s.StatusJSON(t.Context(), dbus.StatusOptions{Detailed: true}) },
		func() ([]byte, error) { return w.s.InsightsJSON(t.Context()) },
		func() ([]byte, error) { return w.s.HealthJSON(t.Context()) },
		func() ([]byte, error) { return w.s.ExplainJSON(t.Context(), "node") },
		func() ([]byte, error) { return w.s.PlanSyncJSON(t.Context(), nil, false) },
		func() ([]byte, error) {
			var lines bytes.Buffer
			write, err := w.s.History(t.Context(), status.HistoryQuery{})
			if err == nil {
				err = write(t.Context(), &lines)
			}
			return lines.Bytes(), err
		},
	} {
		doc, err := get()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(doc))
	}
	w.stop()
	w.mu.Lock()
	all = append(all, fmt.Sprintf("%+v", w.seen))
	w.mu.Unlock()
	state, err := os.ReadFile(filepath.Join(w.o.Paths.State, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range append(all, string(state)) {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("output %d holds the secret: …%s…", i, text[max(0, at-80):min(len(text), at+40)])
		}
	}
}

// A mark that is no file can't be cleared: a person is told what lies there, and nothing hangs or is tried over and over.
func TestAMarkThatIsNoFileBlocksAndSaysWhatItIs(t *testing.T) {
	for what, place := range map[string]func(path string) error{
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"a socket": func(path string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			t.Cleanup(func() { syscall.Close(fd) })
			return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			root := w.backend("nas")
			w.mark("nas", w.car(1))
			file := filepath.Join(w.home, "backend_state", "nas_dirty.json")
			t.Chdir(filepath.Dir(file)) // a socket's path must be short
			if err := place(filepath.Base(file)); err != nil {
				t.Fatal(err)
			}
			w.start()
			w.until("it is blocked, with the reason", func() bool {
				b, ok := w.s.Backend("nas")
				return ok && strings.Contains(b.Blocked, "backend_state/nas_dirty.json") && strings.Contains(b.Blocked, "but "+what) && b.ErrorCount == 0
			})
			if cids := w.markText("nas"); !strings.Contains(cids, `"is_dirty": false`) {
				t.Errorf("what can be cleared is not: %s", cids)
			}
			if n, _ := os.ReadDir(filepath.Join(root, "cars")); len(n) != 1 {
				t.Errorf("%d copies", len(n))
			}
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			w.until("it is clean once that is gone", func() bool { return !w.dirty("nas") })
		})
	}
}
