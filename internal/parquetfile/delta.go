package parquetfile

import "encoding/binary"

// deltaReader walks a DELTA_BINARY_PACKED stream.
type deltaReader struct {
	b   []byte
	at  int
	bad bool
}

func (d *deltaReader) uvarint() uint64 {
	v, k := binary.Uvarint(d.b[d.at:])
	if k <= 0 {
		d.bad = true
		return 0
	}
	d.at += k
	return v
}

func (d *deltaReader) varint() int64 {
	z := d.uvarint()
	return int64(z>>1) ^ -int64(z&1) //nolint:gosec // zig-zag
}

// delta checks a stream of exactly n values and returns its length. each is
// called for every value, if it is set, and says whether the value can be.
func delta(b []byte, n int64, each func(int64) bool) (int, error) {
	d := &deltaReader{b: b}
	block, minis, count := d.uvarint(), d.uvarint(), d.uvarint()
	cur := d.varint()
	if d.bad || count != uint64(n) || minis == 0 || minis > 512 || block == 0 || block > 1<<20 || block%minis != 0 || block/minis%32 != 0 { //nolint:gosec // n is not negative
		return 0, corrupt("a delta stream whose header can't be")
	}
	if each != nil && !each(cur) {
		return 0, corrupt("a delta stream with a value that can't be")
	}
	per := int64(block / minis) //nolint:gosec // at most 2^20
	for left := n - 1; left > 0; {
		least := d.varint()
		if d.bad || d.at+int(minis) > len(b) { //nolint:gosec // at most 512
			return 0, corrupt("a delta stream that ends early")
		}
		widths := b[d.at : d.at+int(minis)] //nolint:gosec // at most 512
		d.at += int(minis)                  //nolint:gosec // at most 512
		for _, w := range widths {
			if left <= 0 {
				break
			}
			if err := d.mini(int(w), min(per, left), per, least, &cur, each); err != nil {
				return 0, err
			}
			left -= per
		}
	}
	return d.at, nil
}

// mini checks one miniblock.
func (d *deltaReader) mini(width int, n, per, least int64, cur *int64, each func(int64) bool) error {
	need := int(per) * width / 8
	if width > 64 || d.at+need > len(d.b) {
		return corrupt("a delta stream that ends early")
	}
	if each != nil {
		for i := range n {
			*cur += int64(unpack(d.b[d.at:], i, width)) + least //nolint:gosec // it wraps, as the format says
			if !each(*cur) {
				return corrupt("a delta stream with a value that can't be")
			}
		}
	}
	d.at += need
	return nil
}
