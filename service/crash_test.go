package service

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// program is the real one.
func program(t testing.TB) string {
	t.Helper()
	return filepath.Join(programs(t, ""), "ipfs-kit-intelligent")
}

// process starts the real program on the world's home, without a bus.
func (w *world) process(bin string) *exec.Cmd {
	w.t.Helper()
	dir := filepath.Dir(w.home)
	cmd := exec.Command(bin, "run", "--bus", "unix:path="+dir+"/no-bus")
	cmd.Env = []string{"HOME=" + dir, "IPFS_KIT_HOME=" + w.home, "XDG_STATE_HOME=" + dir + "/state", "XDG_RUNTIME_DIR=" + dir + "/run", "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = &w.log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

// markState says which CIDs the mark of a backend counts as synced; whole: the mark is cleared.
func (w *world) markState(name string) (synced map[string]bool, whole bool) {
	w.t.Helper()
	var doc struct {
		Dirty   bool `json:"is_dirty"`
		Actions []struct {
			CIDs   []string `json:"cids"`
			Synced bool     `json:"synced"`
		} `json:"pending_actions"`
	}
	if err := json.Unmarshal([]byte(w.markText(name)), &doc); err != nil {
		w.t.Fatalf("the mark is half written: %v", err)
	}
	synced = map[string]bool{}
	whole = !doc.Dirty
	for _, a := range doc.Actions {
		for _, c := range a.CIDs {
			synced[c] = a.Synced
		}
		whole = whole && a.Synced
	}
	return synced, whole
}

func TestKillsAtRandomMomentsLoseNothingAndClearNothingEarly(t *testing.T) {
	w := newWorld(t)
	root := w.backend("nas")
	const pins = 500
	want := map[string][]byte{}
	var cids []string
	for i := range pins {
		cid, data := w.content(uint64(i + 1))
		w.put("cars/"+cid+".car", string(data))
		want[cid] = data
		cids = append(cids, cid)
	}
	w.mark("nas", cids...)
	bin := program(t)
	check := func(final bool) {
		synced, whole := w.markState("nas")
		if final && !whole {
			t.Fatal("the mark is not cleared at the end")
		}
		for cid, data := range want {
			got, err := os.ReadFile(filepath.Join(root, "cars", cid+".car"))
			switch {
			case err == nil && !bytes.Equal(got, data):
				t.Fatalf("half of %s lies under its final name", cid)
			case err != nil && (synced[cid] || final):
				t.Fatalf("%s counts as synced, and is not there: %v", cid, err)
			}
		}
	}
	kills := 100
	if testing.Short() {
		kills = 10
	}
	for range kills {
		cmd := w.process(bin)
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		check(false)
	}
	cmd := w.process(bin)
	w.until("the mark is cleared after the last kill", func() bool { _, whole := w.markState("nas"); return whole })
	w.until("the home is held", func() bool { _, served := home.ServedBy(w.home); return served })
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	check(true)
	h, err := home.Open(w.home, home.Options{Clock: w.o.Clock})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	rows, err := h.ReadPins(t.Context(), "nas")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range rows {
		seen[r.CID]++
		if r.Status != home.PinStored {
			t.Errorf("%s is %s", r.CID, r.Status)
		}
	}
	for cid := range want {
		if seen[cid] != 1 {
			t.Errorf("%s has %d rows in the mapping", cid, seen[cid])
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, "cars"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".car") {
			t.Logf("a leftover that the next sweep removes: %s", e.Name())
		}
	}
}

func TestFullDiskIsSaidHurtsNothingAndMends(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	root := w.backend("small")
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=4m"); err != nil {
		testenv.Skip(t, "a tmpfs can't be mounted: "+err.Error())
	}
	defer syscall.Unmount(root, syscall.MNT_DETACH)
	ballast := filepath.Join(root, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20-64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var cids []string
	for i := range 10 {
		cids = append(cids, w.car(uint64(i+1)))
	}
	w.mark("small", cids...)
	w.start()
	w.until("said", func() bool {
		page, _, _ := w.s.Errors(errorsOf("small"))
		return len(page) > 0 && page[0].Class == "quota"
	})
	if _, whole := w.markState("small"); whole {
		t.Error("the mark was cleared on a full disk")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Sync(t.Context(), []string{"small"}, false); err != nil {
		t.Fatal(err)
	}
	w.until("cleared when there is room", func() bool { return w.cleared("small") })
	for _, c := range cids {
		if !w.stored(root, c) {
			t.Errorf("%s is not there", c)
		}
	}
	w.stop()
}

// The home's disk is not a backend's: it is served though nothing can be written down, and goes on when there is room.
func TestFullHomeIsSaidBlamesNoBackendAndMends(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	if err := syscall.Mount("tmpfs", w.home, "tmpfs", 0, "size=2m"); err != nil {
		testenv.Skip(t, "a tmpfs can't be mounted: "+err.Error())
	}
	defer syscall.Unmount(w.home, syscall.MNT_DETACH)
	for _, dir := range []string{"backends", "cars", "backend_index/dirty_metadata"} {
		if err := os.MkdirAll(filepath.Join(w.home, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	root := w.backend("nas")
	cid := w.car(1)
	w.mark("nas", cid)
	ballast := filepath.Join(w.home, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("said", func() bool {
		page, _, _ := w.s.Errors(errorsOf("nas"))
		return len(page) > 0 && page[0].Class == "quota" && strings.Contains(page[0].Message, "make room on the disk of the home")
	})
	if b, _ := w.s.Backend("nas"); b.ErrorCount != 0 || b.Health == status.HealthDegraded || b.Health == status.HealthUnhealthy {
		t.Errorf("the backend is blamed: %+v", b)
	}
	if _, whole := w.markState("nas"); whole {
		t.Error("the mark was cleared on a full disk")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	w.until("cleared when there is room", func() bool { return w.cleared("nas") && w.stored(root, cid) })
	w.stop()
}

func TestHangingMountHurtsOnlyItself(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	hung, fine := w.backend("hung"), w.backend("fine")
	unmount := hangingMount(t, hung)
	cid := w.car(1)
	w.mark("hung", cid)
	w.start()
	w.until("both known", func() bool { return w.s.Manager().Backends == 2 })
	w.mark("fine", cid)
	w.until("the other goes on", func() bool { return w.cleared("fine") && w.stored(fine, cid) })
	if ok, why := w.s.sup.healthy(); !ok {
		t.Errorf("the watchdog is not fed: %s", why)
	}
	if _, whole := w.markState("hung"); whole {
		t.Error("the mark of what hangs was cleared")
	}
	unmount()
	if _, err := w.s.Sync(t.Context(), []string{"hung"}, false); err != nil {
		t.Fatal(err)
	}
	w.until("it goes on after it was unmounted", func() bool { return w.cleared("hung") && w.stored(hung, cid) })
	w.stop()
}

// hangingMount mounts a FUSE file system that nobody answers for: every call on it hangs until it is unmounted.
func hangingMount(t *testing.T, dir string) (unmount func()) {
	t.Helper()
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		testenv.Skip(t, "no FUSE here: "+err.Error())
	}
	raw, err := fuse.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		err = syscall.Mount("hang", dir, "fuse", 0, "fd="+strconv.Itoa(int(fd))+",rootmode=40000,user_id=0,group_id=0")
	})
	if err != nil {
		testenv.Skip(t, "FUSE can't be mounted: "+err.Error())
	}
	done := false
	unmount = func() {
		if !done {
			done = true
			fuse.Close() // every call that hangs ends with an error
			syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	}
	t.Cleanup(unmount)
	return unmount
}

func TestConfigurationThatGoesInTheMiddleOfASync(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	var cids []string
	for i := range 200 {
		cids = append(cids, w.car(uint64(i+1)))
	}
	w.mark("nas", cids...)
	w.start()
	w.until("it runs", func() bool { return w.s.Manager().TasksActive > 0 })
	if err := os.Remove(filepath.Join(w.home, "backends/nas.yaml")); err != nil {
		t.Fatal(err)
	}
	w.until("nothing runs", func() bool { return w.s.Manager().TasksActive == 0 })
	if synced, whole := w.markState("nas"); whole && len(synced) != len(cids) {
		t.Error("its mark is gone")
	}
	w.backend("nas")
	w.until("cleared when it is back", func() bool { return w.cleared("nas") })
}
