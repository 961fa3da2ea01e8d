package status

import "math"

// historyDoc is the part of insights that looks back.
type historyDoc struct {
	// Since midnight in the service's local time.
	Today periodDoc `json:"today"`
	// The last 7 days.
	Week periodDoc `json:"week"`
	// The last 30 days.
	Month periodDoc `json:"month"`
}

// periodDoc sums up a time. What nothing is known of is null.
type periodDoc struct {
	// When the sum begins: at a full hour of the service's local time.
	Since *string `json:"since"`
	// Runs of syncs that ended by themselves, well or badly.
	Syncs uint64 `json:"syncs"`
	// Part of those runs that left nothing undone, 0 to 1; null with none.
	SyncSuccess *float `json:"sync_success"`
	// Seconds from a mark to its clearing by a sync.
	Latency latencyDoc `json:"sync_latency_seconds"`
	// Times that a check or work told whether a backend works.
	Checks uint64 `json:"checks"`
	// Part of those that found that it works, 0 to 1; null with none.
	CheckSuccess *float `json:"check_success"`
	// How often a backend became unhealthy.
	Outages uint64 `json:"outages"`
	// Part of the time in which it was known whether backends work that they did, 0 to 1; null where nothing was
	// known.
	Availability *float `json:"availability"`
	// Seconds in which backends were unhealthy or misconfigured, added up over backends; null where nothing was known.
	Downtime *float `json:"downtime_seconds"`
	// Seconds that the service was watching, added up over all backends.
	Observed float `json:"observed_seconds"`
	// What a daemon with fixed intervals would have done in that time, and this one did not; null where the service
	// was not watching.
	Spared *sparedDoc `json:"spared"`
}

type latencyDoc struct {
	// Clearings that it is of.
	Count uint64 `json:"count"`
	// Mean in seconds; null with none.
	Mean *float `json:"mean"`
	// Half of them took at most so many seconds, within 5 %; null with none.
	P50 *float `json:"p50"`
	// 95 of 100 took at most so many seconds, within 5 %; null with none.
	P95 *float `json:"p95"`
}

// sparedDoc is what a daemon with fixed intervals would have done, and this one did not.
type sparedDoc struct {
	// Health checks, of every backend every 180 s.
	Checks sparedOne `json:"checks"`
	// Copies of buckets, of each to every filesystem backend every hour.
	Backups sparedOne `json:"backups"`
}

type sparedOne struct {
	// How many there would have been at upstream's fixed intervals.
	Fixed uint64 `json:"fixed_interval"`
	// How many were made.
	Made uint64 `json:"made"`
	// fixed_interval without those that were made; never below 0.
	Spared uint64 `json:"spared"`
}

func historyOf(h HistoryFacts) historyDoc {
	return historyDoc{periodOf(h.Today), periodOf(h.Week), periodOf(h.Month)}
}

func periodOf(p HistoryPeriod) periodDoc {
	d := periodDoc{Since: isoTime(p.Since), Syncs: p.Syncs, SyncSuccess: share(float64(p.SyncsOK), float64(p.Syncs)),
		Latency: latencyDoc{Count: p.Cleared, Mean: share(p.StoodSum, float64(p.Cleared)), P50: known(p.StoodP50), P95: known(p.StoodP95)},
		Checks:  p.Checks, CheckSuccess: share(float64(p.ChecksOK), float64(p.Checks)), Outages: p.Outages,
		Availability: share(p.Up, p.Up+p.Down), Observed: float(math.Round(p.Observed*1000) / 1000)}
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
