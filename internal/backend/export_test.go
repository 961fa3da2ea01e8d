package backend

import "time"

// Overdue tells what hangs for the longest, and since when.
func (l *Lane) Overdue() (what string, since time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.oldestOverdue(); c != nil {
		return c.What, c.since, true
	}
	return "", time.Time{}, false
}
