package service

import (
	"context"
	"maps"
	"time"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/pinindex"
	"ipfskit.org/intelligent/internal/pinsync"
)

const (
	// indexBatch bounds the rows that go into the index in one transaction.
	indexBatch = 10_000
	// indexPatience is how long READY waits for the first index of all mappings;
	// with more of them than that takes, it is made behind, and the documents say so.
	indexPatience = 250 * time.Millisecond
)

// indexedPins writes a backend's mapping and tells the pin index of each row.
type indexedPins struct {
	pinsync.PinStore
	s    *Service
	name string
}

// Update writes the rows; the index follows behind.
func (p indexedPins) Update(ctx context.Context, rows []home.PinUpdate) error {
	if err := p.PinStore.Update(ctx, rows); err != nil {
		return err
	}
	p.s.wantMeta(func(w *metaWant) {
		if w.rows == nil {
			w.rows = map[string][]pinindex.Row{}
		}
		for _, r := range rows {
			w.rows[p.name] = append(w.rows[p.name], pinindex.Row{CID: r.CID, Status: r.Status})
		}
	})
	return nil
}

// indexPins brings the pin index up to date: single rows that a sync wrote, and
// whole mappings that are others than before, of all backends or of those that
// are named. What blocked backends wait for is noted on the way. It runs behind the readings, in the metadata reader; nothing waits for it.
func (s *Service) indexPins(ctx context.Context, h *home.Home, cat *catalog.Catalog, want metaWant, names []string, all bool, waits *awaited, beat func()) {
	for name, rows := range want.rows {
		waits.stored(name, rows)
	}
	changed, err := s.indexMappings(ctx, h, cat, want, names, all, waits, beat)
	var levels map[int]int
	if err == nil && len(want.rows) > 0 { // also where mappings of other backends were read
		levels, err = s.indexRows(ctx, want.rows)
	}
	if err == nil && changed {
		levels, err = s.index.Redundancy(ctx)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.log.WithError(err).Warn("the pin index could not be brought up to date; where and redundancy are old")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if levels != nil {
		s.redundancy = levels
	}
	if all {
		s.indexOnce.Do(func() { close(s.indexed) })
	}
}

// indexRows adds the rows that syncs wrote, and gives the redundancy with them.
func (s *Service) indexRows(ctx context.Context, rows map[string][]pinindex.Row) (map[int]int, error) {
	delta, err := s.index.Put(ctx, rows)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	levels := maps.Clone(s.redundancy)
	s.mu.Unlock()
	if levels == nil {
		return s.index.Redundancy(ctx)
	}
	for n, d := range delta {
		if levels[n] += d; levels[n] == 0 {
			delete(levels, n)
		}
	}
	return levels, nil
}

// indexMappings reads the mappings that are others than the index holds, and tells whether there were any.
func (s *Service) indexMappings(ctx context.Context, h *home.Home, cat *catalog.Catalog, want metaWant, names []string, all bool, waits *awaited, beat func()) (changed bool, err error) {
	if !all && len(names) == 0 {
		return false, nil
	}
	held, err := s.index.Stamps(ctx)
	if err != nil {
		return false, err
	}
	if all {
		names = cat.Names()
	}
	there := map[string]bool{}
	batch := mappingBatch{index: s.index}
	for _, name := range names {
		beat()
		b, ok := cat.Get(name)
		if ctx.Err() != nil {
			return batch.changed, ctx.Err()
		}
		if !ok || b.Pins.Total == 0 {
			continue
		}
		there[name] = true
		if held[name] == b.Pins.Stamp() {
			continue
		}
		m, err := readMapping(ctx, h, name, b.Pins.Stamp())
		if err != nil {
			continue // the catalog says what is wrong with it
		}
		waits.stored(name, m.Rows)
		delete(want.rows, name) // they are among these
		if err := batch.add(ctx, m); err != nil {
			return batch.changed, err
		}
	}
	if err := batch.write(ctx); err != nil || !all {
		return batch.changed, err
	}
	gone, err := s.index.Keep(ctx, there)
	s.mu.Lock()
	first := s.redundancy == nil
	s.mu.Unlock()
	return batch.changed || gone > 0 || first, err
}

// readMapping reads a backend's mapping as the index keeps it.
func readMapping(ctx context.Context, h *home.Home, name, stamp string) (m pinindex.Mapping, err error) {
	pins, err := h.ReadPins(ctx, name)
	if err != nil {
		return m, err
	}
	m = pinindex.Mapping{Backend: name, Stamp: stamp, Rows: make([]pinindex.Row, len(pins))}
	for i, p := range pins {
		m.Rows[i] = pinindex.Row{CID: p.CID, Status: p.Status}
	}
	return m, nil
}

// mappingBatch gathers mappings, so that a transaction has many small ones.
type mappingBatch struct {
	index *pinindex.Index
	list  []pinindex.Mapping
	rows  int
	// changed says that something was written.
	changed bool
}

func (b *mappingBatch) add(ctx context.Context, m pinindex.Mapping) error {
	b.list = append(b.list, m)
	if b.rows += len(m.Rows); b.rows >= indexBatch {
		return b.write(ctx)
	}
	return nil
}

func (b *mappingBatch) write(ctx context.Context) error {
	list := b.list
	b.list, b.rows = nil, 0
	if len(list) == 0 {
		return nil
	}
	b.changed = true
	return b.index.Update(ctx, list)
}

// awaitIndex waits a moment for the first index of all mappings.
func (s *Service) awaitIndex(ctx context.Context) {
	t := s.clk.NewTimer(indexPatience)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-s.indexed:
	}
}

// pinIndexed tells whether all mappings were indexed since the start.
func (s *Service) pinIndexed() bool {
	select {
	case <-s.indexed:
		return true
	default:
		return false
	}
}
