package service

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// node adds a backend that is a real node.
func (w *world) node(name string, k *testenv.Kubo) {
	w.t.Helper()
	text, err := json.Marshal(map[string]any{"name": name, "type": "ipfs", "api_url": k.API, "token": testenv.KuboToken})
	if err != nil {
		w.t.Fatal(err)
	}
	w.put("backends/"+name+".yaml", string(text))
	if err := os.Chmod(filepath.Join(w.home, "backends", name+".yaml"), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// A real node that lost a block of one pin, and another pin as a whole: both come back from the
// filesystem backend, whole, and nobody else's pin is touched.
func TestRestoreOfPinsOfARealNode(t *testing.T) {
	k := testenv.StartKubo(t)
	t.Cleanup(k.Stop)
	w := newWorld(t)
	w.backend("attic")
	w.node("node", k)
	dag := cartest.File(t, 900, 20)
	c := dag[0].CID.String()
	car := cartest.Build(t, []cid.Cid{dag[0].CID}, dag)
	w.put("cars/"+c+".car", string(car))
	other := w.car(3)
	w.mark("attic", c, other)
	w.mark("node", c, other)
	w.start()
	w.until("stored", func() bool { return w.cleared("attic") && w.cleared("node") })
	pinned := func() string {
		text, err := k.Ask(t, "pin/ls", url.Values{"type": {"recursive"}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	theirs := "bafkqaaa" // the empty identity block, pinned by somebody else
	for _, ask := range []error{
		second(k.Ask(t, "pin/add", url.Values{"arg": {theirs}})),
		second(k.Ask(t, "pin/rm", url.Values{"arg": {other}})),
		second(k.Ask(t, "repo/gc", nil)),
		os.Remove(filepath.Join(w.home, "cars", c+".car")), os.Remove(filepath.Join(w.home, "cars", other+".car")),
	} {
		if ask != nil {
			t.Fatal(ask)
		}
	}
	k.RemoveBlock(t, dag[5].Data)
	if strings.Contains(pinned(), other) {
		t.Fatal("the pin is still there")
	}
	task := w.done(w.s.Restore(t.Context(), "node", "pins", dbus.RestoreOptions{Overwrite: true}))
	if task.State != status.TaskDone {
		t.Fatalf("%+v", task)
	}
	if all := pinned(); !strings.Contains(all, other) || !strings.Contains(all, c) || !strings.Contains(all, theirs) {
		t.Errorf("pinned are %s", all)
	}
	if _, err := k.Ask(t, "dag/export", url.Values{"arg": {c}, "progress": {"false"}}); err != nil {
		t.Errorf("it is not whole again: %v", err)
	}
	if n := w.storedPins("node"); n != 2 {
		t.Errorf("%d rows are stored", n)
	}
	into := t.TempDir()
	task = w.done(w.s.Restore(t.Context(), "node", "pins", dbus.RestoreOptions{Into: into}))
	if task.State != status.TaskDone || !w.stored(into, c) || !w.stored(into, other) {
		t.Errorf("into a folder: %+v", task)
	}
}

func second(_ string, err error) error {
	if err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	return nil
}
