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

// maxNames bounds how many wanted CIDs are remembered by name, for the message.
const maxNames = 4096

// dag follows the blocks of a stream in whatever order they come. A block that
// the root leads to is reached; the links of one that is not reached yet wait
// with it, so that a CAR may hold children before their parents.
type dag struct {
	wanted map[key]struct{} // reached by a link, not seen yet
	done   map[key]struct{} // seen and reached
	leaves map[key]struct{} // seen, not reached, without links
	held   map[key][]key    // seen, not reached: its links
	names  map[key]cid.Cid  // of some that are wanted
	size   int64            // keys in memory
	limit  int64
}

func newDAG(root cid.Cid, limit int64) (*dag, error) {
	d := &dag{
		wanted: map[key]struct{}{}, done: map[key]struct{}{}, leaves: map[key]struct{}{},
		held: map[key][]key{}, names: map[key]cid.Cid{}, limit: limit,
	}
	links, err := outward(nil, root)
	if err != nil {
		return nil, err
	}
	return d, d.reach(d.keep(links))
}

// add takes a block whose hash was checked.
func (d *dag) add(c cid.Cid, data []byte) error {
	k := keyOf(c)
	if d.seen(k) {
		return nil
	}
	links, err := linksOf(c, data)
	if err != nil {
		return fmt.Errorf("block %s: %w", c, err)
	}
	var outer []cid.Cid
	for _, l := range links {
		if outer, err = outward(outer, l); err != nil {
			return fmt.Errorf("block %s: %w", c, err)
		}
	}
	if _, ok := d.wanted[k]; !ok {
		if len(outer) == 0 {
			d.leaves[k] = struct{}{}
			return d.grow(1)
		}
		keys := make([]key, len(outer))
		for i, l := range outer {
			keys[i] = keyOf(l)
		}
		d.held[k] = keys
		return d.grow(1 + int64(len(keys)))
	}
	d.finish(k)
	return d.reach(d.keep(outer))
}

func (d *dag) seen(k key) bool {
	_, done := d.done[k]
	_, leaf := d.leaves[k]
	_, held := d.held[k]
	return done || leaf || held
}

// keep remembers some of the links by name.
func (d *dag) keep(links []cid.Cid) []key {
	keys := make([]key, len(links))
	for i, l := range links {
		keys[i] = keyOf(l)
		if _, seen := d.done[keys[i]]; !seen && len(d.names) < maxNames {
			d.names[keys[i]] = l
		}
	}
	return keys
}

// finish notes that a block is both seen and reached.
func (d *dag) finish(k key) {
	delete(d.wanted, k)
	delete(d.names, k)
	d.done[k] = struct{}{}
}

func (d *dag) grow(n int64) error {
	if d.size += n; d.size > d.limit {
		return fmt.Errorf("more than %d blocks and links: larger than this program verifies", d.limit)
	}
	return nil
}

// reach follows links, and those of the blocks that were held until now.
func (d *dag) reach(links []key) error {
	for len(links) > 0 {
		k := links[len(links)-1]
		links = links[:len(links)-1]
		if _, ok := d.done[k]; ok {
			continue
		}
		if _, ok := d.leaves[k]; ok {
			delete(d.leaves, k)
			d.finish(k)
			continue
		}
		if more, ok := d.held[k]; ok {
			delete(d.held, k)
			d.size -= int64(len(more))
			d.finish(k)
			links = append(links, more...)
			continue
		}
		if _, ok := d.wanted[k]; ok {
			continue
		}
		d.wanted[k] = struct{}{}
		if err := d.grow(1); err != nil {
			return err
		}
	}
	return nil
}

// outward appends c, or where c carries its content itself, what that links to.
func outward(to []cid.Cid, c cid.Cid) ([]cid.Cid, error) {
	if c.Prefix().MhType != multihash.IDENTITY {
		return append(to, c), nil
	}
	if err := checkStrength(c); err != nil {
		return nil, err
	}
	mh, err := multihash.Decode(c.Hash())
	if err != nil {
		return nil, fmt.Errorf("read identity CID %s: %w", c, err)
	}
	links, err := linksOf(c, mh.Digest)
	if err != nil {
		return nil, fmt.Errorf("identity CID %s: %w", c, err)
	}
	// It ends: what is inside is shorter.
	for _, l := range links {
		if to, err = outward(to, l); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// complete is an error that names what the root leads to and the stream did not hold.
func (d *dag) complete() error {
	if len(d.wanted) == 0 {
		return nil
	}
	missing := &MissingError{Count: len(d.wanted)}
	for k, c := range d.names {
		if _, ok := d.wanted[k]; ok && (!missing.First.Defined() || c.KeyString() < missing.First.KeyString()) {
			missing.First = c
		}
	}
	return missing
}

// MissingError says that a CAR does not hold the whole DAG.
type MissingError struct {
	// Count of the blocks that are linked to and not there; what lies below them is missing too.
	Count int
	// First is one of them; undefined where there were too many links to remember them all.
	First cid.Cid
}

// Error says how many blocks are missing, and names one.
func (e *MissingError) Error() string {
	switch {
	case !e.First.Defined():
		return fmt.Sprintf("incomplete: %d blocks are missing", e.Count)
	case e.Count == 1:
		return fmt.Sprintf("incomplete: block %s is missing", e.First)
	}
	return fmt.Sprintf("incomplete: %d blocks are missing, such as %s", e.Count, e.First)
}
