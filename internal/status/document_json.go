package status

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ListLimit bounds the lists of a document that is not detailed.
const ListLimit = 100

// float is a number that Python wrote as one with a fraction: 0.0, not 0.
type float float64

// MarshalJSON writes null for what JSON has no number for.
func (f float) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

// round2 rounds to two decimals, as the pin summary always did.
func round2(v float64) float { return float(math.Round(v*100) / 100) }

// marshal writes a document: two spaces of indent, no escapes for HTML, a newline at the end.
func marshal(what string, v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write the %s document: %w", what, err)
	}
	return buf.Bytes(), nil
}

// compact writes a document, or a part of one, without spaces and without an end of line.
func compact(what string, v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write the %s document: %w", what, err)
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// isoTime is RFC 3339 in UTC; nil for the zero time.
func isoTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	return &s
}

// pyTime is how Python's str writes a datetime without a zone, in the zone of the picture; nil for the zero time.
func pyTime(t, now time.Time) *string {
	if t.IsZero() {
		return nil
	}
	t = t.In(now.Location())
	layout := "2006-01-02 15:04:05"
	if t.Nanosecond()/1000 != 0 {
		layout += ".000000"
	}
	s := t.Format(layout)
	return &s
}

// epoch is seconds since 1970, 0 for the zero time.
func epoch(t time.Time) float {
	if t.IsZero() {
		return 0
	}
	return float(float64(t.UnixMicro()) / 1e6)
}

// age is now minus epoch(t), in seconds; like upstream's, of the zero time it is the whole epoch.
func age(t, now time.Time) float {
	if t.IsZero() {
		return epoch(now)
	}
	return float(float64(now.Sub(t).Microseconds()) / 1e6)
}

// textOrNull is null for the empty text.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// list is never null, and cut to the limit unless detailed; it says whether it was cut.
func list[T any](all []T, detailed bool) (cut []T, truncated bool) {
	if !detailed && len(all) > ListLimit {
		return all[:ListLimit], true
	}
	if all == nil {
		return []T{}, false
	}
	return all, false
}

// counts is a map that is written as an object, never as null.
func counts[K cmp.Ordered](m map[K]int) map[K]int {
	if m == nil {
		return map[K]int{}
	}
	return m
}
