package parquetfile

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/xitongsys/parquet-go/parquet"
)

// check walks every page of one leaf: sizes, levels, run lengths and values must
// fit together before the library may see them.
func (f *file) check(leaf *node) error {
	for g := range f.meta.RowGroups {
		if err := f.checkChunk(g, leaf); err != nil {
			return err
		}
	}
	return nil
}

// chunk is one column chunk on its way through the guard.
type chunk struct {
	f    *file
	leaf *node
	m    *parquet.ColumnMetaData
	rows int64
	off  int64
	got  int64 // values so far
	seen int64 // rows so far
	dict int64 // entries of the dictionary, -1: none
}

func (f *file) checkChunk(group int, leaf *node) error {
	g := f.meta.RowGroups[group]
	cc := g.Columns[leaf.leaf]
	m := cc.MetaData
	if m == nil || cc.FilePath != nil || m.Type != leaf.el.GetType() {
		return corrupt("its chunk has no metadata, another type, or lies in another file")
	}
	if !slices.Equal(m.PathInSchema, leaf.path) {
		return corrupt("its chunk belongs to another column")
	}
	if m.NumValues < g.NumRows || m.NumValues > 16*f.limits.Rows || leaf.rep == 0 && m.NumValues != g.NumRows {
		return corrupt("its chunk has %d values for %d rows", m.NumValues, g.NumRows)
	}
	switch m.Codec {
	case parquet.CompressionCodec_UNCOMPRESSED, parquet.CompressionCodec_SNAPPY, parquet.CompressionCodec_GZIP,
		parquet.CompressionCodec_ZSTD, parquet.CompressionCodec_LZ4_RAW:
	default:
		return &UnsupportedError{Feature: "compression " + m.Codec.String()}
	}
	c := &chunk{f: f, leaf: leaf, m: m, rows: g.NumRows, off: m.DataPageOffset, dict: -1}
	if m.DictionaryPageOffset != nil && *m.DictionaryPageOffset > 0 && *m.DictionaryPageOffset < c.off {
		c.off = *m.DictionaryPageOffset
	}
	if m.NumValues == 0 {
		return nil
	}
	if c.off < 4 || c.off >= f.end {
		return corrupt("its chunk begins outside the data")
	}
	from := c.off
	for c.got < m.NumValues {
		if err := c.page(); err != nil {
			return err
		}
	}
	if c.seen != c.rows {
		return corrupt("its pages have %d rows, its row group %d", c.seen, c.rows)
	}
	f.spans[group][leaf.leaf] = span{from, c.off}
	return nil
}

// page reads one page header and checks the page behind it.
func (c *chunk) page() error {
	if c.off >= c.f.end {
		return corrupt("its pages end early: %d of %d values", c.got, c.m.NumValues)
	}
	window := min(c.f.end, c.off+maxHeader) - c.off
	p, rest := compact(c.f.data[c.off : c.off+window])
	h := parquet.NewPageHeader()
	if err := h.Read(context.Background(), p); err != nil {
		return corrupt("a page header can't be read: %v", err)
	}
	c.off += window - int64(rest.Len())
	packed, plain := int64(h.CompressedPageSize), int64(h.UncompressedPageSize)
	if packed < 0 || plain < 0 || c.off+packed > c.f.end {
		return corrupt("a page is %d bytes long, which is outside the data", packed)
	}
	if plain > maxPage {
		return &LimitError{What: "bytes in a page", Is: plain, Limit: maxPage}
	}
	c.f.decoded += plain
	if c.f.decoded > c.f.limits.MemoryBytes {
		return &LimitError{What: "bytes of decoded pages", Is: c.f.decoded, Limit: c.f.limits.MemoryBytes}
	}
	body := c.f.data[c.off : c.off+packed]
	c.off += packed
	if h.Crc != nil && crc32.ChecksumIEEE(body) != uint32(*h.Crc) { //nolint:gosec // the same bits
		return corrupt("the checksum of a page does not match")
	}
	switch h.Type {
	case parquet.PageType_DICTIONARY_PAGE:
		return c.dictionary(h.DictionaryPageHeader, body, plain)
	case parquet.PageType_DATA_PAGE:
		return c.dataV1(h.DataPageHeader, body, plain)
	case parquet.PageType_DATA_PAGE_V2:
		return c.dataV2(h.DataPageHeaderV2, body, plain)
	}
	return corrupt("a page of type %v", h.Type)
}

func (c *chunk) dictionary(d *parquet.DictionaryPageHeader, body []byte, size int64) error {
	if d == nil || d.NumValues < 0 || int64(d.NumValues) > size+1 || c.dict >= 0 {
		return corrupt("its dictionary page is not valid")
	}
	out, err := inflate(body, c.m.Codec, size)
	if err != nil {
		return err
	}
	c.dict = int64(d.NumValues)
	_, err = plainEnd(out, c.m.Type, c.dict, c.leaf.el.GetTypeLength())
	return err
}

func (c *chunk) dataV1(d *parquet.DataPageHeader, body []byte, size int64) error {
	if d == nil {
		return corrupt("a page has no header")
	}
	out, err := inflate(body, c.m.Codec, size)
	if err != nil {
		return err
	}
	return c.values(int64(d.NumValues), d.Encoding, out)
}

// dataV2 puts the levels of a version 2 page into the form of version 1 and checks them alike.
func (c *chunk) dataV2(d *parquet.DataPageHeaderV2, body []byte, size int64) error {
	if d == nil || d.RepetitionLevelsByteLength < 0 || d.DefinitionLevelsByteLength < 0 {
		return corrupt("a page has no header")
	}
	reps, levels := int64(d.RepetitionLevelsByteLength), int64(d.RepetitionLevelsByteLength)+int64(d.DefinitionLevelsByteLength)
	if levels > int64(len(body)) || levels > size {
		return corrupt("the levels of a page are longer than the page")
	}
	if !d.GetIsCompressed() && c.m.Codec != parquet.CompressionCodec_UNCOMPRESSED {
		return &UnsupportedError{Feature: "a version 2 page that is stored raw in a compressed chunk"}
	}
	if c.leaf.rep > 0 && reps == 0 || c.leaf.def > 0 && levels == reps {
		return &UnsupportedError{Feature: "a version 2 page without levels"}
	}
	var out []byte
	if int64(len(body)) > levels {
		var err error
		if out, err = inflate(body[levels:], c.m.Codec, size-levels); err != nil {
			return err
		}
	}
	var v1 []byte
	if c.leaf.rep > 0 {
		v1 = append(binary.LittleEndian.AppendUint32(v1, uint32(reps)), body[:reps]...) //nolint:gosec // an int32
	}
	if c.leaf.def > 0 {
		v1 = append(binary.LittleEndian.AppendUint32(v1, uint32(levels-reps)), body[reps:levels]...) //nolint:gosec // an int32
	}
	return c.values(int64(d.NumValues), d.Encoding, append(v1, out...))
}

// values checks the levels and then the values of a data page.
func (c *chunk) values(n int64, enc parquet.Encoding, body []byte) error {
	if n < 0 || n > c.m.NumValues-c.got {
		return corrupt("a page has %d values, and %d are left", n, c.m.NumValues-c.got)
	}
	c.got += n
	if c.leaf.rep == 0 {
		c.seen += n
	} else {
		zero, _, rest, err := levels(body, c.leaf.rep, n)
		if err != nil {
			return err
		}
		c.seen += zero
		body = rest
	}
	set := n
	if c.leaf.def > 0 {
		_, full, rest, err := levels(body, c.leaf.def, n)
		if err != nil {
			return err
		}
		set, body = full, rest
	}
	if set == 0 {
		return nil
	}
	return c.encoded(enc, body, set)
}

// levels checks one block of levels, and counts those that are 0 and those that are the highest.
func levels(body []byte, highest int, n int64) (zero, full int64, rest []byte, err error) {
	if len(body) < 4 {
		return 0, 0, nil, corrupt("a page ends in its levels")
	}
	length := int64(binary.LittleEndian.Uint32(body))
	if length > int64(len(body)-4) {
		return 0, 0, nil, corrupt("the levels of a page are %d bytes long, and the page %d", length, len(body))
	}
	zero, full, err = runs(body[4:4+length], bits.Len(uint(highest)), n, int64(highest)) //nolint:gosec // a level
	return zero, full, body[4+length:], err
}
