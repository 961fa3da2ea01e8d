// Package history keeps what happened: checks, marks that were cleared, changes
// of health, workers that were replaced, and sums of all that for insights. What
// is recorded waits in memory for the database's next batch, so recording does no
// I/O, and losing a batch costs history and nothing else. Old rows become sums
// of hours, then of days (fold.go), so the space on disk is bounded.
package history

import (
	"encoding/json"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
)

// maxWaiting bounds the rows that wait in memory while nothing can be written; later ones are not recorded then.
const maxWaiting = 10_000

// History is the history in one database. It is safe for concurrent use.
type History struct {
	db  *statedb.DB
	clk clock.Clock
	// days says for how many days with records they are kept.
	days   func() int
	limits Limits

	mu      sync.Mutex
	samples []sample
	events  []event
	// totals are what came since the last batch, by hour.
	totals map[int64]*Totals
	// counted says that totals hold more than time that passed.
	counted bool
	level   Level
	levelAt time.Time
	written time.Time

	// fold is when old rows become sums; only batches touch it, one at a time.
	fold folding
}

// sample is one outcome that was timed.
type sample struct {
	time int64 // µs since the epoch
	kind kind
	name string
	ok   bool
	took int64 // µs; -1: not known
	note string
}

// event is one thing that happened, with what is told of it.
type event struct {
	time       int64
	what, name string
	body       string
}

// New keeps history in a database, whose schema has its tables; days says for how many days.
func New(db *statedb.DB, clk clock.Clock, days func() int) *History {
	return newHistory(db, clk, days, DefaultLimits())
}

func newHistory(db *statedb.DB, clk clock.Clock, days func() int, l Limits) *History {
	h := &History{db: db, clk: clk, days: days, limits: l, totals: map[int64]*Totals{}, written: clk.Now()}
	db.Attach(h)
	return h
}

// Check records what a task (by is its kind) proved of a backend: that it works,
// or the class of its error. latency is 0 where it says nothing about the backend's speed.
func (h *History) Check(now time.Time, backend, by string, ok bool, latency time.Duration, class string) {
	took := int64(-1)
	if latency > 0 {
		took = latency.Microseconds()
	}
	h.add(sample{now.UnixMicro(), checkBy(by), backend, ok, took, class}, now, func(t *Totals) {
		t.Checks++
		if ok {
			t.ChecksOK++
		}
		if by == status.KindHealthCheck {
			t.Probes++
		}
	})
}

// Cleared records that a backend's last mark is cleared, dirty that long; why says
// by whom if it was not by a sync, and then it counts for no sync's latency.
func (h *History) Cleared(now time.Time, backend string, dirty time.Duration, why string) {
	dirty = max(dirty, 0) // marks carry the times of other programs' clocks
	h.add(sample{now.UnixMicro(), kindMark, backend, why == "", dirty.Microseconds(), why}, now, func(t *Totals) {
		if why == "" {
			t.cleared(dirty)
		}
	})
}

// Sync counts one run of a sync that ended by itself. What is told of single ones is the finished task.
func (h *History) Sync(now time.Time, ok bool) {
	h.count(now, func(t *Totals) {
		t.Syncs++
		if ok {
			t.SyncsOK++
		}
	})
}

// Copies counts copies of buckets that a backup made.
func (h *History) Copies(now time.Time, n uint64) {
	h.count(now, func(t *Totals) { t.Copies += n })
}

// Health records that a backend's health changed.
func (h *History) Health(now time.Time, backend, before, after, why string) {
	h.happened(now, status.HistoryTransitions, backend, status.HealthChange{Old: before, New: after, Why: cut(why)})
	if after == status.HealthUnhealthy {
		h.count(now, func(t *Totals) { t.Outages++ })
	}
}

// Worker records that a worker was replaced, the n-th time since the service began.
func (h *History) Worker(now time.Time, name string, n uint64, why string) {
	h.happened(now, status.HistoryWorkers, name, status.WorkerChange{Restarts: n, Why: cut(why)})
}

func (h *History) add(s sample, now time.Time, count func(*Totals)) {
	h.mu.Lock()
	if len(h.samples) < maxWaiting {
		h.samples = append(h.samples, s)
	}
	count(h.hour(now))
	h.counted = true
	h.mu.Unlock()
	h.db.PokeCalm()
}

func (h *History) count(now time.Time, count func(*Totals)) {
	h.mu.Lock()
	count(h.hour(now))
	h.counted = true
	h.mu.Unlock()
	h.db.PokeCalm()
}

func (h *History) happened(now time.Time, what, name string, doc any) {
	body, err := json.Marshal(doc)
	if err != nil {
		return // texts and numbers can always be written
	}
	h.mu.Lock()
	if len(h.events) < maxWaiting {
		h.events = append(h.events, event{now.UnixMicro(), what, name, string(body)})
	}
	h.counted = true
	h.mu.Unlock()
	h.db.Poke()
}

// hour is what is summed of the hour of a time. The caller holds mu.
func (h *History) hour(now time.Time) *Totals {
	at := localHour(now)
	t, ok := h.totals[at]
	if !ok {
		t = &Totals{}
		h.totals[at] = t
	}
	return t
}

const microsHour = int64(time.Hour / time.Microsecond)

// hourOf is the hour of a time, counted from the epoch.
func hourOf(micros int64) int64 {
	if micros < 0 {
		return 0 // a clock that is that wrong tells nothing
	}
	return micros / microsHour
}

// pastHour is how much later than those of UTC the hours of a time's zone begin.
func pastHour(t time.Time) time.Duration {
	_, east := t.Zone()
	return (time.Hour - time.Duration(east)*time.Second%time.Hour) % time.Hour
}

// localHour is hourOf by the clock of the time's zone, whose days begin with one of these hours also where it is
// not whole hours from UTC.
func localHour(t time.Time) int64 { return hourOf(t.Add(-pastHour(t)).UnixMicro()) }

// HourStart is when the hour of a time began, by the clock of its zone.
func HourStart(t time.Time) time.Time {
	past := pastHour(t)
	return t.Add(-past).Truncate(time.Hour).Add(past)
}

// maxWhy bounds a reason on disk.
const maxWhy = 300

func cut(why string) string {
	if len(why) <= maxWhy {
		return why
	}
	return why[:maxWhy] + "…"
}
