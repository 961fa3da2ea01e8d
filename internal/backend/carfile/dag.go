package carfile

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// key stands for a CID in memory: 16 bytes of a digest of its codec and multihash.
type key [16]byte

func keyOf(c cid.Cid) key {
	var codec [8]byte
	binary.LittleEndian.PutUint64(codec[:], c.Prefix().Codec)
	sum := sha256.Sum256(append(codec[:], c.Hash()...))
	return key(sum[:16])
}

// dag follows the blocks of a stream in whatever order they come. A block that
// the root leads to is reached; the links of one that is not reached yet wait
// with it, so that a CAR may hold children before their parents.
type dag struct {
	root   key
	wanted map[key]cid.Cid   // reached by a link, not seen yet
	done   map[key]struct{}  // seen and reached
	held   map[key][]cid.Cid // seen, not reached: its links
	size   int64             // keys and links in memory
	limit  int64
}

func newDAG(root cid.Cid, limit int64) *dag {
	d := &dag{
		root: keyOf(root), wanted: map[key]cid.Cid{}, done: map[key]struct{}{},
		held: map[key][]cid.Cid{}, limit: limit,
	}
	d.wanted[d.root] = root
	return d
}

// add takes a block whose hash was checked.
func (d *dag) add(c cid.Cid, data []byte) error {
	k := keyOf(c)
	if _, ok := d.done[k]; ok {
		return nil
	}
	if _, ok := d.held[k]; ok {
		return nil
	}
	links, err := linksOf(c, data)
	if err != nil {
		return fmt.Errorf("block %s: %w", c, err)
	}
	if d.size++; d.size > d.limit {
		return d.tooLarge()
	}
	if _, ok := d.wanted[k]; !ok {
		d.held[k] = links
		if d.size += int64(len(links)); d.size > d.limit {
			return d.tooLarge()
		}
		return nil
	}
	delete(d.wanted, k)
	d.done[k] = struct{}{}
	return d.reach(links)
}

func (d *dag) tooLarge() error {
	return fmt.Errorf("more than %d blocks and links: larger than this program verifies", d.limit)
}

// reach follows links, and those of the blocks that were held until now.
func (d *dag) reach(links []cid.Cid) error {
	for len(links) > 0 {
		c := links[len(links)-1]
		links = links[:len(links)-1]
		more, err := d.follow(c)
		if err != nil {
			return err
		}
		links = append(links, more...)
	}
	return nil
}

func (d *dag) follow(c cid.Cid) ([]cid.Cid, error) {
	if c.Prefix().MhType == multihash.IDENTITY {
		return inline(c)
	}
	k := keyOf(c)
	if _, ok := d.done[k]; ok {
		return nil, nil
	}
	if held, ok := d.held[k]; ok {
		delete(d.held, k)
		d.size -= int64(len(held))
		d.done[k] = struct{}{}
		return held, nil
	}
	if _, ok := d.wanted[k]; !ok {
		if int64(len(d.wanted))+d.size >= d.limit {
			return nil, d.tooLarge()
		}
		d.wanted[k] = c
	}
	return nil, nil
}

// inline gives the links of a CID that carries its content itself.
func inline(c cid.Cid) ([]cid.Cid, error) {
	if err := checkStrength(c); err != nil {
		return nil, err
	}
	mh, err := multihash.Decode(c.Hash())
	if err != nil {
		return nil, fmt.Errorf("read identity CID %s: %w", c, err)
	}
	return linksOf(c, mh.Digest)
}

// complete is an error that names what the root leads to and the stream did not hold.
func (d *dag) complete() error {
	if c, ok := d.wanted[d.root]; ok && c.Prefix().MhType == multihash.IDENTITY {
		delete(d.wanted, d.root)
		links, err := inline(c)
		if err == nil {
			err = d.reach(links)
		}
		if err != nil {
			return err
		}
	}
	if len(d.wanted) == 0 {
		return nil
	}
	var one cid.Cid
	for _, c := range d.wanted {
		if !one.Defined() || c.KeyString() < one.KeyString() {
			one = c
		}
	}
	return &MissingError{Count: len(d.wanted), First: one}
}

// MissingError says that a CAR does not hold the whole DAG.
type MissingError struct {
	// Count of the blocks that are linked to and not there; what lies below them is missing too.
	Count int
	// First is one of them.
	First cid.Cid
}

func (e *MissingError) Error() string {
	if e.Count == 1 {
		return fmt.Sprintf("incomplete: block %s is missing", e.First)
	}
	return fmt.Sprintf("incomplete: %d blocks are missing, such as %s", e.Count, e.First)
}
