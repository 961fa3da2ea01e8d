package service

import (
	"context"
	"time"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/parquetfile"
)

// indexPins brings the pin index up to date with the mappings that changed. It
// runs behind the readings, in the metadata reader; nothing waits for it.
func (s *Service) indexPins(ctx context.Context, h *home.Home, cat *catalog.Catalog, names []string, beat func()) {
	changed := false
	oldest, newest := time.Time{}, time.Time{}
	for _, name := range names {
		beat()
		b, ok := cat.Get(name)
		if ctx.Err() != nil {
			return
		}
		stamp := h.PinStamp(name)
		if !ok || stamp == "" || b.Pins.Total == 0 {
			continue
		}
		stale, err := s.index.Stale(ctx, name, stamp)
		if err != nil || !stale {
			continue
		}
		pins, err := h.ReadPins(ctx, name)
		if err != nil {
			continue // the catalog says what is wrong with it
		}
		for _, p := range pins {
			if t, ok := parquetfile.ParseTime(p.CreatedAt); ok {
				if oldest.IsZero() || t.Before(oldest) {
					oldest = t
				}
				newest = later(newest, t)
			}
		}
		if err := s.index.Update(ctx, name, stamp, pins); err != nil {
			s.log.WithError(err).Warn("the pin index could not be brought up to date; where and redundancy are old")
			return
		}
		changed = true
	}
	s.mu.Lock()
	known := s.redundancy != nil
	s.mu.Unlock()
	if !changed && known {
		return
	}
	levels, err := s.index.Redundancy(ctx)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redundancy = levels
	if !oldest.IsZero() && (s.oldestPin.IsZero() || oldest.Before(s.oldestPin)) {
		s.oldestPin = oldest
	}
	s.newestPin = later(s.newestPin, newest)
	for key, t := range map[string]time.Time{oldestPin: s.oldestPin, newestPin: s.newestPin} {
		if !t.IsZero() {
			s.db.SaveCounter(key, uint64(max(t.UnixMicro(), 0))) //nolint:gosec // not negative
		}
	}
}

// oldestPin and newestPin are what the database calls the times of the first and the last pin, in µs since 1970.
const oldestPin, newestPin = "oldest_pin", "newest_pin"
