package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/parquetfile"
)

// A program that had the file open when it was swapped out, and needs long to
// write into it, loses nothing: the file is kept for as long as it is open.
func TestSlowWriterOfASwappedOutFileLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		mark := filepath.Join(h.Path(), "backend_index/dirty_metadata/nas_dirty.json")
		const data = `{"backend_name":"nas","is_dirty":true,"pending_actions":[{"action_type":"pin_add","cids":["a"],"timestamp":1,"synced":false}],"affected_cids":["a"]}`
		write(t, mark, data)
		seen, err := h.ReadDirty(t.Context(), "nas")
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.OpenFile(mark, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: seen, CIDs: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // far beyond the usual looks
		late := strings.Replace(data, `}],`, `},{"action_type":"pin_add","cids":["b"],"timestamp":2,"synced":false}],`, 1)
		if _, err := theirs.WriteAt([]byte(late), 0); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		d, err := h.ReadDirty(t.Context(), "nas")
		if err != nil || !d.IsDirty || len(d.CIDs) != 1 || d.CIDs[0] != "b" {
			t.Errorf("%+v %v", d, err)
		}
		left, err := filepath.Glob(filepath.Join(filepath.Dir(mark), ".ipfs-kit-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left: %q %v", left, err)
		}
	})
}

// What a killed run swapped out is merged at the next start, and removed.
func TestWhatAKilledRunSwappedOutIsMergedAtTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		dir := filepath.Join(h.Path(), "backend_index/dirty_metadata")
		write(t, filepath.Join(dir, "nas_dirty.json"), `{"backend_name":"nas","is_dirty":false,"pending_actions":[{"action_type":"pin_add","cids":["a"],"timestamp":1,"synced":true}],"affected_cids":[]}`)
		write(t, filepath.Join(dir, tempPrefix+"nas_dirty.json.ABCDEFGH.tmp"), `{"backend_name":"nas","is_dirty":true,"pending_actions":[{"action_type":"pin_add","cids":["a"],"timestamp":1,"synced":false},{"action_type":"pin_add","cids":["b"],"timestamp":2,"synced":false}],"affected_cids":["a","b"]}`)
		if n, err := h.Sweep(t.Context()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		time.Sleep(time.Minute)
		d, err := h.ReadDirty(t.Context(), "nas")
		if err != nil || len(d.CIDs) != 1 || d.CIDs[0] != "b" {
			t.Errorf("%+v %v", d, err)
		}
		left, err := filepath.Glob(filepath.Join(dir, ".ipfs-kit-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left: %q %v", left, err)
		}
	})
}

// A column that only the other program's copy has comes with it, for all rows.
func TestMergingBringsColumnsToo(t *testing.T) {
	cols := []parquetfile.ColumnSpec{{Name: "cid"}, {Name: "status"}}
	ours, err := parquetfile.New(cols, []map[string]any{{"cid": "a", "status": "stored"}, {"cid": "c", "status": "stored"}})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := parquetfile.New(append(cols, parquetfile.ColumnSpec{Name: "extra", Kind: parquetfile.Float}),
		[]map[string]any{{"cid": "a", "status": "pending", "extra": 1.5}, {"cid": "b", "status": "pending", "extra": 2.5}})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := mergeRows(ours, theirs, "cid", parquetfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	m, err := parquetfile.Read(merged, nil, parquetfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for i := range m.NumRows() {
		got += fmt.Sprintln(m.Column("cid").Value(i), m.Column("status").Value(i), m.Column("extra").Value(i))
	}
	if want := "a stored 1.5\nc stored <nil>\nb pending 2.5\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	if again, err := mergeRows(merged, theirs, "cid", parquetfile.DefaultLimits()); again != nil || err != nil {
		t.Errorf("a second merge adds something: %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whoever changes a file while the home is closed comes to its end first, or is told that it is closed.
func TestAHomeIsClosedWhileItIsChanged(t *testing.T) {
	for i := range 30 {
		h := newHome(t)
		done := make(chan error)
		go func() {
			done <- h.UpdatePins(t.Context(), "nas", []PinUpdate{{CID: fmt.Sprint("c", i), Status: PinStored}})
		}()
		closed := h.Close()
		err := <-done
		if closed != nil || err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("closed: %v, changed: %v", closed, err)
		}
		_, there := os.Stat(filepath.Join(h.Path(), "backends/nas/pin_mappings.parquet"))
		if (err == nil) != (there == nil) {
			t.Errorf("said %v, and the file: %v", err, there)
		}
	}
}

// A file that comes while ours is being made is changed, not written over.
func TestAFileThatComesMeanwhileIsNotWrittenOver(t *testing.T) {
	theirs, err := parquetfile.New(mappingColumns, []map[string]any{{"cid": "theirs", "status": PinPending}})
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t)
	path := filepath.Join(h.Path(), mappingFile("nas"))
	came := false
	h.root = faulty.Wrap(h.root, func(op, name string) error {
		if (op == "rename" || op == "link") && name == mappingFile("nas") && !came {
			came = true
			write(t, path, string(theirs))
		}
		return nil
	})
	if err := h.UpdatePins(t.Context(), "nas", []PinUpdate{{CID: "ours", Status: PinStored}}); err != nil {
		t.Fatal(err)
	}
	pins, err := h.ReadPins(t.Context(), "nas")
	if err != nil || len(pins) != 2 {
		t.Errorf("%+v %v", pins, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), tempPrefix+"*"))
	if err != nil || len(left) > 1 { // what was swapped out is looked at for a while
		t.Errorf("left: %q %v", left, err)
	}
}

// The folder of a mapping, and its name, survive a power loss before the mark is cleared.
func TestANewMappingSurvivesAPowerLoss(t *testing.T) {
	h := newHome(t)
	synced := map[string]bool{}
	h.root = faulty.Wrap(h.root, func(op, name string) error {
		if op == "syncdir" {
			synced[name] = true
		}
		return nil
	})
	if err := h.UpdatePins(t.Context(), "nas", []PinUpdate{{CID: "ours", Status: PinStored}}); err != nil {
		t.Fatal(err)
	}
	if !synced[dirBackends] || !synced[dirBackends+"/nas"] {
		t.Errorf("synced: %v", synced)
	}
}

// Whoever asks who serves a home holds its lock for an instant: a service that starts just then is not turned away.
func TestAQuestionWhoServesAHomeKeepsNoServiceFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		asks, err := os.Create(filepath.Join(h.Path(), fileLock))
		if err != nil {
			t.Fatal(err)
		}
		defer asks.Close()
		if err := syscall.Flock(int(asks.Fd()), syscall.LOCK_SH); err != nil {
			t.Fatal(err)
		}
		locked := make(chan error, 1)
		go func() {
			unlock, err := h.Lock(Owner{PID: 1})
			if err == nil {
				err = unlock()
			}
			locked <- err
		}()
		synctest.Wait()
		if err := syscall.Flock(int(asks.Fd()), syscall.LOCK_UN); err != nil {
			t.Fatal(err)
		}
		if err := <-locked; err != nil {
			t.Error(err)
		}
	})
}
