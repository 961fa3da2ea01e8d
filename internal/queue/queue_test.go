package queue

import (
	"cmp"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newQueue(limit int) *Queue {
	return New(Options{Clock: clock.System, Limit: limit, AgeStep: time.Minute})
}

func op(key, kind string, id uint64, prio int) Op {
	return Op{Key: key, Kind: kind, ID: id, Priority: prio, Since: clock.System.Now()}
}

func TestMostUrgentGoesFirstAndOneOfAKeyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(6)
		q.Set("a", []Op{op("a", "health_check", 1, 7), op("a", "pin_sync", 2, 1)})
		q.Set("b", []Op{op("b", "pin_sync", 3, 2)})
		first, _ := q.Take()
		second, _ := q.Take()
		if first.ID != 2 || second.ID != 3 {
			t.Fatalf("took %v then %v", first, second)
		}
		if third, ok := q.Take(); ok {
			t.Fatalf("took %v while its key is out", third)
		}
		q.Done(first)
		if third, ok := q.Take(); !ok || third.ID != 1 {
			t.Fatalf("after the first ended: %v %v", third, ok)
		}
	})
}

func TestLimitHoldsUntilOneIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2)
		for i := range 4 {
			k := fmt.Sprint(i)
			q.Set(k, []Op{op(k, "pin_sync", uint64(i+1), 1)})
		}
		a, _ := q.Take()
		q.Take()
		if _, ok := q.Take(); ok {
			t.Fatal("took a third of two")
		}
		<-q.Wait()
		q.Done(a)
		<-q.Wait()
		if _, ok := q.Take(); !ok {
			t.Fatal("nothing after one was done")
		}
	})
}

func TestAgeBeatsPriorityWithinTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		q.Set("old", []Op{op("old", "verify", 1, 10)})
		for i := range 30 {
			k := fmt.Sprint("urgent", i)
			q.Set(k, []Op{op(k, "pin_sync", uint64(i+2), 1)})
			o, ok := q.Take()
			if !ok {
				t.Fatal("nothing to take")
			}
			q.Done(o)
			if o.ID == 1 {
				if i < 9 {
					t.Errorf("the least urgent went before its age, at minute %d", i)
				}
				return
			}
			time.Sleep(time.Minute)
		}
		t.Error("the least urgent waited beyond the bound")
	})
}

// The weight of a backend decides among what is as urgent; what is more urgent goes first, and age beats both.
func TestWeightDecidesWithinOnePriority(t *testing.T) {
	for name, c := range map[string]struct {
		first, second Op            // by what they are, the first is served first
		later         time.Duration // by which the first comes after the second
	}{
		"lower goes first":                {Op{Priority: 4, Weight: 10}, Op{Priority: 4, Weight: 100}, 0},
		"also where it comes a bit later": {Op{Priority: 4, Weight: 0}, Op{Priority: 4, Weight: 100}, 29 * time.Second},
		"not where it comes much later":   {Op{Priority: 4, Weight: 100}, Op{Priority: 4, Weight: 0}, -31 * time.Second},
		"urgency goes before":             {Op{Priority: 3, Weight: 9999}, Op{Priority: 4, Weight: -5}, 0},
		"age goes before urgency":         {Op{Priority: 10, Weight: 199}, Op{Priority: 1, Weight: 0}, -10 * time.Minute},
		"beyond the range, by name":       {Op{Key: "a", Priority: 4, Weight: -7}, Op{Priority: 4, Weight: -8}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, now := newQueue(1), clock.System.Now()
				c.first.Kind, c.first.ID, c.first.Since = "x", 1, now
				c.second.Kind, c.second.ID, c.second.Since = "x", 2, now
				if c.later > 0 {
					c.second.Since = now.Add(-c.later)
				} else {
					c.first.Since = now.Add(c.later)
				}
				q.Set("b", []Op{c.second})
				q.Set(cmp.Or(c.first.Key, "c"), []Op{c.first})
				if o, _ := q.Take(); o.ID != 1 {
					t.Errorf("served %+v first", o)
				}
			})
		})
	}
}

// Whatever the weights, nothing waits longer than as many steps as its priority says, and of two that come at once the more urgent goes first.
func TestWeightsStarveNobodyAndNeverBeatUrgency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, since time.Time) Op {
			return Op{Priority: rapid.IntRange(1, 10).Draw(t, name+" priority"), Weight: rapid.IntRange(-300, 300).Draw(t, name+" weight"), Since: since}
		}
		q := newQueue(1)
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		a, b := draw("a", start), draw("b", start)
		if a.Priority < b.Priority && !q.rank(a).Before(q.rank(b)) {
			t.Errorf("%+v does not go before %+v", a, b)
		}
		if a.Priority == b.Priority && a.Weight < b.Weight && q.rank(b).Before(q.rank(a)) {
			t.Errorf("%+v goes before %+v", b, a)
		}
		late := draw("late", start.Add(time.Duration(a.Priority)*q.o.AgeStep))
		if !q.rank(a).Before(q.rank(late)) {
			t.Errorf("%+v waits for %+v", a, late)
		}
	})
}

func TestSettingAnewKeepsTheAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		q.Set("a", []Op{op("a", "pin_sync", 1, 2)})
		time.Sleep(10 * time.Minute)
		q.Set("a", []Op{op("a", "pin_sync", 1, 2)})
		q.Set("b", []Op{op("b", "pin_sync", 2, 1)})
		if o, _ := q.Take(); o.Key != "a" {
			t.Errorf("took %s: its age was lost", o.Key)
		}
	})
}

func TestWakesRingInOrderAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		defer q.Close()
		start := clock.System.Now()
		q.SetWake("late", start.Add(3*time.Hour))
		q.SetWake("soon", start.Add(time.Second))
		q.SetWake("never", start.Add(2*time.Second))
		q.SetWake("never", time.Time{})
		<-q.Wait()
		if got := q.Due(); len(got) != 1 || got[0] != "soon" || clock.System.Now().Sub(start) != time.Second {
			t.Fatalf("due %v after %v", got, clock.System.Now().Sub(start))
		}
		<-q.Wait()
		if got := q.Due(); len(got) != 1 || got[0] != "late" {
			t.Fatalf("due %v", got)
		}
		if !q.NextWake().IsZero() {
			t.Error("a wake is left")
		}
	})
}

func TestPausedQueueLetsNothingGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		q.Set("a", []Op{op("a", "pin_sync", 1, 1)})
		q.Pause(true)
		if _, ok := q.Take(); ok {
			t.Error("took while paused")
		}
		q.Pause(false)
		if _, ok := q.Take(); !ok {
			t.Error("nothing after the pause")
		}
	})
}

// Nothing is lost, nothing is out twice at once, limits hold, everything that stays is taken in the end.
func TestQueueProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := New(Options{Clock: clock.System, Limit: rapid.IntRange(1, 4).Draw(t, "limit"), AgeStep: time.Minute})
		want := map[string]map[string]uint64{} // key, kind → id that must come out
		out := map[string]Op{}
		var id uint64
		keys := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k := keys.Draw(t, "key")
				want[k] = map[string]uint64{}
				var ops []Op
				for _, kind := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID).Draw(t, "kinds") {
					id++
					want[k][kind] = id
					ops = append(ops, Op{Kind: kind, ID: id, Priority: rapid.IntRange(1, 10).Draw(t, "prio"), Weight: rapid.IntRange(-5, 300).Draw(t, "weight"), Since: clock.System.Now()})
				}
				q.Set(k, ops)
			},
			"take": func(t *rapid.T) {
				o, ok := q.Take()
				if !ok {
					if len(out) < q.o.Limit {
						for k, kinds := range want {
							if _, busy := out[k]; !busy && len(kinds) > 0 {
								t.Fatalf("nothing to take though %s waits", k)
							}
						}
					}
					return
				}
				if _, twice := out[o.Key]; twice || len(out) >= q.o.Limit || want[o.Key][o.Kind] != o.ID {
					t.Fatalf("took %v: out %v, want %v", o, out, want[o.Key])
				}
				delete(want[o.Key], o.Kind)
				out[o.Key] = o
			},
			"done": func(*rapid.T) {
				for k, o := range out {
					q.Done(o)
					delete(out, k)
					break
				}
			},
		})
		for _, o := range out {
			q.Done(o)
		}
		for {
			o, ok := q.Take()
			if !ok {
				break
			}
			delete(want[o.Key], o.Kind)
			q.Done(o)
		}
		for k, kinds := range want {
			if len(kinds) > 0 {
				t.Fatalf("%s was lost: %v", k, kinds)
			}
		}
	})
}

func BenchmarkTakeAmongTenThousand(b *testing.B) {
	q := newQueue(6)
	for i := range 10000 {
		k := fmt.Sprint(i)
		q.Set(k, []Op{op(k, "pin_sync", uint64(i+1), 1)})
	}
	for b.Loop() {
		o, _ := q.Take()
		q.Done(o)
		q.Set(o.Key, []Op{o})
	}
}
