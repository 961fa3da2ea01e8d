package home

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// A backup holds the files of its kind, however deep; no links, no locks and temporary files, and nothing of other kinds.
func TestBackupSetsListTheirFiles(t *testing.T) {
	h := newHome(t)
	for _, name := range []string{"buckets/b/deep/er/x", "buckets/a", "bucket_registry.parquet", "vfs_indices/v.parquet", "vfs_indices/.lock",
		"backends/nas/pin_mappings.parquet", "backends/nas/other", "backends/nas.yaml", "pin_metadata/p.parquet", "pins", "cars/c.car"} {
		file := filepath.Join(h.Path(), name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"buckets/link": "a", "buckets/up": "..", "backends/link": "nas"} {
		if err := os.Symlink(to, filepath.Join(h.Path(), link)); err != nil {
			t.Fatal(err)
		}
	}
	for kind, want := range map[string][]string{
		SetBuckets:  {"bucket_registry.parquet", "buckets/a", "buckets/b/deep/er/x", "vfs_indices/v.parquet"},
		SetMetadata: {"backends/nas/pin_mappings.parquet", "pin_metadata/p.parquet", "pins"},
	} {
		list, err := h.BackupSet(t.Context(), kind)
		var got []string
		for _, f := range list {
			got = append(got, f.Name)
			fi, err := os.Stat(filepath.Join(h.Path(), f.Name))
			if err != nil || f.Size != fi.Size() || !f.Modified.Equal(fi.ModTime()) || f.Stamp != stampOf(fi).String() {
				t.Errorf("%+v, but it is %v %v", f, fi, err)
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q %v, want %q", kind, got, err, want)
		}
	}
}
