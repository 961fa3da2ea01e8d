package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unpack gives the folder of a real home.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "xzf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), ".ipfs_kit")
}

type counted struct {
	Backends []string                  `json:"backends"`
	Dirty    []string                  `json:"dirty"`
	Buckets  []string                  `json:"buckets"`
	Pins     map[string]map[string]int `json:"pins"`
}

func count(t *testing.T, dir string) counted {
	t.Helper()
	h, err := home.Open(dir, home.Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	c := New(h)
	if _, err := c.RefreshAll(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	out := counted{Backends: []string{}, Dirty: []string{}, Buckets: []string{}, Pins: map[string]map[string]int{}}
	for _, name := range c.Names() {
		b, _ := c.Get(name)
		if b.Pins.Total > 0 {
			out.Pins[name] = b.Pins.ByStatus
		}
		if !b.Counted() {
			continue
		}
		out.Backends = append(out.Backends, name)
		if b.IsDirty() {
			out.Dirty = append(out.Dirty, name)
		}
	}
	for _, b := range c.Buckets().List {
		out.Buckets = append(out.Buckets, b.Key)
	}
	slices.Sort(out.Buckets)
	for _, p := range c.Problems() {
		if !strings.HasSuffix(p.File, "/my_fs.yaml") { // a filesystem backend that upstream made without a path
			t.Errorf("a problem with a real home: %v", p)
		}
	}
	return out
}

func TestRealHomesAreCountedAsPandasCountsThem(t *testing.T) {
	python := testenv.Python(t)
	homes, err := filepath.Glob("testdata/homes/*.tar.gz")
	if err != nil || len(homes) < 12 {
		t.Fatal(homes, err)
	}
	for _, archive := range homes {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			dir := unpack(t, archive)
			if _, err := os.Stat(dir); err != nil {
				t.Skip("the archive holds no home of that name")
			}
			cmd := exec.Command(python, "testdata/count.py", dir)
			cmd.Stderr = os.Stderr
			text, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var want counted
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			got := count(t, dir)
			for what, pair := range map[string][2][]string{"backends": {got.Backends, want.Backends}, "dirty": {got.Dirty, want.Dirty}, "buckets": {got.Buckets, want.Buckets}} {
				if !slices.Equal(pair[0], pair[1]) {
					t.Errorf("%s: %q, pandas says %q", what, pair[0], pair[1])
				}
			}
			for name, w := range want.Pins {
				if !maps.Equal(got.Pins[name], w) {
					t.Errorf("pins of %s: %v, pandas says %v", name, got.Pins[name], w)
				}
			}
		})
	}
}

func TestReadingLeavesARealHomeAsItIs(t *testing.T) {
	homes, err := filepath.Glob("testdata/homes/*.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, archive := range homes {
		dir := unpack(t, archive)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		before := snapshot(t, dir)
		count(t, dir)
		if after := snapshot(t, dir); after != before {
			t.Errorf("%s was changed:\n%s\n%s", archive, before, after)
		}
	}
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var sb strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			fmt.Fprintln(&sb, path, fi.Size(), fi.ModTime().UnixNano(), fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sb.String()
}
