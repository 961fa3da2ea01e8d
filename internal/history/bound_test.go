package history

import (
	"fmt"
	"os"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// months records what backends do for days: a check each four hours, a mark and
// its sync a day, and now and then an outage.
func (p *past) months(backends, days int) {
	began := p.clk.Now()
	id := uint64(0)
	names := make([]string, backends)
	for i := range names {
		names[i] = fmt.Sprintf("backend-%05d", i)
	}
	for hour := range 24 * days {
		for i, name := range names {
			if (i+hour)%4 != 0 {
				continue
			}
			at := began.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Hour/time.Duration(backends))
			p.h.Check(at, name, status.KindHealthCheck, true, time.Duration(i%50+1)*time.Millisecond, "")
			if (i+hour)%24 == 0 {
				id++
				p.h.Cleared(at, name, time.Duration(i%300)*time.Second, "")
				p.h.Sync(at, true)
				p.db.SaveTask(status.Task{ID: id, Kind: status.KindPinSync, Backend: name, State: status.TaskDone, Reason: "a mark stands",
					Started: at.Add(-time.Second), Finished: at, Log: []string{at.Format(time.RFC3339) + " 12 stored, 3 already there"}})
			}
			if (i*7+hour)%600 == 0 {
				p.h.Health(at, name, status.HealthHealthy, status.HealthUnhealthy, "dial tcp: connection refused")
			}
		}
		p.set(began.Add(time.Duration(hour+1) * time.Hour))
		p.h.Level(p.clk.Now(), Level{Up: uint64(backends), Backends: uint64(backends), Copies: 10})
		if hour%max(1200/backends, 1) == 0 { // fewer rows than may wait
			p.db.Flush()
		}
	}
}

// bytes is the size of the database, without its journal of a few MiB.
func (p *past) bytes() int64 {
	return p.number("PRAGMA page_count") * p.number("PRAGMA page_size")
}

// Months of many backends fit into the bound of docs/decisions/0008: the limits
// are a two-hundredth of the real ones, and so is the bound.
func TestMonthsOfManyBackendsFitIntoTheBound(t *testing.T) {
	const part = 200
	l := DefaultLimits()
	l.Samples, l.Tasks, l.Hours, l.Days, l.Events = l.Samples/part, l.Tasks/part, l.Hours/part, l.Days/part, l.Events/part
	p := newPast(t, l)
	// Tables and sums over all backends, 90 days of hours, are as big with few rows as with many.
	fixed := p.bytes() + 90*24*160
	p.months(50, 45)
	p.months(50, 45)
	before := p.bytes()
	p.months(50, 10)
	if n := p.bytes(); n > maxBytes/part+fixed || n > before+before/10 {
		t.Errorf("%d bytes after 90 days, %d after 100; %d are allowed", before, n, maxBytes/part+fixed)
	}
	for table, most := range map[string]int{"history_samples": l.Samples + 400, "tasks": l.Tasks + 60, "history_sums WHERE unit = 0": l.Hours,
		"history_sums WHERE unit = 1": l.Days + 150, "history_events": l.Events + 50} {
		if n := p.number("SELECT count(*) FROM " + table); n > int64(most) {
			t.Errorf("%s has %d rows, more than %d", table, n, most)
		}
	}
	days := map[any]bool{}
	for _, line := range p.read(status.HistoryQuery{What: status.HistoryChecks, Backend: "backend-00007"}) {
		days[line["time"].(string)[:10]] = true
	}
	if len(days) < 33 {
		t.Errorf("only %d days of a backend are left", len(days))
	}
	if len(p.errs) > 0 {
		t.Error(p.errs[0])
	}
}

// HISTORY_BACKENDS=10000 HISTORY_DAYS=45 go test -run - -bench Months ./internal/history measures the real limits.
func BenchmarkMonths(b *testing.B) {
	backends, days := 500, 40
	fmt.Sscan(os.Getenv("HISTORY_BACKENDS"), &backends)
	fmt.Sscan(os.Getenv("HISTORY_DAYS"), &days)
	p := newPast(b, DefaultLimits())
	p.months(backends, days)
	for b.Loop() {
		if _, err := p.h.Sums(b.Context(), p.clk.Now().Add(-30*24*time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(p.bytes())/(1<<20), "MiB")
	b.ReportMetric(float64(p.number("SELECT count(*) FROM history_sums WHERE unit = 1")), "day-rows")
	b.ReportMetric(float64(p.number("SELECT count(*) FROM history_sums WHERE unit = 0")), "hour-rows")
}
