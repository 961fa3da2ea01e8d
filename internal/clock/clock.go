// Package clock is the only door to time. Everything that asks for the time or
// waits takes a Clock, so that tests can run in virtual time and faults (a wall
// clock that jumps) can be injected. The linter forbids time.Now and its
// relatives everywhere else.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock tells the time and makes timers.
type Clock interface {
	// Now is the wall-clock time, with a monotonic reading where there is one.
	Now() time.Time
	// NewTimer fires once after d. Stop and Reset behave as the standard library's.
	NewTimer(d time.Duration) *time.Timer
	// AfterFunc runs f in its own goroutine after d.
	AfterFunc(d time.Duration, f func()) *time.Timer
}

// System is the machine's clock. Inside a testing/synctest bubble it is virtual.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time                                  { return time.Now() }
func (system) NewTimer(d time.Duration) *time.Timer            { return time.NewTimer(d) }
func (system) AfterFunc(d time.Duration, f func()) *time.Timer { return time.AfterFunc(d, f) }

// Shifted is the system clock with a wall clock that a test can set wrong.
// Timers are not affected, as a real clock step does not affect them.
type Shifted struct{ offset atomic.Int64 }

// Shift moves the wall clock by d from now on; shifts add up.
func (s *Shifted) Shift(d time.Duration) { s.offset.Add(int64(d)) }

// Now is the shifted wall-clock time, without a monotonic reading.
func (s *Shifted) Now() time.Time { return time.Now().Round(0).Add(time.Duration(s.offset.Load())) }

// NewTimer is the system's.
func (s *Shifted) NewTimer(d time.Duration) *time.Timer { return time.NewTimer(d) }

// AfterFunc is the system's.
func (s *Shifted) AfterFunc(d time.Duration, f func()) *time.Timer { return time.AfterFunc(d, f) }
