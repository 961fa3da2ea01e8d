package service

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/queue"
	"ipfskit.org/intelligent/internal/status"
)

// Causes of a task's end that come from outside.
var (
	errCancelled    = errors.New("cancelled by a person")
	errGone         = errors.New("its backend is gone from the configuration")
	errAway         = errors.New("the home went away: it goes on when that is back")
	errUnconfigured = errors.New("its configuration was deleted")
	errRetargeted   = errors.New("its configuration points somewhere else now")
	errNewer        = errors.New("a newer request took its place")
	errReplaced     = errors.New("the executor was replaced: what it ran is planned again")
)

// executor is the task_executor worker: it takes what the queue lets go and
// runs each operation in a goroutine that it waits for.
func (s *Service) executor(ctx context.Context, p *Pulse) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		p.Busy()
		if err := s.inject(status.WorkerTaskExecutor); err != nil {
			return err
		}
		s.wakeDue()
		for {
			op, ok := s.queue.Take()
			if !ok {
				break
			}
			p.Beat()
			running.Go(func() { s.runOp(ctx, op, p) })
		}
		s.tellStatus()
		p.Idle(time.Time{})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.queue.Wait():
		}
	}
}

// runOp runs one operation to its end and plans its backend anew.
func (s *Service) runOp(ctx context.Context, op queue.Op, p *Pulse) {
	tctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := s.begin(op, cancel)
	if t == nil { // nobody wants it any more
		s.queue.Done(op)
		return
	}
	r := s.attempt(tctx, t, p)
	if cause := context.Cause(tctx); cause != nil && r.err != nil {
		r.cause = cause
	}
	if !p.Alive() { // what came of it is not ours to tell (law 7)
		r = result{err: errReplaced, cause: errReplaced}
	}
	s.end(t, op, r)
}

// result is how a task ended.
type result struct {
	err error
	// cause is what ended it from outside.
	cause error
	// text is one line for people where there is no error.
	text string
	// worked says that it proved the backend's health.
	worked  bool
	latency time.Duration
	// degraded is why the backend is not well though it works.
	degraded string
	// over: a sync came to its end, so that what a person asked of it is done, whatever became of single items.
	over bool
	// partial: some items are not done.
	partial bool
	items   int
	// blocked is the reason why it can't go on by itself.
	blocked string
	// awaits are the first CIDs that it waits for and its mark does not name, and files that would have some.
	awaits, files []string
}

// attempt runs the body of a task; a panic in it is the task's error, not the executor's.
func (s *Service) attempt(ctx context.Context, t *task, p *Pulse) (r result) {
	defer func() {
		if v := recover(); v != nil {
			s.log.WithField("stack", string(debug.Stack())).Errorf("panic in task %d", t.ID)
			r = result{err: fmt.Errorf("internal error (a panic, please report it): %v", v)}
		}
	}()
	switch t.Kind {
	case status.KindPinSync:
		return s.runSync(ctx, t, p)
	case status.KindHealthCheck:
		return s.runCheck(ctx, t)
	case status.KindBackupBuckets, status.KindBackupMetadata:
		return s.runBackup(ctx, t, p)
	case status.KindVerify:
		return s.runVerify(ctx, t)
	case status.KindRestore:
		return s.runRestore(ctx, t, p)
	case status.KindCleanup:
		return s.runCleanup(ctx, t)
	}
	return result{err: fmt.Errorf("no such kind of task: %q", t.Kind)}
}
