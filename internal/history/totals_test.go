package history

import (
	"math"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

func TestTimeIsSummedByHourAtTheLevelThatItHad(t *testing.T) {
	p := newPast(t, DefaultLimits())
	began := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	p.set(began)
	p.h.Level(began, Level{Up: 9, Down: 1, Backends: 10, Copies: 4})
	p.h.Level(began.Add(45*time.Minute), Level{Up: 10, Backends: 10, Copies: 4})
	p.set(began.Add(90 * time.Minute)) // 12:00
	p.h.Stop()
	p.db.Flush()
	if n := p.number("SELECT count(*) FROM history_totals"); n < 2 || n > 3 {
		t.Errorf("%d hours", n)
	}
	sum, err := p.sum(began)
	want := Spent{Up: 9*2700 + 10*2700, Down: 2700, Backends: 10 * 5400, Copies: 4 * 5400}
	if err != nil || math.Abs(sum.Spent.Up-want.Up) > 20 || math.Abs(sum.Spent.Down-want.Down) > 1 || math.Abs(sum.Spent.Backends-want.Backends) > 20 || math.Abs(sum.Spent.Copies-want.Copies) > 10 {
		t.Errorf("%+v %v, want %+v", sum.Spent, err, want)
	}
	first, err := p.sum(began.Add(time.Hour)) // from 11:00 on
	if err != nil || math.Abs(first.Spent.Backends-10*3600) > 20 {
		t.Errorf("%+v %v", first.Spent, err)
	}
}

// Days begin at midnight also where that is no full hour of UTC.
func TestTheHoursAreThoseOfTheZone(t *testing.T) {
	for name, east := range map[string]time.Duration{"UTC": 0, "Kolkata": 5*time.Hour + 30*time.Minute, "Kathmandu": 5*time.Hour + 45*time.Minute, "St. John's": -3*time.Hour - 30*time.Minute, "New York": -5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			p := newPast(t, DefaultLimits())
			midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.FixedZone(name, int(east.Seconds())))
			for _, at := range []time.Duration{-time.Second, 0, 59 * time.Minute} {
				p.h.Check(midnight.Add(at), "nas", status.KindHealthCheck, true, 0, "")
			}
			p.h.Level(midnight.Add(-10*time.Minute), Level{Backends: 1})
			p.h.Level(midnight.Add(20*time.Minute), Level{})
			for flushed := range 2 {
				sums, err := p.h.Sums(t.Context(), midnight, midnight.Add(-time.Hour))
				if err != nil || sums[0].Checks != 2 || sums[1].Checks != 3 || math.Abs(sums[0].Spent.Backends-20*60) > 1 || math.Abs(sums[1].Spent.Backends-30*60) > 1 {
					t.Errorf("%d: %+v %v", flushed, sums, err)
				}
				p.db.Flush()
			}
			if got := HourStart(midnight.Add(42 * time.Minute)); !got.Equal(midnight) {
				t.Errorf("the hour began at %s", got)
			}
		})
	}
}

func TestAClockThatIsSetBackTakesNoTimeAway(t *testing.T) {
	p := newPast(t, DefaultLimits())
	now := p.clk.Now()
	p.h.Level(now, Level{Up: 1, Backends: 1})
	p.h.Level(now.Add(time.Minute), Level{Up: 1, Backends: 1})
	p.set(now.Add(-48 * time.Hour))
	sum, err := p.sum(time.Unix(0, 0))
	if err != nil || math.Abs(sum.Spent.Up-60) > 1 {
		t.Errorf("%+v %v", sum.Spent, err)
	}
}

func TestQuantilesAreRightWithinFivePercent(t *testing.T) {
	var a, b Totals
	for i := 1; i <= 1000; i++ {
		to := &a
		if i%2 == 0 {
			to = &b
		}
		to.cleared(time.Duration(i) * 10 * time.Millisecond)
	}
	a.add(&b)
	for q, want := range map[float64]float64{0.5: 5, 0.95: 9.5, 1: 10, 0.001: 0.01} {
		if got := a.Quantile(q); math.Abs(got-want)/want > 0.05 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := a.Stood / float64(a.Cleared); math.Abs(got-5.005) > 1e-6 {
		t.Errorf("mean %v", got)
	}
	if !math.IsNaN((&Totals{}).Quantile(0.5)) {
		t.Error("there is a quantile of nothing")
	}
}

// While nothing happens nothing is written, however often it is asked.
func TestTimeAloneIsNotWritten(t *testing.T) {
	p := newPast(t, DefaultLimits())
	p.h.Level(p.clk.Now(), Level{Up: 3, Backends: 3})
	for range 100 {
		p.clk.Shift(5 * time.Second)
		p.h.Level(p.clk.Now(), Level{Up: 3, Backends: 3})
		p.db.Flush()
	}
	if n := p.number("SELECT count(*) FROM history_totals"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	p.h.Check(p.clk.Now(), "nas", status.KindHealthCheck, true, 0, "")
	p.db.Flush()
	if sum, err := p.sum(time.Unix(0, 0)); err != nil || math.Abs(sum.Spent.Up-1500) > 15 {
		t.Errorf("%+v %v", sum.Spent, err)
	}
}
