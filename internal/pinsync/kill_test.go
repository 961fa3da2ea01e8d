package pinsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/home"
)

var errKilled = errors.New("killed")

// killedAt runs a sync that is ended at its k-th step, and tells whether it came so far.
func (w *world) killedAt(k int, how string, job Job) (hit bool) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	n, dead := 0, false
	w.hook = func(op string, _ cid.Cid) error {
		w.mu.Lock()
		n++
		at := n == k
		if at {
			hit, dead = true, true
		}
		now := dead
		w.mu.Unlock()
		switch {
		case at && how == "panic":
			panic(fmt.Sprintf("at step %d, %s", k, op))
		case at && how == "cancel":
			cancel(errKilled)
			return ctx.Err()
		case now && how == "full":
			return &backend.Error{Class: backend.ClassQuota, Op: op, Err: errors.New("disk full")}
		case now: // after a kill nothing happens any more
			return errKilled
		}
		return nil
	}
	defer func() {
		w.hook = nil
		if v := recover(); v != nil && how != "panic" {
			panic(v)
		}
	}()
	_, _ = Run(ctx, job) // what it returns is told by other tests
	return hit
}

// holds is the law: what the mark does not ask for any more is stored and written down as stored.
func (w *world) holds(all []string) {
	w.t.Helper()
	stored, status := w.stored(), w.status()
	open := w.dirty().CIDs
	for _, c := range all {
		if slices.Contains(open, c) {
			continue
		}
		if !slices.Contains(stored, c) || status[c] != home.PinStored {
			w.t.Fatalf("%s is cleared; stored %v, its row says %q", c, slices.Contains(stored, c), status[c])
		}
	}
	for c, s := range status {
		if s == home.PinStored && !slices.Contains(stored, c) {
			w.t.Fatalf("the mapping says that %s is stored", c)
		}
	}
}

func TestKilledAtAnyStepItConverges(t *testing.T) {
	for _, mode := range []Mode{Delta, Reconcile} {
		for _, how := range []string{"panic", "cancel", "full"} {
			t.Run(fmt.Sprint(mode, how), func(t *testing.T) {
				for k := 1; ; k++ {
					w := newWorld(t)
					all := texts(w.content(1), w.content(2), w.content(3))
					w.mark("pin_add", all[0], all[1])
					w.mark("pin_add", all[2])
					job := w.job(mode)
					job.FlushEvery = 2
					hit := w.killedAt(k, how, job)
					w.reopen()
					w.holds(all)
					w.hook = nil
					out := w.run(mode)
					if w.dirty().IsDirty || len(w.stored()) != 3 || len(w.status()) != 3 || !out.Complete() {
						t.Fatalf("step %d: dirty %v, stored %v, mapping %v, outcome %+v", k, w.dirty().IsDirty, w.stored(), w.status(), out)
					}
					w.holds(all)
					if !hit {
						if k < 10 {
							t.Errorf("only %d steps", k)
						}
						return
					}
				}
			})
		}
	}
}

func TestKillsAndNewMarksAtRandomLoseNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		next := uint64(1)
		var all []string
		mark := func() {
			var cids []string
			for range rapid.IntRange(1, 4).Draw(rt, "cids") {
				cids = append(cids, w.content(next).String())
				next++
			}
			if len(all) > 0 && rapid.Bool().Draw(rt, "again") {
				cids = append(cids, rapid.SampledFrom(all).Draw(rt, "old"))
			}
			all = append(all, cids...)
			w.mark("pin_add", cids...)
		}
		for range rapid.IntRange(1, 5).Draw(rt, "rounds") {
			mark()
			job := w.job(rapid.SampledFrom([]Mode{Delta, Delta, Reconcile}).Draw(rt, "mode"))
			job.MaxParallel = rapid.IntRange(1, 3).Draw(rt, "parallel")
			job.FlushEvery = rapid.IntRange(1, 4).Draw(rt, "flush")
			w.killedAt(rapid.IntRange(1, 40).Draw(rt, "step"), rapid.SampledFrom([]string{"panic", "cancel", "full"}).Draw(rt, "how"), job)
			w.reopen()
			w.holds(all)
		}
		if out := w.run(Delta); w.dirty().IsDirty {
			rt.Fatalf("it does not converge: %+v", out)
		}
		w.holds(all)
		slices.Sort(all)
		if got := w.stored(); !slices.Equal(got, slices.Compact(all)) {
			rt.Fatalf("stored %v, want %v", got, all)
		}
	})
}

func TestCancelledRunCommitsNothingMore(t *testing.T) {
	w := newWorld(t)
	all := texts(w.content(1), w.content(2))
	w.mark("pin_add", all...)
	ctx, cancel := context.WithCancelCause(context.Background())
	w.hook = func(op string, _ cid.Cid) error {
		if op == "after put" {
			cancel(errKilled)
		}
		return nil
	}
	_, err := Run(ctx, w.job(Delta))
	if !errors.Is(err, errKilled) {
		t.Errorf("it ended with %v", err)
	}
	if len(w.status()) != 0 || len(w.dirty().CIDs) != 2 || w.calls["clear"] != 0 {
		t.Errorf("mapping %v, mark %v, calls %v", w.status(), w.dirty().CIDs, w.calls)
	}
}

func TestReplacedRunCommitsNothingMore(t *testing.T) {
	for _, at := range []string{"put", "after put", "stat"} {
		w := newWorld(t)
		c := w.content(1)
		w.mark("pin_add", c.String())
		alive := true
		w.hook = func(op string, _ cid.Cid) error {
			if op == at {
				alive = false
			}
			return nil
		}
		job := w.job(Delta)
		job.Alive = func() bool { return alive }
		out, err := Run(context.Background(), job)
		if !errors.Is(err, ErrReplaced) || out.Cleared || w.calls["update pins"] != 0 || w.calls["clear"] != 0 {
			t.Errorf("at %s: %v, outcome %+v, calls %v", at, err, out, w.calls)
		}
		if at == "stat" && w.calls["put"] != 0 {
			t.Error("it was put after the run was replaced")
		}
	}
}

func TestPanicOfAnAdapterReachesTheOneWhoAsked(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	w.mark("pin_add", c.String())
	w.hook = func(op string, _ cid.Cid) error {
		if op == "put" {
			panic("boom")
		}
		return nil
	}
	defer func() {
		if v := recover(); v == nil {
			t.Error("no panic arrived")
		}
	}()
	_, _ = Run(context.Background(), w.job(Delta)) // it panics
}

func TestMappingThatCannotBeWrittenClearsNothing(t *testing.T) {
	w := newWorld(t)
	c, _ := cartest.Random(t, 1, 3)
	_ = w.content(1)
	w.mark("pin_add", c.String())
	w.hook = func(op string, _ cid.Cid) error {
		if op == "update pins" {
			return errors.New("the home's disk is full")
		}
		return nil
	}
	out, err := Run(context.Background(), w.job(Delta))
	if err == nil || out.Cleared || w.calls["clear"] != 0 || !w.dirty().IsDirty {
		t.Errorf("%v, outcome %+v", err, out)
	}
}
