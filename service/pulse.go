package service

import (
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

// Pulse is a worker's proof of progress, and the way it learns that it was
// replaced. A worker that waits for work is idle, which counts as progress; one
// that works beats now and then. Every incarnation of a worker has its own.
type Pulse struct {
	clk clock.Clock
	// moved is called after each sign of progress.
	moved func()

	mu         sync.Mutex
	busy       bool
	last       time.Time
	next       time.Time
	iterations uint64
	dead       bool
}

func newPulse(clk clock.Clock, moved func()) *Pulse {
	return &Pulse{clk: clk, moved: moved, last: clk.Now()}
}

// Busy begins an iteration.
func (p *Pulse) Busy() {
	defer p.moved()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.last = true, p.clk.Now()
	p.iterations++
}

// Beat says that the iteration makes progress.
func (p *Pulse) Beat() {
	defer p.moved()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = p.clk.Now()
}

// Idle ends an iteration; next is when the following one is planned, zero when it waits for events.
func (p *Pulse) Idle(next time.Time) {
	defer p.moved()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.last, p.next = false, p.clk.Now(), next
}

// Alive tells whether this incarnation is still the worker: whoever was
// replaced commits nothing any more (law 7).
func (p *Pulse) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead
}

func (p *Pulse) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// stalled tells for how long a busy worker has not beaten; 0 when it is idle.
func (p *Pulse) stalled() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.busy {
		return 0
	}
	return p.clk.Now().Sub(p.last)
}

// read gives a copy of what is shown to people.
func (p *Pulse) read() (last, next time.Time, iterations uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.next, p.iterations
}
