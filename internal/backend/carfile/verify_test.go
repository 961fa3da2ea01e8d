package carfile_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
)

func verify(t testing.TB, data []byte, want cid.Cid) (carfile.Summary, error) {
	return carfile.Verify(t.Context(), bytes.NewReader(data), want, carfile.Limits{})
}

func TestWholeCARsAreProven(t *testing.T) {
	for _, n := range []int{1, 2, 17, 18, 19, 100, 400} {
		root, data := cartest.Random(t, uint64(n), n)
		sum := sha256.Sum256(data)
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
			"end with data": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			got, err := carfile.Verify(t.Context(), r, root, carfile.Limits{})
			if err != nil {
				t.Fatalf("%d blocks, %s: %v", n, name, err)
			}
			var length int64
			for _, b := range cartest.File(t, uint64(n), n) {
				length += int64(len(b.Data))
			}
			want := carfile.Summary{Data: length, Root: root, Version: 1, Blocks: int64(n), Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
			if got != want {
				t.Errorf("%d blocks, %s: got %+v, want %+v", n, name, got, want)
			}
		}
	}
}

func TestBlocksMayComeInAnyOrderAndTwice(t *testing.T) {
	bs := cartest.File(t, 7, 60)
	root := bs[0].CID
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		mixed := append(slices.Clone(bs), bs[rnd.IntN(len(bs))], bs[0])
		rnd.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if _, err := verify(t, cartest.Build(t, []cid.Cid{root}, mixed), root); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func TestVersion2IsRead(t *testing.T) {
	root, v1 := cartest.Random(t, 1, 40)
	for name, index := range map[string][]byte{"no index": nil, "index": bytes.Repeat([]byte{7}, 999)} {
		data := cartest.V2(t, v1, index)
		got, err := verify(t, data, root)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Version != 2 || got.Blocks != 40 || got.Bytes != int64(len(data)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCutOffIsNeverProven(t *testing.T) {
	root, v1 := cartest.Random(t, 3, 5)
	for name, data := range map[string][]byte{"version 1": v1, "version 2": cartest.V2(t, v1, nil)} {
		for n := range data {
			_, err := verify(t, data[:n], root)
			var c *backend.CorruptError
			if !errors.As(err, &c) {
				t.Fatalf("%s cut at %d of %d: %v", name, n, len(data), err)
			}
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	root, v1 := cartest.Random(t, 4, 3)
	for i := range v1 {
		bad := bytes.Clone(v1)
		bad[i] ^= 0x41
		if _, err := verify(t, bad, root); err == nil {
			t.Fatalf("byte %d of %d", i, len(v1))
		}
	}
}

func TestMissingBlocksAreNamed(t *testing.T) {
	bs := cartest.File(t, 5, 40)
	for i := range bs {
		rest := slices.Delete(slices.Clone(bs), i, i+1)
		_, err := verify(t, cartest.Build(t, []cid.Cid{bs[0].CID}, rest), bs[0].CID)
		var m *carfile.MissingError
		if !errors.As(err, &m) || m.Count != 1 || !m.First.Equals(bs[i].CID) || !strings.Contains(err.Error(), bs[i].CID.String()) {
			t.Errorf("without block %d: %v", i, err)
		}
	}
	_, err := verify(t, cartest.Build(t, []cid.Cid{bs[0].CID}, nil), bs[0].CID)
	var m *carfile.MissingError
	if !errors.As(err, &m) {
		t.Errorf("without any block: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	a, b := cartest.Raw(t, []byte("a")), cartest.Raw(t, []byte("b"))
	other := cartest.Node(t, nil, nil)
	lying := cartest.Block{CID: a.CID, Data: []byte("x")}
	weak := cartest.Sum(t, cid.Raw, multihash.MURMUR3X64_64, -1, []byte("a"))
	short := cartest.Sum(t, cid.Raw, multihash.SHA2_256, 10, []byte("a"))
	git := cartest.Sum(t, 0x78, multihash.SHA2_256, -1, []byte("blob 0"))
	noPB := cartest.Sum(t, cid.DagProtobuf, multihash.SHA2_256, -1, []byte("\xff\xff\xff"))
	deep := cartest.Sum(t, cid.DagCBOR, multihash.SHA2_256, -1, bytes.Repeat([]byte{0x81}, 1<<20))
	deepJSON := cartest.Sum(t, cid.DagJSON, multihash.SHA2_256, -1, bytes.Repeat([]byte{'['}, 1<<20))
	one := func(b cartest.Block) []byte { return cartest.Build(t, []cid.Cid{b.CID}, []cartest.Block{b}) }
	tests := map[string]struct {
		data []byte
		want cid.Cid
		says string
	}{
		"nothing":             {nil, a.CID, "header"},
		"no CAR":              {[]byte(strings.Repeat("this is not a CAR at all", 9)), a.CID, "header"},
		"HTML":                {[]byte("<html><body>404</body></html>"), a.CID, "header"},
		"root not named":      {cartest.Build(t, []cid.Cid{b.CID}, []cartest.Block{a, b}), a.CID, "not among its roots"},
		"no roots":            {cartest.Build(t, nil, []cartest.Block{a}), a.CID, "not among its roots"},
		"other codec":         {cartest.Build(t, []cid.Cid{other.CID}, []cartest.Block{other}), cid.NewCidV1(cid.Raw, other.CID.Hash()), "not among its roots"},
		"other content":       {one(lying), a.CID, "holds other content"},
		"extra block is bad":  {cartest.Build(t, []cid.Cid{b.CID}, []cartest.Block{b, lying}), b.CID, "holds other content"},
		"weak hash":           {one(weak), weak.CID, "proves nothing"},
		"short hash":          {one(short), short.CID, "proves nothing"},
		"unknown codec":       {one(git), git.CID, "codec 0x78"},
		"no dag-pb":           {one(noPB), noPB.CID, "dag-pb"},
		"deep dag-cbor":       {one(deep), deep.CID, "dag-cbor"},
		"deep dag-json":       {one(deepJSON), deepJSON.CID, "dag-json"},
		"trailing garbage":    {append(one(a), 0x05, 1, 2), a.CID, "section 1"},
		"length without data": {append(one(a), 0x05), a.CID, "cut off"},
		"huge section":        {append(one(a), 0xff, 0xff, 0xff, 0xff, 0x7f), a.CID, "section 1"},
		"undefined CID":       {one(a), cid.Undef, "no CID"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := verify(t, tc.data, tc.want)
			var c *backend.CorruptError
			if !errors.As(err, &c) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want a CorruptError that says %q", err, tc.says)
			}
		})
	}
}

func TestHashFunctionsAndCodecsThatAreKnown(t *testing.T) {
	leaf := cartest.Sum(t, cid.Raw, multihash.BLAKE2B_MIN+31, -1, []byte("leaf"))
	sha3 := cartest.Sum(t, cid.Raw, multihash.SHA3_256, -1, []byte("sha3"))
	blake3 := cartest.Sum(t, cid.Raw, multihash.BLAKE3, -1, []byte("blake3"))
	sha512 := cartest.Sum(t, 0x0200, multihash.SHA2_512, -1, []byte(`{"json":1}`))
	inline := cartest.Sum(t, cid.Raw, multihash.IDENTITY, -1, []byte("in the CID"))
	pb := cartest.Node(t, []byte("pb"), []cartest.Block{leaf, sha3})
	json := cartest.Sum(t, cid.DagJSON, multihash.SHA2_256, -1, []byte(`{"l":[{"/":"`+pb.CID.String()+`"}]}`))
	root := cartest.CBOR(t, json, blake3, sha512, inline)
	all := []cartest.Block{root, json, pb, leaf, sha3, blake3, sha512}
	if _, err := verify(t, cartest.Build(t, []cid.Cid{root.CID}, all), root.CID); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(all); i++ {
		rest := slices.Delete(slices.Clone(all), i, i+1)
		var m *carfile.MissingError
		if _, err := verify(t, cartest.Build(t, []cid.Cid{root.CID}, rest), root.CID); !errors.As(err, &m) {
			t.Errorf("without %s: %v", all[i].CID, err)
		}
	}
}

func TestInlineContentIsFollowed(t *testing.T) {
	leaf := cartest.Raw(t, []byte("leaf"))
	node := cartest.CBOR(t, leaf)
	inline := cartest.Sum(t, cid.DagCBOR, multihash.IDENTITY, -1, node.Data)
	root := cartest.CBOR(t, inline)
	if _, err := verify(t, cartest.Build(t, []cid.Cid{root.CID}, []cartest.Block{root, leaf}), root.CID); err != nil {
		t.Error(err)
	}
	var m *carfile.MissingError
	if _, err := verify(t, cartest.Build(t, []cid.Cid{root.CID}, []cartest.Block{root}), root.CID); !errors.As(err, &m) {
		t.Errorf("what an inline node links to is missing: %v", err)
	}
	if _, err := verify(t, cartest.Build(t, []cid.Cid{inline.CID}, []cartest.Block{leaf}), inline.CID); err != nil {
		t.Errorf("an inline root needs no block: %v", err)
	}
}

func TestVersionOfACIDDoesNotMatter(t *testing.T) {
	root := cartest.File(t, 9, 4)
	v0 := cid.NewCidV0(root[0].CID.Hash())
	if _, err := verify(t, cartest.Build(t, []cid.Cid{root[0].CID}, root), v0); err != nil {
		t.Error(err)
	}
	if _, err := verify(t, cartest.Build(t, []cid.Cid{v0}, root), root[0].CID); err != nil {
		t.Error(err)
	}
}

func TestBlocksThatBelongToNothingAreAllowed(t *testing.T) {
	root, stray := cartest.Raw(t, []byte("root")), cartest.Raw(t, []byte("stray"))
	half := cartest.Node(t, nil, []cartest.Block{cartest.Raw(t, []byte("elsewhere"))})
	data := cartest.Build(t, []cid.Cid{root.CID, half.CID}, []cartest.Block{stray, root, half})
	if _, err := verify(t, data, root.CID); err != nil {
		t.Error(err)
	}
}

func TestLimitsHold(t *testing.T) {
	root, data := cartest.Random(t, 2, 50)
	bs := cartest.File(t, 2, 50)
	slices.Reverse(bs)
	backwards := cartest.Build(t, []cid.Cid{root}, bs)
	for name, tc := range map[string]struct {
		data []byte
		lim  carfile.Limits
		says string
	}{
		"large block":          {data, carfile.Limits{BlockBytes: 500}, "section"},
		"many blocks":          {data, carfile.Limits{Blocks: 10}, "more than 10"},
		"many, children first": {backwards, carfile.Limits{Blocks: 20}, "more than 20"},
		"long":                 {data, carfile.Limits{Bytes: 5000}, "longer than 5000"},
	} {
		_, err := carfile.Verify(t.Context(), bytes.NewReader(tc.data), root, tc.lim)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadersOwnErrorIsNoDamage(t *testing.T) {
	root, data := cartest.Random(t, 6, 20)
	broken := errors.New("connection lost")
	for n := 0; n < len(data); n += 97 {
		r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
		_, err := carfile.Verify(t.Context(), r, root, carfile.Limits{})
		var c *backend.CorruptError
		if !errors.Is(err, broken) || errors.As(err, &c) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	root, data := cartest.Random(t, 6, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := carfile.Verify(ctx, bytes.NewReader(data), root, carfile.Limits{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCopyWritesEveryByte(t *testing.T) {
	root, v1 := cartest.Random(t, 8, 30)
	data := cartest.V2(t, v1, []byte("an index"))
	var out bytes.Buffer
	if _, err := carfile.Copy(t.Context(), &out, bytes.NewReader(data), root, carfile.Limits{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%d bytes of %d", out.Len(), len(data))
	}
	full := errors.New("disk full")
	if _, err := carfile.Copy(t.Context(), failing{full}, bytes.NewReader(data), root, carfile.Limits{}); !errors.Is(err, full) {
		t.Errorf("writer's error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// Whatever DAG, whatever order: whole is proven, and any one block less is not.
func TestCompletenessProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(rt, "nodes")
		nodes := []cartest.Block{cartest.Raw(t, []byte{0})}
		for i := 1; i < n; i++ {
			var children []cartest.Block
			for _, j := range rapid.SliceOfN(rapid.IntRange(0, i-1), 0, 4).Draw(rt, "children") {
				children = append(children, nodes[j])
			}
			children = append(children, nodes[i-1])
			if rapid.Bool().Draw(rt, "cbor") {
				nodes = append(nodes, cartest.CBOR(t, children...))
			} else {
				nodes = append(nodes, cartest.Node(t, []byte{byte(i)}, children))
			}
		}
		root := nodes[n-1].CID
		mixed := rapid.Permutation(nodes).Draw(rt, "order")
		if _, err := verify(t, cartest.Build(t, []cid.Cid{root}, mixed), root); err != nil {
			rt.Fatalf("whole: %v", err)
		}
		drop := rapid.IntRange(0, n-1).Draw(rt, "drop")
		rest := slices.DeleteFunc(slices.Clone(mixed), func(b cartest.Block) bool { return b.CID.Equals(nodes[drop].CID) })
		if _, err := verify(t, cartest.Build(t, []cid.Cid{root}, rest), root); err == nil {
			rt.Fatalf("block %d of %d is missing and was not missed", drop, n)
		}
	})
}

func FuzzVerify(f *testing.F) {
	root, data := cartest.Random(f, 1, 4)
	f.Add(data)
	f.Add(cartest.V2(f, data, []byte("index")))
	f.Add(data[:100])
	leaf := cartest.Raw(f, []byte("leaf"))
	cbor := cartest.CBOR(f, leaf)
	f.Add(cartest.Build(f, []cid.Cid{cbor.CID}, []cartest.Block{cbor, leaf}))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := carfile.Verify(t.Context(), bytes.NewReader(in), root, carfile.Limits{BlockBytes: 1 << 20})
		var c *backend.CorruptError
		if err != nil && !errors.As(err, &c) {
			t.Fatalf("untyped error %v", err)
		}
		if err == nil && s.Bytes != int64(len(in)) {
			t.Fatalf("read %d of %d bytes", s.Bytes, len(in))
		}
	})
}

func FuzzLinks(f *testing.F) {
	leaf := cartest.Raw(f, []byte("leaf"))
	f.Add(uint8(0), cartest.Node(f, []byte("x"), []cartest.Block{leaf}).Data)
	f.Add(uint8(1), cartest.CBOR(f, leaf).Data)
	f.Add(uint8(2), []byte(`{"/":"`+leaf.CID.String()+`"}`))
	f.Fuzz(func(t *testing.T, which uint8, in []byte) {
		b := cartest.Sum(t, []uint64{cid.DagProtobuf, cid.DagCBOR, cid.DagJSON}[which%3], multihash.SHA2_256, -1, in)
		_, err := verify(t, cartest.Build(t, []cid.Cid{b.CID}, []cartest.Block{b}), b.CID)
		var c *backend.CorruptError
		if err != nil && !errors.As(err, &c) {
			t.Fatalf("untyped error %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	root, data := cartest.Random(b, 1, 4000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := verify(b, data, root); err != nil {
			b.Fatal(err)
		}
	}
}
