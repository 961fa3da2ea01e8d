package home

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// cachedTable is what was made of one registry of buckets.
type cachedTable struct {
	stamp   stamp
	sure    bool
	buckets []Bucket // sorted by key, each once
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
	st, there := h.look(file)
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
