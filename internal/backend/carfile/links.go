package carfile

import (
	"bytes"
	"fmt"

	"github.com/ipfs/go-cid"
	dagpb "github.com/ipld/go-codec-dagpb"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/codec/dagjson"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	"github.com/ipld/go-ipld-prime/traversal"
)

// Codecs without links that go-cid has no names for.
const (
	codecCBOR = 0x51
	codecJSON = 0x0200
)

// linksOf gives the links of a block. A codec that is not known is an error:
// whether its DAG is complete could not be proven.
func linksOf(c cid.Cid, data []byte) ([]cid.Cid, error) {
	switch codec := c.Prefix().Codec; codec {
	case cid.Raw, codecCBOR, codecJSON:
		return nil, nil
	case cid.DagProtobuf:
		nb := dagpb.Type.PBNode.NewBuilder()
		if err := dagpb.DecodeBytes(nb, data); err != nil {
			return nil, fmt.Errorf("read dag-pb: %w", err)
		}
		return selectLinks(nb.Build())
	case cid.DagCBOR:
		nb := basicnode.Prototype.Any.NewBuilder()
		opts := dagcbor.DecodeOptions{AllowLinks: true, AllocationBudget: 64 << 20}
		if err := opts.Decode(nb, bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("read dag-cbor: %w", err)
		}
		return selectLinks(nb.Build())
	case cid.DagJSON:
		nb := basicnode.Prototype.Any.NewBuilder()
		if err := dagjson.Decode(nb, bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("read dag-json: %w", err)
		}
		return selectLinks(nb.Build())
	default:
		return nil, fmt.Errorf("codec %#x is not known, so that its links can't be followed", codec)
	}
}

func selectLinks(n datamodel.Node) ([]cid.Cid, error) {
	links, err := traversal.SelectLinks(n)
	if err != nil {
		return nil, fmt.Errorf("find links: %w", err)
	}
	out := make([]cid.Cid, 0, len(links))
	for _, l := range links {
		cl, ok := l.(cidlink.Link)
		if !ok {
			return nil, fmt.Errorf("link %s is no CID", l)
		}
		out = append(out, cl.Cid)
	}
	return out, nil
}
