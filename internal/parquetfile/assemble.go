package parquetfile

import "github.com/xitongsys/parquet-go/parquet"

// Struct is a nested value: fields in the file's order.
type Struct []Field

// Field is one field of a Struct.
type Field struct {
	// Name of the field.
	Name string
	// Value as Table gives values; nil: null.
	Value any
}

// Map is a list of pairs, in the file's order.
type Map [][2]any

// cursor is a leaf on its way through assembly.
type cursor struct {
	*leafData
	at      int
	convert func(any) any
}

// assembler puts rows together again from the levels of their leaves.
type assembler struct {
	leaves map[int]*cursor
}

// assemble builds the values of a nested column, one a row: []any for lists, Struct, Map, or a plain value.
func assemble(top *node, data []*leafData, rows int) (out []any, err error) {
	a := &assembler{leaves: map[int]*cursor{}}
	for _, l := range data {
		a.leaves[l.node.leaf] = &cursor{leafData: l, convert: converter(l.node.el)}
	}
	first := a.leaves[leavesOf(top)[0].leaf]
	for range rows {
		if first.at >= len(first.values) {
			return nil, corrupt("its levels end before its rows do")
		}
		out = append(out, a.value(top))
	}
	for _, c := range a.leaves {
		if c.at != len(c.values) {
			return nil, corrupt("its levels don't fit together")
		}
	}
	return out, nil
}

// head is the leaf whose levels tell how a node stands.
func (a *assembler) head(n *node) *cursor {
	for n.leaf < 0 {
		n = n.children[0]
	}
	c := a.leaves[n.leaf]
	if c.at >= len(c.values) {
		panic("levels don't fit together") // a panic is an error of the read: see protect
	}
	return c
}

// skip passes the one entry that each leaf below a null has.
func (a *assembler) skip(n *node) {
	for _, l := range leavesOf(n) {
		a.leaves[l.leaf].at++
	}
}

// value reads one value of a node.
func (a *assembler) value(n *node) any {
	if n.repeated() {
		return a.list(n)
	}
	if h := a.head(n); n.optional() && int(h.def[h.at]) < n.def {
		a.skip(n)
		return nil
	}
	return a.present(n)
}

// list reads the elements of a repeated node.
func (a *assembler) list(n *node) []any {
	out := []any{}
	h := a.head(n)
	if int(h.def[h.at]) < n.def {
		a.skip(n)
		return out
	}
	for {
		out = append(out, a.present(n))
		if h.at >= len(h.values) || int(h.rep[h.at]) < n.rep {
			return out
		}
	}
}

// present reads a node that is known to be there.
func (a *assembler) present(n *node) any {
	if n.leaf >= 0 {
		c := a.leaves[n.leaf]
		v := c.values[c.at]
		c.at++
		return c.convert(v)
	}
	switch inner := n.children[0]; {
	case isMap(n) && len(n.children) == 1 && inner.repeated() && len(inner.children) == 2:
		return a.pairs(inner)
	case isList(n) && len(n.children) == 1 && inner.repeated():
		return a.elements(inner)
	}
	return a.fields(n)
}

func (a *assembler) fields(n *node) Struct {
	s := make(Struct, 0, len(n.children))
	for _, c := range n.children {
		s = append(s, Field{c.name(), a.value(c)})
	}
	return s
}

// elements reads a list: three levels, where the middle one is a wrapper, or two.
func (a *assembler) elements(inner *node) []any {
	list := a.list(inner)
	if inner.leaf >= 0 || len(inner.children) != 1 || inner.name() == "array" {
		return list
	}
	for i, e := range list {
		if s, ok := e.(Struct); ok && len(s) == 1 {
			list[i] = s[0].Value
		}
	}
	return list
}

func (a *assembler) pairs(inner *node) Map {
	m := Map{}
	for _, e := range a.list(inner) {
		if s, ok := e.(Struct); ok && len(s) == 2 {
			m = append(m, [2]any{s[0].Value, s[1].Value})
		}
	}
	return m
}

func isList(n *node) bool {
	return n.el.ConvertedType != nil && *n.el.ConvertedType == parquet.ConvertedType_LIST || n.el.LogicalType != nil && n.el.LogicalType.LIST != nil
}

func isMap(n *node) bool {
	if n.el.LogicalType != nil && n.el.LogicalType.MAP != nil {
		return true
	}
	return n.el.ConvertedType != nil &&
		(*n.el.ConvertedType == parquet.ConvertedType_MAP || *n.el.ConvertedType == parquet.ConvertedType_MAP_KEY_VALUE)
}
