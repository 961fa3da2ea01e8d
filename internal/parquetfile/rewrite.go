package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/xitongsys/parquet-go/parquet"
)

// Kind of a column that is made.
type Kind uint8

// The kinds, with the physical types that pandas gives them.
const (
	Text    Kind = iota // UTF-8
	Integer             // 64 bits
	Float               // 64 bits
	Boolean             // true or false
)

// ColumnSpec describes a nullable column that is made.
type ColumnSpec struct {
	// Name of the column.
	Name string
	// Kind of its values.
	Kind Kind
}

// Edit says what Rewrite changes. Values are nil, string, bool, int64, float64 or time.Time.
type Edit struct {
	// Add are columns that are made, null in every row, unless the file has them.
	Add []ColumnSpec
	// Set changes cells: by column, then row.
	Set map[string]map[int]any
	// Append adds rows; columns that are not named are null, or zero where the file allows no null.
	Append []map[string]any
}

// Rewrite gives the file with an edit made. Columns that the edit doesn't touch
// keep their bytes, types and metadata; touched ones keep their types, save that
// a column that had no values yet (pandas gives it the type null) gets one. Only
// top-level columns without lists can be set. Metadata of pandas and Arrow is kept while it is true.
func Rewrite(data []byte, e Edit, l Limits) (out []byte, err error) {
	defer protect(&err)
	f, err := openFile(data, l)
	if err != nil {
		return nil, err
	}
	for _, leaf := range f.leaves {
		if err := f.check(leaf); err != nil {
			return nil, inColumn(leaf.path[0], err)
		}
	}
	w := &rewriter{f: f, e: e, touched: map[int]*leafData{}}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	return w.write()
}

// New makes a file of the columns given.
func New(cols []ColumnSpec, rows []map[string]any) ([]byte, error) {
	meta := parquet.NewFileMetaData()
	meta.Version = 1
	zero := int32(0)
	meta.Schema = []*parquet.SchemaElement{{Name: "schema", NumChildren: &zero}}
	by := "ipfs-kit-intelligent"
	meta.CreatedBy = &by
	f := &file{limits: DefaultLimits(), meta: meta, end: 4}
	w := &rewriter{f: f, e: Edit{Add: cols, Append: rows}, touched: map[int]*leafData{}}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	return w.write()
}

// rewriter writes a changed copy of a file.
type rewriter struct {
	f *file
	e Edit
	// touched leaves with all their values, changed.
	touched map[int]*leafData
	// retyped says that the schema is another one now.
	retyped bool
	buf     bytes.Buffer
	groups  []*parquet.RowGroup
}

// prepare makes the schema right and the touched columns' new values.
func (w *rewriter) prepare() error {
	for _, c := range w.e.Add {
		if w.column(c.Name) == nil {
			w.addColumn(c)
		}
	}
	for name, cells := range w.e.Set {
		if err := w.set(name, cells); err != nil {
			return inColumn(name, err)
		}
	}
	for _, row := range w.e.Append {
		for name, v := range row {
			n := w.column(name)
			if n == nil {
				continue // foreign schema: what it has no column for is not written
			}
			if err := w.giveType(n, v); err != nil {
				return inColumn(name, err)
			}
		}
	}
	return nil
}

func (w *rewriter) column(name string) *node {
	for _, n := range w.f.top {
		if n.name() == name {
			return n
		}
	}
	return nil
}

// addColumn appends a nullable column to the schema, null in every row.
func (w *rewriter) addColumn(c ColumnSpec) {
	optional := parquet.FieldRepetitionType_OPTIONAL
	e := &parquet.SchemaElement{Name: c.Name, RepetitionType: &optional}
	setKind(e, c.Kind)
	n := &node{el: e, index: len(w.f.meta.Schema), def: 1, leaf: len(w.f.leaves), path: []string{c.Name}}
	w.f.meta.Schema = append(w.f.meta.Schema, e)
	root := w.f.meta.Schema[0]
	kids := root.GetNumChildren() + 1
	root.NumChildren = &kids
	w.f.top = append(w.f.top, n)
	w.f.leaves = append(w.f.leaves, n)
	w.retyped = true
	if len(w.f.meta.ColumnOrders) > 0 {
		w.f.meta.ColumnOrders = append(w.f.meta.ColumnOrders, &parquet.ColumnOrder{TYPE_ORDER: parquet.NewTypeDefinedOrder()})
	}
	w.touched[n.leaf] = nulls(n, int(w.f.meta.NumRows))
}

func nulls(n *node, rows int) *leafData {
	return &leafData{node: n, values: make([]any, rows), def: make([]int32, rows), rep: make([]int32, rows)}
}

func setKind(e *parquet.SchemaElement, k Kind) {
	t := map[Kind]parquet.Type{Text: parquet.Type_BYTE_ARRAY, Integer: parquet.Type_INT64, Float: parquet.Type_DOUBLE, Boolean: parquet.Type_BOOLEAN}[k]
	e.Type, e.ConvertedType, e.LogicalType = &t, nil, nil
	if k == Text {
		utf8 := parquet.ConvertedType_UTF8
		e.ConvertedType, e.LogicalType = &utf8, &parquet.LogicalType{STRING: parquet.NewStringType()}
	}
}

// giveType turns a column without a type into one of the value's type.
func (w *rewriter) giveType(n *node, v any) error {
	if v == nil || n.leaf < 0 || n.el.LogicalType == nil || n.el.LogicalType.UNKNOWN == nil {
		return nil
	}
	kind := Text
	switch v.(type) {
	case bool:
		kind = Boolean
	case int64:
		kind = Integer
	case float64:
		kind = Float
	}
	setKind(n.el, kind)
	w.retyped = true
	if w.touched[n.leaf] == nil {
		w.touched[n.leaf] = nulls(n, int(w.f.meta.NumRows))
	}
	return nil
}

// set changes cells of one column.
func (w *rewriter) set(name string, cells map[int]any) error {
	n := w.column(name)
	if n == nil {
		return fmt.Errorf("set cells: the file has no column %q", name)
	}
	if n.leaf < 0 || n.rep > 0 {
		return &UnsupportedError{Feature: "setting cells of a list or group"}
	}
	for _, v := range cells {
		if err := w.giveType(n, v); err != nil {
			return err
		}
	}
	l := w.touched[n.leaf]
	if l == nil {
		read, err := w.f.readLeaves([]*node{n})
		if err != nil {
			return err
		}
		l = read[0]
		w.touched[n.leaf] = l
	}
	for row, v := range cells {
		if row < 0 || row >= len(l.values) {
			return fmt.Errorf("set cells: row %d of %d", row, len(l.values))
		}
		if err := l.put(row, v); err != nil {
			return err
		}
	}
	return nil
}

// put changes one value of a flat leaf.
func (l *leafData) put(i int, v any) error {
	if v == nil {
		if l.node.def == 0 {
			return fmt.Errorf("row %d can't be null: the column is required", i)
		}
		l.values[i], l.def[i] = nil, 0
		return nil
	}
	raw, err := physical(l.node.el, v)
	if err != nil {
		return err
	}
	l.values[i], l.def[i] = raw, int32(l.node.def) //nolint:gosec // a level
	return nil
}

// write puts the new file together.
func (w *rewriter) write() ([]byte, error) {
	w.buf.Grow(len(w.f.data) + 4096)
	w.buf.WriteString(magic)
	from := int64(0)
	last := len(w.f.meta.RowGroups) - 1
	for g, old := range w.f.meta.RowGroups {
		if g == last && len(w.e.Append) > 0 && w.joins(g) {
			break // its pages are written together with the rows that are appended
		}
		if err := w.copyGroup(g, old, from); err != nil {
			return nil, err
		}
		from += old.NumRows
	}
	if len(w.e.Append) > 0 {
		if err := w.appendRows(); err != nil {
			return nil, err
		}
	}
	m := w.f.meta
	m.RowGroups = w.groups
	m.NumRows += int64(len(w.e.Append))
	w.keepMetadata()
	return w.footer()
}

func (w *rewriter) footer() ([]byte, error) {
	mem := thrift.NewTMemoryBuffer()
	if err := w.f.meta.Write(context.Background(), thrift.NewTCompactProtocolConf(mem, nil)); err != nil {
		return nil, fmt.Errorf("write the footer: %w", err)
	}
	w.buf.Write(mem.Bytes())
	w.buf.Write(binary.LittleEndian.AppendUint32(nil, uint32(mem.Len()))) //nolint:gosec // far below 2^32
	w.buf.WriteString(magic)
	return w.buf.Bytes(), nil
}

// copyGroup writes one row group: touched columns anew, the others as they were.
func (w *rewriter) copyGroup(g int, old *parquet.RowGroup, from int64) error {
	next := &parquet.RowGroup{NumRows: old.NumRows, SortingColumns: w.sorting(old)}
	start := int64(w.buf.Len())
	for _, leaf := range w.f.leaves {
		if l, ok := w.touched[leaf.leaf]; ok {
			c, err := w.encodeChunk(leaf, l.slice(from, from+old.NumRows), nil)
			if err != nil {
				return inColumn(leaf.name(), err)
			}
			next.Columns = append(next.Columns, c)
			continue
		}
		next.Columns = append(next.Columns, w.copyChunk(g, old.Columns[leaf.leaf], leaf))
	}
	w.seal(next, start)
	return nil
}

// sorting keeps a claim about order only while no column of it is touched.
func (w *rewriter) sorting(old *parquet.RowGroup) []*parquet.SortingColumn {
	for _, s := range old.SortingColumns {
		if _, touched := w.touched[int(s.ColumnIdx)]; touched {
			return nil
		}
	}
	return old.SortingColumns
}

// copyChunk copies a chunk's bytes and moves its offsets. Page indexes and bloom
// filters lie elsewhere and hold absolute offsets: they are optional, and left out.
func (w *rewriter) copyChunk(g int, old *parquet.ColumnChunk, leaf *node) *parquet.ColumnChunk {
	m := *old.MetaData
	s := w.f.spans[g][leaf.leaf]
	shift := int64(w.buf.Len()) - s.from
	w.buf.Write(w.f.data[s.from:s.to])
	m.DataPageOffset += shift
	if m.DictionaryPageOffset != nil && *m.DictionaryPageOffset > 0 {
		at := *m.DictionaryPageOffset + shift
		m.DictionaryPageOffset = &at
	}
	m.IndexPageOffset, m.BloomFilterOffset = nil, nil
	m.TotalCompressedSize = s.to - s.from
	return &parquet.ColumnChunk{FileOffset: 0, MetaData: &m}
}

// seal adds a row group that was written from start on.
func (w *rewriter) seal(g *parquet.RowGroup, start int64) {
	size := int64(w.buf.Len()) - start
	for _, c := range g.Columns {
		g.TotalByteSize += c.MetaData.TotalUncompressedSize
	}
	ordinal := int16(min(len(w.groups), math.MaxInt16)) //nolint:gosec // bounded
	g.FileOffset, g.TotalCompressedSize, g.Ordinal = &start, &size, &ordinal
	w.groups = append(w.groups, g)
}

// slice cuts a flat leaf.
func (l *leafData) slice(from, to int64) *leafData {
	return &leafData{node: l.node, values: l.values[from:to], def: l.def[from:to], rep: l.rep[from:to]}
}
