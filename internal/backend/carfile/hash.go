package carfile

import (
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// maxCID is the longest CID of a section in bytes.
const maxCID = 2 << 10

// Identity CIDs carry their content themselves; longer ones than this are used by nobody but attackers.
const maxIdentity = 128

// minDigest in bytes keeps out hashes that are cut so short that other content fits them too.
const minDigest = 20

// strong are the hash functions that prove content; murmur3 and the like don't.
var strong = map[uint64]bool{
	multihash.SHA1: true, multihash.SHA2_256: true, multihash.SHA2_512: true, multihash.DBL_SHA2_256: true,
	multihash.SHA3_224: true, multihash.SHA3_256: true, multihash.SHA3_384: true, multihash.SHA3_512: true,
	multihash.KECCAK_224: true, multihash.KECCAK_256: true, multihash.KECCAK_384: true, multihash.KECCAK_512: true,
	multihash.SHAKE_128: true, multihash.SHAKE_256: true, multihash.BLAKE3: true,
}

// checkHash proves that data is what c names.
func checkHash(c cid.Cid, data []byte) error {
	if err := checkStrength(c); err != nil {
		return err
	}
	sum, err := c.Prefix().Sum(data)
	if err != nil {
		return fmt.Errorf("hash block %s: %w", c, err)
	}
	if !sum.Equals(c) {
		return fmt.Errorf("block %s holds other content: its hash is %s", c, sum)
	}
	return nil
}

func checkStrength(c cid.Cid) error {
	p := c.Prefix()
	if p.MhType == multihash.IDENTITY {
		if p.MhLength > maxIdentity {
			return fmt.Errorf("block %s: %d bytes in an identity CID, at most %d are read", c, p.MhLength, maxIdentity)
		}
		return nil
	}
	blake2 := p.MhType >= multihash.BLAKE2B_MIN && p.MhType <= multihash.BLAKE2S_MAX
	if !strong[p.MhType] && !blake2 {
		return fmt.Errorf("block %s: hash function %#x proves nothing or is not known", c, p.MhType)
	}
	if p.MhLength < minDigest {
		return fmt.Errorf("block %s: a hash of %d bytes proves nothing, at least %d are needed", c, p.MhLength, minDigest)
	}
	return nil
}

// sameContent tells whether two CIDs name the same node: the versions may differ.
func sameContent(a, b cid.Cid) bool {
	return a.Equals(b) || a.Defined() && b.Defined() && keyOf(a) == keyOf(b)
}
