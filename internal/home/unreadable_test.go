package home

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/parquetfile"
)

func (h *Home) putTable(t *testing.T, name string, cols []parquetfile.ColumnSpec, rows ...map[string]any) {
	t.Helper()
	data, err := parquetfile.New(cols, rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(h.Path(), name)), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.Path(), name), string(data))
}

// A server that went away, or a disk that fails, says of no file that it is not there.
func TestAFileThatCannotBeLookedAtKeepsWhatWasKnown(t *testing.T) {
	h := newHome(t)
	h.putTable(t, fileRegistry, healthColumns, map[string]any{"name": "nas", "type": "filesystem"})
	h.putTable(t, fileBuckets, []parquetfile.ColumnSpec{{Name: "bucket_name"}}, map[string]any{"bucket_name": "photos"})
	h.putTable(t, mappingFile("nas"), mappingColumns, map[string]any{"cid": "a", "status": PinPending})
	h.put(t, dirBackends+"/nas/"+nameMark, mark)
	look := func() (rows, buckets, pins int, dirty, failed bool) {
		t.Helper()
		r, err1 := h.ReadRegistry(t.Context())
		b, problems, err2 := h.ReadBuckets(t.Context())
		p, err3 := h.PinSummary(t.Context(), "nas")
		d := h.dirty(t, "nas")
		if err2 != nil {
			t.Fatal(err2)
		}
		return len(r), len(b.List), p.Total, d.IsDirty, err1 != nil && len(problems) > 0 && err3 != nil && len(d.Problems) > 0
	}
	if rows, buckets, pins, dirty, failed := look(); rows != 1 || buckets != 1 || pins != 1 || !dirty || failed {
		t.Fatal(rows, buckets, pins, dirty, failed)
	}
	h.root = faulty.Wrap(h.root, func(op, name string) error {
		if op == "stat" || op == "open" {
			return &fs.PathError{Op: op, Path: name, Err: syscall.ESTALE}
		}
		return nil
	})
	if rows, buckets, pins, dirty, failed := look(); rows != 1 || buckets != 1 || pins != 1 || !dirty || !failed {
		t.Error(rows, buckets, pins, dirty, failed)
	}
}

// The path of an index comes from a file that anybody may write: what it names is counted, and nothing else is forgotten for it.
func TestARegistryThatIsItsOwnIndexKeepsItsBuckets(t *testing.T) {
	h := newHome(t)
	clk, opened := &clock.Shifted{}, 0
	h.clk = clk
	h.root = faulty.Wrap(h.root, func(op, name string) error {
		if op == "open" && name == fileBuckets {
			if opened++; opened == 2 { // from here on the file is old enough to be read once
				clk.Shift(time.Minute)
			}
		}
		return nil
	})
	h.putTable(t, fileBuckets, []parquetfile.ColumnSpec{{Name: "bucket_name"}, {Name: "vfs_index_path"}},
		map[string]any{"bucket_name": "photos", "vfs_index_path": fileBuckets}, map[string]any{"bucket_name": "mail", "vfs_index_path": ""})
	for range 3 {
		if b, problems, err := h.ReadBuckets(t.Context()); err != nil || len(b.List) != 2 {
			t.Fatalf("%+v %v %v", b, problems, err)
		}
	}
}
