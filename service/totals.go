package service

import (
	"slices"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// facts are how one backend counts in the totals. They are compared before and
// after each change, so that totals never need a pass over all backends.
type facts struct {
	counted, dirty, blocked, unhealthy, healthy, filesystem bool
	// urgency is how much it needs attention; 0 for not at all.
	urgency int
	// cat is what the home said then; pins count also of what is not counted.
	cat *catalog.Backend
}

// totals are the sums of all facts, and the names behind them in order.
type totals struct {
	backends, healthy                     uint64
	dirty, blocked, unhealthy, filesystem nameSet
	// attention are the names by urgency.
	attention [status.MaxUrgency + 1]nameSet
	// pins and pending sum what the home says: mappings, and unsynced actions.
	pins    pinTotals
	pending int
}

func (t *totals) apply(name string, old, next facts) {
	t.backends += one(next.counted) - one(old.counted)
	t.healthy += one(next.healthy) - one(old.healthy)
	for _, c := range []struct {
		set       *nameSet
		was, isIn bool
	}{{&t.dirty, old.dirty, next.dirty}, {&t.blocked, old.blocked, next.blocked},
		{&t.unhealthy, old.unhealthy, next.unhealthy}, {&t.filesystem, old.filesystem, next.filesystem}} {
		if c.was != c.isIn {
			c.set.put(name, c.isIn)
		}
	}
	if old.urgency != next.urgency {
		t.attention[old.urgency].put(name, false)
		if next.urgency > 0 {
			t.attention[next.urgency].put(name, true)
		}
	}
	if old.cat != next.cat {
		t.home(name, old.cat, -1)
		t.home(name, next.cat, 1)
	}
}

func one(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

// home adds what the home says of a backend, or takes it away.
func (t *totals) home(name string, b *catalog.Backend, n int) {
	if b == nil {
		return
	}
	if b.Dirty != nil {
		t.pending += n * b.Dirty.Pending()
	}
	t.pins.add(name, b.Pins, n)
}

// urgent lists the names that need attention, the pressing first: at most limit of them, and how many there are.
func (t *totals) urgent(limit int) (names []string, count int) {
	for i := len(t.attention) - 1; i > 0; i-- {
		count += len(t.attention[i])
		names = append(names, t.attention[i].first(limit-len(names))...)
	}
	return names, count
}

// pinTotals sum the mappings.
type pinTotals struct {
	total, backends int
	byStatus        map[string]int
	failed, pending nameSet
}

func (p *pinTotals) add(name string, c home.PinCounts, n int) {
	if c.Total == 0 {
		return
	}
	p.total += n * c.Total
	p.backends += n
	if p.byStatus == nil {
		p.byStatus = map[string]int{}
	}
	for st, k := range c.ByStatus {
		if p.byStatus[st] += n * k; p.byStatus[st] == 0 {
			delete(p.byStatus, st)
		}
	}
	if c.ByStatus[home.PinFailed] > 0 {
		p.failed.put(name, n > 0)
	}
	if c.ByStatus[home.PinPending] > 0 {
		p.pending.put(name, n > 0)
	}
}

// nameSet are names in order.
type nameSet []string

// put adds a name or takes it away.
func (s *nameSet) put(name string, in bool) {
	at, found := slices.BinarySearch(*s, name)
	switch {
	case in && !found:
		*s = slices.Insert(*s, at, name)
	case !in && found:
		*s = slices.Delete(*s, at, at+1)
	}
}

// first copies at most n of them.
func (s nameSet) first(n int) []string { return slices.Clone(s[:max(min(n, len(s)), 0)]) }

func (s nameSet) count() uint64 { return uint64(len(s)) }

// healthPercent is the share of healthy ones among those whose state is known, 0 with none.
func (t *totals) healthPercent() float64 {
	known := t.healthy + t.unhealthy.count()
	if known == 0 {
		return 0
	}
	return 100 * float64(t.healthy) / float64(known)
}

// factsOf counts one backend. Degraded ones work, misconfigured ones do not. The caller holds mu.
func (s *Service) factsOf(e *entry) facts {
	f := facts{cat: e.cat, counted: e.cat != nil && e.cat.Counted()}
	if !f.counted {
		return f
	}
	b := s.backend(e)
	f.dirty, f.blocked, f.filesystem, f.urgency = b.Dirty, b.Blocked != "", b.Filesystem, status.Urgency(b)
	switch b.Health {
	case status.HealthHealthy, status.HealthDegraded:
		f.healthy = true
	case status.HealthUnhealthy, status.HealthMisconfigured:
		f.unhealthy = true
	}
	return f
}
