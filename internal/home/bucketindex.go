package home

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"ipfskit.org/intelligent/internal/parquetfile"
)

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

// cachedIndex counts the files of one VFS index.
type cachedIndex struct {
	stamp stamp
	sure  bool
	files int64
}

// bucketFiles counts the files of a bucket: 0 without an index, -1 where it can't be read.
func (h *Home) bucketFiles(ctx context.Context, b Bucket) (int64, string, error) {
	for _, file := range h.indexFiles(b) {
		st, fi, there := h.stat(file)
		if !there || !fi.Mode().IsRegular() {
			continue
		}
		h.mu.Lock()
		c, known := h.indices[file]
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
	h.indices[file] = cachedIndex{stamp: st, sure: !st.fresh(h.clk.Now()), files: n}
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
