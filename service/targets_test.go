package service

import (
	"maps"
	"slices"
	"testing"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// Many that work again at once, or fail, have the targets of backups chosen once, and not each by itself.
func TestTargetsAreChosenOnceForAllThatWorkAgain(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.backend(name)
	}
	w.put("backends/node.yaml", "type: ipfs\napi_url: http://127.0.0.1:1\n")
	w.start()
	targets := func() []string {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		return slices.Sorted(maps.Keys(w.s.targets.names))
	}
	chosen := func() bool { return slices.Equal(targets(), []string{"a", "b"}) }
	w.until("chosen, and calm", func() bool {
		m := w.s.Manager()
		return chosen() && m.TasksActive == 0
	})
	w.s.mu.Lock()
	w.s.targets.names, w.s.metaWant.targets = nil, false
	w.s.rechoose(w.s.entries["node"])
	if w.s.metaWant.targets {
		t.Error("a node is taken for one that gets backups")
	}
	for _, name := range []string{"a", "b", "c"} {
		if e := w.s.entries[name]; e.health.State() == status.HealthHealthy {
			w.s.rechoose(e)
		}
	}
	if n := len(w.s.targets.names); n != 0 || !w.s.metaWant.targets {
		t.Errorf("%d are chosen at once", n)
	}
	w.s.mu.Unlock()
	w.until("chosen soon", chosen)
}

// What the registry said already is proved by the first check all the same, and that is when targets are chosen.
func TestTargetsAreChosenOfWhatTheRegistryCallsHealthy(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.configure("intervals: {metadata: 1h}\n") // which would choose them, too
	h, err := home.Open(w.home, home.Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.System.Now()
	if err := h.UpdateRegistry(t.Context(), []home.RegistryUpdate{{Name: "nas", Health: &home.RegistryHealth{Status: "healthy", Type: "filesystem", CheckedAt: now}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("a backup that is asked for", func() bool { ids, err := w.s.Backup(t.Context(), nil); return err == nil && len(ids) == 2 })
}

// The first one that works is not the first by name: that one is chosen once it works, too, and not at the next look at everything.
func TestTheOneThatIsPreferredIsChosenThoughItWorksLater(t *testing.T) {
	w := newWorld(t)
	w.configure("intervals: {metadata: 1h}\nbackup: {targets: 1}\n")
	w.backend("b")
	w.start()
	targets := func() []string {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		return slices.Sorted(maps.Keys(w.s.targets.names))
	}
	w.until("the one that is there", func() bool { return slices.Equal(targets(), []string{"b"}) })
	w.backend("a")
	w.until("the one that comes before it", func() bool { return slices.Equal(targets(), []string{"a"}) })
}
