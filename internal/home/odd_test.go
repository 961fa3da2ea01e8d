package home

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// Other programs keep times in columns of types of their own, and metadata as a group: rows are changed and added all the same.
func TestMappingsAndRegistriesWithColumnsOfOtherTypes(t *testing.T) {
	python := testenv.Python(t)
	run := func(script string, args ...string) string {
		t.Helper()
		out, err := exec.Command(python, append([]string{"-c", script}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	h := newHome(t)
	mapping, registry := filepath.Join(h.Path(), "backends/nas/pin_mappings.parquet"), filepath.Join(h.Path(), "backend_index/backend_registry.parquet")
	if err := errors.Join(os.MkdirAll(filepath.Dir(mapping), 0o755), os.MkdirAll(filepath.Dir(registry), 0o755)); err != nil {
		t.Fatal(err)
	}
	run(`import sys, datetime as dt, pyarrow as pa, pyarrow.parquet as pq
day = dt.datetime(2025, 1, 1)
pq.write_table(pa.table({"cid": ["Qm1"], "status": ["pending"], "created_at": pa.array([day], pa.timestamp("us", "UTC")),
  "updated_at": pa.array([None], pa.timestamp("ns")), "metadata": pa.array([{"x": 1}])}), sys.argv[1])
pq.write_table(pa.table({"name": ["nas"], "health_status": pa.array([None], pa.string()), "last_check": pa.array([day], pa.timestamp("ms")),
  "response_time_ms": [50.0], "dirty": [True], "last_sync": pa.array([None], pa.timestamp("us"))}), sys.argv[2])`, mapping, registry)
	if err := h.UpdatePins(t.Context(), "nas", []PinUpdate{{CID: "Qm1", Status: PinStored, Meta: map[string]any{"a": 1}}, {CID: "Qm2", Status: PinStored}}); err != nil {
		t.Fatal(err)
	}
	at, clean := time.Now(), false
	if err := h.UpdateRegistry(t.Context(), []RegistryUpdate{{Name: "nas", Dirty: &clean, LastSync: at, Health: &RegistryHealth{Status: "healthy", CheckedAt: at}}}); err != nil {
		t.Fatal(err)
	}
	said := run(`import sys, datetime as dt, pyarrow.parquet as pq
m, r = pq.read_table(sys.argv[1]).to_pylist(), pq.read_table(sys.argv[2]).to_pylist()[0]
near = lambda t, now: abs((now - t).total_seconds()) < 3600
utc, local = dt.datetime.now(dt.timezone.utc), dt.datetime.now()
print([x["status"] for x in m], m[0]["metadata"], m[0]["created_at"].year, near(m[1]["created_at"], utc), near(m[0]["updated_at"], utc.replace(tzinfo=None)),
  near(r["last_check"], local), near(r["last_sync"], local), r["response_time_ms"], r["dirty"])`, mapping, registry)
	if said != "['stored', 'stored'] {'x': 1} 2025 True True True True 50.0 False" {
		t.Error(said)
	}
}

// What others keep in the metadata of a row stays as they wrote it.
func TestMetadataOfOthersKeepsItsNumbers(t *testing.T) {
	got := mergeMeta(`{"big": 12345678901234567890, "none": NaN, "text": "NaN"}`, map[string]any{"a": 1})
	if got != `{"a":1,"big":12345678901234567890,"none":NaN,"text":"NaN"}` {
		t.Error(got)
	}
}
