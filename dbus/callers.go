package dbus

import (
	"context"
	"sync"

	"ipfskit.org/intelligent/internal/status"
)

const (
	// runningCalls are how many calls of one client run at once, waitingCalls how many more may wait.
	runningCalls = 8
	waitingCalls = 1000
)

// callers keeps one client's flood of calls from the answers of others.
type callers struct {
	mu       sync.Mutex
	bySender map[string]*caller
}

type caller struct {
	calls int
	slots chan struct{}
}

// enter waits for its turn among the calls of the same client; leave must be called when it is done.
func (cs *callers) enter(ctx context.Context, sender string) (leave func(), err error) {
	cs.mu.Lock()
	c, ok := cs.bySender[sender]
	if !ok {
		if cs.bySender == nil {
			cs.bySender = map[string]*caller{}
		}
		c = &caller{slots: make(chan struct{}, runningCalls)}
		cs.bySender[sender] = c
	}
	if n := c.calls; n >= runningCalls+waitingCalls {
		cs.mu.Unlock()
		return nil, status.Errorf(status.LimitsExceeded, "%d calls of yours wait for their answers; wait for some of them before you call again", n)
	}
	c.calls++
	cs.mu.Unlock()
	done := func() {
		cs.mu.Lock()
		defer cs.mu.Unlock()
		if c.calls--; c.calls == 0 {
			delete(cs.bySender, sender)
		}
	}
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots; done() }, nil
	case <-ctx.Done():
		done()
		return nil, status.Errorf(status.NotReady, "the service is leaving the bus")
	}
}
