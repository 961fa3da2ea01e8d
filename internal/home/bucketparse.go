package home

import (
	"fmt"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/parquetfile"
)

// parseBucketTable reads a registry column by column: a hundred thousand rows of all of them at once would take ten times what is kept.
func (h *Home) parseBucketTable(_ string, data []byte) ([]Bucket, error) {
	t, err := parquetfile.Read(data, []string{"bucket_name", "name"}, h.limits)
	if err != nil {
		return nil, err
	}
	if t.NumRows() > 0 && !t.Has("bucket_name") && !t.Has("name") {
		return nil, &parquetfile.UnsupportedError{Column: "bucket_name", Feature: "a bucket registry without names"}
	}
	all := make([]Bucket, t.NumRows())
	texts := newTextBlock(t, "bucket_name", "name")
	for i := range all {
		all[i].Name = texts.keep(firstText(t, i, "bucket_name", "name"))
		all[i].Key = all[i].Name
	}
	for _, c := range []struct {
		columns []string
		fill    func(t *parquetfile.Table, i int, b *Bucket)
	}{
		{[]string{"bucket_id"}, func(t *parquetfile.Table, i int, b *Bucket) {
			if id := firstText(t, i, "bucket_id"); strings.Contains(id, "/") {
				b.Key = strings.Clone(id)
			}
		}},
		{bindingColumns, sharedNames{}.fill},
		{[]string{"vfs_index_path"}, func(t *parquetfile.Table, i int, b *Bucket) {
			if index := firstText(t, i, "vfs_index_path"); !h.usualIndex(b.Name, index) {
				b.bound = &bound{backends: b.Backends(), index: strings.Clone(index)}
			}
		}},
		{[]string{"pin_count"}, func(t *parquetfile.Table, i int, b *Bucket) { b.PinCount, _ = t.Column("pin_count").Int(i) }},
		{[]string{"last_backup"}, func(t *parquetfile.Table, i int, b *Bucket) {
			if at, ok := t.Column("last_backup").Time(i); ok {
				b.LastBackup = clock.InstantOf(at)
			}
		}},
	} {
		t, err := parquetfile.Read(data, c.columns, h.limits)
		if err != nil {
			return nil, err
		}
		for i := range all {
			c.fill(t, i, &all[i])
		}
	}
	return slices.DeleteFunc(all, func(b Bucket) bool { return b.Name == "" }), nil
}

// textBlock keeps many short texts in one piece of memory.
type textBlock struct{ sb strings.Builder }

func newTextBlock(t *parquetfile.Table, columns ...string) *textBlock {
	size := 0
	for i := range t.NumRows() {
		size += len(firstText(t, i, columns...))
	}
	b := &textBlock{}
	b.sb.Grow(size)
	return b
}

// keep gives a copy of a text in the block.
func (b *textBlock) keep(s string) string {
	at := b.sb.Len()
	b.sb.WriteString(s)
	return b.sb.String()[at:]
}

// bindingColumns name the backends of a bucket, in the order in which they are believed.
var bindingColumns = []string{"backend_names", "backend_bindings", "backend"}

// sharedNames keeps equal lists of backends once, by the text that they were read from.
type sharedNames map[string]*bound

func (s sharedNames) fill(t *parquetfile.Table, row int, b *Bucket) {
	text := ""
	for _, col := range bindingColumns {
		v, ok := t.Column(col).String(row)
		if !ok && t.Column(col).Value(row) != nil {
			b.bound = boundTo(bindings(t, row)) // a list
			return
		}
		text += v + "\x00"
	}
	all, known := s[text]
	if !known {
		all = boundTo(bindings(t, row))
		s[text] = all
	}
	b.bound = all
}

// boundTo is nil for no backends.
func boundTo(names []string) *bound {
	if len(names) == 0 {
		return nil
	}
	return &bound{backends: names}
}

// bindings are the backends of a bucket: backend_names, else backend_bindings, else backend.
func bindings(t *parquetfile.Table, row int) []string {
	for _, col := range []string{"backend_names", "backend_bindings"} {
		if list, ok := t.Column(col).Strings(row); ok && len(list) > 0 {
			return eachOnce(list)
		}
	}
	list, _ := t.Column("backend").Strings(row) //nolint:errcheck // null is none
	if t.Has("backend_bindings") && len(list) == 1 && list[0] == "local" {
		return nil // the CLI writes "local" where nothing is bound
	}
	return eachOnce(list)
}

func eachOnce(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// parseBucketDoc reads bucket_registry.yaml and bucket_registry.json: an object "buckets" by name, or a list of records.
func parseBucketDoc(file string, data []byte) ([]Bucket, error) {
	var doc any
	var err error
	if strings.HasSuffix(file, ".json") {
		doc, err = JSON(data)
	} else {
		err = unmarshalYAML(data, &doc)
	}
	if err != nil {
		return nil, err
	}
	doc = textKeys(doc)
	if m, ok := doc.(map[string]any); ok {
		if inner, ok := m["buckets"]; ok {
			doc = textKeys(inner)
		}
	}
	var out []Bucket
	add := func(name string, v any) {
		fields, _ := v.(map[string]any) //nolint:errcheck // another type has no fields
		b := Bucket{Name: name}
		if s, ok := fields["bucket_name"].(string); ok && s != "" {
			b.Name = s
		}
		b.Key = b.Name
		if id, ok := fields["bucket_id"].(string); ok && strings.Contains(id, "/") {
			b.Key = id
		} else if strings.Contains(name, "/") {
			b.Key = name
		}
		all := bound{}
		all.index, _ = fields["vfs_index_path"].(string) //nolint:errcheck // another type is none
		for _, k := range []string{"backend_names", "backend_bindings", "backend"} {
			if len(all.backends) == 0 {
				all.backends = names(fields[k])
			}
		}
		b.bound = &all
		if b.Name != "" {
			out = append(out, b)
		}
	}
	switch x := doc.(type) {
	case map[string]any:
		for name, v := range x {
			add(name, v)
		}
	case []any:
		for _, v := range x {
			add("", v)
		}
	case nil:
	default:
		return nil, fmt.Errorf("it is a %T, not a list of buckets", doc)
	}
	slices.SortFunc(out, func(a, b Bucket) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// textKeys takes names that YAML takes for numbers or dates as texts.
func textKeys(v any) any {
	m, ok := v.(map[any]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, v := range m {
		out[fmt.Sprint(k)] = v
	}
	return out
}

func names(v any) []string {
	switch x := v.(type) {
	case string:
		return eachOnce(parquetfile.SplitNames(x))
	case []any:
		var out []string
		for _, e := range x {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return eachOnce(out)
	}
	return nil
}
