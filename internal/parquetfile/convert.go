package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/xitongsys/parquet-go/parquet"
)

// Naive is the location of times that the file stores without a time zone.
var Naive = time.FixedZone("naive", 0)

// Date is a day, without a time.
type Date struct{ time.Time }

// TimeOfDay is a time without a day.
type TimeOfDay time.Duration

// Decimal is the text of a decimal number.
type Decimal string

// UUID is sixteen bytes.
type UUID [16]byte

// converter turns the library's values of a leaf into Go values: bool, int64,
// uint64, float64, string, []byte, time.Time, Date, TimeOfDay, Decimal, UUID.
func converter(e *parquet.SchemaElement) func(any) any {
	if f := logical(e); f != nil {
		return f
	}
	if e.GetType() == parquet.Type_INT96 {
		return func(v any) any { return int96(v.(string)) } //nolint:forcetypeassert // checked by complete
	}
	return func(v any) any {
		switch x := v.(type) {
		case int32:
			return int64(x)
		case float32:
			return float64(x)
		case string:
			return []byte(x)
		}
		return v
	}
}

// logical gives the conversion that the annotation of a leaf asks for, or nil.
func logical(e *parquet.SchemaElement) func(any) any {
	if l := e.LogicalType; l != nil {
		switch {
		case l.STRING != nil || l.ENUM != nil || l.JSON != nil:
			return text
		case l.UUID != nil && e.GetTypeLength() == 16:
			return func(v any) any { return UUID([]byte(v.(string))) } //nolint:forcetypeassert // checked by complete
		case l.DECIMAL != nil:
			return decimal(l.DECIMAL.Scale)
		case l.DATE != nil:
			return date
		case l.TIMESTAMP != nil:
			return timestamp(unit(l.TIMESTAMP.Unit), l.TIMESTAMP.IsAdjustedToUTC)
		case l.TIME != nil:
			return timeOfDay(unit(l.TIME.Unit))
		case l.INTEGER != nil && !l.INTEGER.IsSigned:
			return unsigned
		}
	}
	if e.ConvertedType == nil {
		return nil
	}
	switch *e.ConvertedType {
	case parquet.ConvertedType_UTF8, parquet.ConvertedType_ENUM, parquet.ConvertedType_JSON:
		return text
	case parquet.ConvertedType_DECIMAL:
		return decimal(e.GetScale())
	case parquet.ConvertedType_DATE:
		return date
	case parquet.ConvertedType_TIMESTAMP_MILLIS:
		return timestamp(time.Millisecond, true)
	case parquet.ConvertedType_TIMESTAMP_MICROS:
		return timestamp(time.Microsecond, true)
	case parquet.ConvertedType_TIME_MILLIS:
		return timeOfDay(time.Millisecond)
	case parquet.ConvertedType_TIME_MICROS:
		return timeOfDay(time.Microsecond)
	case parquet.ConvertedType_UINT_8, parquet.ConvertedType_UINT_16, parquet.ConvertedType_UINT_32, parquet.ConvertedType_UINT_64:
		return unsigned
	}
	return nil
}

func unit(u *parquet.TimeUnit) time.Duration {
	switch {
	case u != nil && u.MILLIS != nil:
		return time.Millisecond
	case u != nil && u.MICROS != nil:
		return time.Microsecond
	}
	return time.Nanosecond
}

func text(v any) any { return v }

func date(v any) any {
	return Date{time.Unix(int64(v.(int32))*86400, 0).UTC()} //nolint:forcetypeassert // checked by complete
}

func unsigned(v any) any {
	switch x := v.(type) {
	case int32:
		return uint64(uint32(x)) //nolint:gosec // the same bits
	case int64:
		return uint64(x) //nolint:gosec // the same bits
	}
	return v
}

func timestamp(u time.Duration, utc bool) func(any) any {
	loc := time.UTC
	if !utc {
		loc = Naive
	}
	perSecond := int64(time.Second / u)
	return func(v any) any {
		n := v.(int64) //nolint:forcetypeassert // checked by complete
		return time.Unix(n/perSecond, n%perSecond*int64(u)).In(loc)
	}
}

func timeOfDay(u time.Duration) func(any) any {
	return func(v any) any {
		switch x := v.(type) {
		case int32:
			return TimeOfDay(time.Duration(x) * u)
		case int64:
			return TimeOfDay(time.Duration(x) * u)
		}
		return v
	}
}

func decimal(scale int32) func(any) any {
	return func(v any) any {
		n := new(big.Int)
		switch x := v.(type) {
		case int32:
			n.SetInt64(int64(x))
		case int64:
			n.SetInt64(x)
		case string:
			n.SetBytes([]byte(x))
			if x != "" && x[0]&0x80 != 0 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(x)))) //nolint:gosec // a length
			}
		}
		return Decimal(scaled(n, int(scale)))
	}
}

func scaled(n *big.Int, scale int) string {
	s := new(big.Int).Abs(n).String()
	if scale > 0 {
		for len(s) <= scale {
			s = "0" + s
		}
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + s
	}
	return s
}

// int96 is a day of the Julian calendar and nanoseconds in it, as old Spark writes.
func int96(s string) any {
	if len(s) != 12 {
		return []byte(s)
	}
	ns := int64(binary.LittleEndian.Uint64([]byte(s[:8]))) //nolint:gosec // below a day
	day := int64(binary.LittleEndian.Uint32([]byte(s[8:])))
	return time.Unix((day-2440588)*86400, ns).In(Naive)
}

// jsonFloat gives what JSON has no number for as a text.
func jsonFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

// String is 15:04:05, with as many digits of a second as it has.
func (d TimeOfDay) String() string {
	t := time.Unix(0, 0).UTC().Add(time.Duration(d))
	return t.Format("15:04:05.999999999")
}

// String is the usual form, with dashes.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
