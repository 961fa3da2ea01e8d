package home

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/parquetfile"
)

// cachedTable is what was made of one file of buckets.
type cachedTable struct {
	stamp   stamp
	sure    bool
	buckets []Bucket // sorted by key, each once
	files   int64
}

// cachedBuckets are the distinct buckets, and what they were made of. The lists
// are shared, never changed: a hundred thousand buckets are kept once.
type cachedBuckets struct {
	sources [][]Bucket
	merged  []Bucket
}

// ReadBuckets gives the distinct buckets of all registries together, sorted by
// key. YAML and JSON registries count where no parquet one lists the bucket.
// What can't be read is a Problem, and its last good data stays. As long as
// the registries are as they were the list is the very same slice.
func (h *Home) ReadBuckets(ctx context.Context) (Buckets, []Problem, error) {
	var sources [][]Bucket
	var problems []Problem
	for _, f := range []struct {
		file  string
		parse func(string, []byte) ([]Bucket, error)
	}{{fileBuckets, h.parseBucketTable}, {fileBucketsTop, h.parseBucketTable}, {fileBucketsYAML, parseBucketDoc}, {fileBucketsJSON, parseBucketDoc}} {
		list, err := h.bucketsOf(ctx, f.file, f.parse, sources)
		if ctx.Err() != nil {
			return Buckets{}, nil, ctx.Err()
		}
		if err != nil {
			problems = append(problems, Problem{File: f.file, Err: err})
		}
		sources = append(sources, list)
	}
	h.mu.Lock()
	c := h.buckets
	h.mu.Unlock()
	if c == nil || !slices.EqualFunc(c.sources, sources, sameList) {
		c = &cachedBuckets{sources: sources, merged: mergeBuckets(sources)}
		h.mu.Lock()
		h.buckets = c
		h.mu.Unlock()
	}
	files, more, err := h.bucketFileCounts(ctx, c.merged)
	if err != nil {
		return Buckets{}, nil, err
	}
	return Buckets{List: c.merged, Files: files}, append(problems, more...), nil
}

// sameList tells whether two slices are the very same one.
func sameList(a, b []Bucket) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// tables is how many of the sources are parquet files, whose buckets all count.
const tables = 2

// mergeBuckets makes one list of sorted ones. Of the documents only buckets count whose name no table lists.
func mergeBuckets(sources [][]Bucket) []Bucket {
	merged := sources[0]
	for i, list := range sources[1:] {
		if i+1 >= tables && len(list) > 0 {
			named := make(map[string]bool, len(merged))
			for _, b := range merged {
				named[b.Name] = true
			}
			list = slices.DeleteFunc(slices.Clone(list), func(b Bucket) bool { return named[b.Name] })
		}
		switch {
		case len(list) == 0 || sameList(merged, list):
		case len(merged) == 0:
			merged = list
		default:
			merged = distinct(append(slices.Clone(merged), list...))
		}
	}
	return merged
}

// distinct sorts buckets by key and makes one of those that have the same. The list is changed.
func distinct(list []Bucket) []Bucket {
	slices.SortStableFunc(list, func(a, b Bucket) int { return strings.Compare(a.Key, b.Key) })
	out := list[:0]
	for _, b := range list {
		if n := len(out); n > 0 && out[n-1].Key == b.Key {
			out[n-1].add(b)
			continue
		}
		out = append(out, b)
	}
	return slices.Clip(out)
}

// add takes what another record of the same bucket says.
func (b *Bucket) add(o Bucket) {
	if b.bound != o.bound {
		all := bound{backends: eachOnce(slices.Concat(b.Backends(), o.Backends())), index: cmp.Or(b.index(), o.index())}
		b.bound = &all
	}
	b.PinCount = max(b.PinCount, o.PinCount)
	b.LastBackup = max(b.LastBackup, o.LastBackup)
}

// bucketsOf reads one registry, from memory if it is the same as before. One
// that lists the same as an earlier source shares its list.
func (h *Home) bucketsOf(ctx context.Context, file string, parse func(string, []byte) ([]Bucket, error), sources [][]Bucket) ([]Bucket, error) {
	st, _, there := h.stat(file)
	h.mu.Lock()
	c, known := h.tables[file]
	h.mu.Unlock()
	if !there {
		return nil, nil
	}
	if known && c.sure && c.stamp == st {
		return c.buckets, nil
	}
	data, st, err := h.read(ctx, file, h.limits.FileBytes)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return c.buckets, err
	}
	list, err := parse(file, data)
	if err != nil {
		return c.buckets, err
	}
	list = distinct(list)
	for _, other := range append(sources, c.buckets) {
		if len(list) > 0 && slices.EqualFunc(list, other, Bucket.equal) {
			list = other
		}
	}
	h.mu.Lock()
	h.tables[file] = cachedTable{stamp: st, sure: !st.fresh(h.clk.Now()), buckets: list}
	h.mu.Unlock()
	return list, nil
}

func (b Bucket) equal(o Bucket) bool {
	return b.Key == o.Key && b.Name == o.Name && b.PinCount == o.PinCount && b.LastBackup == o.LastBackup && b.index() == o.index() && slices.Equal(b.Backends(), o.Backends())
}

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
	if strings.HasSuffix(file, ".json") {
		if err := json.Unmarshal(data, &doc); err != nil {
			return nil, err
		}
	} else if err := unmarshalYAML(data, &doc); err != nil {
		return nil, err
	}
	if m, ok := doc.(map[string]any); ok {
		if inner, ok := m["buckets"]; ok {
			doc = inner
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

// indexFiles are where the VFS index of a bucket may lie, relative to the home.
func (h *Home) indexFiles(b Bucket) []string {
	if !safeName(b.Name) {
		return nil
	}
	files := []string{path.Join(dirVFS, b.Name+".parquet"), path.Join(dirVFS, b.Name, "index.parquet"), path.Join(dirBucketTables, b.Name+".parquet")}
	if rel, ok := h.relative(b.index()); ok {
		files = append([]string{rel, path.Join(rel, "index.parquet")}, files...)
	}
	return files
}

// relative gives a path from a registry below the home; false for none, and for one outside of it.
func (h *Home) relative(name string) (string, bool) {
	if filepath.IsAbs(name) {
		rest, ok := strings.CutPrefix(name, h.Path()+"/")
		if !ok {
			return "", false
		}
		name = rest
	}
	return filepath.ToSlash(name), name != "" && filepath.IsLocal(name)
}

// usualIndex tells whether the path that a registry names is where the index is looked for anyway.
func (h *Home) usualIndex(bucket, index string) bool {
	rel, ok := h.relative(index)
	rest, below := strings.CutPrefix(rel, dirVFS+"/")
	return !ok || below && (rest == bucket || rest == bucket+".parquet" || rest == bucket+"/index.parquet")
}

// indexColumns are those of all schemas of VFS indices.
var indexColumns = []string{"path", "file_path", "cid", "ipfs_cid", "file_cid"}

// indexOf reads the first VFS index of a bucket that there is; nil when there is none.
func (h *Home) indexOf(ctx context.Context, b Bucket) (t *parquetfile.Table, st stamp, file string, err error) {
	for _, file := range h.indexFiles(b) {
		st, fi, there := h.stat(file)
		if !there || !fi.Mode().IsRegular() {
			continue
		}
		data, st2, err := h.read(ctx, file, h.limits.FileBytes)
		if err != nil {
			return nil, st, file, fmt.Errorf("read %s: %w", file, err)
		}
		t, err := parquetfile.Read(data, indexColumns, h.limits)
		if err != nil {
			return nil, st2, file, fmt.Errorf("read %s: %w", file, err)
		}
		return t, st2, file, nil
	}
	return nil, stamp{}, "", nil
}

// bucketFileCounts counts the files of all buckets that have a VFS index, -1 where it
// can't be read. What is in the two usual folders is listed once, not asked for a bucket at a time.
func (h *Home) bucketFileCounts(ctx context.Context, list []Bucket) (map[string]int64, []Problem, error) {
	there := map[string]bool{}
	for _, dir := range []string{dirVFS, dirBucketTables} {
		entries, err := h.list(ctx, dir)
		if err != nil {
			return nil, []Problem{{File: dir, Err: err}}, ctx.Err()
		}
		for _, e := range entries {
			there[dir+"/"+e.Name] = true
		}
	}
	counts := map[string]int64{}
	var problems []Problem
	for _, b := range list {
		if b.index() == "" && (len(there) == 0 || !there[dirVFS+"/"+b.Name] && !there[dirVFS+"/"+b.Name+".parquet"] && !there[dirBucketTables+"/"+b.Name+".parquet"]) {
			continue
		}
		n, file, err := h.bucketFiles(ctx, b)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			problems = append(problems, Problem{File: file, Err: err})
		}
		if n != 0 {
			counts[b.Key] = n
		}
	}
	return counts, problems, nil
}

// bucketFiles counts the files of a bucket: 0 without an index, -1 where it can't be read.
func (h *Home) bucketFiles(ctx context.Context, b Bucket) (int64, string, error) {
	for _, file := range h.indexFiles(b) {
		st, fi, there := h.stat(file)
		if !there || !fi.Mode().IsRegular() {
			continue
		}
		h.mu.Lock()
		c, known := h.tables[file]
		h.mu.Unlock()
		if known && c.sure && c.stamp == st {
			return c.files, file, nil
		}
		break
	}
	t, st, file, err := h.indexOf(ctx, b)
	if err != nil {
		return -1, file, err
	}
	if t == nil {
		return 0, "", nil
	}
	var n int64
	for i := range t.NumRows() {
		if firstText(t, i, "path", "file_path") != "" {
			n++
		}
	}
	h.mu.Lock()
	h.tables[file] = cachedTable{stamp: st, sure: !st.fresh(h.clk.Now()), files: n}
	h.mu.Unlock()
	return n, file, nil
}

func firstText(t *parquetfile.Table, row int, cols ...string) string {
	for _, c := range cols {
		if s, ok := t.Column(c).String(row); ok && s != "" {
			return s
		}
	}
	return ""
}

// BucketCIDs lists the CIDs in the VFS index of a bucket, each once.
func (h *Home) BucketCIDs(ctx context.Context, b Bucket) ([]string, error) {
	t, _, _, err := h.indexOf(ctx, b)
	if err != nil || t == nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []string
	for i := range t.NumRows() {
		if c := firstText(t, i, "cid", "ipfs_cid", "file_cid"); c != "" && !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out, nil
}
