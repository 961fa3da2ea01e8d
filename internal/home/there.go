package home

import "slices"

// HasRegistries tells whether there is a backend registry, and any registry of buckets.
func (h *Home) HasRegistries() (backends, buckets bool) {
	there := func(name string) bool { _, err := h.root.Stat(name); return err == nil }
	return there(fileRegistry), slices.ContainsFunc([]string{fileBuckets, fileBucketsTop, fileBucketsYAML, fileBucketsJSON}, there)
}
