// Package cartest builds real CARs for tests.
package cartest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/ipfs/go-cid"
	car "github.com/ipld/go-car/v2"
	dagpb "github.com/ipld/go-codec-dagpb"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/datamodel"
	"github.com/ipld/go-ipld-prime/fluent/qp"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	"github.com/multiformats/go-multihash"
)

// Block is a block with its CID.
type Block struct {
	// CID of the data.
	CID cid.Cid
	// Data is the block's content.
	Data []byte
}

// leafSize in bytes of the random leaves.
const leafSize = 1 << 10

// Random builds the CAR of a UnixFS file of random content: one root and, for
// blocks over 1, the leaves below it in up to two levels. The same seed gives the same bytes.
func Random(t testing.TB, seed uint64, blocks int) (cid.Cid, []byte) {
	t.Helper()
	bs := File(t, seed, blocks)
	return bs[0].CID, Build(t, []cid.Cid{bs[0].CID}, bs)
}

// File gives the blocks of a UnixFS file of random content, the root first and parents before their children.
func File(t testing.TB, seed uint64, blocks int) []Block {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0x1f5)) //nolint:gosec // repeatable content is the purpose
	if blocks <= 1 {
		return []Block{leaf(t, rnd)}
	}
	const fanout = 16
	if blocks <= fanout+1 {
		return parent(t, leaves(t, rnd, blocks-1))
	}
	var children []Block
	var below [][]Block
	for left := blocks - 1; left > 0; {
		n := min(left, fanout+1)
		sub := leaves(t, rnd, n)
		if n > 1 {
			sub = parent(t, sub[:n-1])
		}
		children, below = append(children, sub[0]), append(below, sub[1:])
		left -= n
	}
	out := parent(t, children)[:1]
	for i, c := range children {
		out = append(append(out, c), below[i]...)
	}
	return out
}

func leaf(t testing.TB, rnd *rand.Rand) Block {
	data := make([]byte, leafSize)
	for i := 0; i < len(data); i += 8 {
		binary.LittleEndian.PutUint64(data[i:], rnd.Uint64())
	}
	return Raw(t, data)
}

func leaves(t testing.TB, rnd *rand.Rand, n int) []Block {
	out := make([]Block, n)
	for i := range out {
		out[i] = leaf(t, rnd)
	}
	return out
}

// parent makes a UnixFS file node over children, and puts it before them.
func parent(t testing.TB, children []Block) []Block {
	// A UnixFS node: type File (2), the file's size, the size of each child.
	var sizes []byte
	total := uint64(0)
	for _, c := range children {
		sizes = binary.AppendUvarint(append(sizes, 4<<3), uint64(len(c.Data)))
		total += uint64(len(c.Data))
	}
	data := binary.AppendUvarint([]byte{1 << 3, 2, 3 << 3}, total)
	return append([]Block{Node(t, append(data, sizes...), children)}, children...)
}

// Raw makes a raw block.
func Raw(t testing.TB, data []byte) Block {
	t.Helper()
	return Sum(t, cid.Raw, multihash.SHA2_256, -1, data)
}

// Sum makes a block with a CID of the codec and hash function; length -1 is the function's own.
func Sum(t testing.TB, codec, hash uint64, length int, data []byte) Block {
	t.Helper()
	c, err := cid.Prefix{Version: 1, Codec: codec, MhType: hash, MhLength: length}.Sum(data)
	if err != nil {
		t.Fatalf("hash a block: %v", err)
	}
	return Block{CID: c, Data: data}
}

// Node makes a dag-pb node with links to children.
func Node(t testing.TB, data []byte, children []Block) Block {
	t.Helper()
	n, err := qp.BuildMap(dagpb.Type.PBNode, 2, func(ma datamodel.MapAssembler) {
		qp.MapEntry(ma, "Links", qp.List(int64(len(children)), func(la datamodel.ListAssembler) {
			for _, c := range children {
				qp.ListEntry(la, qp.Map(3, func(ma datamodel.MapAssembler) {
					qp.MapEntry(ma, "Hash", qp.Link(cidlink.Link{Cid: c.CID}))
					qp.MapEntry(ma, "Name", qp.String(""))
					qp.MapEntry(ma, "Tsize", qp.Int(int64(len(c.Data))))
				}))
			}
		}))
		qp.MapEntry(ma, "Data", qp.Bytes(data))
	})
	if err != nil {
		t.Fatalf("build a dag-pb node: %v", err)
	}
	var buf bytes.Buffer
	if err := dagpb.Encode(n, &buf); err != nil {
		t.Fatalf("encode a dag-pb node: %v", err)
	}
	return Sum(t, cid.DagProtobuf, multihash.SHA2_256, -1, buf.Bytes())
}

// CBOR makes a dag-cbor list of links to children.
func CBOR(t testing.TB, children ...Block) Block {
	t.Helper()
	n, err := qp.BuildList(basicnode.Prototype.Any, int64(len(children)), func(la datamodel.ListAssembler) {
		for _, c := range children {
			qp.ListEntry(la, qp.Link(cidlink.Link{Cid: c.CID}))
		}
	})
	if err != nil {
		t.Fatalf("build a dag-cbor node: %v", err)
	}
	var buf bytes.Buffer
	if err := dagcbor.Encode(n, &buf); err != nil {
		t.Fatalf("encode a dag-cbor node: %v", err)
	}
	return Sum(t, cid.DagCBOR, multihash.SHA2_256, -1, buf.Bytes())
}

// Build writes a CAR of version 1, in the order given.
func Build(t testing.TB, roots []cid.Cid, blocks []Block) []byte {
	t.Helper()
	n, err := qp.BuildMap(basicnode.Prototype.Any, 2, func(ma datamodel.MapAssembler) {
		qp.MapEntry(ma, "roots", qp.List(int64(len(roots)), func(la datamodel.ListAssembler) {
			for _, r := range roots {
				qp.ListEntry(la, qp.Link(cidlink.Link{Cid: r}))
			}
		}))
		qp.MapEntry(ma, "version", qp.Int(1))
	})
	if err != nil {
		t.Fatalf("build a CAR's header: %v", err)
	}
	var head bytes.Buffer
	if err := dagcbor.Encode(n, &head); err != nil {
		t.Fatalf("encode a CAR's header: %v", err)
	}
	out := append(binary.AppendUvarint(nil, uint64(head.Len())), head.Bytes()...)
	for _, b := range blocks {
		out = append(out, Section(b)...)
	}
	return out
}

// Section is one block as it stands in a CAR.
func Section(b Block) []byte {
	c := b.CID.Bytes()
	out := binary.AppendUvarint(nil, uint64(len(c)+len(b.Data)))
	return append(append(out, c...), b.Data...)
}

// V2 wraps a CAR of version 1 in version 2, with index after it as it is.
func V2(t testing.TB, v1, index []byte) []byte {
	t.Helper()
	h := car.NewHeader(uint64(len(v1)))
	if len(index) == 0 {
		h.IndexOffset = 0
	}
	var buf bytes.Buffer
	buf.Write(car.Pragma)
	if _, err := h.WriteTo(&buf); err != nil {
		t.Fatalf("write a header of version 2: %v", err)
	}
	buf.Write(v1)
	buf.Write(index)
	return buf.Bytes()
}
