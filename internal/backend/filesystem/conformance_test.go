package filesystem_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/conformance"
	"ipfskit.org/intelligent/internal/backend/filesystem"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
)

func deps() filesystem.Deps {
	return filesystem.Deps{Clock: clock.System, Lane: backend.NewLane(1, clock.System)}
}

func open(t *testing.T, dir string, d filesystem.Deps) *filesystem.Adapter {
	t.Helper()
	a, err := filesystem.Open(t.Context(), filesystem.Config{Name: "fs1", Path: dir}, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}

// files lists all files below dir, relative to it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, rerr := filepath.Rel(dir, p)
			out, err = append(out, rel), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func partFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, f := range files(t, dir) {
		if strings.HasSuffix(f, ".part") {
			out = append(out, f)
		}
	}
	return out
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Traits{}, func(t *testing.T) conformance.Backend {
		dir, d := t.TempDir(), deps()
		d.WrapRoot = func(r fsys.Root) fsys.Root { return r }
		return conformance.Backend{
			Open: func(ctx context.Context) (backend.Adapter, error) {
				return filesystem.Open(ctx, filesystem.Config{Name: "fs1", Path: dir}, d)
			},
			Leftovers: func(t *testing.T) []string { return partFiles(t, dir) },
			Damage:    func(t *testing.T, c cid.Cid) { flip(t, filepath.Join(dir, "cars", c.String()+".car")) },
		}
	})
}

// flip changes one byte in the middle of a file.
func flip(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
