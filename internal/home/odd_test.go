package home

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

// Python writes numbers that JSON has not, and people write names that YAML takes for numbers.
func TestRegistriesOfBucketsAreReadAsPythonAndPeopleWriteThem(t *testing.T) {
	h := newHome(t)
	h.put(t, "bucket_registry.json", `{"a": {"bucket_name": "a", "metadata": {"x": NaN, "y": -Infinity}}}`)
	h.put(t, "bucket_registry.yaml", "buckets:\n  2024: {type: general}\n  b: {type: general}\n")
	got, problems, err := h.ReadBuckets(t.Context())
	if err != nil || len(problems) > 0 || len(got.List) != 3 || got.List[0].Name != "2024" {
		t.Errorf("%v, %v, %+v", err, problems, got.List)
	}
	h.put(t, "bucket_registry.json", `{"a": {}} {"b": {}}`)
	if _, problems, err := h.ReadBuckets(t.Context()); err != nil || len(problems) != 1 {
		t.Errorf("%v, %v", err, problems)
	}
}

// What leads out of the home is not followed, and is not taken for a file that is not there.
func TestFilesThatLeadOutOfTheHomeAreTold(t *testing.T) {
	h := newHome(t)
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.WriteFile(aside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bucket_registry.parquet", "backends/nas/pin_mappings.parquet", "backend_index/backend_registry.parquet"} {
		path := filepath.Join(h.Path(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(aside, path)); err != nil {
			t.Fatal(err)
		}
	}
	if _, problems, err := h.ReadBuckets(t.Context()); err != nil || len(problems) != 1 {
		t.Errorf("buckets: %v, %v", err, problems)
	}
	if _, err := h.PinSummary(t.Context(), "nas"); err == nil {
		t.Error("the mapping is not told")
	}
	if _, err := h.ReadRegistry(t.Context()); err == nil {
		t.Error("the registry is not told")
	}
}

func TestARegistryWithoutNamesAndTimesThatAreNone(t *testing.T) {
	python := testenv.Python(t)
	h := newHome(t)
	if err := os.MkdirAll(filepath.Join(h.Path(), dirIndex), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(table string) {
		t.Helper()
		file := filepath.Join(h.Path(), "backend_index/backend_registry.parquet")
		script := "import sys, pyarrow as pa, pyarrow.parquet as pq\npq.write_table(pa.table(" + table + "), sys.argv[1])"
		if out, err := exec.Command(python, "-c", script, file).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	write(`{"type": ["s3"]}`)
	if _, err := h.ReadRegistry(t.Context()); err == nil || !strings.Contains(err.Error(), "without names") {
		t.Errorf("%v", err)
	}
	write(`{"name": ["a", "b", "c"], "response_time_ms": [float("inf"), -1.0, 2.0]}`)
	rows, err := h.ReadRegistry(t.Context())
	if err != nil || len(rows) != 3 || rows[0].ResponseMS != 0 || rows[1].ResponseMS != 0 || rows[2].ResponseMS != 2 {
		t.Errorf("%v, %+v", err, rows)
	}
}
