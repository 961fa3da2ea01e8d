package service

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// longestWait is the bound of the least urgent task, 10 min, and the time that two other
// backends' hanging calls take while it is its turn.
const longestWait = 15 * time.Minute

// hearing follows tasks through their events.
type hearing struct {
	t       testing.TB
	mu      sync.Mutex
	known   map[uint64]*heard
	running map[string]uint64 // by backend
	longest time.Duration
	deaf    bool // the service was killed: what it still tells is not heard
}

type heard struct {
	status.Task
	queued time.Time // zero: it does not wait
	again  bool      // it ended just before a kill: that may be forgotten
}

// hear checks that ids are given once, that a backend has one task at a time, and that nothing waits for long.
func (g *hearing) hear(ev status.Event) {
	t := ev.Task
	if t.ID == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.deaf {
		return
	}
	old := g.known[t.ID]
	now := time.Now()
	switch {
	case old == nil:
		old = &heard{Task: t}
		g.known[t.ID] = old
	case old.Kind != t.Kind || old.Backend != t.Backend:
		g.t.Errorf("id %d was given to %s of %s and to %s of %s", t.ID, old.Kind, old.Backend, t.Kind, t.Backend)
	case ev.Kind == status.TaskForgotten:
	case !old.Finished.IsZero() && !old.again && t.Finished.IsZero():
		g.t.Errorf("task %d of %s ended at %s (%s), and lives again", t.ID, t.Backend, old.Finished, old.State)
	}
	since := old.queued
	*old = heard{Task: t}
	if t.State == status.TaskQueued {
		if old.queued = since; since.IsZero() {
			old.queued = now
		}
	}
	if t.State != status.TaskRunning {
		if g.running[t.Backend] == t.ID {
			delete(g.running, t.Backend)
		}
		return
	}
	if other := g.running[t.Backend]; other != 0 && other != t.ID {
		g.t.Errorf("tasks %d and %d of %s run at once", other, t.ID, t.Backend)
	}
	g.running[t.Backend] = t.ID
	if !since.IsZero() {
		g.longest = max(g.longest, now.Sub(since))
	}
}

// rest has all that waits begin to wait anew: while everything is paused, or no service runs, nothing is due.
func (g *hearing) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.known {
		t.queued = time.Time{}
	}
}

// listen is for the start of a service.
func (g *hearing) listen() {
	g.rest()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deaf = false
	clear(g.running)
}

// forget is for a kill: what ended less than a second before it may not be written down yet.
func (g *hearing) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deaf = true
	for _, t := range g.known {
		t.again = t.again || time.Since(t.Finished) < time.Second
	}
}

// live gives a task that has not ended; 0: there is none.
func (g *hearing) live(rnd *rand.Rand) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []uint64
	for id, t := range g.known {
		if t.Finished.IsZero() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return 0
	}
	slices.Sort(ids)
	return ids[rnd.IntN(len(ids))]
}
