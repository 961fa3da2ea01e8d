package home

// HasRegistries tells whether there is a backend registry, and any registry of buckets.
func (h *Home) HasRegistries() (backends, buckets bool) {
	_, _, backends = h.stat(fileRegistry)
	for _, name := range []string{fileBuckets, fileBucketsTop, fileBucketsYAML, fileBucketsJSON} {
		_, _, there := h.stat(name)
		buckets = buckets || there
	}
	return backends, buckets
}
