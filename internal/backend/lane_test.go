package backend_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/clock"
)

var errDisk = errors.New("disk failed")

// hang is a call that returns when it is told to.
type hang struct {
	release chan struct{}
	started atomic.Bool
	ended   atomic.Bool
}

func newHang() *hang { return &hang{release: make(chan struct{})} }

func (h *hang) run() error {
	h.started.Store(true)
	<-h.release
	h.ended.Store(true)
	return nil
}

func TestLaneGivesTheCallsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		if err := l.Do(t.Context(), "write", time.Minute, func() error { return errDisk }); !errors.Is(err, errDisk) {
			t.Fatalf("got %v", err)
		}
		if err := l.Do(t.Context(), "write", time.Minute, func() error { return nil }); err != nil {
			t.Fatalf("a failed call must not block the lane: %v", err)
		}
	})
}

func TestLaneAdmitsNoMoreThanItsLimit(t *testing.T) {
	for _, limit := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			l := backend.NewLane(limit, clock.System)
			h := newHang()
			var running, most atomic.Int32
			for range 10 {
				go func() {
					_ = l.Do(context.Background(), "write", 0, func() error {
						most.Store(max(most.Load(), running.Add(1)))
						defer running.Add(-1)
						return h.run()
					})
				}()
			}
			synctest.Wait()
			if got := running.Load(); int(got) != max(1, limit) {
				t.Errorf("limit %d: %d run at once", limit, got)
			}
			close(h.release)
			synctest.Wait()
			if got := most.Load(); int(got) != max(1, limit) {
				t.Errorf("limit %d: %d ran at once", limit, got)
			}
		})
	}
}

func TestProbeDoesNotWaitForATransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		h := newHang()
		go func() { _ = l.Do(context.Background(), "write", 0, h.run) }()
		synctest.Wait()
		if err := l.Probe(t.Context(), "statfs", time.Minute, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		close(h.release)
	})
}

func TestOverdueCallReturnsItsCallerAndKeepsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(4, clock.System)
		h := newHang()
		start := time.Now()
		err := l.Do(t.Context(), "fsync a.car", time.Minute, h.run)
		var o *backend.OverdueError
		if !errors.As(err, &o) || o.What != "fsync a.car" || !o.Since.Equal(start) {
			t.Fatalf("got %v", err)
		}
		if backend.ClassOf(err) != backend.ClassNetwork {
			t.Errorf("class is %s", backend.ClassOf(err))
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("returned after %s", d)
		}
		what, since, ok := l.Overdue()
		if !ok || what != "fsync a.car" || !since.Equal(start) {
			t.Errorf("overdue: %q %s %v", what, since, ok)
		}
		close(h.release)
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := l.Overdue(); ok {
			t.Error("still overdue after it returned")
		}
	})
}

func TestNothingIsAdmittedWhileACallIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(4, clock.System)
		h := newHang()
		_ = l.Do(t.Context(), "statfs", time.Second, h.run)
		ran := false
		f := func() error { ran = true; return nil }
		for name, err := range map[string]error{
			"transfer": l.Do(t.Context(), "write", time.Minute, f),
			"probe":    l.Probe(t.Context(), "check", time.Minute, f),
		} {
			var o *backend.OverdueError
			if !errors.As(err, &o) || o.What != "statfs" {
				t.Errorf("%s: got %v", name, err)
			}
			if !strings.Contains(err.Error(), "statfs") || !strings.Contains(err.Error(), "mount") {
				t.Errorf("%s: the message does not help: %v", name, err)
			}
		}
		if ran {
			t.Error("a call was admitted")
		}
		close(h.release)
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Do(t.Context(), "write", time.Minute, f); err != nil || !ran {
			t.Errorf("after it returned: %v, ran %v", err, ran)
		}
	})
}

func TestWaitersForASlotFailWhenACallBecomesOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		h := newHang()
		go func() { _ = l.Do(context.Background(), "read", time.Minute, h.run) }()
		synctest.Wait()
		start := time.Now()
		err := l.Do(t.Context(), "write", time.Hour, func() error { t.Error("admitted"); return nil })
		var o *backend.OverdueError
		if !errors.As(err, &o) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		close(h.release)
	})
}

func TestCancelledCallerGoesOnWhileTheCallKeepsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		h := newHang()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		if err := l.Do(ctx, "write", time.Hour, h.run); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		short, cancel2 := context.WithTimeout(t.Context(), time.Minute)
		defer cancel2()
		if err := l.Do(short, "write", time.Hour, func() error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the slot was given twice: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, _, ok := l.Overdue(); !ok {
			t.Error("a call that nobody waits for must become overdue too")
		}
		close(h.release)
	})
}

func TestDoneContextIsNotAdmitted(t *testing.T) {
	l := backend.NewLane(1, clock.System)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := l.Do(ctx, "write", 0, func() error { t.Error("ran"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLateResultIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		h := newHang()
		var late []error
		c := backend.Call{What: "open", Deadline: time.Second, Late: func(err error) { late = append(late, err) }}
		c.Run = func() error { _ = h.run(); return errDisk }
		if err := l.Call(t.Context(), c); err == nil {
			t.Fatal("no error")
		}
		close(h.release)
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(late) != 1 || !errors.Is(late[0], errDisk) {
			t.Errorf("late: %v", late)
		}
		c.Run = func() error { return nil }
		if err := l.Call(t.Context(), c); err != nil || len(late) != 1 {
			t.Errorf("Late ran for a result that was taken: %v %v", err, late)
		}
	})
}

func TestReleaseWaitsForWhatHangsButItsCallerDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(2, clock.System)
		var order []string
		l.Release("close", time.Minute, func() { order = append(order, "free") })
		if len(order) != 1 {
			t.Fatal("a free lane lets go at once")
		}
		h := newHang()
		_ = l.Do(t.Context(), "write", time.Second, h.run)
		l.Release("close", time.Minute, func() { order = append(order, "file") })
		l.Release("close", time.Minute, func() { order = append(order, "folder") })
		synctest.Wait()
		if len(order) != 1 {
			t.Fatalf("let go while the call hangs: %v", order)
		}
		close(h.release)
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(order, " "); got != "free file folder" {
			t.Errorf("order: %s", got)
		}
	})
}

func TestReleaseThatHangsHoldsUpNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		closing := newHang()
		start := time.Now()
		l.Release("close", time.Minute, func() { _ = closing.run() })
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %s", d)
		}
		ran := 0
		l.Release("close another", time.Minute, func() { ran++ })
		if time.Since(start) != time.Second || ran != 0 {
			t.Errorf("waited %s, ran %d times", time.Since(start), ran)
		}
		close(closing.release)
		if err := l.Wait(t.Context()); err != nil || ran != 1 {
			t.Errorf("%v, ran %d times", err, ran)
		}
	})
}

// Releases and calls of all kinds at once: each release runs exactly once.
func TestEveryReleaseRunsExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(2, clock.System)
		const n = 300
		var ran [n]atomic.Int32
		for i := range n {
			go func() {
				time.Sleep(time.Duration(i*7%50) * time.Millisecond)
				_ = l.Do(context.Background(), "x", time.Duration(i%9)*time.Millisecond, func() error {
					time.Sleep(time.Duration(i%17) * time.Millisecond)
					return nil
				})
				l.Release("y", time.Millisecond, func() {
					ran[i].Add(1)
					time.Sleep(time.Duration(i%5) * time.Second)
				})
			}()
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		for i := range n {
			if got := ran[i].Load(); got != 1 {
				t.Errorf("release %d ran %d times", i, got)
			}
		}
		if err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReleaseThatHangsIsOverdueToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		h, closing := newHang(), newHang()
		_ = l.Do(t.Context(), "write", time.Second, h.run)
		l.Release("close", time.Minute, func() { _ = closing.run() })
		close(h.release)
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if _, _, ok := l.Overdue(); !ok {
			t.Error("not overdue")
		}
		close(closing.release)
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPanicInACallIsAnError(t *testing.T) {
	l := backend.NewLane(1, clock.System)
	err := l.Do(t.Context(), "write", 0, func() error { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Fatalf("got %v", err)
	}
	if err := l.Do(t.Context(), "write", 0, func() error { return nil }); err != nil {
		t.Errorf("the slot was lost: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		h := newHang()
		go func() { _ = l.Do(context.Background(), "write", 0, h.run) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(h.release)
		if err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Many callers with random patience: no slot is lost, and each call's result
// reaches either its caller or Late, never both.
func TestEveryResultGoesToExactlyOnePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(2, clock.System)
		var taken, late, ran, refused atomic.Int32
		const n = 500
		for i := range n {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%37)*time.Millisecond)
				defer cancel()
				err := l.Call(ctx, backend.Call{
					What: "x", Deadline: time.Duration(i%11) * time.Millisecond,
					Run:  func() error { ran.Add(1); time.Sleep(time.Duration(i%13) * time.Millisecond); return errDisk },
					Late: func(error) { late.Add(1) },
				})
				if errors.Is(err, errDisk) {
					taken.Add(1)
				} else {
					refused.Add(1)
				}
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if taken.Load()+late.Load() != ran.Load() || taken.Load()+refused.Load() != n {
			t.Errorf("ran %d, taken %d, late %d, refused %d", ran.Load(), taken.Load(), late.Load(), refused.Load())
		}
		for range 2 {
			if err := l.Do(t.Context(), "after", 0, func() error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAcquiredSlotIsTakenUntilReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := backend.NewLane(1, clock.System)
		release, err := l.Acquire(t.Context(), "GET", false)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Acquire(ctx, "GET", false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		probe, err := l.Acquire(t.Context(), "check", true)
		if err != nil {
			t.Fatal(err)
		}
		let := false
		l.Release("close", 0, func() { let = true })
		probe()
		release()
		release()
		if err := l.Wait(t.Context()); err != nil || !let {
			t.Errorf("%v, let go: %v", err, let)
		}
		h := newHang()
		_ = l.Do(t.Context(), "read", time.Second, h.run)
		var o *backend.OverdueError
		if _, err := l.Acquire(t.Context(), "GET", false); !errors.As(err, &o) {
			t.Errorf("got %v", err)
		}
		close(h.release)
	})
}
