package logread

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// writerOf returns what appends a value of a type as JSON.
func writerOf(t parquet.Type, key string) func(dst []byte, v parquet.Value) []byte {
	if unit := unitOf(t); unit > 0 {
		return func(dst []byte, v parquet.Value) []byte { return appendTime(dst, v.Int64(), unit) }
	}
	switch t.Kind() {
	case parquet.Boolean:
		return func(dst []byte, v parquet.Value) []byte { return strconv.AppendBool(dst, v.Boolean()) }
	case parquet.Int32:
		return func(dst []byte, v parquet.Value) []byte { return strconv.AppendInt(dst, int64(v.Int32()), 10) }
	case parquet.Int64:
		return func(dst []byte, v parquet.Value) []byte { return strconv.AppendInt(dst, v.Int64(), 10) }
	case parquet.Int96:
		return appendInt96
	case parquet.Float:
		return func(dst []byte, v parquet.Value) []byte { return appendFloat(dst, float64(v.Float())) }
	case parquet.Double:
		return func(dst []byte, v parquet.Value) []byte { return appendFloat(dst, v.Double()) }
	default:
		open := nested(key)
		return func(dst []byte, v parquet.Value) []byte { return appendText(dst, v.ByteArray(), open) }
	}
}

// unitOf returns the unit of a type of times; 0 when it is none.
func unitOf(t parquet.Type) time.Duration {
	if t.Kind() != parquet.Int64 {
		return 0
	}
	logical := t.LogicalType()
	if logical == nil {
		return 0
	}
	stamp, ok := logical.Value.(*format.TimestampType)
	if !ok {
		return 0
	}
	switch stamp.Unit.Value.(type) {
	case *format.MilliSeconds:
		return time.Millisecond
	case *format.MicroSeconds:
		return time.Microsecond
	default:
		return time.Nanosecond
	}
}

func appendTime(dst []byte, n int64, unit time.Duration) []byte {
	perSecond := int64(time.Second / unit)
	t := time.Unix(n/perSecond, n%perSecond*int64(unit)).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// appendInt96 appends a time in the old form: nanoseconds of a Julian day.
func appendInt96(dst []byte, v parquet.Value) []byte {
	const epochDay, daySeconds = 2440588, 86400
	raw := v.Int96()
	nanoseconds := int64(raw[0]) | int64(raw[1])<<32
	days := int64(raw[2]) - epochDay
	t := time.Unix(days*daySeconds, 0).Add(time.Duration(nanoseconds)).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func appendFloat(dst []byte, f float64) []byte {
	if !finite(f) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendText appends a text, or the object or list that it holds.
func appendText(dst, b []byte, open bool) []byte {
	if open && len(b) > 1 && (b[0] == '{' || b[0] == '[') && utf8.Valid(b) && valid(b) {
		return append(dst, b...)
	}
	if !utf8.Valid(b) {
		return quote(dst, strings.ToValidUTF8(string(b), "\uFFFD"))
	}
	return quote(dst, string(b))
}
