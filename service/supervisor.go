package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// Supervision are the limits of law 9.
type Supervision struct {
	// HangAfter is how long a busy worker may go without a beat.
	HangAfter time.Duration
	// Grace is how long a worker may take to end when it was told to.
	Grace time.Duration
	// BackoffMin and BackoffMax bound the wait before a worker is replaced.
	BackoffMin, BackoffMax time.Duration
	// MaxAbandoned workers that ignore their end make the watchdog go hungry.
	MaxAbandoned int
}

// workerFunc is the body of a worker. It returns only when ctx ends; any other return is a fault that is healed.
type workerFunc func(ctx context.Context, p *Pulse) error

// supervisor keeps workers running: whatever ends or hangs is replaced.
type supervisor struct {
	clk    clock.Clock
	limits Supervision
	// report is called after every restart, and when a worker's properties may differ.
	report func(status.Event)

	mu        sync.Mutex
	workers   map[string]*supervised
	abandoned int
	// keepers always end soon after ctx; strays are what was abandoned, and may never end.
	keepers, strays sync.WaitGroup
}

// supervised is one worker with what is known of it.
type supervised struct {
	name     string
	interval time.Duration
	body     workerFunc
	restart  chan struct{}
	// retimed tells the body of another interval, which is guarded by supervisor.mu as the following is.
	retimed chan struct{}

	pulse    *Pulse
	restarts uint64
	lastErr  string
	down     bool
	base     uint64 // iterations of earlier incarnations
}

// States of a worker, as the interface names them.
const (
	workerRunning    = "running"
	workerRestarting = "restarting"
	workerFailed     = "failed"
)

var (
	errWorkerEnded = errors.New("worker ended by itself")
	errWorkerHangs = errors.New("worker made no progress")
	errAsked       = errors.New("restart was asked for")
)

func newSupervisor(clk clock.Clock, l Supervision, report func(status.Event)) *supervisor {
	return &supervisor{clk: clk, limits: l, report: report, workers: map[string]*supervised{}}
}

// add registers a worker; interval is for people, zero means continuous.
func (s *supervisor) add(name string, interval time.Duration, body workerFunc) {
	s.workers[name] = &supervised{name: name, interval: interval, body: body,
		restart: make(chan struct{}, 1), retimed: make(chan struct{}, 1), pulse: newPulse(s.clk, func() {})}
}

// start runs all workers until ctx ends; wait returns when they have.
func (s *supervisor) start(ctx context.Context) {
	for _, w := range s.workers {
		s.keepers.Go(func() { s.keep(ctx, w) })
	}
}

// wait returns when all workers ended or were abandoned.
func (s *supervisor) wait() { s.keepers.Wait() }

// keep runs one worker again and again until ctx ends.
func (s *supervisor) keep(ctx context.Context, w *supervised) {
	backoff := s.limits.BackoffMin
	for ctx.Err() == nil {
		began := s.clk.Now()
		err := s.incarnate(ctx, w)
		if ctx.Err() != nil {
			return
		}
		s.noteEnd(w, err)
		if s.clk.Now().Sub(began) > 2*s.limits.BackoffMax {
			backoff = s.limits.BackoffMin // it ran well for long: a new kind of trouble
		}
		if errors.Is(err, errAsked) {
			continue
		}
		if !s.pause(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, s.limits.BackoffMax)
	}
}

// noteEnd notes an end that nobody asked for.
func (s *supervisor) noteEnd(w *supervised, err error) {
	s.mu.Lock()
	if w.down { // it was noted when it was asked for
		s.mu.Unlock()
		return
	}
	tell := s.note(w, err)
	s.mu.Unlock()
	tell()
}

// note records that a worker is being replaced; tell says so. The caller holds mu, and calls tell without it.
func (s *supervisor) note(w *supervised, err error) (tell func()) {
	w.restarts++
	w.lastErr = err.Error()
	w.down = true
	_, _, it := w.pulse.read()
	w.base += it
	n := w.restarts
	return func() {
		s.report(status.Event{Kind: status.WorkerRestarted, Worker: w.name, N: n, Why: err.Error()})
	}
}

// pause waits for d; false when ctx ended first.
func (s *supervisor) pause(ctx context.Context, d time.Duration) bool {
	t := s.clk.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// incarnate runs the worker once, until it ends, hangs, or ctx ends.
func (s *supervisor) incarnate(ctx context.Context, w *supervised) error {
	changed := func() { s.report(status.Event{Kind: status.WorkerChanged, Worker: w.name}) }
	p := newPulse(s.clk, changed)
	s.mu.Lock()
	w.pulse, w.down = p, false
	select {
	case <-w.restart: // this one is fresh
	default:
	}
	s.mu.Unlock()
	changed()
	wctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	s.strays.Go(func() { guard(wctx, p, w.body, done) })
	look := max(s.limits.HangAfter/4, time.Millisecond)
	t := s.clk.NewTimer(look)
	defer t.Stop()
	for {
		var why error
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			why = ctx.Err()
		case <-w.restart:
			why = errAsked
		case <-t.C:
			stall := p.stalled()
			if stall < s.limits.HangAfter {
				t.Reset(look)
				continue
			}
			why = fmt.Errorf("%w for %s", errWorkerHangs, stall.Round(time.Millisecond))
			changed()
		}
		p.kill()
		cancel(why)
		s.letGo(done)
		return why
	}
}

// letGo waits a moment for a worker that was told to end, else abandons it:
// it is counted until it really ends.
func (s *supervisor) letGo(done <-chan error) {
	t := s.clk.NewTimer(s.limits.Grace)
	defer t.Stop()
	select {
	case <-done:
		return
	case <-t.C:
	}
	s.mu.Lock()
	s.abandoned++
	s.mu.Unlock()
	s.strays.Go(func() {
		<-done
		s.mu.Lock()
		s.abandoned--
		s.mu.Unlock()
	})
}

// guard runs a body and sends how it ended; a panic, a Goexit and a clean end are errors too.
func guard(ctx context.Context, p *Pulse, body workerFunc, done chan<- error) {
	err := errWorkerEnded // what stays after a Goexit
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
		done <- err
	}()
	if e := body(ctx, p); e != nil {
		err = e
	}
}

// healthy is the watchdog's question: is every worker's progress fresh?
// The answer names who isn't.
func (s *supervisor) healthy() (bool, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.abandoned >= s.limits.MaxAbandoned {
		return false, human.Count(s.abandoned, "worker ignores its end", "workers ignore their end")
	}
	for _, w := range s.workers {
		if d := w.pulse.stalled(); !w.down && d > 2*s.limits.HangAfter+s.limits.Grace {
			return false, fmt.Sprintf("worker %s made no progress for %s", w.name, d.Round(time.Second))
		}
	}
	return true, ""
}

// ask restarts a worker by a person's word. It is noted and told at once, and waits for nobody.
func (s *supervisor) ask(name string) bool {
	w, ok := s.workers[name]
	if !ok {
		return false
	}
	s.mu.Lock()
	if w.down { // it is being replaced already
		s.mu.Unlock()
		return true
	}
	w.restart <- struct{}{} // there is room: it is taken before down is
	tell := s.note(w, errAsked)
	s.mu.Unlock()
	tell()
	return true
}

// worker tells how a worker is.
func (s *supervisor) worker(name string) (status.Worker, bool) {
	w, ok := s.workers[name]
	if !ok {
		return status.Worker{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, next, it := w.pulse.read()
	out := status.Worker{Name: name, State: workerRunning, Healthy: !w.down && w.pulse.stalled() < s.limits.HangAfter, LastBeat: last,
		Interval: w.interval, Iterations: w.base + it, Restarts: w.restarts, LastError: firstLine(w.lastErr), NextRun: next}
	switch {
	case w.down:
		out.State, out.Iterations = workerRestarting, w.base
	case !out.Healthy:
		out.State = workerFailed
	}
	return out, true
}
