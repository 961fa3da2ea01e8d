package parquetfile

import (
	"slices"
	"strings"

	"github.com/xitongsys/parquet-go/parquet"
)

// Table holds the columns that were read.
type Table struct {
	rows    int
	names   []string
	columns map[string]*Column
	meta    map[string]string
	groups  int
	nodes   map[string]*node
}

// NumRows is the number of rows of the file.
func (t *Table) NumRows() int { return t.rows }

// Names lists all columns of the file in its order, read or not.
func (t *Table) Names() []string { return t.names }

// Has tells whether the file has a column of that name.
func (t *Table) Has(name string) bool { return slices.Contains(t.names, name) }

// Settable tells whether the file has a column of that name that Rewrite can set: no list and no group.
func (t *Table) Settable(name string) bool {
	n := t.nodes[name]
	return n != nil && n.leaf >= 0 && n.rep == 0
}

// HoldsTimes tells whether the file has a column of that name whose type is for times.
func (t *Table) HoldsTimes(name string) bool {
	n := t.nodes[name]
	return n != nil && n.leaf >= 0 && n.rep == 0 && n.el.GetType() == parquet.Type_INT64 &&
		(n.el.LogicalType != nil && n.el.LogicalType.TIMESTAMP != nil || n.el.ConvertedType != nil && timeTypes[*n.el.ConvertedType])
}

var timeTypes = map[parquet.ConvertedType]bool{parquet.ConvertedType_TIMESTAMP_MILLIS: true, parquet.ConvertedType_TIMESTAMP_MICROS: true}

// Column gives a column that was read; of one that the file doesn't have every value is null.
func (t *Table) Column(name string) *Column {
	if c, ok := t.columns[name]; ok {
		return c
	}
	return &Column{name: name}
}

// Read checks and reads the columns that are named, all if none is; names that
// the file doesn't have are no error. Each column is read whole or the read
// fails with a *CorruptError, *UnsupportedError or *LimitError.
func Read(data []byte, columns []string, l Limits) (t *Table, err error) {
	defer protect(&err)
	f, err := openFile(data, l)
	if err != nil {
		return nil, err
	}
	t = &Table{rows: int(f.meta.NumRows), columns: map[string]*Column{}, nodes: map[string]*node{}, meta: map[string]string{}, groups: len(f.meta.RowGroups)}
	for _, kv := range f.meta.KeyValueMetadata {
		t.meta[kv.Key] = kv.GetValue()
	}
	for _, n := range f.top {
		t.names = append(t.names, n.name())
		t.nodes[n.name()] = n
		if columns != nil && !slices.Contains(columns, n.name()) {
			continue
		}
		c, err := f.column(n)
		if err != nil {
			return nil, err
		}
		t.columns[n.name()] = c
	}
	return t, nil
}

// column checks and reads one column.
func (f *file) column(n *node) (*Column, error) {
	leaves := leavesOf(n)
	for _, leaf := range leaves {
		if err := f.check(leaf); err != nil {
			return nil, inColumn(strings.Join(leaf.path, "."), err)
		}
	}
	data, err := f.readLeaves(leaves)
	if err != nil {
		return nil, inColumn(n.name(), err)
	}
	c := &Column{name: n.name()}
	if n.leaf >= 0 && n.rep == 0 {
		c.values, err = flat(data[0])
	} else {
		c.values, err = assemble(n, data, int(f.meta.NumRows))
	}
	return c, inColumn(n.name(), err)
}

func flat(l *leafData) ([]any, error) {
	convert := converter(l.node.el)
	out := make([]any, len(l.values))
	for i, v := range l.values {
		if !l.null(i) {
			out[i] = convert(v)
		}
	}
	return out, nil
}
