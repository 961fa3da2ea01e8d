package parquetfile

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Column is one column of a table. Its accessors take the types that programs
// have been seen to write for the same thing; ok is false for null and for what
// can't be taken so.
type Column struct {
	name   string
	values []any
}

// Name of the column.
func (c *Column) Name() string { return c.name }

// Value is the value of a row: nil, bool, int64, uint64, float64, string,
// []byte, time.Time (in Naive where the file has no zone), Date, TimeOfDay,
// Decimal, UUID, []any, Struct or Map.
func (c *Column) Value(row int) any {
	if row < 0 || row >= len(c.values) {
		return nil
	}
	return c.values[row]
}

// IsNull tells whether a row has no value. NaN is pandas' null.
func (c *Column) IsNull(row int) bool {
	v := c.Value(row)
	f, ok := v.(float64)
	return v == nil || ok && math.IsNaN(f)
}

// String takes texts, and numbers and times as texts.
func (c *Column) String(row int) (string, bool) {
	if c.IsNull(row) {
		return "", false
	}
	switch v := c.Value(row).(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case uint64:
		return strconv.FormatUint(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case Decimal:
		return string(v), true
	case UUID:
		return v.String(), true
	case time.Time:
		return isoTime(v), true
	}
	return "", false
}

// Float takes numbers, and texts of numbers.
func (c *Column) Float(row int) (float64, bool) {
	switch v := c.Value(row).(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v)
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case Decimal:
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil && !math.IsNaN(f)
	}
	return 0, false
}

// Int takes whole numbers, and others cut to whole ones.
func (c *Column) Int(row int) (int64, bool) {
	if n, ok := c.Value(row).(int64); ok {
		return n, true
	}
	f, ok := c.Float(row)
	if !ok || f >= math.MaxInt64 || f <= math.MinInt64 {
		return 0, false
	}
	return int64(f), true
}

// Bool takes booleans, numbers (0 is false), and the words true and false.
func (c *Column) Bool(row int) (value, ok bool) {
	switch v := c.Value(row).(type) {
	case bool:
		return v, true
	case string:
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
		return b, err == nil
	}
	f, ok := c.Float(row)
	return f != 0, ok
}

// Time takes times, days, ISO texts, and seconds since the epoch. What has no zone is this machine's, as Python's datetime.now is.
func (c *Column) Time(row int) (time.Time, bool) {
	switch v := c.Value(row).(type) {
	case time.Time:
		if v.Location() == Naive {
			v = time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), v.Nanosecond(), time.Local)
		}
		return v, true
	case Date:
		return time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, time.Local), true
	case string:
		if t, ok := ParseTime(v); ok {
			return t, true
		}
	}
	f, ok := c.Float(row)
	if !ok || f <= 0 || f > 1e13 {
		return time.Time{}, false
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)), true
}

// ParseTime reads the ISO texts that Python writes; without a zone they are this machine's time.
func ParseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, true
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// Strings takes lists of texts, JSON texts of such lists, texts with commas, and single texts.
func (c *Column) Strings(row int) ([]string, bool) {
	switch v := c.Value(row).(type) {
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			switch s := e.(type) {
			case string:
				out = append(out, s)
			case []byte:
				out = append(out, string(s))
			}
		}
		return out, true
	case string:
		return SplitNames(v), true
	case []byte:
		return SplitNames(string(v)), true
	}
	return nil, false
}

// SplitNames reads the texts that stand for lists of names: JSON, or with commas.
func SplitNames(s string) []string {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil
	}
	if strings.HasPrefix(s, "[") {
		var list []string
		if json.Unmarshal([]byte(s), &list) == nil {
			return list
		}
	}
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
