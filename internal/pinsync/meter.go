package pinsync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

// ErrStalled says that nothing moved for too long.
var ErrStalled = errors.New("nothing has moved")

// slowest is the rate in bytes a second that nothing is expected to fall below
// where its movement can't be seen, such as a backend that reads content back.
const slowest = 1 << 20

// meter adds up progress, and cancels the pass when there is none.
type meter struct {
	limit time.Duration
	tell  func(Progress)
	timer *time.Timer

	mu      sync.Mutex
	stopped bool
	now     Progress
}

func newMeter(job Job, cancel context.CancelCauseFunc) *meter {
	m := &meter{limit: job.StallLimit, tell: job.Progress}
	m.timer = job.Clock.AfterFunc(m.limit, func() {
		cancel(&backend.Error{
			Class: backend.ClassNetwork, Op: "sync " + job.Backend, Err: fmt.Errorf("%w for %s", ErrStalled, m.limit),
			Hint: "it is tried again by itself; look at the disk, mount or server if it stays so",
		})
	})
	return m
}

func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	m.timer.Stop()
}

// moved says that something went on.
func (m *meter) moved() { m.allow(0) }

// allow gives time for work on so many bytes, beside the limit.
func (m *meter) allow(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset(bytes)
}

func (m *meter) reset(bytes int64) {
	if !m.stopped {
		m.timer.Reset(m.limit + time.Duration(max(0, bytes)/slowest)*time.Second)
	}
}

func (m *meter) change(f func(p *Progress), allow int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.now)
	m.reset(allow)
	if m.tell != nil {
		m.tell(m.now)
	}
}

func (m *meter) items(n int) { m.change(func(p *Progress) { p.ItemsTotal += uint64(n) }, 0) } //nolint:gosec // a length
func (m *meter) done()       { m.change(func(p *Progress) { p.ItemsDone++ }, 0) }

// begin starts a transfer, and gives what the adapter tells of it.
func (m *meter) begin(size int64) func(bytes int64) {
	if size > 0 {
		m.change(func(p *Progress) { p.BytesTotal += uint64(size) }, 0)
	}
	var last int64
	return func(bytes int64) {
		// What was written so far will be read back without a word.
		m.change(func(p *Progress) {
			if bytes > last {
				p.BytesDone += uint64(bytes - last)
				last = bytes
			}
			p.BytesTotal = max(p.BytesTotal, p.BytesDone)
		}, bytes)
	}
}
