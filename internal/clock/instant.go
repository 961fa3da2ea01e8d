package clock

import "time"

// Instant is a moment in a third of the memory of a time.Time, for what is kept of each of
// many thousands of things: nanoseconds since 1970. 0 is no moment.
type Instant int64

// Nanoseconds count from the first of these years to the last.
const firstYear, lastYear = 1678, 2261

// InstantOf keeps a moment; the zero time is no moment, and neither is one before 1678 or after 2261.
func InstantOf(t time.Time) Instant {
	if y := t.Year(); y < firstYear || y > lastYear {
		return 0
	}
	return Instant(t.UnixNano())
}

// Time is the moment as others want it; the zero time for none.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}
