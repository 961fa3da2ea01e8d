package status

import "math"

// historyDoc is the part of insights that looks back.
type historyDoc struct {
	Today periodDoc `json:"today"`
	Week  periodDoc `json:"week"`
	Month periodDoc `json:"month"`
}

// periodDoc sums up a time. What nothing is known of is null.
type periodDoc struct {
	Since *string `json:"since"`
	Syncs uint64  `json:"syncs"`
	// SyncSuccess, CheckSuccess and Availability are shares from 0 to 1.
	SyncSuccess *float `json:"sync_success"`
	// Latency is from a mark to its clearing.
	Latency      latencyDoc `json:"sync_latency_seconds"`
	Checks       uint64     `json:"checks"`
	CheckSuccess *float     `json:"check_success"`
	Outages      uint64     `json:"outages"`
	// Availability and Downtime are of the time in which it was known whether a backend works, added up over backends.
	Availability *float     `json:"availability"`
	Downtime     *float     `json:"downtime_seconds"`
	Observed     float      `json:"observed_seconds"`
	Spared       *sparedDoc `json:"spared"`
}

type latencyDoc struct {
	Count uint64 `json:"count"`
	Mean  *float `json:"mean"`
	// P50 and P95 are within 5 %: durations are counted by classes.
	P50 *float `json:"p50"`
	P95 *float `json:"p95"`
}

// sparedDoc is what a daemon with fixed intervals would have done, and this one did not.
type sparedDoc struct {
	Checks  sparedOne `json:"checks"`
	Backups sparedOne `json:"backups"`
}

type sparedOne struct {
	Fixed  uint64 `json:"fixed_interval"`
	Made   uint64 `json:"made"`
	Spared uint64 `json:"spared"`
}

func historyOf(h HistoryFacts) historyDoc {
	return historyDoc{periodOf(h.Today), periodOf(h.Week), periodOf(h.Month)}
}

func periodOf(p HistoryPeriod) periodDoc {
	d := periodDoc{Since: isoTime(p.Since), Syncs: p.Syncs, SyncSuccess: share(float64(p.SyncsOK), float64(p.Syncs)),
		Latency: latencyDoc{Count: p.Cleared, Mean: share(p.StoodSum, float64(p.Cleared)), P50: known(p.StoodP50), P95: known(p.StoodP95)},
		Checks:  p.Checks, CheckSuccess: share(float64(p.ChecksOK), float64(p.Checks)), Outages: p.Outages,
		Availability: share(p.Up, p.Up+p.Down), Observed: float(math.Round(p.Observed))}
	if p.Cleared == 0 {
		d.Latency.P50, d.Latency.P95 = nil, nil
	}
	if p.Up+p.Down > 0 {
		d.Downtime = known(math.Round(p.Down*1000) / 1000)
	}
	if p.Observed > 0 {
		d.Spared = &sparedDoc{spared(p.FixedChecks, p.Probes), spared(p.FixedCopies, p.Copies)}
	}
	return d
}

// share is a part of a whole, null of nothing; to six digits, which is a second in eleven days.
func share(part, whole float64) *float {
	if whole == 0 {
		return nil
	}
	return known(math.Round(part/whole*1e6) / 1e6)
}

func known(v float64) *float {
	f := float(v)
	return &f
}

func spared(fixed float64, made uint64) sparedOne {
	s := sparedOne{Fixed: uint64(max(fixed, 0)), Made: made}
	if s.Fixed > made {
		s.Spared = s.Fixed - made
	}
	return s
}
