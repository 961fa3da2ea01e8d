package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// Whatever programs and people do to a home, whatever its disks do, and whenever
// the service is killed: nothing is lost, no mark is cleared early, nothing is done
// twice at once on one backend, nothing waits beyond the bound, no id is given twice.
// IPFSKIT_ROUNDS makes more histories than the usual few, IPFSKIT_SEED begins with another one.
func TestWhateverHappensNothingIsLost(t *testing.T) {
	for seed := range envInt("IPFSKIT_ROUNDS", 8) {
		seed += envInt("IPFSKIT_SEED", 1)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inVirtualTime(t, func(w *world) {
				h := newStory(w, uint64(seed))
				for range 40 {
					h.step()
				}
				h.mend()
				h.converge()
				h.check(true)
			})
		})
	}
}

func envInt(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// story is what happens to one home.
type story struct {
	*world
	rnd     *rand.Rand
	home2   *home.Home // another program's eyes and hands
	cids    []string
	cars    map[string][]byte
	disks   map[string]*disk           // by folder
	disksMu sync.Mutex                 // guards disks: the service opens them meanwhile
	folders map[string][]string        // by backend: what it pointed at, at last what it points at now
	wants   map[string]map[string]bool // by backend: the CIDs that were asked for
	asked   map[uint64]bool
	life    *life
	lives   int
	tasks   hearing
}

func newStory(w *world, seed uint64) *story {
	h := &story{world: w, rnd: rand.New(rand.NewPCG(seed, 1)), cars: map[string][]byte{}, disks: map[string]*disk{},
		folders: map[string][]string{}, wants: map[string]map[string]bool{}, asked: map[uint64]bool{}}
	h.tasks = hearing{t: w.t, known: map[uint64]*heard{}, running: map[string]uint64{}}
	for i := range 8 {
		cid, data := h.content(seed<<8 + uint64(i))
		h.cids, h.cars[cid] = append(h.cids, cid), data
		if i%2 == 0 {
			h.put("cars/"+cid+".car", string(data))
		}
	}
	h.put("../config/intelligent.yaml", "limits: {tasks: 2}\nstall: 1m\nretry: {max: 10m, blocked: 10m}\n")
	h.addDisk(h.home)
	for _, name := range []string{"a", "b", "c", "d"} {
		h.wants[name] = map[string]bool{}
		h.retarget(name)
	}
	var err error
	if h.home2, err = home.Open(h.home, home.Options{Clock: clock.System}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { h.home2.Close() })
	w.t.Cleanup(func() {
		h.life.end()
		for _, d := range h.disks {
			d.set(faults["is well"])
		}
	})
	h.begin()
	time.Sleep(time.Second) // where new backends point is kept within that
	return h
}

func pick[T any](h *story, list []T) T { return list[h.rnd.IntN(len(list))] }

// step does one thing, and lets some time go by.
func (h *story) step() {
	name := pick(h, []string{"a", "b", "c", "d"})
	steps := []struct {
		weight int
		what   string
		do     func(name string) string
	}{
		{8, "mark", h.doMark},
		{3, "row", h.doRow},
		{3, "content", h.doContent},
		{4, "configuration", h.doConfig},
		{3, "pause", h.doPause},
		{5, "ask", h.doAsk},
		{8, "disk", h.doDisk},
		{2, "home's disk", h.doHome},
		{4, "kill", h.doKill},
		{1, "worker", h.doWorker},
	}
	sum := 0
	for _, s := range steps {
		sum += s.weight
	}
	n := h.rnd.IntN(sum)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			h.t.Logf("%s %s %s: %s", time.Now().Format("15:04:05.000"), s.what, name, s.do(name))
			break
		}
	}
	select {
	case <-time.After(pick(h, waits)):
	case <-h.life.dead:
		h.t.Logf("%s it is killed", time.Now().Format("15:04:05.000"))
		h.again(pick(h, waits))
	}
	h.check(false)
}

var waits = []time.Duration{0, 0, time.Millisecond, 100 * time.Millisecond, 3 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute}

// again ends the service, and starts another one after a while.
func (h *story) again(after time.Duration) {
	h.life.settled()
	h.life.end()
	h.stop()
	time.Sleep(after)
	h.begin()
}

// doMark adds an action as upstream's tools do: they read the file, and write it anew.
func (h *story) doMark(name string) string {
	var doc map[string]any
	file := filepath.Join(h.home, "backend_index/dirty_metadata", name+"_dirty.json")
	if data, err := os.ReadFile(file); err != nil || json.Unmarshal(data, &doc) != nil {
		doc = map[string]any{"backend_name": name}
	}
	now := float64(time.Now().UnixMicro()) / 1e6
	actions, _ := doc["pending_actions"].([]any)
	affected, _ := doc["affected_cids"].([]any)
	for range 1 + h.rnd.IntN(2) {
		cid := pick(h, h.cids)
		now += 1e-3
		actions = append(actions, map[string]any{"action_type": "pin_add", "cids": []string{cid}, "timestamp": now, "synced": false})
		affected = append(affected, cid)
		h.wants[name][cid] = true
	}
	doc["is_dirty"], doc["pending_actions"], doc["affected_cids"], doc["last_updated"] = true, actions, affected, now
	data, err := json.Marshal(doc)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(file, data)
	return fmt.Sprint(len(actions), " actions")
}

// write replaces a file whole, with the time of the test.
func (h *story) write(file string, data []byte) {
	err := os.WriteFile(file+".new", data, 0o644)
	if err := errors.Join(err, os.Chtimes(file+".new", time.Time{}, time.Now()), os.Rename(file+".new", file)); err != nil {
		h.t.Fatal(err)
	}
}

// doRow adds a row to the mapping, which the next sync mends.
func (h *story) doRow(name string) string {
	cid := pick(h, h.cids)
	if h.wants[name][cid] {
		return "no new one"
	}
	h.wants[name][cid] = true
	if err := os.MkdirAll(filepath.Join(h.home, "backends", name), 0o755); err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait() // two services at work on one mapping is another test's subject
	if err := h.home2.UpdatePins(h.t.Context(), name, []home.PinUpdate{{CID: cid, Status: home.PinPending}}); err != nil {
		h.t.Fatal(err)
	}
	return cid
}

// doContent lets content come, or go.
func (h *story) doContent(string) string {
	cid := pick(h, h.cids)
	file := filepath.Join(h.home, "cars", cid+".car")
	if os.Remove(file) == nil {
		return "gone " + cid
	}
	h.write(file, h.cars[cid])
	return "come " + cid
}

func (h *story) doConfig(name string) string {
	file := filepath.Join(h.home, "backends", name+".yaml")
	switch h.rnd.IntN(4) {
	case 0:
		os.Remove(file)
		return "deleted"
	case 1:
		h.write(file, []byte("type: [filesystem\n"))
		return "broken"
	case 2:
		return "points at " + h.retarget(name)
	}
	h.configure(name)
	return "as before"
}

// retarget has a backend point at a new folder.
func (h *story) retarget(name string) string {
	folder := filepath.Join(filepath.Dir(h.home), "disks", fmt.Sprint(name, len(h.folders[name])))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		h.t.Fatal(err)
	}
	h.addDisk(folder)
	h.folders[name] = append(h.folders[name], folder)
	h.configure(name)
	return folder
}

func (h *story) addDisk(folder string) {
	h.disksMu.Lock()
	defer h.disksMu.Unlock()
	h.disks[folder] = newDisk()
}

func (h *story) configure(name string) {
	h.write(filepath.Join(h.home, "backends", name+".yaml"), fmt.Appendf(nil, "type: filesystem\nstorage_path: %s\n", h.folder(name)))
}

func (h *story) folder(name string) string { return h.folders[name][len(h.folders[name])-1] }

func (h *story) doPause(name string) string {
	d := pick(h, []time.Duration{0, time.Second, 5 * time.Minute})
	switch ctx := h.t.Context(); h.rnd.IntN(4) {
	case 0:
		return fmt.Sprint("for ", d, h.s.Pause(ctx, name, d))
	case 1:
		h.tasks.rest()
		return fmt.Sprint("everything for ", d, h.s.Pause(ctx, "", d))
	case 2:
		h.tasks.rest()
		return fmt.Sprint("everything resumed ", h.s.Resume(ctx, ""))
	}
	return fmt.Sprint("resumed ", h.s.Resume(h.t.Context(), name))
}

// doAsk asks for work, or cancels or retries some. What was promised must end.
func (h *story) doAsk(name string) string {
	ctx, names := h.t.Context(), [][]string{{name}, nil}[h.rnd.IntN(2)]
	var ids []uint64
	var err error
	switch h.rnd.IntN(6) {
	case 0:
		ids, err = h.s.Sync(ctx, names, false)
	case 1:
		ids, err = h.s.Sync(ctx, names, true)
	case 2:
		ids, err = h.s.Check(ctx, names)
	case 3:
		ids, err = h.s.Verify(ctx, names)
	case 4:
		if id := h.tasks.live(h.rnd); id != 0 {
			return fmt.Sprint("cancel ", id, h.s.CancelTask(ctx, id))
		}
	case 5:
		if id := h.tasks.live(h.rnd); id != 0 {
			return fmt.Sprint("retry ", id, h.s.RetryTask(ctx, id))
		}
	}
	if !h.life.isDead() {
		for _, id := range ids {
			h.asked[id] = true
		}
	}
	return fmt.Sprint(names, ids, err)
}

func (h *story) doDisk(name string) string {
	what := pick(h, []string{"is well", "is well", "is well", "fails now and then", "is dead", "is full", "hangs", "hangs now and then"})
	h.disks[h.folder(name)].set(faults[what])
	return "it " + what
}

// doHome is for the disk that the home lies on.
func (h *story) doHome(string) string {
	what := pick(h, []string{"is well", "is well", "fails now and then", "is full"})
	h.disks[h.home].set(faults[what])
	return "it " + what
}

func (h *story) doKill(string) string {
	switch n := h.rnd.IntN(100); {
	case n < 70:
		h.life.fuse.Store(int64(n))
		return fmt.Sprint("at call ", n)
	case n < 85:
		h.life.die()
		return "now"
	}
	h.again(0)
	return "no: it was stopped, and started again"
}

func (h *story) doWorker(string) string {
	w := pick(h, status.Workers)
	return fmt.Sprint(w, " replaced ", h.s.RestartWorker(h.t.Context(), w))
}

// mend ends all trouble. What follows must come right by itself.
func (h *story) mend() {
	if h.life.fuse.Store(0); h.life.isDead() {
		h.again(0)
	}
	for _, d := range h.disks {
		d.set(faults["is well"])
	}
	for cid, data := range h.cars {
		h.write(filepath.Join(h.home, "cars", cid+".car"), data)
	}
	h.tasks.rest()
	if err := h.s.Resume(h.t.Context(), ""); err != nil {
		h.t.Error(err)
	}
	time.Sleep(time.Minute) // a sync that runs now may serve the marks that follow, and not rows that came since it began
	for name := range h.folders {
		h.configure(name)
		h.doMark(name)
	}
	time.Sleep(2 * time.Minute)
	for name := range h.folders {
		if err := h.s.Resume(h.t.Context(), name); err != nil {
			h.t.Error(err)
		}
	}
}

// converge waits until nothing is left to be done.
func (h *story) converge() {
	for range 12 * 60 {
		time.Sleep(time.Minute)
		if m := h.s.Manager(); m.DirtyBackends == 0 && m.TasksActive+m.TasksQueued == 0 && h.whole() == nil {
			return
		}
	}
	h.t.Errorf("it does not come right: %v\n%s", h.whole(), h.describe())
}

// whole tells what is not where it should be.
func (h *story) whole() error {
	for name, want := range h.wants {
		if _, whole := h.markState(name); !whole {
			return fmt.Errorf("the mark of %s stands", name)
		}
		rows, err := h.home2.ReadPins(h.t.Context(), name)
		if err != nil {
			return err
		}
		stored := map[string]int{}
		for _, r := range rows {
			if r.Status == home.PinStored {
				stored[r.CID]++
			}
		}
		for cid := range want {
			if !h.has(h.folder(name), cid) || stored[cid] != 1 {
				return fmt.Errorf("%s of %s: there %v, rows that say stored %d", cid, name, h.has(h.folder(name), cid), stored[cid])
			}
		}
	}
	return nil
}

// has tells whether a folder has a CAR, whole.
func (h *story) has(folder, cid string) bool {
	data, err := os.ReadFile(filepath.Join(folder, "cars", cid+".car"))
	return err == nil && bytes.Equal(data, h.cars[cid])
}

// check holds what must be true at any time; final: what must be true when all is quiet.
func (h *story) check(final bool) {
	for name := range h.wants {
		if _, err := os.Stat(filepath.Join(h.home, "backend_index/dirty_metadata", name+"_dirty.json")); err != nil {
			continue
		}
		synced, _ := h.markState(name)
		for cid, done := range synced {
			if done && !slices.ContainsFunc(h.folders[name], func(f string) bool { return h.has(f, cid) }) {
				h.t.Errorf("%s: the mark counts %s as synced, and it is nowhere", name, cid)
			}
		}
	}
	for folder, d := range h.disks {
		if n := d.hanging(); n > 2 {
			h.t.Errorf("%d calls to one disk hang at once, more than a transfer and a check", n)
		}
		entries, _ := filepath.Glob(filepath.Join(folder, "cars", "*.car"))
		for _, e := range entries {
			if data, err := os.ReadFile(e); err == nil && !bytes.Equal(data, h.cars[filepath.Base(e[:len(e)-len(".car")])]) {
				h.t.Errorf("half of it lies under a final name: %s", e)
			}
		}
	}
	h.tasks.mu.Lock()
	defer h.tasks.mu.Unlock()
	if h.tasks.longest > longestWait {
		h.t.Errorf("a task waited for %s", h.tasks.longest)
	}
	if !final {
		return
	}
	for id := range h.asked {
		if t := h.tasks.known[id]; (t == nil || t.Finished.IsZero()) && !h.written(id) {
			h.t.Errorf("task %d was promised, and did not end: %+v", id, t)
		}
	}
	if list, err := h.s.db.Requests(h.t.Context()); err != nil || len(list) != 0 {
		h.t.Errorf("requests are left: %+v %v", list, err)
	}
}

// written tells whether a task is kept among those that ended: a kill may come between that and the word of it.
func (h *story) written(id uint64) bool {
	found, err := h.s.db.Query(h.t.Context(), "SELECT 1 FROM tasks WHERE id = ?", int64(id))
	if err != nil {
		h.t.Fatal(err)
	}
	defer found.Close()
	return found.Next()
}
