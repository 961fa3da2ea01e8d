package backend

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

// Lane admits the calls to one backend that can hang. A context does not
// cancel a system call, so a call runs in a goroutine that the lane owns: who
// asked for it may go on, but the call keeps its slot until it really returns.
// Once a call is overdue nothing more is admitted until it has returned, so that
// a dead mount costs a bounded number of threads and hurts this backend alone.
// A lane lives as long as its backend's configuration and outlives its tasks.
type Lane struct {
	clk       clock.Clock
	transfers chan struct{}
	probes    chan struct{}

	mu      sync.Mutex
	running map[*laneCall]struct{}
	overdue map[*laneCall]struct{}
	// stuck is closed when the first call becomes overdue, and made anew when none is left.
	stuck chan struct{}
	// idle is closed when nothing runs.
	idle chan struct{}
	// letGo is what waits for a running call to end; see Release.
	letGo []func()
}

// Call is one call that can hang.
type Call struct {
	// What says what is done, for people: "read cars/bafy….car".
	What string
	// Deadline is how long the call may take before it is overdue; 0 means no limit, for calls that end with their context.
	Deadline time.Duration
	// Probe uses the slot of probes, so that a check never waits for a transfer.
	Probe bool
	// Run does it. What it writes to is its own: the caller may have gone on.
	Run func() error
	// Late, if set, lets go of what Run made when nobody waits for it any more. It gets Run's error, in Run's goroutine.
	Late func(err error)
}

type laneCall struct {
	Call
	since     time.Time
	slot      chan struct{}
	timer     *time.Timer
	late      chan struct{} // closed when overdue
	done      chan struct{} // closed when ended; err is set before
	err       error
	abandoned bool
	ended     bool
}

// OverdueError says that a call has not returned in time.
type OverdueError struct {
	// What the call does.
	What string
	// Since is when it was started.
	Since time.Time
}

// Error is the call, and since when it has not returned.
func (e *OverdueError) Error() string {
	return fmt.Sprintf("%q has not returned since %s", e.What, e.Since.Format(time.RFC3339))
}

const overdueHint = "the disk, mount or server does not answer: look at it, or unmount and mount it again; nothing more is sent to this backend until the call returns"

// NewLane makes a lane for at most limit transfers at once (at least 1) and one probe.
func NewLane(limit int, clk clock.Clock) *Lane {
	idle := make(chan struct{})
	close(idle)
	return &Lane{
		clk: clk, transfers: make(chan struct{}, max(1, limit)), probes: make(chan struct{}, 1),
		running: map[*laneCall]struct{}{}, overdue: map[*laneCall]struct{}{},
		stuck: make(chan struct{}), idle: idle,
	}
}

// Do runs a transfer's call; see Call.
func (l *Lane) Do(ctx context.Context, what string, deadline time.Duration, f func() error) error {
	return l.Call(ctx, Call{What: what, Deadline: deadline, Run: f})
}

// Probe runs a check's call; see Call.
func (l *Lane) Probe(ctx context.Context, what string, deadline time.Duration, f func() error) error {
	return l.Call(ctx, Call{What: what, Deadline: deadline, Probe: true, Run: f})
}

// Call waits for a slot, runs c and returns its error. It returns earlier, with
// the context's error or an *Error that wraps an *OverdueError, when the context
// is done or the call is overdue; the slot stays taken until the call returns,
// whose result is then dropped. While any call is overdue it fails at once.
func (l *Lane) Call(ctx context.Context, c Call) error {
	return l.call(ctx, c, func() {})
}

func (l *Lane) call(ctx context.Context, c Call, admitted func()) error {
	slot := l.transfers
	if c.Probe {
		slot = l.probes
	}
	call := l.newCall(c, slot)
	if err := l.admit(ctx, call); err != nil {
		return err
	}
	admitted()
	go l.run(call)
	var err error
	select {
	case <-call.done:
		return call.err
	case <-ctx.Done():
		err = fmt.Errorf("%s: %w", c.What, ctx.Err())
	case <-call.late:
		err = overdueError(c.What, call)
	}
	if l.abandon(call) {
		return err
	}
	<-call.done
	return call.err
}

// Acquire waits for a slot and gives it to the caller until release is called,
// which may be repeated. It is for work that ends with its context, such as a
// request over HTTP, and so never hangs; it too fails while a call is overdue.
func (l *Lane) Acquire(ctx context.Context, what string, probe bool) (release func(), err error) {
	slot := l.transfers
	if probe {
		slot = l.probes
	}
	call := l.newCall(Call{What: what}, slot)
	if err := l.admit(ctx, call); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		if next := l.leave(call); next != nil {
			l.run(next)
		}
	}), nil
}

// Idle tells whether no call runs, those that nobody waits for included.
func (l *Lane) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.running) == 0
}

// Wait returns when no call runs, those that nobody waits for included, or with
// the context's error.
func (l *Lane) Wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		idle, n := l.idle, len(l.running)
		l.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d calls to return: %w", n, ctx.Err())
		}
	}
}

// releaseWait is how long Release waits for what is let go: closing a file on a
// healthy disk is done by then, and one that hangs must not hold up a cancelled task.
const releaseWait = time.Second

// Release lets go of something (closes a file, removes a temporary name) in the
// lane: at once while nothing runs, else when what runs has returned. It waits a
// second for f and never for other calls; f runs exactly once.
func (l *Lane) Release(what string, deadline time.Duration, f func()) {
	f = sync.OnceFunc(f)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	timer := l.clk.AfterFunc(releaseWait, cancel)
	defer timer.Stop()
	for {
		l.mu.Lock()
		if len(l.running) > 0 {
			l.letGo = append(l.letGo, f)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		admitted := false
		err := l.call(ctx, Call{What: what, Deadline: deadline, Run: func() error { f(); return nil }}, func() { admitted = true })
		if admitted || err == nil {
			return
		}
		// Something else was faster, and hangs or is about to: it lets go when it returns. A second that was over
		// by then does not count.
		ctx = context.Background()
	}
}

// admit takes a slot, or fails at once while a call is overdue.
func (l *Lane) admit(ctx context.Context, call *laneCall) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", call.What, err)
		}
		stuck, err := l.refusal(call.What)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-stuck:
		case call.slot <- struct{}{}:
			if l.start(call) {
				return nil
			}
			<-call.slot
		}
	}
}

func (l *Lane) refusal(what string) (chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.oldestOverdue(); c != nil {
		return nil, overdueError(what, c)
	}
	return l.stuck, nil
}

// start registers a call that has its slot; false when another became overdue meanwhile.
func (l *Lane) start(call *laneCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.overdue) > 0 {
		return false
	}
	if len(l.running) == 0 {
		l.idle = make(chan struct{})
	}
	l.register(call)
	return true
}

func (l *Lane) register(call *laneCall) {
	l.running[call] = struct{}{}
	call.since = l.clk.Now()
	if call.Deadline > 0 {
		call.timer = l.clk.AfterFunc(call.Deadline, func() { l.markOverdue(call) })
	}
}

func (l *Lane) newCall(c Call, slot chan struct{}) *laneCall {
	return &laneCall{Call: c, slot: slot, late: make(chan struct{}), done: make(chan struct{})}
}

// run does the call and lets go of the slot, in an order that leaves nothing
// behind when Call returns: result, late clean-up, slot, word to the waiter.
func (l *Lane) run(call *laneCall) {
	for call != nil {
		err := protect(call.What, call.Run)
		if l.settle(call, err) && call.Late != nil {
			_ = protect(call.What, func() error { call.Late(err); return nil }) // there is nobody to tell
		}
		call = l.leave(call)
	}
}

// leave frees a call's slot, or gives the next call that has it.
func (l *Lane) leave(call *laneCall) (next *laneCall) {
	if next = l.retire(call); next == nil {
		<-call.slot
	}
	close(call.done)
	return next
}

// retire forgets a call that has returned. If something waits to be let go it
// gives the call that does it, in the same slot; while another call is overdue
// that is left to it.
func (l *Lane) retire(call *laneCall) (next *laneCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, was := l.overdue[call]; was {
		delete(l.overdue, call)
		if len(l.overdue) == 0 {
			l.stuck = make(chan struct{})
		}
	}
	delete(l.running, call)
	if len(l.letGo) > 0 && len(l.overdue) == 0 {
		next = l.newCall(Call{What: "close files and remove temporary ones", Deadline: call.Deadline, Run: runAll(l.letGo)}, call.slot)
		next.abandoned = true
		l.letGo = nil
		l.register(next)
		return next
	}
	if len(l.running) == 0 {
		close(l.idle)
	}
	return nil
}

func runAll(fs []func()) func() error {
	return func() error {
		for _, f := range fs {
			f()
		}
		return nil
	}
}

// settle records the result; from here on the call can neither be abandoned nor become overdue.
// It tells whether nobody waits for it.
func (l *Lane) settle(call *laneCall, err error) (abandoned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if call.timer != nil {
		call.timer.Stop()
	}
	call.err, call.ended = err, true
	return call.abandoned
}

func (l *Lane) markOverdue(call *laneCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if call.ended {
		return
	}
	if len(l.overdue) == 0 {
		close(l.stuck)
	}
	l.overdue[call] = struct{}{}
	close(call.late)
}

// abandon leaves a call to itself; false when it ended just before.
func (l *Lane) abandon(call *laneCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if call.ended {
		return false
	}
	call.abandoned = true
	return true
}

func (l *Lane) oldestOverdue() *laneCall {
	var oldest *laneCall
	for c := range l.overdue {
		if oldest == nil || c.since.Before(oldest.since) {
			oldest = c
		}
	}
	return oldest
}

func overdueError(op string, call *laneCall) error {
	return &Error{
		Class: ClassNetwork, Op: op, Hint: overdueHint,
		Err: &OverdueError{What: call.What, Since: call.since},
	}
}

// protect turns a panic into an error: it would end the program from a goroutine that no worker's supervisor sees.
func protect(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", what, p, debug.Stack())
		}
	}()
	return f()
}
