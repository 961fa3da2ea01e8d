package ipfs_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/conformance"
	"ipfskit.org/intelligent/internal/backend/ipfs"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/testenv"
)

func deps() ipfs.Deps {
	return ipfs.Deps{Clock: clock.System, Lane: backend.NewLane(4, clock.System)}
}

// open opens the real node under a backend's name of the test's own, and unpins all of it in the end.
func open(t *testing.T, k *testenv.Kubo) *ipfs.Adapter {
	t.Helper()
	a, err := ipfs.Open(t.Context(), ipfs.Config{Name: t.Name(), API: k.API, Token: kuboToken}, deps())
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
				return ipfs.Open(ctx, ipfs.Config{Name: t.Name(), API: k.API, Token: kuboToken}, deps())
			},
			Damage: func(t *testing.T, c cid.Cid) { k.Damage(t) },
		}
	})
}
