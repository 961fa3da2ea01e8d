// Package queue holds what is due, and lets go of it most urgent first: at most
// a number of operations at once, one a key, with priorities that rise with
// age so that nothing waits for ever; and the times at which keys want to be
// looked at again.
package queue

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

// Op is one operation that is due.
type Op struct {
	// Key is the backend; at most one operation of a key is out at a time.
	Key string
	// Kind is the kind of task; a key holds one operation a kind.
	Kind string
	// ID is the task's.
	ID uint64
	// Priority is 1 (most urgent) to 10.
	Priority int
	// Weight orders backends among operations of one priority: lower first, 0 to 199; what is beyond counts as the nearest.
	// All of that range is worth less than one step of age: what is more urgent goes first.
	Weight int
	// Since is when it became due, for aging and for the order among equals.
	Since time.Time
}

// Options of a queue.
type Options struct {
	// Clock of aging and wakes.
	Clock clock.Clock
	// Limit is how many operations may be out at once.
	Limit int
	// AgeStep is the wait that raises an operation by one priority. An operation
	// of priority p is thus served before any that comes p×AgeStep after it: the bound on waiting.
	AgeStep time.Duration
}

// Queue is safe for concurrent use.
type Queue struct {
	o Options

	mu     sync.Mutex
	ops    map[string][]Op
	out    map[string]Op
	ready  timeHeap // keys that are not out, by the rank of their most urgent operation
	wakes  timeHeap
	paused bool
	// signal has room for one: something may be takeable, or a wake is due.
	signal chan struct{}
	timer  *time.Timer
	armed  time.Time
	closed bool
}

// New makes an empty queue.
func New(o Options) *Queue {
	return &Queue{o: o, ops: map[string][]Op{}, out: map[string]Op{}, signal: make(chan struct{}, 1)}
}

// Set replaces what is due for a key; an empty list removes it. The times of
// operations that stay are kept if theirs are earlier.
func (q *Queue) Set(key string, ops []Op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	old, now := q.ops[key], q.o.Clock.Now()
	for i := range ops {
		ops[i].Key = key
		if ops[i].Since.After(now) {
			ops[i].Since = now // the clock was set back: nobody waits longer for it
		}
		for _, o := range old {
			if o.Kind == ops[i].Kind && o.Since.Before(ops[i].Since) {
				ops[i].Since = o.Since
			}
		}
	}
	q.ops[key] = ops
	if len(ops) == 0 {
		delete(q.ops, key)
	}
	q.line(key)
}

// line puts a key in its place among those that may be taken. The caller holds mu.
func (q *Queue) line(key string) {
	ops := q.ops[key]
	if _, busy := q.out[key]; busy || len(ops) == 0 {
		q.ready.set(key, time.Time{})
		return
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Or(q.rank(a).Compare(q.rank(b)), cmp.Compare(a.Kind, b.Kind)) })
	q.ready.set(key, q.rank(ops[0]))
	q.poke()
}

// Take lets go of the most urgent operation, if the limits allow one.
func (q *Queue) Take() (Op, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.paused || q.closed || len(q.out) >= q.o.Limit {
		return Op{}, false
	}
	if len(q.ready.list) == 0 {
		return Op{}, false
	}
	key := q.ready.list[0].key
	op := q.ops[key][0]
	q.out[key] = op
	if q.ops[key] = q.ops[key][1:]; len(q.ops[key]) == 0 {
		delete(q.ops, key)
	}
	q.line(key)
	return op, true
}

// weights is how many weights there are in one step of age.
const weights = 200

// rank orders operations: when each would be due if priority and weight were waiting time.
func (q *Queue) rank(op Op) time.Time {
	weight := time.Duration(min(max(op.Weight, 0), weights-1))
	return op.Since.Add(time.Duration(op.Priority)*q.o.AgeStep + weight*q.o.AgeStep/weights)
}

// Done says that an operation that was taken has ended.
func (q *Queue) Done(op Op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if o, ok := q.out[op.Key]; ok && o.ID == op.ID {
		delete(q.out, op.Key)
		q.line(op.Key)
		q.poke()
	}
}

// Wait is signalled when Take or Due may have something. One reader at a time.
func (q *Queue) Wait() <-chan struct{} { return q.signal }

// SetLimit changes how many operations may be out at once.
func (q *Queue) SetLimit(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.o.Limit = n
	q.poke()
}

// Pause stops Take; wakes go on.
func (q *Queue) Pause(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paused = on
	q.poke()
}

// poke signals; the caller holds mu.
func (q *Queue) poke() {
	select {
	case q.signal <- struct{}{}:
	default: // one signal is enough
	}
}
