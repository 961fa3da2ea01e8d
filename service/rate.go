package service

import "time"

const (
	// rateWindow is what "a minute" in status looks back on.
	rateWindow = 5 * time.Minute
	rateSlot   = 10 * time.Second
	// rateLeast is the shortest time that a rate is of: one mark in the first second is no sixty a minute.
	rateLeast = time.Minute
)

// rate counts events over the last five minutes, in slots of ten seconds. The
// zero value begins at its first use.
type rate struct {
	slots [int(rateWindow / rateSlot)]uint32
	began time.Time
	// last is the slot of the time that it was used last, counted from began.
	last int64
}

func (r *rate) add(now time.Time, n uint32) {
	r.advance(now)
	r.slots[r.last%int64(len(r.slots))] += n
}

// perMinute is the mean over the window, or since it began where that is shorter.
func (r *rate) perMinute(now time.Time) float64 { return r.over(now, len(r.slots)) }

// lastMinute is the mean over the last minute: what is long past says little about what comes.
func (r *rate) lastMinute(now time.Time) float64 {
	return r.over(now, int(time.Minute/rateSlot)+1) // of the oldest and the newest slot a part
}

// over is the mean over the last slots.
func (r *rate) over(now time.Time, slots int) float64 {
	since := r.advance(now)
	var sum uint64
	for i := range int64(slots) {
		if n := r.last - i; n >= 0 {
			sum += uint64(r.slots[n%int64(len(r.slots))])
		}
	}
	// The slot of now has just begun: the window is that much shorter.
	window := time.Duration(slots-1)*rateSlot + since%rateSlot
	return float64(sum) / min(max(since, rateLeast), window).Minutes()
}

// advance clears the slots that time has passed, and says how long it has counted.
// A clock that was set back begins anew: nothing in it could be told from the future.
func (r *rate) advance(now time.Time) time.Duration {
	since := now.Sub(r.began)
	slot := int64(since / rateSlot)
	if r.began.IsZero() || since < 0 || slot < r.last {
		*r = rate{began: now}
		return 0
	}
	for n := min(slot-r.last, int64(len(r.slots))); n > 0; n-- {
		r.slots[(slot-n+1)%int64(len(r.slots))] = 0
	}
	r.last = slot
	return since
}
