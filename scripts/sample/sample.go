// Package sample makes homes, content and dirty marks for the demonstration and the benchmarks.
package sample

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// CAR builds the CAR of a list of raw blocks of random content: a dag-cbor root and its leaves.
func CAR(seed uint64, leaves, size int) (cid.Cid, []byte, error) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	var blocks []byte
	root := []byte{0x80 | byte(leaves)} // fewer than 24: one byte says it
	for range leaves {
		data := make([]byte, size)
		for i := 0; i+8 <= size; i += 8 {
			binary.LittleEndian.PutUint64(data[i:], rnd.Uint64())
		}
		c, err := sum(cid.Raw, data)
		if err != nil {
			return cid.Undef, nil, err
		}
		blocks = section(blocks, c, data)
		root = append(append(root, 0xd8, 0x2a, 0x58, 0x25, 0x00), c.Bytes()...)
	}
	c, err := sum(cid.DagCBOR, root)
	if err != nil {
		return cid.Undef, nil, err
	}
	head := append([]byte("\xa2\x65roots\x81\xd8\x2a\x58\x25\x00"), c.Bytes()...)
	head = append(head, "\x67version\x01"...)
	out := binary.AppendUvarint(nil, uint64(len(head)))
	out = append(out, head...)
	return c, append(section(out, c, root), blocks...), nil
}

func sum(codec uint64, data []byte) (cid.Cid, error) {
	h, err := multihash.Sum(data, multihash.SHA2_256, -1)
	return cid.NewCidV1(codec, h), err
}

func section(to []byte, c cid.Cid, data []byte) []byte {
	to = binary.AppendUvarint(to, uint64(c.ByteLen()+len(data)))
	return append(append(to, c.Bytes()...), data...)
}

// Home is a home that is made below a folder.
type Home struct {
	// Path of the home.
	Path string
	// Disks is the folder that the filesystem backends lie in.
	Disks string
}

// New makes a home with the folders that upstream makes.
func New(dir string) (Home, error) {
	h := Home{filepath.Join(dir, ".ipfs_kit"), filepath.Join(dir, "disks")}
	for _, d := range []string{"backend_index/dirty_metadata", "backend_state", "backends", "bucket_index", "cars"} {
		if err := os.MkdirAll(filepath.Join(h.Path, d), 0o755); err != nil {
			return h, err
		}
	}
	return h, nil
}

// Backend configures a filesystem backend and makes its folder.
func (h Home) Backend(name string) error {
	root := filepath.Join(h.Disks, name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(h.Path, "backends", name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.Path, "backends", name+".yaml"), fmt.Appendf(nil, "name: %s\ntype: filesystem\nstorage_path: %s\n", name, root), 0o600)
}

// Content puts a CAR into the home's store.
func (h Home) Content(seed uint64, leaves, size int) (string, error) {
	c, data, err := CAR(seed, leaves, size)
	if err != nil {
		return "", err
	}
	return c.String(), os.WriteFile(filepath.Join(h.Path, "cars", c.String()+".car"), data, 0o644)
}

// MarkPath is where upstream's CLI marks a backend.
func (h Home) MarkPath(name string) string {
	return filepath.Join(h.Path, "backend_index/dirty_metadata", name+"_dirty.json")
}

// Mark marks a backend dirty as upstream's mark_backend_dirty does.
func (h Home) Mark(name string, cids ...string) error {
	now := float64(time.Now().UnixMicro()) / 1e6
	var actions []map[string]any
	for _, c := range cids {
		actions = append(actions, map[string]any{"action_type": "pin_add", "cids": []string{c}, "timestamp": now, "synced": false})
	}
	data, err := json.MarshalIndent(map[string]any{"backend_name": name, "is_dirty": true, "pending_actions": actions,
		"affected_cids": cids, "created_at": now, "last_updated": now}, "", "  ")
	if err != nil {
		return err
	}
	tmp := h.MarkPath(name) + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, h.MarkPath(name)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.Path, "backend_index/dirty_metadata", name+".dirty"), nil, 0o644)
}
