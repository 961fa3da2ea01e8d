package home

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/testenv"
)

// Python rewrites the same mapping and registry, in place and unlocked, while we do: no row, column or value of either side is lost.
func TestPythonRewritingParquetMeanwhileLosesNothing(t *testing.T) {
	t.Parallel() // it waits for a minute until all is merged
	python := testenv.Python(t)
	h := newHome(t)
	const n = 1000
	script := `
import sys, time, pandas as pd
home, n = sys.argv[1], int(sys.argv[2])
m, r = home + "/backends/nas/pin_mappings.parquet", home + "/backend_index/backend_registry.parquet"
for i in range(n):
    for path, key, row in ((m, "cid", {"cid": f"py{i}", "car_file_path": "", "backend_name": "nas", "created_at": "2026-01-01T00:00:00", "status": "pending", "metadata": "{}", "extra": i}),
                           (r, "name", {"name": f"py{i}", "type": "s3", "endpoint": None, "health_status": "healthy", "last_check": "2026-01-01T00:00:00", "response_time_ms": 1.0, "error_count": 0, "pin_count": i, "storage_usage": 0, "mine": f"x{i}"})):
        for _ in range(50):
            try:
                d = pd.read_parquet(path); break
            except FileNotFoundError:
                d = pd.DataFrame(); break
            except Exception:
                time.sleep(0.002)
        d = pd.concat([d, pd.DataFrame([row])], ignore_index=True)
        d.to_parquet(path, index=False)
`
	if err := os.MkdirAll(filepath.Join(h.Path(), "backends/nas"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", script, h.Path(), fmt.Sprint(n))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ours, written := 0, []bool{}
	for running := true; running; ours++ {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		name := fmt.Sprintf("go%d", ours)
		err := h.UpdatePins(t.Context(), "nas", []PinUpdate{{CID: name, Status: PinStored}})
		if err != nil && !strings.Contains(err.Error(), "damaged") {
			t.Fatal(err) // a file that Python is in the middle of writing is said to be damaged
		}
		written = append(written, err == nil)
		if err := h.UpdateRegistry(t.Context(), []RegistryUpdate{{Name: name, Health: &RegistryHealth{Status: "healthy", Type: "filesystem", CheckedAt: time.Now()}}}); err != nil && !strings.Contains(err.Error(), "damaged") {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.late.Wait()
	pins, err := h.ReadPins(t.Context(), "nas")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range pins {
		have[p.CID] = true
	}
	rows, err := h.ReadRegistry(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, r := range rows {
		listed[r.Name] = true
	}
	for i := range n {
		if name := fmt.Sprintf("py%d", i); !have[name] || !listed[name] {
			t.Errorf("Python's row %s: in the mapping %v, in the registry %v", name, have[name], listed[name])
		}
	}
	for i := range written {
		if name := fmt.Sprintf("go%d", i); written[i] && !have[name] {
			t.Errorf("our row %s is not in the mapping", name)
		}
	}
	check := `
import sys, pandas as pd
m = pd.read_parquet(sys.argv[1] + "/backends/nas/pin_mappings.parquet"); r = pd.read_parquet(sys.argv[1] + "/backend_index/backend_registry.parquet")
for i in range(int(sys.argv[2])):
    assert (m[m.cid == f"py{i}"].extra == i).all(), f"extra of py{i}: {m[m.cid == f'py{i}']}"
    assert (r[r.name == f"py{i}"].mine == f"x{i}").all(), f"mine of py{i}"
`
	if out, err := exec.Command(python, "-c", check, h.Path(), fmt.Sprint(n)).CombinedOutput(); err != nil {
		t.Errorf("a column of Python's is lost: %s", out)
	}
}

func TestDirtyColumnsFollowAsUpstreamWritesThem(t *testing.T) {
	h := newHome(t)
	if err := h.UpdateRegistry(t.Context(), []RegistryUpdate{{Name: "nas", Health: &RegistryHealth{Status: "healthy", Type: "filesystem", CheckedAt: time.Now(), PinCount: 3}}}); err != nil {
		t.Fatal(err)
	}
	no := false
	if err := h.UpdateRegistry(t.Context(), []RegistryUpdate{{Name: "nas", Dirty: &no, LastSync: time.Now()}, {Name: "nobody", Dirty: &no}}); err != nil {
		t.Fatal(err)
	}
	rows, err := h.ReadRegistry(t.Context())
	if err != nil || len(rows) != 1 || rows[0].Health != "healthy" || rows[0].PinCount != 3 {
		t.Errorf("%+v %v", rows, err)
	}
}

func TestTwoServicesOnOneHome(t *testing.T) {
	h := newHome(t)
	unlock, err := h.Lock(Owner{PID: 7, Host: "here", Bus: "b"})
	if err != nil {
		t.Fatal(err)
	}
	other := openHome(t, h.Path())
	if _, err := other.Lock(Owner{PID: 8}); err == nil || !strings.Contains(err.Error(), "process 7 on here") {
		t.Errorf("error %v", err)
	}
	if o, ok := ServedBy(h.Path()); !ok || o.PID != 7 {
		t.Errorf("%+v %v", o, ok)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = other.Lock(Owner{PID: 8})
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("name: nas\ntype: filesystem\nstorage_path: /mnt\nlimits: {transfers: 2}\n")
	f.Add("config:\n  api_url: http://u:p@h:5001\ntype: ipfs\n")
	f.Fuzz(func(_ *testing.T, text string) {
		c := Config{Name: "x", File: "x.yaml"}
		parseConfig(&c, []byte(text))
		_, _, _ = c.Endpoint(), c.Target(), c.RootPath()
	})
}

func FuzzBucketDocuments(f *testing.F) {
	f.Add("{\"buckets\": {\"a\": {\"bucket_id\": \"x/a\"}}}")
	f.Fuzz(func(_ *testing.T, text string) {
		parseBucketDoc("a.json", []byte(text))
		parseBucketDoc("a.yaml", []byte(text))
	})
}
