// Package health turns the outcomes of work and probes into a state with
// hysteresis, response statistics, a breaker and the time of the next probe. It
// does no I/O and holds no lock: its owner does.
package health

import (
	"math"
	"time"

	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
)

// Rules are the figures of health. All can be configured.
type Rules struct {
	// UnhealthyAfter failures in a row make a backend unhealthy; fewer make it degraded.
	UnhealthyAfter int
	// HealthyAfter successes in a row make an unhealthy backend healthy again.
	HealthyAfter int
	// ProbeMin is the first interval of probes; it doubles with each success up to ProbeMax.
	ProbeMin, ProbeMax time.Duration
	// OpenMin and OpenMax bound how long the breaker lets nothing through; it doubles.
	OpenMin, OpenMax time.Duration
}

// DefaultRules are the figures of docs/architecture.md.
func DefaultRules() Rules {
	return Rules{UnhealthyAfter: 3, HealthyAfter: 2, ProbeMin: 3 * time.Minute, ProbeMax: 4 * time.Hour,
		OpenMin: 5 * time.Second, OpenMax: 30 * time.Minute}
}

// proveSooner is how much sooner than others a backend is probed that went well again and is to
// prove it once more: every 15 s with few backends, and rarer with many.
const proveSooner = 12

// Tracker is the health of one backend. The zero value knows nothing.
type Tracker struct {
	state     string
	good, bad uint16 // in a row
	checked   time.Time
	next      time.Time // next probe
	openUntil time.Time
	interval  time.Duration
	meanMS    float64
	samples   uint32
	errors    uint32
	degraded  string // why, while it works
	atOnce    bool   // the last failure needs no second proof, nor does its mend
}

// State is one of the health states of package status.
func (t *Tracker) State() string {
	if t.state == "" {
		return status.HealthUnknown
	}
	return t.state
}

// Success notes that work or a probe went well. latency is 0 where it says
// nothing about the backend's speed. degraded is why it is not well though it works.
func (t *Tracker) Success(now time.Time, key string, latency time.Duration, degraded string, r Rules) {
	t.bad, t.openUntil = 0, time.Time{}
	t.good++
	t.checked, t.degraded = now, degraded
	if latency > 0 {
		t.sample(float64(latency) / float64(time.Millisecond))
	}
	switch {
	case t.state == status.HealthUnhealthy && !t.atOnce && int(t.good) < r.HealthyAfter:
		t.interval = r.ProbeMin / proveSooner
	case degraded != "":
		t.state, t.interval = status.HealthDegraded, r.ProbeMin
	default:
		t.state = status.HealthHealthy
		t.interval = min(max(2*t.interval, r.ProbeMin), r.ProbeMax)
	}
	t.next = now.Add(plan.Jitter(key, uint64(t.samples), t.interval))
}

// Unproved notes a probe that went well and found what keeps work from going well: the state
// stays until work succeeds, or a probe finds nothing any more.
func (t *Tracker) Unproved(now time.Time, key, degraded string, r Rules) {
	t.checked, t.degraded, t.interval = now, degraded, r.ProbeMin
	if t.state != status.HealthUnhealthy {
		t.state = status.HealthDegraded
	}
	t.next = now.Add(plan.Jitter(key, uint64(t.errors), t.interval))
}

// Failure notes that work or a probe failed. atOnce is for failures that only a
// person can mend, which need no second proof; neither does the mend.
func (t *Tracker) Failure(now time.Time, key string, atOnce bool, r Rules) {
	t.good, t.atOnce = 0, atOnce
	t.bad = min(t.bad+1, math.MaxUint16-1)
	t.errors++
	t.checked = now
	switch {
	case atOnce || int(t.bad) >= r.UnhealthyAfter:
		t.state = status.HealthUnhealthy
	case t.state != status.HealthUnhealthy:
		t.state = status.HealthDegraded
	}
	t.interval = r.ProbeMin
	open := plan.Jitter(key, uint64(t.errors), plan.Doubled(r.OpenMin, int(t.bad)-1, r.OpenMax))
	t.openUntil = now.Add(open)
	t.next = t.openUntil
}

// Defer puts the first probe off, so that many backends are not probed at once.
func (t *Tracker) Defer(until time.Time) {
	if t.checked.IsZero() {
		t.next = until
	}
}

// Reset forgets the breaker and the waits: the configuration changed, or the network came back.
func (t *Tracker) Reset() {
	t.openUntil, t.next, t.bad = time.Time{}, time.Time{}, 0
}

// sample keeps a mean that follows: the last sixteen or so count.
func (t *Tracker) sample(ms float64) {
	t.samples++
	n := min(float64(t.samples), 16)
	t.meanMS += (ms - t.meanMS) / n
}

// View is what the planner needs.
func (t *Tracker) View() plan.Health {
	return plan.Health{State: t.State(), LastCheck: t.checked, NextProbe: t.next, OpenUntil: t.openUntil}
}

// MeanMS is the mean of the last response times in milliseconds, 0 with none.
func (t *Tracker) MeanMS() float64 { return t.meanMS }

// Errors counts the failures in a row, 0 after a success.
func (t *Tracker) Errors() uint64 { return uint64(t.bad) }

// Degraded is why it is not well though it works, empty otherwise.
func (t *Tracker) Degraded() string { return t.degraded }

// Snapshot is what survives a restart.
type Snapshot struct {
	// State is one of the health states of package status; empty: unknown.
	State string `json:"state"`
	// Checked is when it proved or failed last; zero: never.
	Checked time.Time `json:"checked"`
	// Next is when the next probe is due; zero: now.
	Next time.Time `json:"next"`
	// Open is until when the breaker lets nothing through; zero: it is closed.
	Open time.Time `json:"open"`
	// Interval of probes, in nanoseconds in JSON.
	Interval time.Duration `json:"interval"`
	// MeanMS is the mean time of an answer, in milliseconds.
	MeanMS float64 `json:"mean_ms"`
	// Samples is how many times the mean is of.
	Samples uint32 `json:"samples"`
	// Errors counts all failures: it salts the spread of the breaker's times.
	Errors uint32 `json:"errors"`
	// Bad counts failures in a row.
	Bad uint16 `json:"bad"`
	// Degraded says why it is not well though it works; empty: it is well.
	Degraded string `json:"degraded,omitempty"`
	// AtOnce says that its last failure was one that only a person can mend.
	AtOnce bool `json:"at_once,omitempty"`
}

// Save gives what survives a restart.
func (t *Tracker) Save() Snapshot {
	return Snapshot{State: t.state, Checked: t.checked, Next: t.next, Open: t.openUntil, Interval: t.interval,
		MeanMS: t.meanMS, Samples: t.samples, Errors: t.errors, Bad: t.bad, Degraded: t.degraded, AtOnce: t.atOnce}
}

// Load is the reverse of Save.
func Load(s Snapshot) Tracker {
	return Tracker{state: s.State, checked: s.Checked, next: s.Next, openUntil: s.Open, interval: s.Interval,
		meanMS: s.MeanMS, samples: s.Samples, errors: s.Errors, bad: s.Bad, degraded: s.Degraded, atOnce: s.AtOnce}
}
