package parquetfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// JSONRow writes one row as a JSON object with the file's own column names, in
// its order: times as ISO 8601, binary as base64, what JSON has no number for
// as a text, maps as lists of pairs.
func (t *Table) JSONRow(row int) ([]byte, error) {
	var s Struct
	for _, name := range t.names {
		if c, ok := t.columns[name]; ok {
			s = append(s, Field{name, c.Value(row)})
		}
	}
	var buf bytes.Buffer
	if err := writeJSON(&buf, s); err != nil {
		return nil, fmt.Errorf("row %d: %w", row, err)
	}
	return buf.Bytes(), nil
}

func writeJSON(buf *bytes.Buffer, v any) error {
	switch x := v.(type) {
	case Struct:
		buf.WriteByte('{')
		for i, f := range x {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := scalar(buf, f.Name); err != nil {
				return err
			}
			buf.WriteByte(':')
			if err := writeJSON(buf, f.Value); err != nil {
				return err
			}
		}
		buf.WriteByte('}')
		return nil
	case Map:
		list := make([]any, len(x))
		for i, p := range x {
			list[i] = []any{p[0], p[1]}
		}
		return writeJSON(buf, list)
	case []any:
		buf.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := writeJSON(buf, e); err != nil {
				return err
			}
		}
		buf.WriteByte(']')
		return nil
	}
	return scalar(buf, plainJSON(v))
}

// plainJSON gives the JSON value that stands for a Go value of this package.
func plainJSON(v any) any {
	switch x := v.(type) {
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case float64:
		return jsonFloat(x)
	case time.Time:
		return isoTime(x)
	case Date:
		return x.Format("2006-01-02")
	case TimeOfDay:
		return x.String()
	case Decimal:
		return string(x)
	case UUID:
		return x.String()
	}
	return v
}

func scalar(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1) // Encode ends with a newline
	return nil
}

// isoTime writes a time as ISO 8601, with Z where the file says UTC.
func isoTime(t time.Time) string {
	const layout = "2006-01-02T15:04:05.999999999"
	if t.Location() == Naive {
		return t.Format(layout)
	}
	return t.UTC().Format(layout) + "Z"
}
