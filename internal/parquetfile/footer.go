package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/xitongsys/parquet-go/parquet"
)

// node is one element of the schema tree.
type node struct {
	el       *parquet.SchemaElement
	index    int // in the footer's list
	def, rep int // levels of this node
	children []*node
	leaf     int // index among the leaves, -1 for groups
	path     []string
}

func (n *node) name() string { return n.el.Name }

func (n *node) repeated() bool {
	return n.el.GetRepetitionType() == parquet.FieldRepetitionType_REPEATED
}

func (n *node) optional() bool {
	return n.el.GetRepetitionType() == parquet.FieldRepetitionType_OPTIONAL
}

// span is where a column chunk lies in the file.
type span struct{ from, to int64 }

// file is a file whose footer was read.
type file struct {
	data   []byte
	limits Limits
	meta   *parquet.FileMetaData
	// end is the first byte after the data area.
	end    int64
	top    []*node // columns
	leaves []*node
	// spans by row group and leaf, known after a chunk was checked.
	spans [][]span
	// decoded counts bytes of decoded pages.
	decoded int64
}

func compact(b []byte) (thrift.TProtocol, *bytes.Buffer) {
	buf := bytes.NewBuffer(b)
	limit := int32(min(len(b)+1, 1<<30)) //nolint:gosec // at most 2^30
	cfg := &thrift.TConfiguration{MaxMessageSize: limit, MaxFrameSize: limit}
	// A memory buffer is used as it is: a stream transport would read ahead.
	return thrift.NewTCompactProtocolConf(&thrift.TMemoryBuffer{Buffer: buf}, cfg), buf
}

// openFile reads the footer and builds the schema tree.
func openFile(data []byte, l Limits) (*file, error) {
	n := int64(len(data))
	if n > l.FileBytes {
		return nil, &LimitError{What: "bytes", Is: n, Limit: l.FileBytes}
	}
	if n == 0 {
		return nil, corrupt("it is empty")
	}
	if n < 12 || string(data[:4]) != magic {
		return nil, corrupt("it does not begin with %s", magic)
	}
	if string(data[n-4:]) != magic {
		return nil, corrupt("it does not end with %s: it was cut off, or is being written", magic)
	}
	length := int64(binary.LittleEndian.Uint32(data[n-8:]))
	if length < 8 || length > n-12 {
		return nil, corrupt("its footer would be %d bytes long, of %d in the file", length, n)
	}
	if length > maxFooter {
		return nil, &LimitError{What: "bytes of footer", Is: length, Limit: maxFooter}
	}
	f := &file{data: data, limits: l, end: n - 8 - length, meta: parquet.NewFileMetaData()}
	p, _ := compact(data[f.end : n-8])
	if err := f.meta.Read(context.Background(), p); err != nil {
		return nil, corrupt("its footer can't be read: %v", err)
	}
	if f.meta.EncryptionAlgorithm != nil {
		return nil, &UnsupportedError{Feature: "encryption"}
	}
	if f.meta.NumRows < 0 || len(f.meta.Schema) == 0 {
		return nil, corrupt("its footer has no schema, or %d rows", f.meta.NumRows)
	}
	if f.meta.NumRows > l.Rows {
		return nil, &LimitError{What: "rows", Is: f.meta.NumRows, Limit: l.Rows}
	}
	if err := f.tree(); err != nil {
		return nil, err
	}
	return f, f.groups()
}

// tree builds the schema tree from the footer's flat list.
func (f *file) tree() error {
	root := f.meta.Schema[0]
	next := 1
	for range int(root.GetNumChildren()) {
		n, err := f.subtree(&next, nil, 0, 0)
		if err != nil {
			return err
		}
		f.top = append(f.top, n)
	}
	if next != len(f.meta.Schema) {
		return corrupt("its schema has %d elements, of which %d hang together", len(f.meta.Schema), next)
	}
	return nil
}

// maxDepth bounds the nesting of a schema.
const maxDepth = 64

func (f *file) subtree(next *int, path []string, def, rep int) (*node, error) {
	if *next >= len(f.meta.Schema) || len(path) > maxDepth {
		return nil, corrupt("its schema is no tree")
	}
	e := f.meta.Schema[*next]
	if e.RepetitionType == nil || *e.RepetitionType < 0 || *e.RepetitionType > 2 {
		return nil, corrupt("schema element %q has no repetition", e.Name)
	}
	n := &node{el: e, index: *next, def: def, rep: rep, leaf: -1, path: append(path[:len(path):len(path)], e.Name)}
	if n.optional() || n.repeated() {
		n.def++
	}
	if n.repeated() {
		n.rep++
	}
	*next++
	kids := int(e.GetNumChildren())
	if kids < 0 || kids > len(f.meta.Schema) {
		return nil, corrupt("schema element %q has %d children", e.Name, kids)
	}
	if kids == 0 {
		if e.Type == nil || *e.Type < 0 || *e.Type > 7 || e.GetTypeLength() < 0 || e.GetTypeLength() > 1<<16 {
			return nil, corrupt("schema element %q has no valid type", e.Name)
		}
		n.leaf = len(f.leaves)
		f.leaves = append(f.leaves, n)
		return n, nil
	}
	for range kids {
		c, err := f.subtree(next, n.path, n.def, n.rep)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, c)
	}
	return n, nil
}

// groups checks that row groups, columns and rows fit together.
func (f *file) groups() error {
	var rows int64
	for _, g := range f.meta.RowGroups {
		if g.NumRows < 0 || len(g.Columns) != len(f.leaves) {
			return corrupt("a row group has %d columns and %d rows; the schema has %d columns", len(g.Columns), g.NumRows, len(f.leaves))
		}
		rows += g.NumRows
		f.spans = append(f.spans, make([]span, len(f.leaves)))
	}
	if rows != f.meta.NumRows {
		return corrupt("its row groups have %d rows together, its footer says %d", rows, f.meta.NumRows)
	}
	return f.collisions()
}

// collisions refuses what the library would mix up: it makes identifiers of names by raising their first letter.
func (f *file) collisions() error {
	seen := map[string]bool{}
	for _, l := range f.leaves {
		var key strings.Builder
		for _, p := range l.path {
			key.WriteByte(1)
			if p != "" && p[0] >= 'a' && p[0] <= 'z' {
				p = string(p[0]-32) + p[1:]
			}
			key.WriteString(p)
		}
		if seen[key.String()] {
			return &UnsupportedError{Column: strings.Join(l.path, "."), Feature: "two names that differ in the case of their first letter only"}
		}
		seen[key.String()] = true
	}
	return nil
}

// leavesOf lists the leaves below a node.
func leavesOf(n *node) []*node {
	if n.leaf >= 0 {
		return []*node{n}
	}
	var out []*node
	for _, c := range n.children {
		out = append(out, leavesOf(c)...)
	}
	return out
}
