package queue

import "time"

// SetWake asks for a key to be due at t; a zero time takes it back. A key has one wake.
func (q *Queue) SetWake(key string, t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wakes.set(key, t)
	q.arm()
}

// Due takes the keys whose time has come.
func (q *Queue) Due() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.o.Clock.Now()
	var keys []string
	for len(q.wakes.list) > 0 && !q.wakes.list[0].at.After(now) {
		keys = append(keys, q.wakes.list[0].key)
		q.wakes.set(q.wakes.list[0].key, time.Time{})
	}
	q.arm()
	return keys
}

// NextWake is the earliest wake; zero: none.
func (q *Queue) NextWake() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wakes.list) == 0 {
		return time.Time{}
	}
	return q.wakes.list[0].at
}

// Close stops the timer; nothing is let go any more.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
}

// longestSleep bounds a timer: a wall clock that was set forward is noticed after it.
const longestSleep = time.Minute

// arm sets the timer for the earliest wake. The caller holds mu.
func (q *Queue) arm() {
	if q.closed || len(q.wakes.list) == 0 {
		return
	}
	now := q.o.Clock.Now()
	at := q.wakes.list[0].at
	if limit := now.Add(longestSleep); at.After(limit) {
		at = limit
	}
	if !q.armed.IsZero() && q.armed.After(now) && !at.Before(q.armed) {
		return // it rings earlier anyway
	}
	q.armed = at
	d := max(at.Sub(now), 0)
	if q.timer == nil {
		q.timer = q.o.Clock.AfterFunc(d, q.ring)
		return
	}
	q.timer.Reset(d)
}

func (q *Queue) ring() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed = time.Time{}
	if len(q.wakes.list) > 0 && !q.wakes.list[0].at.After(q.o.Clock.Now()) {
		q.poke()
		return
	}
	q.arm()
}
