package catalog

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/home"
)

// RefreshAll reads everything anew: at start, after an overflow, at the
// metadata reader's interval. It returns the names of the backends that
// changed. beat is called for each backend, as a proof of progress. What can't
// be read keeps its last good data, and the errors are returned together.
func (c *Catalog) RefreshAll(ctx context.Context, beat func()) ([]string, error) {
	changed := map[string]bool{}
	var errs []error
	for _, f := range []func(context.Context) ([]string, error){c.RefreshConfigs, c.RefreshRegistry, c.RefreshBuckets} {
		names, err := f(ctx)
		for _, n := range names {
			changed[n] = true
		}
		errs = append(errs, err)
		beat()
	}
	names, err := c.RefreshMarks(ctx, beat)
	errs = append(errs, err)
	for _, n := range names {
		changed[n] = true
	}
	names, err = c.RefreshAllPins(ctx, beat)
	errs = append(errs, err)
	for _, n := range names {
		changed[n] = true
	}
	return slices.Sorted(maps.Keys(changed)), errors.Join(errs...)
}

// RefreshConfigs reads the configurations.
func (c *Catalog) RefreshConfigs(ctx context.Context) ([]string, error) {
	configs, problems, err := c.src.Configs(ctx)
	if err != nil {
		return nil, read("the configurations", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setProblems("configurations", problems)
	var changed []string
	for name, cfg := range configs {
		if old := c.backends[name]; old == nil || old.Config == nil || old.Config != cfg && !reflect.DeepEqual(old.Config, cfg) {
			c.update(name, func(b *Backend) { b.Config = cfg })
			changed = append(changed, name)
		}
	}
	for name, b := range c.backends {
		if _, ok := configs[name]; !ok && b.Config != nil {
			c.update(name, func(b *Backend) { b.Config = nil })
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// RefreshRegistry reads backend_registry.parquet.
func (c *Catalog) RefreshRegistry(ctx context.Context) ([]string, error) {
	list, err := c.src.ReadRegistry(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.setProblems("registry", []home.Problem{{File: "backend_index/backend_registry.parquet", Err: err}})
		return nil, read("the backend registry", err)
	}
	c.setProblems("registry", nil)
	rows := make(map[string]*home.RegistryRow, len(list))
	for i := range list {
		rows[list[i].Name] = &list[i]
	}
	var changed []string
	for name, row := range rows {
		if old := c.backends[name]; old == nil || old.Row == nil || old.Row != row && *old.Row != *row {
			c.update(name, func(b *Backend) { b.Row = row })
			changed = append(changed, name)
		}
	}
	for name, b := range c.backends {
		if _, ok := rows[name]; !ok && b.Row != nil {
			c.update(name, func(b *Backend) { b.Row = nil })
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// RefreshBuckets reads the bucket registries and binds their buckets to backends.
func (c *Catalog) RefreshBuckets(ctx context.Context) ([]string, error) {
	buckets, problems, err := c.src.ReadBuckets(ctx)
	if err != nil {
		return nil, read("the bucket registries", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setProblems("buckets", problems)
	if c.bound == nil || !sameList(buckets.List, c.buckets.List) {
		c.bound = map[string]int{}
		for _, b := range buckets.List {
			for _, name := range b.Backends() {
				c.bound[name]++
			}
		}
	}
	c.buckets = buckets
	var changed []string
	for name, b := range c.backends {
		if n := c.bound[name]; b.Buckets != n {
			c.update(name, func(b *Backend) { b.Buckets = n })
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// sameList tells whether two lists are the very same one.
func sameList(a, b []home.Bucket) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// RefreshMarks reads the dirty marks that are others than what is known of them.
func (c *Catalog) RefreshMarks(ctx context.Context, beat func()) ([]string, error) {
	last := map[string]*home.Dirty{}
	c.mu.RLock()
	for name, b := range c.backends {
		if b.Dirty != nil {
			last[name] = b.Dirty
		}
	}
	c.mu.RUnlock()
	names, err := c.src.ChangedMarks(ctx, last)
	if err != nil {
		return nil, read("the dirty marks", err)
	}
	var changed []string
	var errs []error
	for _, name := range names {
		beat()
		diff, err := c.RefreshMark(ctx, name)
		errs = append(errs, err)
		if diff {
			changed = append(changed, name)
		}
	}
	return changed, errors.Join(errs...)
}

// RefreshMark reads the marks of one backend and tells whether they changed.
// Of two readings at the same time the one that began later counts: the other may have read what was before.
func (c *Catalog) RefreshMark(ctx context.Context, name string) (bool, error) {
	c.mu.Lock()
	c.readings++
	reading := c.readings
	c.mu.Unlock()
	d, err := c.src.ReadDirty(ctx, name)
	if err != nil {
		return false, read("the dirty marks of "+name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if reading < c.newest[name] {
		return false, nil
	}
	c.newest[name] = reading
	c.setProblems(markProblem+name, d.Problems)
	old := c.backends[name]
	if old != nil && old.IsDirty() && d.Settling && !d.IsDirty {
		d = old.Dirty.StillSettling() // half of a file is no word that all is done
	}
	if old == nil && !mentions(d) {
		delete(c.newest, name) // a name that somebody made up; an older reading of a real one is looked at again
		return false, nil
	}
	same := old != nil && old.Dirty != nil && old.Dirty.Version == d.Version && old.Dirty.Settling == d.Settling && old.Dirty.IsDirty == d.IsDirty
	c.update(name, func(b *Backend) { b.Dirty = d }) // also the same: it may be surer of its files
	return !same, nil
}

const (
	// pinProblem begins what names the problems of a mapping.
	pinProblem = "pins "
	// markProblem begins what names the problems of a backend's marks.
	markProblem = "marks "
)

// RefreshAllPins counts every mapping that is another than the one that was counted, also those of folders that nothing else names.
func (c *Catalog) RefreshAllPins(ctx context.Context, beat func()) (changed []string, err error) {
	last := map[string]home.PinCounts{}
	c.mu.RLock()
	for name, b := range c.backends {
		if b.Pins.ByStatus != nil {
			last[name] = b.Pins
		}
	}
	for what := range c.problems {
		if name, ok := strings.CutPrefix(what, pinProblem); ok {
			last[name] = home.PinCounts{}
		}
	}
	c.mu.RUnlock()
	names, err := c.src.ChangedMappings(ctx, last)
	if err != nil {
		return nil, read("the folders of backends", err)
	}
	var errs []error
	for _, n := range names {
		beat()
		diff, err := c.RefreshPins(ctx, n)
		errs = append(errs, err)
		if diff {
			changed = append(changed, n)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return changed, errors.Join(errs...)
}

// RefreshPins counts the mapping of one backend anew and tells whether that changed.
func (c *Catalog) RefreshPins(ctx context.Context, name string) (bool, error) {
	n, err := c.src.PinSummary(ctx, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.setProblems(pinProblem+name, []home.Problem{{File: "backends/" + name + "/pin_mappings.parquet", Err: err}})
		return false, read("the pin mapping of "+name, err)
	}
	c.setProblems(pinProblem+name, nil)
	old := c.backends[name]
	if old == nil && n.Total == 0 {
		return false, nil
	}
	same := old != nil && old.Pins.Equal(n)
	c.update(name, func(b *Backend) { b.Pins = n }) // also the same: it may be surer of its file
	return !same, nil
}
