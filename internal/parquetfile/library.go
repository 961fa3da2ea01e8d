package parquetfile

import (
	"bytes"
	"errors"

	"github.com/xitongsys/parquet-go/parquet"
	"github.com/xitongsys/parquet-go/reader"
	"github.com/xitongsys/parquet-go/source"
)

// memFile is the library's view of a file that was read whole: a snapshot that no writer can tear.
type memFile struct {
	*bytes.Reader
	data []byte
}

var errReadOnly = errors.New("read only")

// Open gives another view of the same bytes.
func (m *memFile) Open(string) (source.ParquetFile, error) {
	return &memFile{bytes.NewReader(m.data), m.data}, nil
}

// Create is refused.
func (m *memFile) Create(string) (source.ParquetFile, error) { return nil, errReadOnly }

func (m *memFile) Write([]byte) (int, error) { return 0, errReadOnly }

// Close has nothing to close.
func (m *memFile) Close() error { return nil }

// leafData is a leaf's values with their levels, an entry for each; values of nulls mean nothing.
type leafData struct {
	node     *node
	values   []any
	def, rep []int32
}

// null tells whether entry i has no value.
func (l *leafData) null(i int) bool { return l.node.def > 0 && int(l.def[i]) < l.node.def }

// readLeaves reads leaves that the guard has passed.
func (f *file) readLeaves(leaves []*node) ([]*leafData, error) {
	if f.meta.NumRows == 0 {
		out := make([]*leafData, len(leaves))
		for i, n := range leaves {
			out[i] = &leafData{node: n}
		}
		return out, nil
	}
	pr, err := reader.NewParquetColumnReader(&memFile{bytes.NewReader(f.data), f.data}, 1)
	if err != nil {
		return nil, corrupt("the library can't open it: %v", err)
	}
	defer pr.ReadStop()
	var out []*leafData
	for _, n := range leaves {
		path := pr.SchemaHandler.IndexMap[int32(n.index)] //nolint:gosec // an index of the footer's list
		values, rep, def, err := pr.ReadColumnByPath(path, f.meta.NumRows)
		if err != nil {
			return nil, inColumn(n.path[0], corrupt("the library can't read it: %v", err))
		}
		l := &leafData{node: n, values: values, def: def, rep: rep}
		if err := l.complete(f.meta.NumRows); err != nil {
			return nil, inColumn(n.path[0], err)
		}
		out = append(out, l)
	}
	return out, nil
}

// complete refuses what the library read short or as another type: it does so without a word.
func (l *leafData) complete(rows int64) error {
	if len(l.def) != len(l.values) || len(l.rep) != len(l.values) {
		return corrupt("%d values with %d and %d levels", len(l.values), len(l.rep), len(l.def))
	}
	var n int64
	for i := range l.values {
		if l.rep[i] == 0 {
			n++
		}
		if !l.null(i) && !typed(l.values[i], l.node.el.GetType()) {
			return corrupt("a value of type %T for type %v", l.values[i], l.node.el.GetType())
		}
	}
	if n != rows {
		return corrupt("%d rows of %d could be read", n, rows)
	}
	return nil
}

func typed(v any, t parquet.Type) bool {
	switch v.(type) {
	case bool:
		return t == parquet.Type_BOOLEAN
	case int32:
		return t == parquet.Type_INT32
	case int64:
		return t == parquet.Type_INT64
	case float32:
		return t == parquet.Type_FLOAT
	case float64:
		return t == parquet.Type_DOUBLE
	case string:
		return t == parquet.Type_BYTE_ARRAY || t == parquet.Type_FIXED_LEN_BYTE_ARRAY || t == parquet.Type_INT96
	}
	return false
}
