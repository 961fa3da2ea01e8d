package service

import "ipfskit.org/intelligent/internal/status"

// facts are how one backend counts in the totals. They are compared before and
// after each change, so that totals never need a pass over all backends.
type facts struct {
	counted, dirty, blocked, unhealthy, healthy, filesystem bool
}

// totals are the sums of all facts.
type totals struct {
	backends, dirty, blocked, unhealthy, healthy, filesystem uint64
}

func (t *totals) apply(old, next facts) {
	t.add(old, ^uint64(0))
	t.add(next, 1)
}

func (t *totals) add(f facts, n uint64) {
	for _, c := range []struct {
		on bool
		to *uint64
	}{{f.counted, &t.backends}, {f.dirty, &t.dirty}, {f.blocked, &t.blocked},
		{f.unhealthy, &t.unhealthy}, {f.healthy, &t.healthy}, {f.filesystem, &t.filesystem}} {
		if c.on && f.counted {
			*c.to += n
		}
	}
}

// healthPercent is the share of healthy ones among those whose state is known, 0 with none.
func (t *totals) healthPercent() float64 {
	known := t.healthy + t.unhealthy
	if known == 0 {
		return 0
	}
	return 100 * float64(t.healthy) / float64(known)
}

// factsOf counts one backend. Degraded and misconfigured ones are known and not healthy.
func factsOf(e *entry) facts {
	f := facts{counted: e.cat != nil && e.cat.Counted()}
	if !f.counted {
		return facts{}
	}
	f.dirty = e.cat.IsDirty()
	f.blocked = f.dirty && e.blockedBy() != ""
	f.filesystem = isFilesystem(e.cat.Type())
	switch e.healthState() {
	case status.HealthHealthy, status.HealthDegraded:
		f.healthy = true
	case status.HealthUnhealthy, status.HealthMisconfigured:
		f.unhealthy = true
	}
	return f
}
