package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// past is a history whose clock the test sets.
type past struct {
	t    testing.TB
	clk  *clock.Shifted
	db   *statedb.DB
	h    *History
	days int
	errs []error
	path string
}

func newPast(t testing.TB, l Limits) *past {
	t.Helper()
	p := &past{t: t, clk: &clock.Shifted{}, days: 90, path: filepath.Join(t.TempDir(), "state.db")}
	p.set(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	var err error
	if p.db, _, err = statedb.Open(t.Context(), p.path, statedb.Options{Clock: p.clk, OnError: func(err error) { p.errs = append(p.errs, err) }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.db.Close() })
	p.h = newHistory(p.db, p.clk, func() int { return p.days }, l)
	return p
}

// set sets the clock; it goes on from there.
func (p *past) set(to time.Time) { p.clk.Shift(to.Sub(p.clk.Now())) }

func (p *past) read(q status.HistoryQuery) (lines []map[string]any) {
	p.t.Helper()
	p.db.Flush()
	var sb strings.Builder
	if err := p.h.Lines(p.t.Context(), q, &sb); err != nil {
		p.t.Fatal(err)
	}
	for text := range strings.Lines(sb.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			p.t.Fatalf("%q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func (p *past) number(query string) (n int64) {
	p.t.Helper()
	rows, err := p.db.Query(p.t.Context(), query)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() || rows.Scan(&n) != nil {
		p.t.Fatal("no number for ", query)
	}
	return n
}

// sum is that of all hours since one; what waits is in it.
func (p *past) sum(since time.Time) (Totals, error) {
	all, err := p.h.Sums(p.t.Context(), since)
	if err != nil {
		return Totals{}, err
	}
	return all[0], nil
}

func TestLinesComeInTheOrderOfTimeAndOnlyWhatIsAskedFor(t *testing.T) {
	p := newPast(t, DefaultLimits())
	began := p.clk.Now()
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }
	p.h.Check(at(1), "nas", status.KindHealthCheck, true, 3*time.Millisecond, "")
	p.h.Check(at(2), "node", status.KindPinSync, false, 0, "network")
	p.h.Health(at(3), "node", status.HealthHealthy, status.HealthUnhealthy, "refused")
	p.h.Worker(at(4), status.WorkerDirtyMonitor, 2, "panic: "+strings.Repeat("x", 10_000))
	p.db.SaveTask(status.Task{ID: 9, Kind: status.KindPinSync, Backend: "nas", State: status.TaskDone, Started: at(4), Finished: at(5)})
	p.h.Cleared(at(6), "nas", 90*time.Second, "")
	p.h.Cleared(at(6), "node", time.Second, "given up")

	all := p.read(status.HistoryQuery{})
	var got []string
	var last time.Time
	for _, l := range all {
		got = append(got, fmt.Sprint(l["what"]))
		stamp, err := time.Parse(time.RFC3339, l["time"].(string))
		if err != nil || stamp.Before(last) || stamp.Location() != time.UTC {
			t.Errorf("%s comes after %s (%v)", stamp, last, err)
		}
		last = stamp
	}
	if s := strings.Join(got, " "); s != "checks checks transitions workers tasks transitions transitions" {
		t.Fatal(s)
	}
	if l := all[0]; l["latency_ms"] != 3.0 || l["by"] != "health_check" || l["ok"] != true || l["class"] != nil {
		t.Errorf("%v", l)
	}
	if l := all[1]; l["latency_ms"] != nil || l["class"] != "network" || l["backend"] != "node" {
		t.Errorf("%v", l)
	}
	if l := all[5]; l["dirty_seconds"] != 90.0 || l["of"] != "mark" || l["new"] != "clean" {
		t.Errorf("%v", l)
	}
	if l := all[3]; len(l["why"].(string)) > 400 {
		t.Error("a reason of any length is kept")
	}
	for _, c := range []struct {
		q    status.HistoryQuery
		want int
	}{
		{status.HistoryQuery{What: status.HistoryChecks}, 2}, {status.HistoryQuery{What: status.HistoryTasks}, 1},
		{status.HistoryQuery{What: status.HistoryTransitions}, 3}, {status.HistoryQuery{What: status.HistoryWorkers}, 1},
		{status.HistoryQuery{Backend: "nas"}, 3}, {status.HistoryQuery{Backend: "nas", What: status.HistoryWorkers}, 0},
		{status.HistoryQuery{Since: at(5)}, 3}, {status.HistoryQuery{Until: at(5)}, 5}, {status.HistoryQuery{Since: at(7)}, 0},
	} {
		if got := p.read(c.q); len(got) != c.want {
			t.Errorf("%+v: %d lines, want %d: %v", c.q, len(got), c.want, got)
		}
	}
	for name, want := range map[string]bool{"nas": true, "nobody": false, status.WorkerDirtyMonitor: false} {
		if ok, err := p.h.Knows(t.Context(), name); err != nil || ok != want {
			t.Errorf("knows %s: %v %v", name, ok, err)
		}
	}
}

func TestPagesHoldEveryRowOnceAlsoThoseOfOneMoment(t *testing.T) {
	p := newPast(t, DefaultLimits())
	now := p.clk.Now()
	for i := range 3*pageRows + 7 {
		p.h.Check(now, fmt.Sprint("b", i), status.KindHealthCheck, true, 0, "")
		p.db.SaveTask(status.Task{ID: uint64(i + 1), Kind: status.KindVerify, Backend: "b", State: status.TaskDone, Finished: now})
	}
	seen := map[any]int{}
	for _, l := range p.read(status.HistoryQuery{}) {
		if l["what"] == status.HistoryChecks {
			seen[l["backend"]]++
		} else {
			seen[l["id"]]++
		}
	}
	if len(seen) != 2*(3*pageRows+7) {
		t.Errorf("%d rows", len(seen))
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%v comes %d times", k, n)
		}
	}
}

// slow folds what is old as the first lines come, as a batch may while a reader takes its time.
type slow struct {
	strings.Builder
	fold func()
}

func (s *slow) Write(b []byte) (int, error) {
	if s.fold != nil {
		s.fold()
		s.fold = nil
	}
	return s.Builder.Write(b)
}

// What is folded while somebody reads is not told a second time, in the sum.
func TestWhatIsFoldedMeanwhileIsToldOnce(t *testing.T) {
	l := DefaultLimits()
	l.Step = 20 // a fold that ends within an hour
	p := newPast(t, l)
	began := p.clk.Now()
	const backends, each = 3 * pageRows, 3
	for n := range backends * each {
		p.h.Check(began.Add(time.Duration(n)*time.Second/5), fmt.Sprintf("b%04d", n%backends), status.KindHealthCheck, true, 0, "")
	}
	p.db.Flush()
	p.set(began.Add(8 * 24 * time.Hour))
	folds := func(times int) {
		for range times {
			p.h.Check(p.clk.Now(), "now", status.KindHealthCheck, true, 0, "")
			p.db.Flush()
		}
	}
	folds(100) // 2,000 of the 4,500, all of one hour: more sums than a page
	out := &slow{fold: func() { folds(50) }}
	if err := p.h.Lines(t.Context(), status.HistoryQuery{What: status.HistoryChecks}, out); err != nil {
		t.Fatal(err)
	}
	told := 0
	for text := range strings.Lines(out.String()) {
		var line struct {
			Backend string
			Count   int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.Backend != "now" {
			told += max(line.Count, 1)
		}
	}
	if told > backends*each || told < backends*each-1000 {
		t.Errorf("%d of %d are told", told, backends*each)
	}
}

// All that was recorded is in the sums: counts, and the least, mean and greatest durations.
func TestOldRowsBecomeSumsOfHoursThenOfDaysAndNothingIsLost(t *testing.T) {
	p := newPast(t, DefaultLimits())
	began := p.clk.Now()
	const every = 20 * time.Minute
	n := 0
	for at := began; at.Before(began.Add(40 * 24 * time.Hour)); at = at.Add(every) {
		p.set(at)
		p.h.Check(at, "nas", status.KindHealthCheck, n%10 != 0, time.Duration(n%7+1)*time.Millisecond, "")
		p.h.Cleared(at, "nas", time.Duration(n%5)*time.Second, "")
		p.db.SaveTask(status.Task{ID: uint64(n + 1), Kind: status.KindPinSync, Backend: "nas", State: status.TaskDone, Started: at.Add(-2 * time.Second), Finished: at})
		if n++; n%24 == 0 {
			p.db.Flush()
		}
	}
	p.db.Flush()
	count := map[string]float64{}
	ok, checked := 0.0, 0.0
	for _, l := range p.read(status.HistoryQuery{}) {
		resolution, _ := l["resolution"].(string)
		key := l["what"].(string) + resolution
		if resolution == "" {
			count[key]++
			continue
		}
		count[key] += l["count"].(float64)
		if l["what"] == status.HistoryChecks {
			ok, checked = ok+l["ok"].(float64), checked+l["count"].(float64)
			if s := l["latency_ms"].(map[string]any); resolution == status.ResolutionDay && (s["min"] != 1.0 || s["max"] != 7.0 || math.Abs(s["mean"].(float64)-4) > 0.1) {
				t.Errorf("%v", l)
			}
		}
		if l["what"] == status.HistoryTasks && l["seconds"].(map[string]any)["mean"] != 2.0 {
			t.Errorf("%v", l)
		}
	}
	for _, what := range []string{status.HistoryChecks, status.HistoryTransitions, status.HistoryTasks} {
		day, hour, raw := count[what+status.ResolutionDay], count[what+status.ResolutionHour], count[what]
		if day+hour+raw != float64(n) || day < 9*72 || hour < 20*72 || raw < 7*72 {
			t.Errorf("%s: %v of days, %v of hours, %v single ones; %d were recorded", what, day, hour, raw, n)
		}
	}
	if math.Abs(ok/checked-0.9) > 0.01 {
		t.Errorf("%v of %v checks went well", ok, checked)
	}
	if len(p.errs) > 0 {
		t.Error(p.errs)
	}
}

// A clock that is set far ahead, and back again, takes one day's place and not all that is kept.
func TestAClockThatIsSetWrongTakesNoHistoryAway(t *testing.T) {
	p := newPast(t, DefaultLimits())
	p.days = 30
	began := p.clk.Now()
	record := func() {
		p.h.Check(p.clk.Now(), "nas", status.KindHealthCheck, true, 0, "")
		p.db.Flush()
	}
	for d := range 30 {
		p.set(began.Add(time.Duration(d) * 24 * time.Hour))
		record()
	}
	for _, wrong := range []time.Time{began.AddDate(10, 0, 0), time.Unix(0, 0), began.Add(31 * 24 * time.Hour)} {
		p.set(wrong)
		record()
	}
	kept := 0.0
	for _, l := range p.read(status.HistoryQuery{}) {
		if n, ok := l["count"].(float64); ok {
			kept += n
		} else {
			kept++
		}
	}
	if kept < 29 {
		t.Errorf("%v records are left of 33", kept)
	}
}

func TestRetentionIsByDaysWithRecords(t *testing.T) {
	p := newPast(t, DefaultLimits())
	p.days = 3
	began := p.clk.Now()
	for d := range 10 {
		p.set(began.Add(time.Duration(d) * 24 * time.Hour))
		p.h.Check(p.clk.Now(), fmt.Sprint("nas", d), status.KindHealthCheck, true, 0, "")
		p.h.Health(p.clk.Now(), "nas", "healthy", "degraded", "")
		p.db.SaveTask(status.Task{ID: uint64(d + 1), Kind: status.KindPinSync, Backend: "nas", State: status.TaskDone, Finished: p.clk.Now()})
		p.db.SaveError(status.ErrorEntry{Backend: "nas", Class: "network", Message: fmt.Sprint(d), First: p.clk.Now(), Last: p.clk.Now(), Count: 1})
		p.db.Flush()
	}
	if n := p.number("SELECT count(*) FROM errors"); n != 3 {
		t.Errorf("%d kinds of trouble are left of three days", n)
	}
	if lines := p.read(status.HistoryQuery{}); len(lines) != 9 {
		t.Errorf("%d lines are left of three days: %v", len(lines), lines)
	}
	if n := p.number("SELECT count(*) FROM history_names"); n > 5 {
		t.Errorf("%d names are kept", n)
	}
}

func TestWhatCouldNotBeWrittenIsWrittenLaterAndTakesNothingElseWithIt(t *testing.T) {
	p := newPast(t, DefaultLimits())
	exec := func(q string) {
		t.Helper()
		if err := p.db.Tx(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(q); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec("ALTER TABLE history_samples RENAME TO elsewhere")
	p.h.Check(p.clk.Now(), "nas", status.KindHealthCheck, true, 0, "")
	p.db.SaveCounter("completed", 7)
	p.db.Flush()
	if c, err := p.db.Counters(t.Context()); err != nil || c["completed"] != 7 {
		t.Errorf("what is not history was lost with it: %v %v", c, err)
	}
	if len(p.errs) == 0 {
		t.Error("nobody was told")
	}
	exec("ALTER TABLE elsewhere RENAME TO history_samples")
	p.h.Check(p.clk.Now().Add(time.Second), "nas", status.KindHealthCheck, true, 0, "")
	if lines := p.read(status.HistoryQuery{}); len(lines) != 2 {
		t.Errorf("%v", lines)
	}
	if sum, err := p.sum(p.clk.Now().Add(-time.Hour)); err != nil || sum.Checks != 2 {
		t.Errorf("%+v %v", sum, err)
	}
}

func TestReaderThatIsGoneEndsTheReading(t *testing.T) {
	p := newPast(t, DefaultLimits())
	for i := range 2000 {
		p.h.Check(p.clk.Now().Add(time.Duration(i)*time.Second), "nas", status.KindHealthCheck, true, 0, "")
	}
	p.db.Flush()
	gone := errors.New("gone")
	if err := p.h.Lines(t.Context(), status.HistoryQuery{}, writerFunc(func([]byte) (int, error) { return 0, gone })); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.h.Lines(ctx, status.HistoryQuery{}, writerFunc(func(b []byte) (int, error) { return len(b), nil })); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestHealthChecksDoNotCrowdOutOtherTasks(t *testing.T) {
	l := DefaultLimits()
	l.Tasks, l.Samples = 50, 100
	p := newPast(t, l)
	for i := range 1000 {
		kind := status.KindHealthCheck
		if i < 20 {
			kind = status.KindPinSync
		}
		p.clk.Shift(time.Minute)
		p.db.SaveTask(status.Task{ID: uint64(i + 1), Kind: kind, Backend: "nas", State: status.TaskDone, Finished: p.clk.Now()})
		p.h.Sync(p.clk.Now(), true)
		if i%100 == 99 {
			p.db.Flush()
		}
	}
	count := map[any]int{}
	for _, line := range p.read(status.HistoryQuery{What: status.HistoryTasks}) {
		count[line["kind"]]++
	}
	if count[status.KindPinSync] != 20 || count[status.KindHealthCheck] > 150 {
		t.Errorf("%v", count)
	}
}
