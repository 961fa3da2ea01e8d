package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/status"
)

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// calm is a backend that wants nothing.
func calm() View {
	return View{Name: "nas", Counted: true, Started: t0, Health: Health{State: status.HealthHealthy, LastCheck: t0, NextProbe: t0.Add(time.Hour)},
		LastReconcile: t0, LastVerify: t0}
}

func dirty(version string) Dirty {
	return Dirty{Standing: true, Fresh: true, Unsynced: 2, Since: t0, Version: version}
}

func kinds(d Decision) string {
	var out []string
	for _, w := range d.Wants {
		out = append(out, fmt.Sprintf("%s %d %s", w.Kind, w.Priority, w.Mode))
	}
	return strings.Join(out, "; ")
}

func TestWhatIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		want   string
	}{
		"nothing":            {func(*View) {}, ""},
		"new mark":           {func(v *View) { v.Dirty = dirty("1") }, "pin_sync 1 delta"},
		"standing mark":      {func(v *View) { v.Dirty = dirty("1"); v.Dirty.Fresh = false }, "pin_sync 2 delta"},
		"mark without CIDs":  {func(v *View) { v.Dirty = dirty("1"); v.Dirty.Whole = true }, "pin_sync 1 reconcile"},
		"mark, another root": {func(v *View) { v.Dirty = dirty("1"); v.SentinelDiffers = true }, "pin_sync 1 reconcile"},
		"disabled":           {func(v *View) { v.Dirty = dirty("1"); v.Counted = false }, ""},
		"paused":             {func(v *View) { v.Dirty = dirty("1"); v.Paused = true }, ""},
		"pause is over":      {func(v *View) { v.Dirty = dirty("1"); v.Paused = true; v.PausedUntil = t0.Add(-time.Second) }, "pin_sync 1 delta"},
		"misconfigured":      {func(v *View) { v.Dirty = dirty("1"); v.Misconfigured = "no path" }, ""},
		"failed lately":      {func(v *View) { v.Dirty = dirty("1"); v.Tries = tries(1, "1", t0.Add(time.Minute)) }, ""},
		"failed long ago":    {func(v *View) { v.Dirty = dirty("1"); v.Tries = tries(1, "1", t0.Add(-time.Minute)) }, "pin_sync 4 delta"},
		"failed, new mark":   {func(v *View) { v.Dirty = dirty("2"); v.Tries = tries(9, "1", t0.Add(time.Hour)) }, "pin_sync 4 delta"},
		"asked, whole":       {func(v *View) { v.Requests = asked(false) }, "pin_sync 1 reconcile"},
		"asked, failed lately": {func(v *View) {
			v.Requests, v.Tries = asked(true), tries(1, "1", t0.Add(time.Minute)) // of a mark that is cleared
		}, ""},
		"asked, failed long ago": {func(v *View) { v.Requests, v.Tries = asked(true), tries(1, "1", t0.Add(-time.Minute)) }, "pin_sync 1 reconcile"},
		"asked, breaker open": {func(v *View) {
			v.Requests, v.Tries, v.Health.OpenUntil = asked(true), tries(1, "1", t0.Add(-time.Minute)), t0.Add(time.Minute)
		}, ""},
		"asked again, failed lately": {func(v *View) {
			v.Requests, v.Tries = asked(true, false), tries(1, "1", t0.Add(time.Minute))
		}, "pin_sync 1 reconcile"},
		"asked, blocked": {func(v *View) {
			v.Dirty, v.Requests, v.Blocked = dirty("1"), asked(true), Blocked{Reason: "x", Mark: "1", Until: t0.Add(time.Hour)}
		}, "pin_sync 1 reconcile"},
		"blocked": {func(v *View) {
			v.Dirty = dirty("1")
			v.Blocked = Blocked{Reason: "x", Mark: "1", Until: t0.Add(time.Hour)}
		}, ""},
		"blocked, and failed when it was looked for again": {func(v *View) {
			v.Dirty = dirty("1")
			v.Blocked = Blocked{Reason: "x", Mark: "1", Until: t0}
			v.Tries = tries(1, "1", t0.Add(time.Minute))
		}, ""},
		"blocked, new mark": {func(v *View) {
			v.Dirty = dirty("2")
			v.Blocked = Blocked{Reason: "x", Mark: "1", Until: t0.Add(time.Hour)}
		}, "pin_sync 1 delta"},
		"asked while clean": {func(v *View) { v.Requests = []Request{{Kind: status.KindPinSync, Reconcile: true}} }, "pin_sync 1 reconcile"},
		"stale":             {func(v *View) { v.Bound, v.Pending = true, 1; v.Health.LastCheck = t0.Add(-7 * time.Hour) }, "pin_sync 4 delta"},
		"old, not bound":    {func(v *View) { v.Pending = 1; v.Health.LastCheck = t0.Add(-7 * time.Hour) }, ""},
		"bound, not old":    {func(v *View) { v.Bound, v.Pending = true, 1 }, ""},
		"unhealthy, bound, breaker open": {func(v *View) {
			v.Bound, v.Failed = true, 1
			v.Health.State, v.Health.OpenUntil = status.HealthUnhealthy, t0.Add(time.Minute)
		}, ""},
		"another root":   {func(v *View) { v.SentinelDiffers = true }, "pin_sync 2 reconcile"},
		"probe":          {func(v *View) { v.Health.NextProbe = t0 }, "health_check 7 "},
		"probe of a bad": {func(v *View) { v.Health = Health{State: status.HealthUnhealthy} }, "health_check 6 "},
		"sync is probe":  {func(v *View) { v.Health.NextProbe = t0; v.Dirty = dirty("1") }, "pin_sync 1 delta"},
		"week is over":   {func(v *View) { v.LastReconcile = t0.Add(-10 * 24 * time.Hour) }, "pin_sync 9 reconcile"},
		"first backup":   {func(v *View) { v.Backups = map[string]Backup{status.KindBackupBuckets: {Changed: true}} }, "backup_buckets 6 "},
		"backup, same":   {func(v *View) { v.Backups = map[string]Backup{status.KindBackupBuckets: {}} }, ""},
		"backup, young": {func(v *View) {
			v.Backups = map[string]Backup{status.KindBackupBuckets: {Changed: true, Last: t0.Add(-time.Minute)}}
		}, ""},
		"verify": {func(v *View) { v.LastVerify = t0.Add(-60 * 24 * time.Hour) }, "verify 10 "},
	} {
		t.Run(name, func(t *testing.T) {
			v := calm()
			c.change(&v)
			if got := kinds(Decide(v, DefaultRules(), t0)); got != c.want {
				t.Errorf("%q, want %q\n%s", got, c.want, strings.Join(Decide(v, DefaultRules(), t0).Why, "\n"))
			}
		})
	}
}

// asked has a request for each, tried or not.
func asked(tried ...bool) (out []Request) {
	for _, t := range tried {
		out = append(out, Request{Kind: status.KindPinSync, Reconcile: true, Tried: t})
	}
	return out
}

func tries(n int, mark string, next time.Time) map[string]Attempt {
	return map[string]Attempt{status.KindPinSync: {N: n, Mark: mark, Next: next, Last: t0.Add(-time.Minute)}}
}

// A mark that stands is never forgotten: it is wanted now, or waits with a time
// or for a person, and the wait is never hot nor longer than the cap.
func TestStandingMarkIsAlwaysWantedOrWaitedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := calm()
		v.Dirty = dirty("1")
		v.Dirty.Whole = rapid.Bool().Draw(t, "whole")
		r := DefaultRules()
		n := rapid.IntRange(0, 100).Draw(t, "failures")
		if n > 0 {
			wait := r.Backoff("nas", n)
			if wait < r.RetryMin/2 || wait > r.RetryMax {
				t.Fatalf("the wait after %d failures is %s", n, wait)
			}
			v.Tries = tries(n, "1", t0.Add(wait))
		}
		if rapid.Bool().Draw(t, "blocked") {
			v.Blocked = Blocked{Reason: "no source", Mark: "1", Until: t0.Add(rapid.SampledFrom([]time.Duration{-1, time.Hour}).Draw(t, "until"))}
		}
		d := Decide(v, r, t0)
		wanted := slices.ContainsFunc(d.Wants, func(w Want) bool { return w.Kind == status.KindPinSync })
		w, waits := d.Waiting[status.KindPinSync]
		switch {
		case wanted == waits:
			t.Fatalf("wanted %v, waits %v\n%v", wanted, waits, d.Why)
		case waits && (w.Until.IsZero() || d.NextWake.IsZero() || d.NextWake.After(w.Until)):
			t.Fatalf("it waits until %v and is looked at again %v", w.Until, d.NextWake)
		}
		// Time alone brings it back.
		if waits && kinds(Decide(v, r, w.Until)) == "" {
			t.Fatalf("at %v it is still not wanted", w.Until)
		}
		if len(d.Why) == 0 {
			t.Fatal("nothing to explain")
		}
	})
}

func TestJitterIsTheSameForTheSameAndWithinAQuarter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, salt := rapid.String().Draw(t, "key"), rapid.Uint64().Draw(t, "salt")
		d := time.Duration(rapid.Int64Range(0, int64(365*24*time.Hour)).Draw(t, "d"))
		a, b := Jitter(key, salt, d), Jitter(key, salt, d)
		if a != b || a < d*3/4-1 || a > d*5/4+1 {
			t.Fatalf("%s became %s and %s", d, a, b)
		}
	})
}

// What people are told of the next try is what the planner goes by.
func TestARetryWaitsForTheBreakerUnlessTheMarkIsANewOne(t *testing.T) {
	r := DefaultRules()
	a := Attempt{N: 3, Last: t0, Next: t0.Add(time.Minute), Mark: "v1"}
	for _, c := range []struct {
		version string
		open    time.Time
		want    time.Time
	}{
		{"v1", time.Time{}, a.Next},
		{"v1", t0.Add(time.Hour), t0.Add(time.Hour)},
		{"v1", t0.Add(time.Second), a.Next},
		{"v2", t0.Add(time.Hour), t0.Add(r.RetryMin)},
	} {
		if got := r.RetryAt(a, c.version, c.open); !got.Equal(c.want) {
			t.Errorf("%+v: %s", c, got)
		}
		v := View{Name: "nas", Counted: true, Dirty: Dirty{Standing: true, Unsynced: 1, Version: c.version}, Tries: map[string]Attempt{status.KindPinSync: a},
			Health: Health{State: status.HealthUnhealthy, OpenUntil: c.open}, LastReconcile: t0, LastVerify: t0, Started: t0}
		if got := Decide(v, r, t0).Waiting[status.KindPinSync].Until; !got.Equal(c.want) {
			t.Errorf("%+v: the planner waits until %s", c, got)
		}
	}
}

func TestWaitsDoubleUpToTheirLimit(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		n    int
		most time.Duration
		want time.Duration
	}{{time.Second, 0, time.Minute, time.Second}, {time.Second, 3, time.Minute, 8 * time.Second}, {time.Second, 6, time.Minute, time.Minute},
		{time.Hour, 31, 365 * 24 * time.Hour, 365 * 24 * time.Hour}, {time.Hour, 1 << 30, math.MaxInt64, math.MaxInt64}, {0, 1 << 30, time.Hour, 0}, {2 * time.Hour, 0, time.Hour, time.Hour}} {
		if got := Doubled(c.d, c.n, c.most); got != c.want {
			t.Errorf("%s doubled %d times, at most %s: %s", c.d, c.n, c.most, got)
		}
	}
}
