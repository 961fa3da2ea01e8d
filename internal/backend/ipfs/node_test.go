package ipfs_test

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/ipfs"
)

func put(t *testing.T, a *ipfs.Adapter, seed uint64, blocks int) cid.Cid {
	t.Helper()
	c, data := cartest.Random(t, seed, blocks)
	if _, err := a.Put(t.Context(), c, source(data), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRealNodesPinsOfOthersAreLeftAlone(t *testing.T) {
	k := startKubo(t)
	a := open(t, k)
	c := put(t, a, 71, 20)
	if got, err := k.Ask(t, "pin/ls", url.Values{"arg": {c.String()}, "names": {"true"}}); err != nil || !strings.Contains(got, `"ipfs-kit:`+t.Name()) {
		t.Errorf("the pin has no name of ours: %s %v", got, err)
	}
	if err := a.Remove(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	// A person pins the same content.
	if _, err := k.Ask(t, "pin/add", url.Values{"arg": {c.String()}, "name": {"holiday"}}); err != nil {
		t.Fatal(err)
	}
	put(t, a, 71, 20)
	if _, err := a.Stat(t.Context(), c); err != nil {
		t.Errorf("stat: %v", err)
	}
	if err := a.Remove(t.Context(), c); err != nil {
		t.Errorf("remove: %v", err)
	}
	got, err := k.Ask(t, "pin/ls", url.Values{"arg": {c.String()}, "names": {"true"}})
	if err != nil || !strings.Contains(got, `"holiday"`) {
		t.Errorf("the person's pin: %s %v", got, err)
	}
	if _, err := k.Ask(t, "pin/rm", url.Values{"arg": {c.String()}}); err != nil {
		t.Error(err)
	}
}

func TestRealNodeIsASourceOfWhatItOnlyHappensToHave(t *testing.T) {
	k := startKubo(t)
	a := open(t, k)
	c := put(t, a, 72, 20)
	if err := a.Remove(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Open(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("open: %v", err)
	}
	r, err := a.OpenCached(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = carfile.Verify(t.Context(), r, c, carfile.Limits{})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Error(err)
	}
	nobody, _ := cartest.Random(t, 999999, 20)
	if _, err := a.OpenCached(t.Context(), nobody); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("what nobody has: %v", err)
	}
}

func TestRealNodeReadsOtherKindsOfCAR(t *testing.T) {
	k := startKubo(t)
	a := open(t, k)
	leaf := cartest.Raw(t, []byte("leaf of a dag-cbor"))
	cbor := cartest.CBOR(t, leaf)
	file := cartest.File(t, 73, 30)
	v0 := cid.NewCidV0(file[0].CID.Hash())
	stray := cartest.Raw(t, []byte("another root"))
	for name, tc := range map[string]struct {
		c    cid.Cid
		data []byte
	}{
		"dag-cbor":         {cbor.CID, cartest.Build(t, []cid.Cid{cbor.CID}, []cartest.Block{leaf, cbor})},
		"version 2":        {file[0].CID, cartest.V2(t, cartest.Build(t, []cid.Cid{file[0].CID}, file), nil)},
		"CID of version 0": {v0, cartest.Build(t, []cid.Cid{v0}, append([]cartest.Block{{CID: v0, Data: file[0].Data}}, file[1:]...))},
		"two roots":        {cbor.CID, cartest.Build(t, []cid.Cid{stray.CID, cbor.CID}, []cartest.Block{cbor, leaf, stray})},
	} {
		if _, err := a.Put(t.Context(), tc.c, source(tc.data), nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := a.Verify(t.Context(), tc.c); err != nil {
			t.Errorf("%s: verify: %v", name, err)
		}
		if _, err := a.DeepVerify(t.Context(), tc.c); err != nil {
			t.Errorf("%s: deep verify: %v", name, err)
		}
	}
	if _, err := a.Stat(t.Context(), stray.CID); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("another root of the CAR was pinned: %v", err)
	}
}

func TestRealNodeRefusesWrongCredentials(t *testing.T) {
	k := startKubo(t)
	for name, cfg := range map[string]ipfs.Config{
		"none": {}, "wrong token": {Token: "wrong"}, "wrong password": {Username: "somebody", Password: "wrong"},
	} {
		cfg.Name, cfg.API = "n", k.API
		a, err := ipfs.Open(t.Context(), cfg, deps())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Check(t.Context()); backend.ClassOf(err) != backend.ClassAuth {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	a, err := ipfs.Open(t.Context(), ipfs.Config{Name: "n", API: k.API, Username: "somebody", Password: kuboToken}, deps())
	if err != nil {
		t.Fatal(err)
	}
	h, err := a.Check(t.Context())
	if err := errors.Join(err, a.Close()); err != nil || h.Version == "" || h.Usage.AvailableBytes <= 0 {
		t.Errorf("basic authorization: %+v %v", h, err)
	}
}

func TestRealNodeLosesABlock(t *testing.T) {
	k := startKubo(t)
	a := open(t, k)
	root := cartest.File(t, 74, 20)
	whole := cartest.Build(t, []cid.Cid{root[0].CID}, root)
	if _, err := a.Put(t.Context(), root[0].CID, source(whole), nil); err != nil {
		t.Fatal(err)
	}
	// Nobody may remove a pinned block, but a disk can.
	k.RemoveBlock(t, root[5].Data)
	var corrupt *backend.CorruptError
	if _, err := a.DeepVerify(t.Context(), root[0].CID); !errors.As(err, &corrupt) {
		t.Errorf("deep verify: %v", err)
	}
	if _, err := a.Verify(t.Context(), root[0].CID); !errors.As(err, &corrupt) {
		t.Errorf("verify: %v", err)
	}
	if _, err := a.Put(t.Context(), root[0].CID, source(whole), nil); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := a.DeepVerify(t.Context(), root[0].CID); err != nil {
		t.Errorf("a block that was missing is mended by a put: %v", err)
	}
}

func TestRealNodeGivesBackWhatWasPut(t *testing.T) {
	k := startKubo(t)
	a := open(t, k)
	bs := cartest.File(t, 75, 200)
	c := put(t, a, 75, 200)
	r, err := a.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	for _, b := range bs {
		if !bytes.Contains(got, cartest.Section(b)) {
			t.Fatalf("block %s is not in it", b.CID)
		}
	}
}
