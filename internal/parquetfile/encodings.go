package parquetfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/xitongsys/parquet-go/parquet"
)

// encoded checks n values in one of the encodings that the library reads rightly.
func (c *chunk) encoded(enc parquet.Encoding, body []byte, n int64) error {
	t := c.m.Type
	switch enc {
	case parquet.Encoding_PLAIN:
		_, err := plainEnd(body, t, n, c.leaf.el.GetTypeLength())
		return err
	case parquet.Encoding_PLAIN_DICTIONARY, parquet.Encoding_RLE_DICTIONARY:
		if c.dict <= 0 || len(body) < 1 || body[0] > 32 {
			return corrupt("a page refers to a dictionary that is not there")
		}
		_, _, err := runs(body[1:], int(body[0]), n, c.dict-1)
		return err
	case parquet.Encoding_DELTA_BINARY_PACKED:
		if t != parquet.Type_INT32 && t != parquet.Type_INT64 {
			return corrupt("encoding %v for type %v", enc, t)
		}
		_, err := delta(body, n, nil)
		return err
	case parquet.Encoding_DELTA_LENGTH_BYTE_ARRAY:
		if t != parquet.Type_BYTE_ARRAY {
			return corrupt("encoding %v for type %v", enc, t)
		}
		return deltaLengths(body, n)
	case parquet.Encoding_DELTA_BYTE_ARRAY:
		if t != parquet.Type_BYTE_ARRAY {
			return corrupt("encoding %v for type %v", enc, t)
		}
		return deltaPrefixes(body, n)
	case parquet.Encoding_BYTE_STREAM_SPLIT:
		width := map[parquet.Type]int64{parquet.Type_FLOAT: 4, parquet.Type_DOUBLE: 8}[t]
		if width == 0 {
			return &UnsupportedError{Feature: "encoding BYTE_STREAM_SPLIT for type " + t.String()}
		}
		if int64(len(body)) < width*n {
			return corrupt("a page is too short for its %d values", n)
		}
		return nil
	}
	return &UnsupportedError{Feature: "encoding " + enc.String() + " for type " + t.String()}
}

func deltaLengths(body []byte, n int64) error {
	var sum int64
	used, err := delta(body, n, func(v int64) bool { sum += v; return v >= 0 && sum <= int64(len(body)) })
	if err == nil && sum > int64(len(body)-used) {
		return corrupt("the texts of a page are longer than the page")
	}
	return err
}

func deltaPrefixes(body []byte, n int64) error {
	var prefixes []int64
	used1, err := delta(body, n, func(v int64) bool { prefixes = append(prefixes, v); return v >= 0 && v <= maxPage })
	if err != nil {
		return err
	}
	var last, sum, out int64
	i := 0
	used2, err := delta(body[used1:], n, func(v int64) bool {
		if i >= len(prefixes) || v < 0 || prefixes[i] > last {
			return false
		}
		last = prefixes[i] + v
		sum += v
		out += last
		i++
		return sum <= int64(len(body)) && out <= 2*maxPage
	})
	if err == nil && sum > int64(len(body)-used1-used2) {
		return corrupt("the texts of a page are longer than the page")
	}
	return err
}

var zstdReader = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecoderConcurrency(1))
})

// maxLZ4 is the largest LZ4_RAW page: the library allocates 255 times its size.
const maxLZ4 = 512 << 10

// inflate decompresses a page to exactly the size that its header says.
func inflate(b []byte, codec parquet.CompressionCodec, size int64) (out []byte, err error) {
	switch codec {
	case parquet.CompressionCodec_UNCOMPRESSED:
		out = b
	case parquet.CompressionCodec_SNAPPY:
		n, e := snappy.DecodedLen(b)
		if e != nil || int64(n) != size {
			return nil, corrupt("a page is not snappy of %d bytes", size)
		}
		out, err = snappy.Decode(nil, b)
	case parquet.CompressionCodec_GZIP:
		z, e := gzip.NewReader(bytes.NewReader(b))
		if e != nil {
			return nil, corrupt("a page is not gzip: %v", e)
		}
		out, err = io.ReadAll(io.LimitReader(z, size+1))
	case parquet.CompressionCodec_ZSTD:
		z, e := zstdReader()
		if e != nil {
			return nil, e
		}
		out, err = z.DecodeAll(b, make([]byte, 0, size))
	case parquet.CompressionCodec_LZ4_RAW:
		if len(b) > maxLZ4 {
			return nil, &UnsupportedError{Feature: "LZ4_RAW pages of more than 512 KiB"}
		}
		out = make([]byte, size)
		var n int
		n, err = lz4.UncompressBlock(b, out)
		out = out[:max(n, 0)]
	default:
		return nil, &UnsupportedError{Feature: "compression " + codec.String()}
	}
	if err != nil {
		return nil, corrupt("a page can't be decompressed: %v", err)
	}
	if int64(len(out)) != size {
		return nil, corrupt("a page has %d bytes, its header says %d", len(out), size)
	}
	return out, nil
}

// plainEnd checks n plain values and says where they end.
func plainEnd(b []byte, t parquet.Type, n int64, length int32) (int64, error) {
	var width int64
	switch t {
	case parquet.Type_BOOLEAN:
		if (n+7)/8 > int64(len(b)) {
			return 0, corrupt("a page is too short for its %d values", n)
		}
		return (n + 7) / 8, nil
	case parquet.Type_INT32, parquet.Type_FLOAT:
		width = 4
	case parquet.Type_INT64, parquet.Type_DOUBLE:
		width = 8
	case parquet.Type_INT96:
		width = 12
	case parquet.Type_FIXED_LEN_BYTE_ARRAY:
		width = int64(length)
	case parquet.Type_BYTE_ARRAY:
		at := 0
		for ; n > 0; n-- {
			if len(b)-at < 4 {
				return 0, corrupt("a page is too short for its texts")
			}
			l := int64(binary.LittleEndian.Uint32(b[at:]))
			if l > int64(len(b)-at-4) {
				return 0, corrupt("a text of %d bytes is longer than its page", l)
			}
			at += 4 + int(l)
		}
		return int64(at), nil
	}
	if width*n > int64(len(b)) {
		return 0, corrupt("a page is too short for its %d values", n)
	}
	return width * n, nil
}

// runs checks n values of the hybrid of runs and bit packing, all at most
// highest, and counts those that are 0 and those that are the highest.
func runs(b []byte, width int, n, highest int64) (zero, full int64, err error) {
	count := func(v uint64, times int64) bool {
		if v > uint64(highest) { //nolint:gosec // not negative
			return false
		}
		if v == 0 {
			zero += times
		}
		if v == uint64(highest) { //nolint:gosec // not negative
			full += times
		}
		n -= times
		return true
	}
	for n > 0 || len(b) > 0 {
		h, k := binary.Uvarint(b)
		if k <= 0 {
			return 0, 0, corrupt("a run has no length")
		}
		b = b[k:]
		var used int64
		if h&1 == 0 {
			used, err = equalRun(b, width, int64(h>>1), n, count) //nolint:gosec // checked against n
		} else {
			used, err = packedRun(b, width, int64(h>>1), &n, count) //nolint:gosec // checked against n
		}
		if err != nil {
			return 0, 0, err
		}
		b = b[used:]
	}
	return zero, full, nil
}

func equalRun(b []byte, width int, times, left int64, count func(uint64, int64) bool) (int64, error) {
	w := (width + 7) / 8
	if times < 0 || times > left || len(b) < w {
		return 0, corrupt("a run of %d values, and %d are left", times, left)
	}
	v := uint64(0)
	for i := w - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	if !count(v, times) {
		return 0, corrupt("a value that can't be: %d", v)
	}
	return int64(w), nil
}

func packedRun(b []byte, width int, groups int64, left *int64, count func(uint64, int64) bool) (int64, error) {
	if groups < 0 || groups > (*left+7)/8+64 || groups*int64(width) > int64(len(b)) {
		return 0, corrupt("a packed run that is longer than its page")
	}
	for i := int64(0); i < groups*8 && *left > 0; i++ {
		if v := unpack(b, i, width); !count(v, 1) {
			return 0, corrupt("a value that can't be: %d", v)
		}
	}
	return groups * int64(width), nil
}

// unpack reads the i-th value of width bits.
func unpack(b []byte, i int64, width int) (v uint64) {
	for j := range int64(width) {
		p := i*int64(width) + j
		v |= uint64(b[p>>3]>>(p&7)&1) << j
	}
	return v
}
