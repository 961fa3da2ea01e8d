package service

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
)

// lines reads a history over the bus.
func (w *world) lines(c *client.Client, q status.HistoryQuery) (out []map[string]any) {
	w.t.Helper()
	f, err := c.History(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l map[string]any
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			w.t.Fatalf("%q: %v", sc.Text(), err)
		}
		out = append(out, l)
	}
	return out
}

func find(lines []map[string]any, want map[string]any) bool {
	for _, l := range lines {
		good := true
		for k, v := range want {
			good = good && l[k] == v
		}
		if good {
			return true
		}
	}
	return false
}

func TestHistoryOverTheBusTellsWhatHappenedAlsoBeforeARestart(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	missing, _ := w.content(9)
	cid := w.car(1)
	address, bus := w.onBus()
	c := w.client(address)
	w.until("healthy", func() bool { b, _ := w.s.Backend("nas"); return b.Health == status.HealthHealthy })
	w.mark("nas", cid)
	w.until("clean", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	w.mark("nas", missing)
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	if _, err := w.s.Dismiss(t.Context(), "nas"); err != nil {
		t.Fatal(err)
	}
	w.until("given up", func() bool { return !w.dirty("nas") })
	w.put("backends/nas.yaml", "name: nas\ntype: telepathy\n")
	w.until("misconfigured", func() bool { b, _ := w.s.Backend("nas"); return b.Health == status.HealthMisconfigured })
	if err := c.RestartWorker(t.Context(), status.WorkerHealthMonitor); err != nil {
		t.Fatal(err)
	}
	w.until("replaced", func() bool { x, _ := w.s.Worker(status.WorkerHealthMonitor); return x.Restarts == 1 })

	for range 2 {
		all := w.lines(c, status.HistoryQuery{})
		for _, want := range []map[string]any{
			{"what": "checks", "backend": "nas", "ok": true},
			{"what": "tasks", "backend": "nas", "kind": "pin_sync", "state": "done"},
			{"what": "transitions", "of": "health", "backend": "nas", "old": "unknown", "new": "healthy"},
			{"what": "transitions", "of": "mark", "backend": "nas", "new": "clean", "why": ""},
			{"what": "transitions", "of": "mark", "backend": "nas", "new": "clean", "why": "given up by a person"},
			{"what": "transitions", "of": "health", "backend": "nas", "old": "healthy", "new": "misconfigured"},
			{"what": "workers", "worker": status.WorkerHealthMonitor, "restarts": 1.0},
		} {
			if !find(all, want) {
				t.Errorf("no line has %v in %v", want, all)
			}
		}
		last := ""
		for _, l := range all {
			if at := l["time"].(string)[:19]; at < last {
				t.Errorf("%s comes after %s", at, last)
			} else {
				last = at
			}
		}
		if found := w.lines(c, status.HistoryQuery{Since: time.Now().Add(time.Hour)}); len(found) > 0 {
			t.Errorf("of the future: %v", found)
		}
		if found := w.lines(c, status.HistoryQuery{What: status.HistoryWorkers}); len(found) != 1 {
			t.Errorf("of workers: %v", found)
		}
		w.stop()
		bus.Close()
		address, bus = w.onBus()
		c = w.client(address)
	}
}

func TestHistoryRefusesWhatItDoesNotKnowBeforeAnyLine(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	for want, q := range map[status.Code]status.HistoryQuery{
		status.InvalidArgument: {What: "weather"}, status.NoSuchBackend: {Backend: "nobody"},
	} {
		var e *status.Error
		if _, err := c.History(t.Context(), q); !errors.As(err, &e) || e.Code != want {
			t.Errorf("%+v: %v", q, err)
		} else if want == status.InvalidArgument && !strings.Contains(e.Message, "tasks, checks, transitions, workers") {
			t.Error(e.Message)
		}
	}
}

// A reader that stops reading, or goes away, keeps nothing from working and nothing from ending.
func TestReaderOfHistoryThatStopsReadingHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	for i := range 5000 { // more than a pipe holds
		w.s.hist.Check(time.Now().Add(-time.Duration(i)*time.Second), "nas", status.KindHealthCheck, true, time.Millisecond, "")
	}
	idle, err := c.History(t.Context(), status.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	gone, err := c.History(t.Context(), status.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	if lines := w.lines(c, status.HistoryQuery{What: status.HistoryChecks}); len(lines) < 5000 {
		t.Errorf("another reader gets %d lines", len(lines))
	}
	w.mark("nas", w.car(1))
	w.until("the work goes on", func() bool { return w.cleared("nas") })
	w.stop() // it ends, or the test does not
}

func TestInsightsLookBack(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	cid := w.car(1)
	w.start()
	type period struct {
		Syncs   uint64
		Success *float64 `json:"sync_success"`
		Latency struct {
			Count     uint64
			Mean, P95 *float64
		} `json:"sync_latency_seconds"`
		Checks       uint64
		Availability *float64
		Spared       *struct{ Checks, Backups map[string]float64 }
	}
	var doc struct {
		History struct{ Today, Week, Month period }
	}
	read := func() {
		t.Helper()
		doc.History.Month = period{}
		b, err := w.s.InsightsJSON(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
	}
	if read(); doc.History.Month.Success != nil || doc.History.Month.Latency.Mean != nil {
		t.Errorf("something is known of nothing: %+v", doc.History.Month)
	}
	w.until("healthy", func() bool { b, _ := w.s.Backend("nas"); return b.Health == status.HealthHealthy })
	w.mark("nas", cid)
	w.until("clean", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	w.until("counted", func() bool { read(); return doc.History.Month.Syncs > 0 && doc.History.Month.Availability != nil })
	m := doc.History.Month
	if m.Syncs != 1 || *m.Success != 1 || m.Latency.Count != 1 || *m.Latency.Mean <= 0 || *m.Latency.P95 <= 0 || m.Checks == 0 || *m.Availability != 1 || m.Spared == nil {
		t.Errorf("%+v", m)
	}
}

// The rates come down to nothing on the bus though nothing happens any more, and there is an expected end only while there is one.
func TestRatesAreToldAgainWhileNothingHappens(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	cid := w.car(1)
	missing, _ := w.content(9)
	w.configure("intervals: {metadata: 1s}\n")
	address, _ := w.onBus()
	w.client(address)
	conn, err := godbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.AddMatchSignal(godbus.WithMatchSender(dbus.BusName), godbus.WithMatchObjectPath(dbus.RootPath)); err != nil {
		t.Fatal(err)
	}
	signals := make(chan *godbus.Signal, 10_000)
	conn.Signal(signals)
	w.mark("nas", cid)
	w.until("clean", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	if arrived, mended := w.marks(); arrived != 1 || mended != 1 {
		t.Errorf("%d came, %d were mended", arrived, mended)
	}
	if m := w.s.Manager(); m.DirtyPerMinute <= 0 || m.DirtyPerMinute > 1 || !m.OldestDirty.IsZero() || !m.ExpectedClean.IsZero() {
		t.Errorf("%+v", m)
	}
	w.mark("nas", missing)
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	if m := w.s.Manager(); m.OldestDirty.IsZero() || !m.ExpectedClean.IsZero() {
		t.Errorf("%+v", m)
	}
	// After its first minute the service divides by more: each look at the metadata tells it.
	w.s.mu.Lock()
	w.s.arrived.began = w.s.arrived.began.Add(-2 * time.Minute)
	w.s.mu.Unlock()
	told := func() bool {
		for {
			select {
			case sg := <-signals:
				if sg.Name == "org.freedesktop.DBus.Properties.PropertiesChanged" && strings.Contains(fmt.Sprint(sg.Body[2]), "DirtyPerMinute") && w.s.Manager().DirtyPerMinute < 1.01 {
					return true
				}
			default:
				return false
			}
		}
	}
	w.until("it is told", told)
}

// Marks that stood before the start did not arrive, a mark that is served in parts came once, and a second mark counts as one more.
func TestRatesCountMarks(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	w.backend("other")
	missing, _ := w.content(9)
	cid := w.car(1)
	w.mark("nas", cid, missing)
	w.start()
	w.until("blocked", func() bool { return w.s.Manager().BlockedBackends == 1 })
	if arrived, mended := w.marks(); arrived != 0 || mended != 0 {
		t.Errorf("a mark of before the start: %d came, %d were mended", arrived, mended)
	}
	w.mark("other", missing)
	w.until("both blocked", func() bool { return w.s.Manager().BlockedBackends == 2 })
	w.mark("other", missing, missing)
	w.until("a second mark", func() bool { arrived, _ := w.marks(); return arrived == 2 })
	if _, err := w.s.Dismiss(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	w.until("both cleared", func() bool { _, mended := w.marks(); return mended == 2 && w.s.Manager().DirtyBackends == 1 })
	w.put("backends/nas.yaml", "name: nas\ntype: filesystem\nenabled: false\n")
	w.until("not counted", func() bool { return w.s.Manager().Backends == 1 })
	if _, mended := w.marks(); mended != 2 {
		t.Errorf("a backend that is counted no more was mended: %d", mended)
	}
}

// marks counts those that came and those that were mended in the last minutes.
func (w *world) marks() (arrived, mended uint32) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for i := range w.s.arrived.slots {
		arrived += w.s.arrived.slots[i]
		mended += w.s.mended.slots[i]
	}
	return arrived, mended
}

// configure writes the service's own configuration.
func (w *world) configure(text string) {
	w.t.Helper()
	dir := w.o.Paths.Config[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "intelligent.yaml"), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// Of too many kinds of trouble the one goes that was not seen for the longest time, also after a restart, which reads the latest first.
func TestTheTroubleThatIsSeenAgainIsKept(t *testing.T) {
	w := newWorld(t)
	clk := &clock.Shifted{}
	w.o.Clock = clk
	kinds := func(s *Service) (out []string) {
		for _, e := range s.errs["nas"] {
			out = append(out, e.Message)
		}
		slices.Sort(out)
		return out
	}
	s, err := New(t.Context(), w.o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range statedb.KeepErrors + 3 {
		clk.Shift(time.Minute)
		s.noteError("nas", "network", fmt.Sprintf("kind %02d", i), clk.Now())
		clk.Shift(time.Minute)
		s.noteError("nas", "network", "kind 00", clk.Now())
	}
	want := []string{"kind 00", "kind 04", "kind 05", "kind 06", "kind 07", "kind 08", "kind 09", "kind 10", "kind 11", "kind 12"}
	if got := kinds(s); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = New(t.Context(), w.o); err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	if got := kinds(s); !slices.Equal(got, want) {
		t.Errorf("after a restart: %q", got)
	}
	clk.Shift(time.Minute)
	s.noteError("nas", "network", "kind 13", clk.Now())
	if got := kinds(s); slices.Contains(got, "kind 04") || !slices.Contains(got, "kind 00") {
		t.Errorf("one more: %q", got)
	}
}

// Also on the days of 23 and 25 hours, and where the clocks are set forward at midnight.
func TestADayBeginsWhenItBeginsInItsZone(t *testing.T) {
	for zone, days := range map[string]map[string]string{
		"Europe/Berlin":    {"2026-03-29T12:00": "2026-03-28T23:00Z", "2026-10-25T12:00": "2026-10-24T22:00Z"},
		"America/Santiago": {"2026-09-06T12:00": "2026-09-06T04:00Z", "2026-09-05T12:00": "2026-09-05T04:00Z"},
		"Asia/Beirut":      {"2026-03-29T12:00": "2026-03-28T22:00Z"},
		"America/Havana":   {"2026-03-08T01:30": "2026-03-08T05:00Z", "2026-11-01T00:30": "2026-11-01T04:00Z"},
		"Asia/Kolkata":     {"2026-11-26T00:10": "2026-11-25T18:30Z"},
		"UTC":              {"2026-11-26T00:00": "2026-11-26T00:00Z"},
	} {
		l, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for now, want := range days {
			at, err := time.ParseInLocation("2006-01-02T15:04", now, l)
			if err != nil {
				t.Fatal(err)
			}
			if got := midnight(at).UTC().Format("2006-01-02T15:04Z"); got != want {
				t.Errorf("%s in %s: since %s, want %s", now, zone, got, want)
			}
		}
	}
}

// The expected end is when the marks that can be cleared are gone at the rate of now: none while more come than go, or only blocked ones are left.
func TestExpectedEndIsThatOfMarksThatCanBeCleared(t *testing.T) { inVirtualTime(t, expectedEnd) }

func expectedEnd(w *world) {
	t, clk := w.t, clock.System
	s, err := New(t.Context(), w.o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	now := clk.Now()
	dirty := func(name string, blocked bool, marks int, since time.Time) {
		e := &entry{name: name, cat: &catalog.Backend{Dirty: &home.Dirty{IsDirty: true, Since: since}}, counted: facts{counted: true, dirty: true, blocked: blocked}}
		e.mark.marks = marks
		s.entries[name] = e
		s.totals.apply(name, facts{}, e.counted)
	}
	dirty("a", false, 6, now.Add(-time.Hour))
	dirty("b", true, 5, now.Add(-2*time.Hour))
	end := func() time.Time { m := s.Manager(); return m.ExpectedClean }
	if !end().IsZero() {
		t.Error("an end without any rate")
	}
	time.Sleep(2 * time.Minute)
	s.mended.add(clk.Now(), 10)
	s.arrived.add(clk.Now(), 4) // 10 and 4 in the last minute: 6 marks are gone in one
	if got := end().Sub(clk.Now()); got < 50*time.Second || got > 70*time.Second {
		t.Errorf("clean in %s", got)
	}
	time.Sleep(2 * time.Minute) // 2.5 and 1 a minute since the start, and none in the last: 6 marks are gone in 4
	if got := end().Sub(clk.Now()); got < 230*time.Second || got > 250*time.Second {
		t.Errorf("clean in %s", got)
	}
	if m := s.Manager(); !m.OldestDirty.Equal(now.Add(-2 * time.Hour)) {
		t.Errorf("oldest %s", m.OldestDirty)
	}
	s.arrived.add(clk.Now(), 10)
	if !end().IsZero() {
		t.Error("an end though more come than go")
	}
	// Of what came at once, most is mended, and nothing comes any more.
	time.Sleep(2 * time.Minute)
	s.mended.add(clk.Now(), 3)
	if m := s.Manager(); m.DirtyPerMinute <= m.MendedPerMinute || m.ExpectedClean.Sub(clk.Now()) < 110*time.Second || m.ExpectedClean.Sub(clk.Now()) > 130*time.Second {
		t.Errorf("after a burst: %+v", m)
	}
	time.Sleep(10 * time.Minute)
	if m := s.Manager(); m.DirtyPerMinute != 0 || m.MendedPerMinute != 0 || !m.ExpectedClean.IsZero() {
		t.Errorf("after ten quiet minutes: %+v", m)
	}
	s.mended.add(clk.Now(), 100)
	s.totals.apply("a", s.entries["a"].counted, facts{})
	delete(s.entries, "a")
	if !end().IsZero() {
		t.Error("an end of what is blocked")
	}
}
