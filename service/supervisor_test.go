package service

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { removePrograms(); os.Exit(code) }))
}

var testLimits = Supervision{HangAfter: 10 * time.Second, Grace: 2 * time.Second,
	BackoffMin: time.Second, BackoffMax: 30 * time.Second, MaxAbandoned: 2}

// events collects what the supervisor reports.
type events struct {
	mu  sync.Mutex
	all []status.Event
}

func (e *events) add(ev status.Event) {
	if ev.Kind == status.WorkerChanged {
		return // it only says that properties differ
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

func (e *events) restarts() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, ev := range e.all {
		out = append(out, firstLine(ev.Why))
	}
	return out
}

func TestWorkerThatFailsIsReplaced(t *testing.T) {
	faults := map[string]func(context.Context){
		"panic":      func(context.Context) { panic("boom") },
		"error":      func(context.Context) {},
		"clean exit": func(context.Context) {},
		"goexit":     func(context.Context) { runtime.Goexit() },
		"hang":       func(ctx context.Context) { <-ctx.Done() },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ev events
				s := newSupervisor(clock.System, testLimits, ev.add)
				runs, good := 0, make(chan struct{})
				s.add("w", time.Minute, func(ctx context.Context, p *Pulse) error {
					runs++
					p.Busy()
					if runs < 3 {
						fault(ctx)
						if name == "error" {
							return errors.New("broken")
						}
						return nil
					}
					p.Idle(time.Time{})
					close(good)
					<-ctx.Done()
					return ctx.Err()
				})
				ctx, cancel := context.WithCancel(t.Context())
				s.start(ctx)
				<-good
				if got := ev.restarts(); len(got) != 2 {
					t.Fatalf("restarts %q, want 2", got)
				}
				w, _ := s.worker("w")
				if w.Restarts != 2 || !w.Healthy || w.State != workerRunning || w.Iterations != 3 {
					t.Errorf("worker after healing: %+v", w)
				}
				cancel()
				s.wait()
			})
		})
	}
}

func TestWatchdogStarvesWhenAbandonedWorkersPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ev events
		s := newSupervisor(clock.System, testLimits, ev.add)
		release := make(chan struct{})
		s.add("stubborn", 0, func(_ context.Context, p *Pulse) error {
			p.Busy()
			<-release // ignores its end
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.start(ctx)
		if ok, why := s.healthy(); !ok {
			t.Fatalf("hungry at once: %s", why)
		}
		time.Sleep(5 * time.Minute)
		ok, why := s.healthy()
		if ok || !strings.Contains(why, "ignore their end") {
			t.Errorf("fed though workers were abandoned: %v %q", ok, why)
		}
		close(release)
		synctest.Wait()
		cancel()
		s.wait()
	})
}

func TestReplacedWorkerKnowsThatItIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSupervisor(clock.System, testLimits, func(status.Event) {})
		release := make(chan struct{})
		alive := make(chan bool, 1)
		first := true
		s.add("w", 0, func(ctx context.Context, p *Pulse) error {
			if !first {
				<-ctx.Done()
				return ctx.Err()
			}
			first = false
			p.Busy()
			<-release
			alive <- p.Alive()
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.start(ctx)
		time.Sleep(time.Minute)
		close(release)
		if <-alive {
			t.Error("the worker that was replaced thinks it is the worker")
		}
		cancel()
		s.wait()
		synctest.Wait()
	})
}

func TestIdleWorkerIsHealthyForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ev events
		s := newSupervisor(clock.System, testLimits, ev.add)
		s.add("w", 0, func(ctx context.Context, p *Pulse) error {
			p.Busy()
			p.Idle(time.Time{})
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.start(ctx)
		time.Sleep(24 * time.Hour)
		if ok, why := s.healthy(); !ok || len(ev.restarts()) != 0 {
			t.Errorf("idle worker was not left alone: %s %q", why, ev.restarts())
		}
		cancel()
		s.wait()
	})
}

func TestRestartByAPersonsWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ev events
		s := newSupervisor(clock.System, testLimits, ev.add)
		s.add("w", 0, func(ctx context.Context, p *Pulse) error {
			p.Idle(time.Time{})
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.start(ctx)
		synctest.Wait()
		if !s.ask("w") || s.ask("nobody") {
			t.Error("ask knows its workers wrongly")
		}
		if x, _ := s.worker("w"); x.Restarts != 1 || len(ev.restarts()) != 1 { // known and told when the call returns
			t.Errorf("right after the word: %+v, %q", x, ev.restarts())
		}
		synctest.Wait()
		if x, _ := s.worker("w"); x.State != workerRunning || !x.Healthy {
			t.Errorf("afterwards: %+v", x)
		}
		if got := ev.restarts(); len(got) != 1 || got[0] != errAsked.Error() {
			t.Errorf("restarts %q", got)
		}
		cancel()
		s.wait()
	})
}
