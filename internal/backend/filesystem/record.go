package filesystem

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
)

// maxRecord in bytes is far more than a record of a pin ever has.
const maxRecord = 1 << 20

func carName(c cid.Cid) string { return carsDir + "/" + c.String() + carExt }
func pinName(c cid.Cid) string { return pinsDir + "/" + c.String() + pinExt }

// record is upstream's record of a pin: a JSON object whose keys we don't all
// know. Beside upstream's keys (cid, name, pin_type, timestamp in seconds,
// size_bytes, backend) ours tell of the CAR: car_file_path, car_bytes and sha256.
type record map[string]json.RawMessage

// readRecord is fs.ErrNotExist when there is none.
func (a *Adapter) readRecord(ctx context.Context, name string) (record, error) {
	var data []byte
	err := a.do(ctx, "read "+name, func() (err error) {
		data, _, err = fsys.ReadFile(a.root, name, maxRecord)
		return err
	})
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil || r == nil {
		return nil, &backend.CorruptError{What: "the record " + name, Err: err}
	}
	return r, nil
}

func (r record) text(key string) string {
	var s string
	if json.Unmarshal(r[key], &s) != nil {
		return ""
	}
	return s
}

func (r record) number(key string) int64 {
	var n float64
	if json.Unmarshal(r[key], &n) != nil || n < 0 || n > 1<<62 {
		return -1
	}
	return int64(n)
}

// set puts a value under a key, keeping one that is there unless replace is set.
func (r record) set(key string, value any, replace bool) error {
	if _, ok := r[key]; ok && !replace {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s of a record: %w", key, err)
	}
	r[key] = data
	return nil
}

var recordOrder = []string{"cid", "name", "pin_type", "timestamp", "size_bytes", "backend"}

// encode writes the record as upstream does: indented by two, its keys first and in its order.
func (r record) encode() ([]byte, error) {
	keys := make([]string, 0, len(r))
	for k := range r {
		keys = append(keys, k)
	}
	rank := func(k string) int {
		if i := slices.Index(recordOrder, k); i >= 0 {
			return i
		}
		return len(recordOrder)
	}
	sort.Slice(keys, func(i, j int) bool {
		if a, b := rank(keys[i]), rank(keys[j]); a != b {
			return a < b
		}
		return keys[i] < keys[j]
	})
	var one bytes.Buffer
	one.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			one.WriteByte(',')
		}
		name, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		one.Write(name)
		one.WriteByte(':')
		one.Write(r[k])
	}
	one.WriteByte('}')
	var out bytes.Buffer
	if err := json.Indent(&out, one.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// putRecord writes the record of a pin, keeping what another program wrote to
// it. It is no proof of anything, so that its folder needs no fsync: a record
// that a power loss took is written again by the next put.
func (a *Adapter) putRecord(ctx context.Context, item backend.Item) error {
	name := pinName(item.CID)
	old, err := a.readRecord(ctx, name)
	var corrupt *backend.CorruptError
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &corrupt) {
		return err
	}
	r := record{}
	for k, v := range old {
		r[k] = v
	}
	now := a.deps.Clock.Now()
	err = errors.Join(
		r.set("cid", item.CID.String(), true), r.set("name", "", false), r.set("pin_type", "recursive", false),
		r.set("timestamp", float64(now.UnixMicro())/1e6, false), r.set("size_bytes", max(0, item.Size), false),
		r.set("backend", a.cfg.Name, true),
	)
	if item.SHA256 != "" {
		err = errors.Join(err, r.set("car_file_path", carName(item.CID), true),
			r.set("car_bytes", item.Size, true), r.set("sha256", item.SHA256, true))
	}
	if err != nil {
		return err
	}
	data, err := r.encode()
	if err != nil {
		return fmt.Errorf("encode the record of %s: %w", item.CID, err)
	}
	if before, err := old.encode(); old != nil && err == nil && bytes.Equal(before, data) {
		return nil
	}
	return a.writeSmall(ctx, name, data)
}

// writeSmall replaces a small file as a whole.
func (a *Adapter) writeSmall(ctx context.Context, name string, data []byte) error {
	t, err := a.newTemp(ctx, name, int64(len(data)), nil)
	if err != nil {
		return err
	}
	if _, err := t.Write(data); err != nil {
		t.discard()
		return err
	}
	sum := sha256.Sum256(data)
	return t.publish(hex.EncodeToString(sum[:]))
}
