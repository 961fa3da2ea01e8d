package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

func TestTimesOfHistoryAreDurationsDatesAndDatesWithTimes(t *testing.T) {
	zone := time.FixedZone("there", 2*3600)
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"24h": now.Add(-24 * time.Hour), "7d": now.Add(-7 * 24 * time.Hour), "0.5d": now.Add(-12 * time.Hour), "90m": now.Add(-90 * time.Minute), "0s": now,
		"2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, zone), "2026-11-01T10:30": time.Date(2026, 11, 1, 10, 30, 0, 0, zone),
		"2026-11-01 10:30:05": time.Date(2026, 11, 1, 10, 30, 5, 0, zone), "2026-11-01T10:30:00Z": time.Date(2026, 11, 1, 10, 30, 0, 0, time.UTC),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "-3h", "d", "NaNd", "1e300d", "2026-13-01", "yesterday"} {
		var f *fault
		if got, err := moment(text, now); !errors.As(err, &f) || f.code != ExitUsage {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	if q, err := historyQuery(now, "24h", "2026-11-10", false); err != nil || !q.Since.Equal(time.Date(2026, 11, 9, 0, 0, 0, 0, zone)) {
		t.Errorf("a day before --until: %+v %v", q, err)
	}
	if _, err := historyQuery(now, "1h", "2d", true); err == nil {
		t.Error("a time that ends before it begins was taken")
	}
}

func FuzzMoment(f *testing.F) {
	f.Add("24h")
	f.Add("7d")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := moment(text, time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)); err != nil && !at.IsZero() {
			t.Error("an error and a time")
		}
	})
}

// pastLines is a history with a line of each kind.
func pastLines(t *testing.T) []byte {
	t.Helper()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	var buf bytes.Buffer
	add := func(line []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		buf.Write(line)
	}
	add(status.HistorySum(status.SumLine{What: status.HistoryChecks, Resolution: status.ResolutionDay, Time: at.AddDate(0, 0, -60), Backend: "nas", Kind: status.KindHealthCheck,
		Count: 6, OK: 5, Timed: 5, Least: time.Millisecond, Most: 3 * time.Millisecond, Total: 10 * time.Millisecond}))
	add(status.HistorySum(status.SumLine{What: status.HistoryChecks, Resolution: status.ResolutionHour, Time: at.AddDate(0, 0, -9), Backend: "nas", Kind: status.KindPinSync, Count: 3}))
	add(status.HistorySum(status.SumLine{What: status.HistoryTransitions, Resolution: status.ResolutionHour, Time: at.AddDate(0, 0, -9), Backend: "nas", Count: 2, OK: 2, Timed: 2, Most: time.Second, Total: 2 * time.Second}))
	add(status.HistorySum(status.SumLine{What: status.HistoryTasks, Resolution: status.ResolutionHour, Time: at.AddDate(0, 0, -9), Backend: "nas", Kind: status.KindPinSync, Count: 2, OK: 1}))
	add(status.HistoryCheck(status.CheckLine{Time: at, Backend: "nas", By: status.KindHealthCheck, OK: true, LatencyMS: 2.5}))
	add(status.HistoryCheck(status.CheckLine{Time: at, Backend: "node", By: status.KindPinSync, LatencyMS: -1, Class: "network"}))
	add(status.HistoryHealth(at, "node", status.HealthChange{Old: "healthy", New: "unhealthy", Why: strings.Repeat("refused ", 30)}))
	add(status.HistoryMark(status.MarkLine{Time: at, Backend: "nas", DirtySeconds: 4}))
	add(status.HistoryMark(status.MarkLine{Time: at, Backend: "node", DirtySeconds: 4, Why: "given up by a person"}))
	add(status.HistoryTask(status.Task{ID: 7, Kind: status.KindPinSync, Backend: "nas", State: status.TaskDone, Started: at.Add(-3 * time.Second), Finished: at, Log: []string{at.Format(time.RFC3339) + " 12 stored"}}))
	add(status.HistoryTask(status.Task{ID: 8, Kind: status.KindPinSync, Backend: "node", State: status.TaskFailed, Started: at, Finished: at, Error: "refused\nand\x1b[2Jmore"}))
	add(status.HistoryTask(status.Task{ID: 9, Kind: status.KindHealthCheck, Backend: "nas", State: status.TaskDone, Started: at, Finished: at}))
	add(status.HistoryWorker(at, status.WorkerDirtyMonitor, status.WorkerChange{Restarts: 1, Why: "panic: oh"}))
	buf.WriteString("{\"what\":\"later\",\"time\":\"2030-01-01T00:00:00Z\"}\n")
	return buf.Bytes()
}

func historyApp(json bool) (*app, *strings.Builder) {
	var out strings.Builder
	return &app{clk: clock.System, json: json, name: "x", env: Env{Stdout: &out, Stderr: &out}}, &out
}

func TestHistoryAsTextIsWholeAndSumsUp(t *testing.T) {
	a, out := historyApp(false)
	if err := a.showHistory(bytes.NewReader(pastLines(t)), status.HistoryQuery{Since: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b…") {
		t.Errorf("something was cut or painted where no terminal is:\n%s", out)
	}
	for _, want := range []string{"nas: 6 checks, 5 well, 2.0 ms on average", "nas: clean 2 times, dirty for 1 s on average", "pin_sync: 2, 1 done", "node: check failed: network (pin_sync)",
		"healthy → unhealthy: refused", "clean, was dirty for 4 s (given up by a person)", "pin_sync done in 3 s: 12 stored", "pin_sync failed", "dirty_monitor: worker was replaced: panic: oh",
		"11 checks (54.55% went well)", "clean 3 times after 2 s on average", "4 tasks (2 done)", "2026-09-26 UTC       nas: 6 checks", "nas: 3 checks, 0 well (pin_sync)", "1 change of health", "1 worker replaced"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "check went well") || strings.Contains(out.String(), "health_check done") {
		t.Errorf("what went well is told line by line:\n%s", out)
	}
	a, out = historyApp(false)
	if err := a.showHistory(bytes.NewReader(pastLines(t)), status.HistoryQuery{What: status.HistoryChecks}); err != nil || !strings.Contains(out.String(), "check went well in 2.5 ms") {
		t.Errorf("%v %s", err, out)
	}
}

// elsewhere is a clock in another zone.
type elsewhere struct{ clock.Clock }

func (elsewhere) Now() time.Time { return time.Now().In(time.FixedZone("there", -8*3600)) }

// A sum of a day is one of UTC, in whatever zone it is read.
func TestADayOfHistoryIsNamedByItsDate(t *testing.T) {
	a, out := historyApp(false)
	a.clk = elsewhere{clock.System}
	line, err := status.HistorySum(status.SumLine{What: status.HistoryTasks, Resolution: status.ResolutionDay, Time: time.Date(2026, 9, 26, 0, 0, 0, 0, time.UTC), Backend: "nas", Kind: status.KindPinSync, Count: 1, OK: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.showHistory(bytes.NewReader(line), status.HistoryQuery{}); err != nil || !strings.HasPrefix(out.String(), "2026-09-26 UTC       nas: pin_sync: 1, 1 done") {
		t.Errorf("%v %s", err, out)
	}
}

func TestHistoryAsJSONIsWhatTheServiceWrote(t *testing.T) {
	a, out := historyApp(true)
	if err := a.showHistory(bytes.NewReader(pastLines(t)), status.HistoryQuery{}); err != nil || out.String() != string(pastLines(t)) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHistoryThatBreaksOffIsAnError(t *testing.T) {
	for _, tail := range []string{string(status.HistoryError(errors.New("disk \"gone\""))), "no json\n"} {
		a, _ := historyApp(false)
		if err := a.showHistory(strings.NewReader(string(pastLines(t))+tail), status.HistoryQuery{}); err == nil {
			t.Errorf("no error after %q", tail)
		}
	}
	a, out := historyApp(false)
	if err := a.showHistory(strings.NewReader(""), status.HistoryQuery{Since: time.Now()}); err != nil || !strings.Contains(out.String(), "nothing is recorded") {
		t.Errorf("%v %s", err, out)
	}
}
