package ipfs_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/conformance"
	"ipfskit.org/intelligent/internal/backend/ipfs"
	"ipfskit.org/intelligent/internal/clock"
)

func deps() ipfs.Deps {
	return ipfs.Deps{Clock: clock.System, Lane: backend.NewLane(4, clock.System)}
}

// open opens the real node under a backend's name of the test's own, and unpins all of it in the end.
func open(t *testing.T, k *kubo) *ipfs.Adapter {
	t.Helper()
	a, err := ipfs.Open(t.Context(), ipfs.Config{Name: t.Name(), API: k.api, Token: kuboToken}, deps())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unpinAll(t, a) })
	return a
}

func unpinAll(t *testing.T, a *ipfs.Adapter) {
	t.Helper()
	ctx := context.Background()
	err := a.List(ctx, func(i backend.Item) error { return a.Remove(ctx, i.CID) })
	if err := errors.Join(err, a.Close()); err != nil {
		t.Errorf("unpin all: %v", err)
	}
}

func TestConformance(t *testing.T) {
	k := startKubo(t)
	traits := conformance.Traits{OtherCAR: true, OwnIdentity: true, NoMend: true, NoObjects: true}
	conformance.Run(t, traits, func(t *testing.T) conformance.Backend {
		open(t, k)
		return conformance.Backend{
			Open: func(ctx context.Context) (backend.Adapter, error) {
				return ipfs.Open(ctx, ipfs.Config{Name: t.Name(), API: k.api, Token: kuboToken}, deps())
			},
			Damage: func(t *testing.T, c cid.Cid) { k.damage(t) },
		}
	})
}

// damage changes a byte in every leaf that the tests make (1 KiB of random bytes)
// in the node's repository, until the test ends.
func (k *kubo) damage(t *testing.T) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(k.repo, "blocks"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".data") {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil || len(data) != 1024 {
			return err
		}
		n++
		t.Cleanup(func() {
			if err := os.WriteFile(p, data, 0o600); err != nil {
				t.Errorf("mend the node: %v", err)
			}
		})
		bad := bytes.Clone(data)
		bad[500] ^= 1
		return os.WriteFile(p, bad, 0o600)
	})
	if err != nil || n == 0 {
		t.Fatalf("%d blocks damaged: %v", n, err)
	}
}

// remove takes the file of a block away from the node's repository.
func (k *kubo) remove(t *testing.T, block []byte) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(k.repo, "blocks"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".data") {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil || !bytes.Equal(data, block) {
			return err
		}
		n++
		return os.Remove(p)
	})
	if err != nil || n != 1 {
		t.Fatalf("%d files removed: %v", n, err)
	}
}
