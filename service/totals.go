package service

import (
	"time"

	"ipfskit.org/intelligent/internal/status"
)

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

// rateWindow is what "a minute" in status looks back on.
const rateWindow = 5 * time.Minute

// rate counts events over the last five minutes, in slots of ten seconds.
type rate struct {
	slots [int(rateWindow / rateSlot)]uint32
	last  int64
}

const rateSlot = 10 * time.Second

func (r *rate) add(now time.Time, n uint32) {
	r.advance(now)
	r.slots[int(r.last)%len(r.slots)] += n
}

// perMinute is the mean over the window.
func (r *rate) perMinute(now time.Time) float64 {
	r.advance(now)
	var sum uint64
	for _, n := range r.slots {
		sum += uint64(n)
	}
	return float64(sum) / rateWindow.Minutes()
}

// advance clears the slots that time has passed.
func (r *rate) advance(now time.Time) {
	slot := now.Unix() / int64(rateSlot.Seconds())
	for n := min(slot-r.last, int64(len(r.slots))); n > 0; n-- {
		r.slots[int(slot-n+1)%len(r.slots)] = 0
	}
	r.last = max(r.last, slot)
}
