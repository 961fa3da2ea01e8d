package service

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// stocked is a world with two backends that hold three pins each, and a backup of the metadata on nas.
func stocked(t *testing.T) (w *world, nas string, cids []string) {
	t.Helper()
	w = newWorld(t)
	nas = w.backend("nas")
	w.backend("attic")
	for seed := range uint64(3) {
		cids = append(cids, w.car(seed+1))
	}
	w.mark("nas", cids...)
	w.mark("attic", cids...)
	w.start()
	w.until("stored", func() bool { return w.cleared("nas") && w.cleared("attic") })
	for _, c := range cids { // the home has the content no more
		if err := os.Remove(filepath.Join(w.home, "cars", c+".car")); err != nil {
			t.Fatal(err)
		}
	}
	return w, nas, cids
}

// done waits for the end of a task, and tells it.
func (w *world) done(id uint64, err error) status.Task {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	var task status.Task
	w.until("the task's end", func() bool {
		t, ok := w.s.Task(id)
		task = t
		return ok && !t.Finished.IsZero()
	})
	return task
}

func (w *world) storedPins(name string) (n int) {
	w.t.Helper()
	rows, err := w.s.home.ReadPins(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Status == home.PinStored {
			n++
		}
	}
	return n
}

func (w *world) backedUp(name string) {
	w.t.Helper()
	ids, err := w.s.Backup(w.t.Context(), []string{name})
	for _, id := range ids {
		if task := w.done(id, err); task.State != status.TaskDone {
			w.t.Fatalf("%+v", task)
		}
	}
}

func (w *world) read(name string) []byte {
	w.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// A disk that lost a CAR, has a damaged one of the old size, and lost a record, and a
// mapping that is torn: all of it is as it was, from the other backend; the torn file is kept.
func TestRestoreOfPinsBringsBackContentRecordsAndMapping(t *testing.T) {
	w, nas, cids := stocked(t)
	w.backedUp("nas")
	mapping := filepath.Join(w.home, "backends/nas/pin_mappings.parquet")
	car := func(i int) string { return filepath.Join(nas, "cars", cids[i]+".car") }
	pin := func(i int) string { return filepath.Join(nas, "pins", cids[i]+".json") }
	good := [][]byte{w.read(car(0)), w.read(car(1)), w.read(car(2))}
	bad := bytes.Clone(good[1])
	bad[len(bad)-2] ^= 1
	torn := w.read(mapping)[:100]
	for _, err := range []error{os.Remove(car(0)), os.Remove(pin(0)), os.WriteFile(car(1), bad, 0o644), os.Remove(pin(2)), os.WriteFile(mapping, torn, 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	task := w.done(w.s.Restore(t.Context(), "nas", "pins", dbus.RestoreOptions{Overwrite: true}))
	if task.State != status.TaskDone {
		t.Fatalf("%+v", task)
	}
	for i := range cids {
		if !bytes.Equal(w.read(car(i)), good[i]) {
			t.Errorf("CAR %d is not as it was", i)
		}
		if !strings.Contains(string(w.read(pin(i))), cids[i]) {
			t.Errorf("record %d is not as it was", i)
		}
	}
	if n := w.storedPins("nas"); n != 3 {
		t.Errorf("%d rows are stored", n)
	}
	kept, err := filepath.Glob(mapping + ".damaged-*")
	if err != nil || len(kept) != 1 || !bytes.Equal(w.read(kept[0]), torn) {
		t.Errorf("kept: %v %v", kept, err)
	}
	if b, _ := w.s.Backend("nas"); b.Dirty || b.Pins != 3 {
		t.Errorf("%+v", b)
	}
}

// Metadata is backed up by itself, also while a mapping is torn: then the one before counts.
func TestRestoreOfPinsReadsTheNewestBackupThatIsWhole(t *testing.T) {
	w, nas, cids := stocked(t)
	w.backedUp("nas")
	mapping := filepath.Join(w.home, "backends/nas/pin_mappings.parquet")
	if err := os.WriteFile(mapping, w.read(mapping)[:100], 0o644); err != nil {
		t.Fatal(err)
	}
	w.backedUp("nas")
	for _, path := range []string{filepath.Join(nas, "cars", cids[0]+".car"), filepath.Join(nas, "pins", cids[0]+".json")} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if task := w.done(w.s.Restore(t.Context(), "nas", "pins", dbus.RestoreOptions{Overwrite: true})); task.State != status.TaskDone {
		t.Fatalf("%+v", task)
	}
	if n := w.storedPins("nas"); n != 3 {
		t.Errorf("%d rows are stored", n)
	}
}

// Without a mapping and without content: the backup and the records say what was there. What nobody
// has is said, and what was removed on purpose stays away.
func TestRestoreOfPinsSaysWhatNobodyHas(t *testing.T) {
	w, nas, cids := stocked(t)
	nobody, _ := w.content(77)
	if err := w.s.home.UpdatePins(t.Context(), "nas", []home.PinUpdate{{CID: cids[2], Status: "removed"}}); err != nil {
		t.Fatal(err)
	}
	w.backedUp("nas")
	for _, err := range []error{os.Remove(filepath.Join(w.home, "backends/nas/pin_mappings.parquet")),
		os.RemoveAll(filepath.Join(nas, "cars")), os.RemoveAll(filepath.Join(nas, "pins")), os.MkdirAll(filepath.Join(nas, "pins"), 0o755),
		os.WriteFile(filepath.Join(nas, "pins", nobody+".json"), []byte("{}"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	task := w.done(w.s.Restore(t.Context(), "nas", "pins", dbus.RestoreOptions{Overwrite: true}))
	if task.State != status.TaskPartial || !strings.Contains(task.Error, "no source for 1 pin") {
		t.Errorf("%+v", task)
	}
	if !w.stored(nas, cids[0]) || !w.stored(nas, cids[1]) || w.stored(nas, cids[2]) || w.storedPins("nas") != 2 {
		t.Errorf("not what was to come back; %d rows are stored", w.storedPins("nas"))
	}
}

func TestRestoreOfPinsIntoAFolderLeavesBackendAndMappingAlone(t *testing.T) {
	w, nas, cids := stocked(t)
	if err := os.Remove(filepath.Join(nas, "cars", cids[0]+".car")); err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	before := w.read(filepath.Join(w.home, "backends/nas/pin_mappings.parquet"))
	task := w.done(w.s.Restore(t.Context(), "nas", "pins", dbus.RestoreOptions{Into: into}))
	if task.State != status.TaskDone {
		t.Fatalf("%+v", task)
	}
	for _, c := range cids {
		if !w.stored(into, c) {
			t.Errorf("%s is not there", c)
		}
	}
	if w.stored(nas, cids[0]) || !bytes.Equal(before, w.read(filepath.Join(w.home, "backends/nas/pin_mappings.parquet"))) {
		t.Error("backend or mapping was changed")
	}
	task = w.done(w.s.Restore(t.Context(), "nas", "pins", dbus.RestoreOptions{Into: into}))
	if task.State != status.TaskFailed || !strings.Contains(task.Error, "is there already") {
		t.Errorf("%+v", task)
	}
	if b, _ := w.s.Backend("nas"); b.Health != status.HealthHealthy {
		t.Errorf("a folder's trouble is no trouble of the backend: %+v", b)
	}
}

func TestRestoreThatWouldReplaceIsRefusedAtOnce(t *testing.T) {
	w, _, _ := stocked(t)
	for what, o := range map[string]dbus.RestoreOptions{"pins": {}, "buckets": {}, "metadata": {Into: "relative"}, "all": {Overwrite: true}} {
		if _, err := w.s.Restore(t.Context(), "nas", what, o); !isInvalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	task := w.done(w.s.Restore(t.Context(), "nas", "pins", dbus.RestoreOptions{Overwrite: true, Backup: "manifests/none"}))
	if task.State != status.TaskFailed {
		t.Errorf("%+v", task)
	}
}

func isInvalid(err error) bool {
	var e *status.Error
	return errors.As(err, &e) && e.Code == status.InvalidArgument
}
