package logread

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func startKeys() []string {
	return []string{"at", "timestamp", "time", "start_time", "startTime", "request_time", "created_at", "created"}
}

func endKeys() []string { return []string{"end_time", "endTime", "end_at", "completed_at"} }

// when returns the first usable time under keys; zero when there is none.
func (o object) when(keys []string) time.Time {
	for _, k := range keys {
		if t, ok := instant(o.raw(k)); ok {
			return t
		}
	}
	return time.Time{}
}

// instant reads a time: a text, or a number since 1970 in a unit told by its size.
func instant(raw []byte) (time.Time, bool) {
	if len(raw) == 0 {
		return time.Time{}, false
	}
	s := string(raw)
	if raw[0] == '"' {
		s = strings.TrimSpace(text(raw))
		for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"} {
			if t, err := time.Parse(layout, s); err == nil {
				return plausible(t)
			}
		}
	}
	return epoch(s)
}

// epoch reads a number since 1970: seconds below 1e11, milliseconds below 1e14,
// microseconds below 1e17, else nanoseconds.
func epoch(s string) (time.Time, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f <= 0 {
		return time.Time{}, false
	}
	unit := int64(1) // in nanoseconds
	switch {
	case f < 1e11:
		unit = 1e9
	case f < 1e14:
		unit = 1e6
	case f < 1e17:
		unit = 1e3
	}
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.ContainsAny(fraction, "eE") { // an exponent: to the precision of a float
		n = int64(math.Min(f, 1e19))
		return plausible(scaled(n, unit, int64((f-math.Floor(f))*float64(unit))))
	}
	part := 0.0
	if fraction != "" {
		part, _ = strconv.ParseFloat("0."+fraction, 64)
	}
	return plausible(scaled(n, unit, int64(math.Round(part*float64(unit)))))
}

func scaled(n, unit, nanoseconds int64) time.Time {
	perSecond := int64(time.Second) / unit
	return time.Unix(n/perSecond, n%perSecond*unit+nanoseconds)
}

// plausible refuses times that no log of a model API can hold.
func plausible(t time.Time) (time.Time, bool) {
	t = t.UTC()
	if y := t.Year(); y < 1990 || y > 2200 {
		return time.Time{}, false
	}
	return t, true
}

// end returns when the exchange that began at start was over.
func (o object) end(start time.Time) time.Time {
	if start.IsZero() {
		return start
	}
	if t := o.when(endKeys()); !t.IsZero() {
		if t.Before(start) {
			return start
		}
		return t
	}
	for _, k := range [...]struct {
		key  string
		unit time.Duration
	}{
		{"latency_ms", time.Millisecond},
		{"duration_ms", time.Millisecond},
		{"latency", time.Second},
		{"duration", time.Second},
	} {
		if f, ok := o.number(k.key); ok && f > 0 {
			return start.Add(time.Duration(min(f*float64(k.unit), float64(24*time.Hour))))
		}
	}
	return start
}
