package home

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/parquetfile"
)

// cachedTable is what was made of one file of buckets.
type cachedTable struct {
	stamp   stamp
	sure    bool
	buckets []Bucket
	files   int64
}

// bucketColumns are those of all four schemas that counting needs.
var bucketColumns = []string{"bucket_id", "bucket_name", "name", "backend_names", "backend_bindings", "backend", "pin_count", "last_backup", "vfs_index_path"}

// ReadBuckets gives the distinct buckets of all registries together, sorted by
// key. YAML and JSON registries count where no parquet one lists the bucket.
// What can't be read is a Problem, and its last good data stays.
func (h *Home) ReadBuckets(ctx context.Context) ([]Bucket, []Problem, error) {
	all := map[string]*Bucket{}
	var problems []Problem
	read := func(file string, parse func(string, []byte) ([]Bucket, error), only bool) error {
		list, err := h.bucketsOf(ctx, file, parse)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			problems = append(problems, Problem{File: file, Err: err})
		}
		addBuckets(all, list, only)
		return nil
	}
	for _, f := range []string{fileBuckets, fileBucketsTop} {
		if err := read(f, h.parseBucketTable, false); err != nil {
			return nil, nil, err
		}
	}
	for _, f := range []string{fileBucketsYAML, fileBucketsJSON} {
		if err := read(f, parseBucketDoc, true); err != nil {
			return nil, nil, err
		}
	}
	out := make([]Bucket, 0, len(all))
	for _, b := range all {
		n, err := h.bucketFiles(ctx, *b)
		if err != nil {
			problems = append(problems, Problem{File: b.index, Err: err})
		}
		b.Files = n
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Bucket) int { return strings.Compare(a.Key, b.Key) })
	return out, problems, nil
}

// addBuckets merges a list into all; only: just those whose name nothing lists yet.
func addBuckets(all map[string]*Bucket, list []Bucket, only bool) {
	named := map[string]bool{}
	if only {
		for _, b := range all {
			named[b.Name] = true
		}
	}
	for _, b := range list {
		if only && named[b.Name] {
			continue
		}
		old, ok := all[b.Key]
		if !ok {
			all[b.Key] = &b
			continue
		}
		for _, n := range b.Backends {
			if !slices.Contains(old.Backends, n) {
				old.Backends = append(old.Backends, n)
			}
		}
		old.PinCount = max(old.PinCount, b.PinCount)
		old.LastBackup = later(old.LastBackup, b.LastBackup)
		if old.index == "" {
			old.index = b.index
		}
	}
}

// bucketsOf reads one registry, from memory if it is the same as before.
func (h *Home) bucketsOf(ctx context.Context, file string, parse func(string, []byte) ([]Bucket, error)) ([]Bucket, error) {
	st, _, there := h.stat(file)
	h.mu.Lock()
	c, known := h.tables[file]
	h.mu.Unlock()
	if !there {
		return nil, nil
	}
	if known && c.sure && c.stamp == st {
		return slices.Clone(c.buckets), nil
	}
	data, st, err := h.read(ctx, file, h.limits.FileBytes)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return slices.Clone(c.buckets), err
	}
	list, err := parse(file, data)
	if err != nil {
		return slices.Clone(c.buckets), err
	}
	h.mu.Lock()
	h.tables[file] = cachedTable{stamp: st, sure: !st.fresh(h.clk.Now()), buckets: list}
	h.mu.Unlock()
	return slices.Clone(list), nil
}

func (h *Home) parseBucketTable(file string, data []byte) ([]Bucket, error) {
	t, err := parquetfile.Read(data, bucketColumns, h.limits)
	if err != nil {
		return nil, err
	}
	if t.NumRows() > 0 && !t.Has("bucket_name") && !t.Has("name") {
		return nil, &parquetfile.UnsupportedError{Column: "bucket_name", Feature: "a bucket registry without names"}
	}
	var out []Bucket
	for i := range t.NumRows() {
		text := func(cols ...string) string {
			for _, c := range cols {
				if s, ok := t.Column(c).String(i); ok && s != "" {
					return s
				}
			}
			return ""
		}
		b := Bucket{Name: text("bucket_name", "name"), Source: file, index: text("vfs_index_path")}
		if b.Name == "" {
			continue
		}
		b.Key = b.Name
		if id := text("bucket_id"); strings.Contains(id, "/") {
			b.Key = id
		}
		b.Backends = bindings(t, i)
		b.PinCount, _ = t.Column("pin_count").Int(i)
		b.LastBackup, _ = t.Column("last_backup").Time(i)
		out = append(out, b)
	}
	return out, nil
}

// bindings are the backends of a bucket: backend_names, else backend_bindings, else backend.
func bindings(t *parquetfile.Table, row int) []string {
	for _, col := range []string{"backend_names", "backend_bindings"} {
		if list, ok := t.Column(col).Strings(row); ok && len(list) > 0 {
			return unique(list)
		}
	}
	list, _ := t.Column("backend").Strings(row) //nolint:errcheck // null is none
	if t.Has("backend_bindings") && len(list) == 1 && list[0] == "local" {
		return nil // the CLI writes "local" where nothing is bound
	}
	return unique(list)
}

func unique(list []string) []string {
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
		b := Bucket{Name: name, Source: file}
		if s, ok := fields["bucket_name"].(string); ok && s != "" {
			b.Name = s
		}
		b.Key = b.Name
		if id, ok := fields["bucket_id"].(string); ok && strings.Contains(id, "/") {
			b.Key = id
		} else if strings.Contains(name, "/") {
			b.Key = name
		}
		b.index, _ = fields["vfs_index_path"].(string) //nolint:errcheck // another type is none
		for _, k := range []string{"backend_names", "backend_bindings", "backend"} {
			if len(b.Backends) == 0 {
				b.Backends = names(fields[k])
			}
		}
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
		return unique(parquetfile.SplitNames(x))
	case []any:
		var out []string
		for _, e := range x {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return unique(out)
	}
	return nil
}

// indexFiles are where the VFS index of a bucket may lie, relative to the home.
func (h *Home) indexFiles(b Bucket) []string {
	if !safeName(b.Name) {
		return nil
	}
	files := []string{path.Join("vfs_indices", b.Name+".parquet"), path.Join("vfs_indices", b.Name, "index.parquet"), path.Join("buckets", b.Name+".parquet")}
	if b.index != "" {
		rel := b.index
		if filepath.IsAbs(rel) {
			r, err := filepath.Rel(h.Path(), rel)
			if err != nil || strings.HasPrefix(r, "..") {
				return files
			}
			rel = r
		}
		files = append([]string{filepath.ToSlash(rel), path.Join(filepath.ToSlash(rel), "index.parquet")}, files...)
	}
	return files
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

// bucketFiles counts the files of a bucket: 0 without an index, -1 where it can't be read.
func (h *Home) bucketFiles(ctx context.Context, b Bucket) (int64, error) {
	for _, file := range h.indexFiles(b) {
		st, fi, there := h.stat(file)
		if !there || !fi.Mode().IsRegular() {
			continue
		}
		h.mu.Lock()
		c, known := h.tables[file]
		h.mu.Unlock()
		if known && c.sure && c.stamp == st {
			return c.files, nil
		}
		break
	}
	t, st, file, err := h.indexOf(ctx, b)
	if err != nil {
		return -1, err
	}
	if t == nil {
		return 0, nil
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
	return n, nil
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
