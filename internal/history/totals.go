package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Totals sum what happened over all backends in some time.
type Totals struct {
	// Checks are all proofs of backends; Probes those that were made for that alone.
	Checks uint64 `json:"checks,omitempty"`
	// ChecksOK are those that found that it works.
	ChecksOK uint64 `json:"checks_ok,omitempty"`
	// Probes are checks that were made for that alone.
	Probes uint64 `json:"probes,omitempty"`
	// Syncs are runs that ended by themselves, SyncsOK those that left nothing undone.
	Syncs uint64 `json:"syncs,omitempty"`
	// SyncsOK are those that left nothing undone.
	SyncsOK uint64 `json:"syncs_ok,omitempty"`
	// Outages count changes to unhealthy.
	Outages uint64 `json:"outages,omitempty"`
	// Copies of buckets were made by backups.
	Copies uint64 `json:"copies,omitempty"`
	// Cleared marks, the seconds that they stood, and how many by class of duration (bin).
	Cleared uint64 `json:"cleared,omitempty"`
	// Stood is how many seconds the cleared marks stood, added up.
	Stood float64 `json:"stood,omitempty"`
	// Bins counts the cleared marks by class of the time that they stood.
	Bins map[int]uint64 `json:"bins,omitempty"`
	// Spent is the time that passed at each level, in seconds: Up of backends that were healthy, and so on.
	Spent Spent `json:"spent"`
}

// Level is how things are, from one moment to the next.
type Level struct {
	// Up and Down count the backends that work and those that don't; of others it is not known.
	Up, Down uint64
	// Backends are all of them. Copies is how many copies of buckets an hourly backup of each to each filesystem backend makes.
	Backends, Copies uint64
}

// Spent are levels times seconds.
type Spent struct {
	// Up is the time of backends that worked.
	Up float64 `json:"up,omitempty"`
	// Down is the time of those that didn't.
	Down float64 `json:"down,omitempty"`
	// Backends is the time of all of them.
	Backends float64 `json:"backends,omitempty"`
	// Copies is the time of all copies of buckets that an hourly backup would make.
	Copies float64 `json:"copies,omitempty"`
}

func (s *Spent) add(o Spent) {
	s.Up += o.Up
	s.Down += o.Down
	s.Backends += o.Backends
	s.Copies += o.Copies
}

func (l Level) times(seconds float64) Spent {
	return Spent{float64(l.Up) * seconds, float64(l.Down) * seconds, float64(l.Backends) * seconds, float64(l.Copies) * seconds}
}

func (t *Totals) add(o *Totals) {
	t.Checks += o.Checks
	t.ChecksOK += o.ChecksOK
	t.Probes += o.Probes
	t.Syncs += o.Syncs
	t.SyncsOK += o.SyncsOK
	t.Outages += o.Outages
	t.Copies += o.Copies
	t.Cleared += o.Cleared
	t.Stood += o.Stood
	for b, n := range o.Bins {
		t.bin(b, n)
	}
	t.Spent.add(o.Spent)
}

func (t *Totals) bin(b int, n uint64) {
	if t.Bins == nil {
		t.Bins = map[int]uint64{}
	}
	t.Bins[b] += n
}

// binsPerDouble durations lie between one and its double: a quantile is right within 5 %.
const binsPerDouble = 8

func (t *Totals) cleared(d time.Duration) {
	t.Cleared++
	t.Stood += d.Seconds()
	t.bin(int(math.Floor(math.Log2(math.Max(d.Seconds(), 1e-6))*binsPerDouble)), 1)
}

// Quantile is how long the share q of the marks that were cleared stood at most,
// in seconds: the middle of the class of durations that it falls into. NaN for no marks.
func (t *Totals) Quantile(q float64) float64 {
	rank := uint64(math.Ceil(q * float64(t.Cleared)))
	lo, hi := math.MaxInt, math.MinInt
	for b := range t.Bins {
		lo, hi = min(lo, b), max(hi, b)
	}
	var seen uint64
	for b := lo; b <= hi; b++ {
		if seen += t.Bins[b]; seen >= max(rank, 1) {
			return math.Exp2((float64(b) + 0.5) / binsPerDouble)
		}
	}
	return math.NaN()
}

// Level says how things are from now on; what was before is summed. now should
// have a monotonic reading: then the time of a suspended machine does not count.
func (h *History) Level(now time.Time, l Level) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.passed(now)
	h.level = l
}

// passed sums the level up to now, by hour. The caller holds mu.
func (h *History) passed(now time.Time) {
	left := now.Sub(h.levelAt)
	if h.levelAt.IsZero() || left < 0 {
		left = 0 // the first one, or a clock that was set back
	}
	h.levelAt = now
	if h.level == (Level{}) {
		return
	}
	for at := now; left > 0; {
		// The last hour first: it is known when the time ended.
		part := min(left, at.Sub(HourStart(at))+time.Microsecond)
		h.hour(at).Spent.add(h.level.times(part.Seconds()))
		left -= part
		at = at.Add(-part)
	}
}

// Sums adds up all hours since the hour of each of the times. It reads one small
// row for each hour since the first of them.
func (h *History) Sums(ctx context.Context, since ...time.Time) ([]Totals, error) {
	out := make([]Totals, len(since))
	first := int64(math.MaxInt64)
	for _, s := range since {
		first = min(first, localHour(s))
	}
	add := func(at int64, t *Totals) {
		for i, s := range since {
			if at >= localHour(s) {
				out[i].add(t)
			}
		}
	}
	if err := h.eachHour(ctx, first, add); err != nil {
		return nil, fmt.Errorf("read the sums of the history: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.passed(h.clk.Now())
	for at, t := range h.totals {
		add(at, t)
	}
	return out, nil
}

// eachHour reads what is written of the hours from one on.
func (h *History) eachHour(ctx context.Context, first int64, add func(int64, *Totals)) (err error) {
	rows, err := h.db.Query(ctx, "SELECT start, body FROM history_totals WHERE start >= ?", first)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var at int64
		var body []byte
		var t Totals
		if err := rows.Scan(&at, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &t); err != nil {
			return err
		}
		add(at, &t)
	}
	return rows.Err()
}
