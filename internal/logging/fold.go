package logging

import (
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"ipfskit.org/intelligent/internal/clock"
)

// maxRepeats bounds the messages that are remembered.
const maxRepeats = 512

// repeat is one message that came lately.
type repeat struct {
	last    *logrus.Entry
	n       int
	window  time.Duration
	written time.Time
}

// folder writes a message when it comes first, and its repeats together.
type folder struct {
	clk  clock.Clock
	emit func(*logrus.Entry)

	mu    sync.Mutex
	seen  map[string]*repeat
	swept time.Time
}

// transitions tell of a state that may change back: folding one would leave the
// log with a last word that is no longer true.
var transitions = map[any]bool{IDStarted: true, IDStopping: true, IDWaiting: true, IDBackendDirty: true,
	IDBackendClean: true, IDBackendHealth: true, IDBus: true, IDConfiguration: true}

// Levels are all.
func (*folder) Levels() []logrus.Level { return logrus.AllLevels }

// Fire writes or folds an entry. Changes of state are never folded.
func (f *folder) Fire(e *logrus.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if transitions[e.Data[FieldMessageID]] {
		f.emit(e)
		return nil
	}
	now := f.clk.Now()
	f.sweep(now)
	key := fmt.Sprint(e.Level, e.Message, e.Data[FieldBackend], e.Data[FieldTask], e.Data[logrus.ErrorKey])
	r, ok := f.seen[key]
	switch {
	case ok && now.Sub(r.written) < r.window:
		r.n++
		r.last = e
		return nil
	case ok:
		if r.n == 0 {
			r.window = repeatWindow // it was quiet
		}
		f.repeated(r)
		r.written = now
	default:
		if len(f.seen) >= maxRepeats {
			f.forget(now)
		}
		f.seen[key] = &repeat{window: repeatWindow, written: now}
	}
	f.emit(e)
	return nil
}

// sweep says what was folded in windows that are over, though the message did not come again.
func (f *folder) sweep(now time.Time) {
	if now.Sub(f.swept) < repeatWindow {
		return
	}
	f.swept = now
	for _, r := range f.seen {
		if r.n > 0 && now.Sub(r.written) >= r.window {
			f.repeated(r)
			r.written = now
		}
	}
}

// repeated says how often a message was folded, and folds it for longer.
func (f *folder) repeated(r *repeat) {
	if r.n == 0 {
		return
	}
	e := *r.last
	e.Message = fmt.Sprintf("%s (%d more times)", e.Message, r.n)
	r.n = 0
	r.window = min(2*r.window, time.Hour)
	f.emit(&e)
}

// forget drops messages that are no longer folded, all if it must.
func (f *folder) forget(now time.Time) {
	for k, r := range f.seen {
		if now.Sub(r.written) >= r.window {
			f.repeated(r)
			delete(f.seen, k)
		}
	}
	if len(f.seen) >= maxRepeats {
		for _, r := range f.seen {
			f.repeated(r)
		}
		clear(f.seen)
	}
}

// flush writes what was folded.
func (f *folder) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.seen {
		f.repeated(r)
	}
}
