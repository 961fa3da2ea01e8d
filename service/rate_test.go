package service

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 0.05*math.Max(want, 0.1) }

func TestRateIsTheMeanOfTheLastFiveMinutesOrSinceTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rate
		if got := r.perMinute(clock.System.Now()); got != 0 {
			t.Errorf("%v of nothing", got)
		}
		r.add(clock.System.Now(), 1)
		if got := r.perMinute(clock.System.Now()); got != 1 {
			t.Errorf("one in the first second is %v a minute", got)
		}
		time.Sleep(2 * time.Minute)
		r.add(clock.System.Now(), 9)
		if got := r.perMinute(clock.System.Now()); !near(got, 5) {
			t.Errorf("ten in two minutes are %v a minute", got)
		}
	})
}

func TestSteadyRateIsSteadyAndDecaysToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rate
		for i := range 1200 { // one a second, for twenty minutes
			time.Sleep(time.Second)
			r.add(clock.System.Now(), 1)
			if got := r.perMinute(clock.System.Now()); i > 60 && !near(got, 60) {
				t.Fatalf("after %d s: %v a minute", i, got)
			}
		}
		last := r.perMinute(clock.System.Now())
		for range 30 {
			time.Sleep(10 * time.Second)
			got := r.perMinute(clock.System.Now())
			if got > last+0.01 {
				t.Fatalf("it rises from %v to %v without an event", last, got)
			}
			last = got
		}
		if last != 0 {
			t.Errorf("%v a minute five minutes after the last event", last)
		}
		time.Sleep(1000 * time.Hour)
		r.add(clock.System.Now(), 5)
		if got := r.perMinute(clock.System.Now()); !near(got, 1) {
			t.Errorf("after a long time: %v", got)
		}
	})
}

func TestTheLastMinuteForgetsABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rate
		r.add(clock.System.Now(), 1000)
		if got := r.lastMinute(clock.System.Now()); got != 1000 {
			t.Errorf("at once: %v", got)
		}
		for i := range 300 { // then two a second
			time.Sleep(time.Second)
			r.add(clock.System.Now(), 2)
			if got := r.lastMinute(clock.System.Now()); i > 70 && math.Abs(got-120) > 5 {
				t.Fatalf("after %d s: %v a minute", i, got)
			}
		}
		time.Sleep(71 * time.Second)
		if got := r.lastMinute(clock.System.Now()); got != 0 {
			t.Errorf("after a quiet minute: %v", got)
		}
	})
}

func TestRateOutlivesAClockThatIsSetWrong(t *testing.T) {
	var r rate
	now := time.Now().Round(0)
	r.add(now, 5)
	r.add(now.AddDate(10, 0, 0), 3)
	if got := r.perMinute(now.AddDate(10, 0, 0)); !near(got, 0.6) {
		t.Errorf("ahead: %v", got)
	}
	r.add(now, 7) // back again
	if got := r.perMinute(now.Add(time.Minute)); !near(got, 7) {
		t.Errorf("back: %v", got)
	}
	if got := r.perMinute(now.Add(10 * time.Minute)); got != 0 {
		t.Errorf("it stays at %v", got)
	}
}
