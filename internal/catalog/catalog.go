// Package catalog is the snapshot of what the home says: backends, marks and
// buckets, refreshed by what changed. It does no planning and knows nothing of
// health: those are the service's. Snapshots of a backend are immutable and
// shared; a refresh replaces the ones that differ.
package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"ipfskit.org/intelligent/internal/home"
)

// Source is what the catalog reads; *home.Home is one. Its reads are cached by
// file stamps, so that what did not change costs one stat.
type Source interface {
	// Configs gives the configurations by name, and the files that can't be read.
	Configs(ctx context.Context) (map[string]*home.Config, []home.Problem, error)
	// ReadRegistry gives the rows of the backend registry; on an error the last good ones come with it.
	ReadRegistry(ctx context.Context) ([]home.RegistryRow, error)
	// ReadBuckets gives the distinct buckets, and the files that can't be read.
	ReadBuckets(ctx context.Context) (home.Buckets, []home.Problem, error)
	// ChangedMarks names the backends whose marks are not as last says, or may not be.
	ChangedMarks(ctx context.Context, last map[string]*home.Dirty) ([]string, error)
	// ReadDirty says what all marks of a backend say together.
	ReadDirty(ctx context.Context, name string) (*home.Dirty, error)
	// PinSummary counts the mapping of a backend.
	PinSummary(ctx context.Context, name string) (home.PinCounts, error)
	// ChangedMappings names the backends whose mappings are not as last says, or may not be.
	ChangedMappings(ctx context.Context, last map[string]home.PinCounts) ([]string, error)
}

// Backend is what the home says of one backend. It is immutable.
type Backend struct {
	// Name that the home gives it.
	Name string
	// Config is nil where only the registry or a mark names the backend.
	Config *home.Config
	// Row is nil where the registry doesn't list it.
	Row *home.RegistryRow
	// Dirty is nil until a mark was read; a clean backend may have one that says so.
	Dirty *home.Dirty
	// Pins counts its mapping.
	Pins home.PinCounts
	// Buckets counts the buckets that are bound to it.
	Buckets int
}

// Counted tells whether the backend counts: it is configured and not disabled,
// or in the registry, or has a dirty mark (contract section 3).
func (b *Backend) Counted() bool {
	if b.Config != nil {
		return b.Config.Enabled
	}
	return b.Row != nil || b.IsDirty()
}

// IsDirty tells whether a mark stands; nil, which nothing names, has none.
func (b *Backend) IsDirty() bool { return b != nil && b.Dirty != nil && b.Dirty.IsDirty }

// Type is the backend's canonical type, empty when nothing tells it.
func (b *Backend) Type() string {
	switch {
	case b.Config != nil && b.Config.Type != "":
		return b.Config.Type
	case b.Row != nil:
		return home.CanonicalType(b.Row.Type)
	}
	return ""
}

// RawType is its type as the configuration or the registry spells it; empty where neither names one.
func (b *Backend) RawType() string {
	switch {
	case b.Config != nil && b.Config.RawType != "":
		return b.Config.RawType
	case b.Row != nil:
		return b.Row.Type
	}
	return ""
}

// Endpoint is where it lies, without credentials.
func (b *Backend) Endpoint() string {
	switch {
	case b.Config != nil:
		return b.Config.Endpoint()
	case b.Row != nil:
		return b.Row.Endpoint
	}
	return ""
}

// Catalog is the snapshot. It is safe for concurrent use.
type Catalog struct {
	src Source

	mu       sync.RWMutex
	backends map[string]*Backend
	names    []string // sorted; nil when it must be made anew
	buckets  home.Buckets
	bound    map[string]int            // how many buckets name a backend
	problems map[string][]home.Problem // by what was read
	// readings counts readings of marks, and newest is the last one that began of those that told of a backend.
	readings uint64
	newest   map[string]uint64
}

// New makes an empty catalog; nothing is read yet.
func New(src Source) *Catalog {
	return &Catalog{src: src, backends: map[string]*Backend{}, newest: map[string]uint64{}, problems: map[string][]home.Problem{}}
}

// Get gives the snapshot of a backend, or false when nothing names it.
func (c *Catalog) Get(name string) (*Backend, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b, ok := c.backends[name]
	return b, ok
}

// Names lists all names that anything in the home mentions, sorted, counted or not. It must not be changed.
func (c *Catalog) Names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = slices.Sorted(maps.Keys(c.backends))
	}
	return c.names
}

// Buckets are the distinct buckets. They must not be changed.
func (c *Catalog) Buckets() home.Buckets {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.buckets
}

// Problems lists what could not be read.
func (c *Catalog) Problems() []home.Problem {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []home.Problem
	for _, k := range slices.Sorted(maps.Keys(c.problems)) {
		out = append(out, c.problems[k]...)
	}
	return out
}

// update replaces one backend by what change makes of a copy; nothing named any more is dropped.
// The caller holds mu.
func (c *Catalog) update(name string, change func(*Backend)) {
	next := &Backend{Name: name}
	if old, ok := c.backends[name]; ok {
		*next = *old
	} else {
		c.names = nil
	}
	change(next)
	if next.Config == nil && next.Row == nil && !mentions(next.Dirty) && next.Buckets == 0 && next.Pins.Total == 0 {
		if _, ok := c.backends[name]; ok {
			delete(c.backends, name)
			c.names = nil
		}
		return
	}
	c.backends[name] = next
}

// mentions tells whether marks name a backend: one that stands, one that may be in the
// middle of being written, or a clean one whose actions are counted.
func mentions(d *home.Dirty) bool { return d != nil && (d.IsDirty || d.Settling || d.Actions > 0) }

func (c *Catalog) setProblems(what string, p []home.Problem) {
	if len(p) == 0 {
		delete(c.problems, what)
		return
	}
	c.problems[what] = p
}

// read fails with what was being read.
func read(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s: %w", what, err)
}
