package service

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

// How much garbage may come before it is collected, in percent of what lives. The
// service holds little and makes little garbage, and people count what it takes
// while it is idle: processor time is traded for memory, the more the more there is.
const (
	garbageUsual = 40
	// garbageReading is while a home is read at the start.
	garbageReading = 75
	garbageLarge   = 20
	// largeHeap is from how many bytes on there is much.
	largeHeap = 24 << 20
	// garbageBurst is while a big answer is made, and burstFor how long after: collecting in the middle of it costs more than the answer.
	garbageBurst = 400
	burstFor     = 10 * time.Second
)

// garbage steers the collector of this process; nil leaves it alone.
type garbage struct {
	clk clock.Clock

	mu sync.Mutex
	// until is when the burst ends; zero: there is none.
	until *time.Timer
}

// settle gives back what a busy time took, and chooses for what lives now.
func (g *garbage) settle() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until != nil {
		return // the end of the burst does it
	}
	debug.FreeOSMemory()
	debug.SetGCPercent(percentFor(liveBytes()))
	unmapProgram() //nolint:errcheck // then it stays mapped
}

// burst lets a big answer be made without a collection in its midst.
func (g *garbage) burst() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until != nil {
		g.until.Reset(burstFor)
		return
	}
	debug.SetGCPercent(garbageBurst)
	g.until = g.clk.AfterFunc(burstFor, func() {
		g.mu.Lock()
		g.until = nil
		g.mu.Unlock()
		g.settle()
	})
}

// stop ends a burst that goes on.
func (g *garbage) stop() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until != nil {
		g.until.Stop()
		g.until = nil
	}
}

func percentFor(live uint64) int {
	if live > largeHeap {
		return garbageLarge
	}
	return garbageUsual
}

// liveBytes is what the last collection found alive.
func liveBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
