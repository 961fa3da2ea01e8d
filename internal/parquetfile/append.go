package parquetfile

import "github.com/xitongsys/parquet-go/parquet"

// joins tells whether the pages of appended rows can be put behind those of the
// last row group: each of its chunks has no dictionary and our compression. So
// row groups don't pile up when rows come one by one.
func (w *rewriter) joins(g int) bool {
	for i, c := range w.f.meta.RowGroups[g].Columns {
		if _, touched := w.touched[i]; touched {
			continue // it is encoded anew, our way
		}
		m := c.MetaData
		if m.Codec != parquet.CompressionCodec_SNAPPY || m.DictionaryPageOffset != nil && *m.DictionaryPageOffset > 0 || w.f.spans[g][i] == (span{}) {
			return false
		}
		for _, e := range m.Encodings {
			if e == parquet.Encoding_PLAIN_DICTIONARY || e == parquet.Encoding_RLE_DICTIONARY {
				return false
			}
		}
	}
	return true
}

// appendRows writes the appended rows, with the last row group's pages before them where that can be.
func (w *rewriter) appendRows() error {
	next := &parquet.RowGroup{NumRows: int64(len(w.e.Append))}
	start := int64(w.buf.Len())
	var base *parquet.RowGroup
	g := len(w.f.meta.RowGroups) - 1
	if len(w.groups) == g && g >= 0 {
		base = w.f.meta.RowGroups[g]
		next.NumRows += base.NumRows
	}
	for _, leaf := range w.f.leaves {
		l, err := w.appended(leaf)
		if err != nil {
			return inColumn(leaf.name(), err)
		}
		var before *parquet.ColumnChunk
		var pages []byte
		if base != nil {
			if t, touched := w.touched[leaf.leaf]; touched {
				l = join(t.slice(w.f.meta.NumRows-base.NumRows, w.f.meta.NumRows), l)
			} else {
				before = base.Columns[leaf.leaf]
				s := w.f.spans[g][leaf.leaf]
				pages = w.f.data[s.from:s.to]
			}
		}
		c, err := w.encodeChunk(leaf, l, pages)
		if err != nil {
			return inColumn(leaf.name(), err)
		}
		if before != nil {
			c.MetaData.NumValues += before.MetaData.NumValues
			c.MetaData.TotalUncompressedSize += before.MetaData.TotalUncompressedSize
			c.MetaData.Encodings = union(c.MetaData.Encodings, before.MetaData.Encodings)
			c.MetaData.KeyValueMetadata = before.MetaData.KeyValueMetadata
		}
		next.Columns = append(next.Columns, c)
	}
	w.seal(next, start)
	return nil
}

func union(a, b []parquet.Encoding) []parquet.Encoding {
	for _, e := range b {
		known := false
		for _, x := range a {
			known = known || x == e
		}
		if !known {
			a = append(a, e)
		}
	}
	return a
}

func join(a, b *leafData) *leafData {
	return &leafData{node: a.node, values: append(a.values[:len(a.values):len(a.values)], b.values...),
		def: append(a.def[:len(a.def):len(a.def)], b.def...), rep: append(a.rep[:len(a.rep):len(a.rep)], b.rep...)}
}

// appended are the new rows' values of one leaf: given, else null, else zero where no null is allowed.
func (w *rewriter) appended(leaf *node) (*leafData, error) {
	l := nulls(leaf, len(w.e.Append))
	flat := len(leaf.path) == 1 && leaf.rep == 0
	for i, row := range w.e.Append {
		v, given := row[leaf.path[0]]
		switch {
		case flat && given && v != nil:
			if err := l.put(i, v); err != nil {
				return nil, err
			}
		case leaf.def == 0:
			l.values[i] = zeroOf(leaf.el)
		}
	}
	return l, nil
}

// keepMetadata keeps the key-value metadata while it is true: what Arrow and
// pandas say about types is wrong once a type changed, and pandas' range of the
// index grows with the rows.
func (w *rewriter) keepMetadata() {
	m := w.f.meta
	var kept []*parquet.KeyValue
	for _, kv := range m.KeyValueMetadata {
		if w.retyped && (kv.Key == "ARROW:schema" || kv.Key == "pandas") {
			continue
		}
		if kv.Key == "pandas" && len(w.e.Append) > 0 {
			text, ok := growRange(kv.GetValue(), len(w.e.Append))
			if !ok {
				continue
			}
			kv = &parquet.KeyValue{Key: kv.Key, Value: &text}
		}
		kept = append(kept, kv)
	}
	m.KeyValueMetadata = kept
}
