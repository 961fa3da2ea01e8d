package parquetfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/klauspost/compress/snappy"
	"github.com/xitongsys/parquet-go/parquet"
)

// rowsPerPage bounds a page that is written.
const rowsPerPage = 20_000

// encodeChunk writes values as plain snappy pages behind the pages given, which may be none.
func (w *rewriter) encodeChunk(leaf *node, l *leafData, pages []byte) (*parquet.ColumnChunk, error) {
	start := int64(w.buf.Len())
	w.buf.Write(pages)
	var plain int64
	for from := 0; from < len(l.values); from += rowsPerPage {
		to := min(from+rowsPerPage, len(l.values))
		n, err := w.encodePage(leaf, l.values[from:to], l.def[from:to])
		if err != nil {
			return nil, err
		}
		plain += n
	}
	return &parquet.ColumnChunk{MetaData: &parquet.ColumnMetaData{
		Type: leaf.el.GetType(), Encodings: []parquet.Encoding{parquet.Encoding_PLAIN, parquet.Encoding_RLE},
		PathInSchema: leaf.path, Codec: parquet.CompressionCodec_SNAPPY, NumValues: int64(len(l.values)),
		TotalUncompressedSize: plain, TotalCompressedSize: int64(w.buf.Len()) - start, DataPageOffset: start,
	}}, nil
}

// encodePage writes one data page of version 1 and says how long it would be uncompressed.
func (w *rewriter) encodePage(leaf *node, values []any, def []int32) (int64, error) {
	var body []byte
	if leaf.rep > 0 {
		body = sized(body, runLevels(make([]int32, len(values)), leaf.rep))
	}
	if leaf.def > 0 {
		body = sized(body, runLevels(def, leaf.def))
	}
	body, err := plainValues(body, leaf, values, def)
	if err != nil {
		return 0, err
	}
	packed := snappy.Encode(nil, body)
	h := &parquet.PageHeader{Type: parquet.PageType_DATA_PAGE,
		UncompressedPageSize: int32(len(body)), CompressedPageSize: int32(len(packed)), //nolint:gosec // far below 2^31
		DataPageHeader: &parquet.DataPageHeader{NumValues: int32(len(values)), Encoding: parquet.Encoding_PLAIN, //nolint:gosec // at most rowsPerPage
			DefinitionLevelEncoding: parquet.Encoding_RLE, RepetitionLevelEncoding: parquet.Encoding_RLE}}
	if len(body) > maxPage {
		return 0, &LimitError{What: "bytes in a page", Is: int64(len(body)), Limit: maxPage}
	}
	mem := thrift.NewTMemoryBuffer()
	if err := h.Write(context.Background(), thrift.NewTCompactProtocolConf(mem, nil)); err != nil {
		return 0, fmt.Errorf("write a page header: %w", err)
	}
	w.buf.Write(mem.Bytes())
	w.buf.Write(packed)
	return int64(mem.Len() + len(body)), nil
}

func sized(to, block []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(to, uint32(len(block))), block...) //nolint:gosec // far below 2^32
}

// runLevels encodes levels as runs.
func runLevels(levels []int32, highest int) (out []byte) {
	width := (bits.Len(uint(highest)) + 7) / 8 //nolint:gosec // a level
	for i := 0; i < len(levels); {
		j := i
		for j < len(levels) && levels[j] == levels[i] {
			j++
		}
		out = binary.AppendUvarint(out, uint64(j-i)<<1) //nolint:gosec // a length
		for b := range width {
			out = append(out, byte(levels[i]>>(8*b)))
		}
		i = j
	}
	return out
}

// plainValues encodes the values that are not null.
func plainValues(to []byte, leaf *node, values []any, def []int32) ([]byte, error) {
	var bit int
	for i, v := range values {
		if leaf.def > 0 && int(def[i]) < leaf.def {
			continue
		}
		switch x := v.(type) {
		case bool:
			if bit%8 == 0 {
				to = append(to, 0)
			}
			if x {
				to[len(to)-1] |= 1 << (bit % 8)
			}
			bit++
		case int32:
			to = binary.LittleEndian.AppendUint32(to, uint32(x)) //nolint:gosec // the same bits
		case int64:
			to = binary.LittleEndian.AppendUint64(to, uint64(x)) //nolint:gosec // the same bits
		case float32:
			to = binary.LittleEndian.AppendUint32(to, math.Float32bits(x))
		case float64:
			to = binary.LittleEndian.AppendUint64(to, math.Float64bits(x))
		case string:
			if leaf.el.GetType() == parquet.Type_BYTE_ARRAY {
				to = binary.LittleEndian.AppendUint32(to, uint32(len(x))) //nolint:gosec // far below 2^32
			}
			to = append(to, x...)
		default:
			return nil, fmt.Errorf("row %d: a value of type %T can't be written", i, v)
		}
	}
	return to, nil
}

// zeroOf is what stands where a column allows no null.
func zeroOf(e *parquet.SchemaElement) any {
	switch e.GetType() {
	case parquet.Type_BOOLEAN:
		return false
	case parquet.Type_INT32:
		return int32(0)
	case parquet.Type_INT64:
		return int64(0)
	case parquet.Type_FLOAT:
		return float32(0)
	case parquet.Type_DOUBLE:
		return float64(0)
	case parquet.Type_INT96:
		return string(make([]byte, 12))
	case parquet.Type_FIXED_LEN_BYTE_ARRAY:
		return string(make([]byte, e.GetTypeLength()))
	}
	return ""
}

// physical turns a value into what a column's type stores, without loss, or fails.
func physical(e *parquet.SchemaElement, v any) (any, error) {
	switch e.GetType() {
	case parquet.Type_BYTE_ARRAY:
		switch x := v.(type) {
		case string:
			return x, nil
		case time.Time:
			return x.Format("2006-01-02T15:04:05.000000"), nil
		case bool, int64, float64:
			return fmt.Sprint(x), nil
		}
	case parquet.Type_BOOLEAN:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case parquet.Type_INT32, parquet.Type_INT64:
		n, ok := wholeNumber(e, v)
		if e.GetType() == parquet.Type_INT32 && ok && n == int64(int32(n)) { //nolint:gosec // it is compared
			return int32(n), nil //nolint:gosec // compared just before
		}
		if e.GetType() == parquet.Type_INT64 && ok {
			return n, nil
		}
	case parquet.Type_FLOAT, parquet.Type_DOUBLE:
		if f, ok := number(v); ok {
			if e.GetType() == parquet.Type_FLOAT {
				return float32(f), nil
			}
			return f, nil
		}
	}
	return nil, fmt.Errorf("a value of type %T does not fit the column's type %v", v, e.GetType())
}

// number takes what is a number, times as seconds since the epoch.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case time.Time:
		return float64(x.UnixMicro()) / 1e6, true
	}
	return 0, false
}

// wholeNumber takes whole numbers, and times in the column's unit.
func wholeNumber(e *parquet.SchemaElement, v any) (int64, bool) {
	t, ok := v.(time.Time)
	if !ok {
		f, ok := number(v)
		if n, whole := v.(int64); whole {
			return n, true
		}
		return int64(f), ok && math.Abs(f) < 1<<62
	}
	u := time.Second
	if l := e.LogicalType; l != nil && l.TIMESTAMP != nil {
		u = unit(l.TIMESTAMP.Unit)
		if !l.TIMESTAMP.IsAdjustedToUTC {
			t = wall(t)
		}
	} else if l != nil && l.DATE != nil || e.ConvertedType != nil && *e.ConvertedType == parquet.ConvertedType_DATE {
		return wall(t).Unix() / 86400, true
	} else if e.ConvertedType != nil && *e.ConvertedType == parquet.ConvertedType_TIMESTAMP_MILLIS {
		u = time.Millisecond
	} else if e.ConvertedType != nil && *e.ConvertedType == parquet.ConvertedType_TIMESTAMP_MICROS {
		u = time.Microsecond
	}
	return t.Unix()*int64(time.Second/u) + int64(t.Nanosecond())/int64(u), true
}

// wall is what a clock at the time's own place shows, as a time that has no place.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), Naive)
}

// growRange makes pandas' description of a range index right after rows were
// appended; false where it can't be.
func growRange(text string, rows int) (string, bool) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return "", false
	}
	list, ok := doc["index_columns"].([]any)
	if !ok {
		return text, true
	}
	for _, c := range list {
		r, ok := c.(map[string]any)
		if !ok {
			return "", false // an index that is stored as a column: appended rows have none
		}
		stop, err1 := number64(r["stop"])
		step, err2 := number64(r["step"])
		if r["kind"] != "range" || err1 != nil || err2 != nil {
			return "", false
		}
		r["stop"] = stop + int64(rows)*step
	}
	out, err := json.Marshal(doc)
	return string(out), err == nil
}

func number64(v any) (int64, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%v is no number", v)
	}
	return n.Int64()
}
