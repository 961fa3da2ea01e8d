package plan

import (
	"fmt"
	"time"
)

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func until(t time.Time) string {
	if t.IsZero() {
		return " until a person resumes it"
	}
	return " at " + stamp(t)
}

func actions(n int) string {
	if n == 1 {
		return "1 action"
	}
	return fmt.Sprintf("%d actions", n)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
