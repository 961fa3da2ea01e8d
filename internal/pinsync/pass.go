package pinsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/home"
)

// ErrReplaced says that the run was replaced by a newer one, and committed nothing more.
var ErrReplaced = errors.New("this run was replaced by a newer one")

// pass is one run. Its fields belong to the goroutine of Run, save those of the
// parts that have locks of their own.
type pass struct {
	job     Job
	out     Outcome
	removes map[string]bool // by CID
	// verified and removed are texts of the mark.
	verified, removed []string
	tried             []string
	whole             bool

	rows      map[string]home.PinUpdate
	rowOrder  []string
	lastFlush time.Time
	meta      map[string]string // of the rows, read when something failed

	id       identity
	progress *meter
}

// Run syncs one backend. An error means that the pass did not come to its end:
// by the backend's own failure (see backend.ClassOf), or the context's cause.
// What was verified before is written down and cleared all the same, unless the
// run was cancelled or replaced. The outcome is right in each case.
func Run(ctx context.Context, job Job) (Outcome, error) {
	p := newPass(job)
	wctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.progress = newMeter(p.job, cancel)
	defer p.progress.stop()

	err := p.run(wctx)
	if ctx.Err() != nil {
		return p.out, fmt.Errorf("sync %s: %w", job.Backend, context.Cause(ctx))
	}
	if wctx.Err() != nil { // it stalled
		err = context.Cause(wctx)
	}
	if ferr := p.finish(ctx, err == nil); ferr != nil && !errors.Is(err, ErrReplaced) {
		err = errors.Join(err, ferr)
	}
	p.out.block(p.tried)
	if p.id.found != "" && (p.out.SentinelID == "" || p.job.AcceptIdentity) {
		p.out.SentinelID = p.id.found
	}
	if err != nil {
		return p.out, fmt.Errorf("sync %s: %w", job.Backend, err)
	}
	return p.out, nil
}

func newPass(job Job) *pass {
	job = job.withDefaults()
	p := &pass{job: job, removes: map[string]bool{}, rows: map[string]home.PinUpdate{}, lastFlush: job.Clock.Now()}
	if job.Dirty != nil {
		for _, text := range job.Dirty.Removes {
			if c, err := parseCID(text); err == nil {
				p.removes[c.KeyString()] = true
			}
		}
	}
	return p
}

func (p *pass) run(ctx context.Context) error {
	if err := p.identify(ctx); err != nil {
		return err
	}
	if p.job.AcceptIdentity && p.job.SentinelID != "" {
		if !p.job.Alive() {
			return ErrReplaced
		}
		if err := p.id.ensure(ctx, p); err != nil { // so that the word need not be given again
			return err
		}
	}
	if p.job.Mode == Reconcile {
		return p.reconcile(ctx)
	}
	ws, err := p.gather(ctx)
	if err != nil {
		return err
	}
	if d := p.job.Dirty; d != nil {
		if d.Whole {
			p.out.need("a mark names no CIDs")
		}
		if len(d.Removes) > 0 {
			p.out.need("an action asks for pins to be removed")
		}
	}
	return p.work(ctx, ws.list)
}

// finish writes what is left to be written down, and then clears the mark.
func (p *pass) finish(ctx context.Context, ended bool) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	if p.job.Dirty == nil || p.job.Marks == nil {
		return nil
	}
	whole := ended && p.whole && p.out.Complete()
	if len(p.verified) == 0 && len(p.removed) == 0 && !whole {
		return nil
	}
	if !p.job.Alive() {
		return ErrReplaced
	}
	var after *home.Dirty
	err := p.write(ctx, "clear what was verified", func() (err error) {
		after, err = p.job.Marks.Clear(ctx, home.Cleared{Seen: p.job.Dirty, CIDs: p.verified, Removed: p.removed, Whole: whole})
		return err
	})
	if err != nil {
		return &backend.HomeError{Err: err}
	}
	p.out.After = after
	p.out.Cleared = after != nil && !after.IsDirty
	return nil
}

// work does the items, at most MaxParallel at once, and writes down what comes
// of them in this goroutine. The first failure of the backend ends it.
func (p *pass) work(ctx context.Context, list []*want) error {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	p.progress.items(len(list))
	n := min(p.job.MaxParallel, len(list))
	queue, results := make(chan *want), make(chan result, n)
	var workers sync.WaitGroup
	defer workers.Wait() // also where collect panics
	defer close(queue)
	defer cancel()
	for range n {
		workers.Go(func() {
			for w := range queue {
				results <- p.item(ctx, w)
			}
		})
	}
	return p.collect(ctx, cancel, list, queue, results)
}

func (p *pass) collect(ctx context.Context, cancel func(), list []*want, queue chan<- *want, results <-chan result) error {
	timer := p.job.Clock.NewTimer(flushInterval)
	defer timer.Stop()
	var stop error
	var panicked any
	for next, running := 0, 0; ; {
		var to chan<- *want
		var w *want
		if stop == nil && next < len(list) {
			to, w = queue, list[next]
		} else if running == 0 {
			break
		}
		var err error
		select {
		case to <- w:
			next++
			running++
		case r := <-results:
			running--
			if r.panicked != nil {
				panicked, err = r.panicked, errors.New("panic")
			} else {
				err = p.settle(ctx, r)
			}
		case <-timer.C:
			err = p.flush(ctx)
			timer.Reset(flushInterval)
		}
		if err != nil && stop == nil {
			stop = err
			cancel()
		}
	}
	if panicked != nil {
		panic(panicked) // in the goroutine of the one who asked, who knows what to do with it
	}
	return stop
}

// settle writes down what came of one item; an error ends the pass.
func (p *pass) settle(ctx context.Context, r result) error {
	if r.stop != nil {
		return r.stop
	}
	p.progress.done()
	for _, t := range r.tried {
		if !slices.Contains(p.tried, t) {
			p.tried = append(p.tried, t)
		}
	}
	entry := Entry{CID: r.want.text, Reason: r.reason, Class: r.class, Absent: r.absent}
	switch r.kind {
	case wasThere:
		p.out.AlreadyThere.add(entry)
	case wasPut:
		p.out.Stored.add(entry)
		p.out.Bytes += max(0, r.item.Size)
	case isPending:
		p.out.Pending.add(entry)
	case isFailed:
		p.out.Failed.add(entry)
	case hasNoSource:
		p.out.NoSource.add(entry)
	}
	if r.kind == wasThere || r.kind == wasPut {
		p.verified = append(p.verified, r.want.marks...)
	}
	for _, text := range r.want.rowTexts() {
		p.row(p.update(ctx, text, r))
	}
	if len(p.rows) >= p.job.FlushEvery || p.job.Clock.Now().Sub(p.lastFlush) >= flushInterval {
		return p.flush(ctx)
	}
	return nil
}

func (p *pass) row(u home.PinUpdate) {
	if _, ok := p.rows[u.CID]; !ok {
		p.rowOrder = append(p.rowOrder, u.CID)
	}
	p.rows[u.CID] = u
}

// update makes the mapping's row of an outcome.
func (p *pass) update(ctx context.Context, text string, r result) home.PinUpdate {
	u := home.PinUpdate{CID: text, CARPath: r.item.Path}
	switch r.kind {
	case wasThere, wasPut:
		u.Status = home.PinStored
		u.Meta = map[string]any{"verified_at": p.job.Clock.Now().UTC().Format(time.RFC3339), "error": nil, "attempts": nil, "reason": nil}
		if r.item.Size >= 0 {
			u.Meta["car_bytes"] = r.item.Size
		}
		if r.item.SHA256 != "" {
			u.Meta["sha256"] = r.item.SHA256
		}
		if r.from != "" {
			u.Meta["source"] = r.from
		}
	case isPending, hasNoSource:
		u.Status = home.PinPending
		u.Meta = map[string]any{"reason": r.reason, "error": nil, "attempts": nil}
	case isFailed:
		u.Status = home.PinFailed
		u.Meta = map[string]any{"error": r.reason, "attempts": p.attempts(ctx, text) + 1, "reason": nil}
	}
	return u
}

// flush writes the rows that wait, all in one rewrite.
func (p *pass) flush(ctx context.Context) error {
	p.lastFlush = p.job.Clock.Now()
	if len(p.rows) == 0 {
		return nil
	}
	if !p.job.Alive() {
		return ErrReplaced
	}
	rows := make([]home.PinUpdate, 0, len(p.rows))
	for _, text := range p.rowOrder {
		rows = append(rows, p.rows[text])
	}
	if err := p.write(ctx, "write the mapping", func() error { return p.job.Pins.Update(ctx, rows) }); err != nil {
		return &backend.HomeError{Err: err}
	}
	clear(p.rows)
	p.rowOrder = p.rowOrder[:0]
	p.lastFlush = p.job.Clock.Now()
	return nil
}

// write makes a call to the home that may hang, as a disk that is overloaded does in an
// fsync. Who is cancelled waits for one that doesn't.
func (p *pass) write(ctx context.Context, what string, f func() error) error {
	if p.job.Writes == nil {
		return f()
	}
	return p.job.Writes.Do(context.WithoutCancel(ctx), what+" of "+p.job.Backend, p.job.StallLimit, f)
}

// stops tells whether an error ends the pass.
func stops(err error) bool {
	return err != nil && !errors.Is(err, backend.ErrNotStored) && backend.StopsPass(err)
}
