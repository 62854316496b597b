package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Dimension is what a limit counts.
type Dimension uint8

// The dimensions. The first [rates] of them may be limited per minute.
const (
	Requests Dimension = iota
	Tokens             // of prompt and answer together
	Input              // tokens of the prompt
	Output             // tokens of the answer
	Cost               // millionths of a dollar
	Values             // numeric values released, such as log-probabilities
	Prompts            // distinct prompts
	Streams            // streamed answers under way at once
	InFlight           // requests under way at once
)

const (
	rates   = int(Values) + 1  // dimensions that can be limited per minute
	counted = int(Prompts) + 1 // dimensions that can be limited per calendar window
)

var dimensions = [...]string{ //nolint:gochecknoglobals // a static table
	Requests: "requests", Tokens: "tokens", Input: "input_tokens", Output: "output_tokens", Cost: "cost",
	Values: "numeric_values", Prompts: "prompts", Streams: "streams", InFlight: "concurrent",
}

// String returns the dimension's name, as used in reasons, headers and files.
func (d Dimension) String() string {
	if int(d) < len(dimensions) {
		return dimensions[d]
	}
	return fmt.Sprintf("dimension(%d)", uint8(d))
}

// Window is the time over which a limit counts.
type Window uint8

// The windows.
const (
	// Minute refills steadily at Amount per minute (GCRA).
	Minute Window = iota
	// Hour starts afresh with every hour, Day at midnight, Month with its first day, all in UTC.
	Hour
	Day
	Month
	// Concurrent counts what is under way now.
	Concurrent
)

// calendar is the number of windows that follow the calendar.
const calendar = int(Month-Hour) + 1

var windows = [...]string{Minute: "minute", Hour: "hour", Day: "day", Month: "month", Concurrent: "concurrent"} //nolint:gochecknoglobals // a static table

// String returns the window's name, as used in reasons and files.
func (w Window) String() string {
	if int(w) < len(windows) {
		return windows[w]
	}
	return fmt.Sprintf("window(%d)", uint8(w))
}

// ParseLimit returns the limit of the names that [Dimension.String] and [Window.String]
// give, or an error that lists what there is.
func ParseLimit(dimension, window string, amount int64) (Limit, error) {
	d, w := slices.Index(dimensions[:], dimension), slices.Index(windows[:], window)
	if d < 0 {
		return Limit{}, fmt.Errorf("dimension %q: want one of %s", dimension, strings.Join(dimensions[:], ", "))
	}
	if w < 0 {
		return Limit{}, fmt.Errorf("window %q: want one of %s", window, strings.Join(windows[:], ", "))
	}
	l := Limit{Dimension: Dimension(d), Window: Window(w), Amount: amount} //nolint:gosec // indexes of short tables
	return l, l.validate()
}

// longest is how many minutes' amounts a burst may hold: a week.
const longest = 7 * 24 * 60

// period is the length of the window Minute in nanoseconds.
const period = int64(time.Minute)

// Limit is one bound on one dimension. An Amount of 0 is no limit at all, the same
// as leaving the limit out.
type Limit struct {
	Dimension Dimension
	Window    Window
	// Amount is how much a window allows.
	Amount int64
	// Burst is how much may be spent at one instant after a rest. Only a Minute
	// has one; 0 means Amount.
	Burst int64
	// Shadow lets pass what the limit refuses, and tells of it. What passes so is not
	// charged to a Minute; hour, day and month count everything that is served.
	Shadow bool
}

// String describes the limit for people, such as "20 requests per minute".
func (l Limit) String() string {
	switch {
	case l.Amount <= 0:
		return fmt.Sprintf("unlimited %s (%s)", l.Dimension, l.Window)
	case l.Dimension == InFlight:
		return fmt.Sprintf("%d requests at once", l.Amount)
	case l.Window == Concurrent:
		return fmt.Sprintf("%d %s at once", l.Amount, l.Dimension)
	case l.Dimension == Cost:
		return fmt.Sprintf("$%g per %s", float64(l.Amount)/1e6, l.Window)
	default:
		return fmt.Sprintf("%d %s per %s", l.Amount, l.Dimension, l.Window)
	}
}

// Ceiling is the most that a single request can ever be granted: the burst of a
// Minute, the amount of anything else. It means nothing for an Amount of 0.
func (l Limit) Ceiling() int64 {
	if l.Window == Minute && l.Burst > 0 {
		return l.Burst
	}
	return l.Amount
}

func (l Limit) validate() error {
	var faults []error
	switch {
	case l.Dimension > InFlight || l.Window > Concurrent:
		faults = append(faults, fmt.Errorf("limit on %s per %s: no such limit", l.Dimension, l.Window))
	case (l.Dimension >= Streams) != (l.Window == Concurrent):
		faults = append(faults, fmt.Errorf(
			"limit on %s per %s: streams and concurrent requests are counted at once, everything else over time", l.Dimension, l.Window))
	case l.Dimension == Prompts && l.Window == Minute:
		faults = append(faults, errors.New("limit on prompts per minute: distinct prompts are counted per hour, day or month"))
	}
	if l.Amount < 0 {
		faults = append(faults, fmt.Errorf("limit on %s per %s: amount %d is negative; 0 means no limit", l.Dimension, l.Window, l.Amount))
	}
	switch {
	case l.Burst < 0:
		faults = append(faults, fmt.Errorf("limit on %s per %s: burst %d is negative; 0 means the amount", l.Dimension, l.Window, l.Burst))
	case l.Burst/longest > l.Amount && l.Amount > 0:
		faults = append(faults, fmt.Errorf("limit on %s per %s: burst %d is more than %d minutes bring", l.Dimension, l.Window, l.Burst, longest))
	case l.Burst > 0 && l.Window != Minute:
		faults = append(faults, fmt.Errorf("limit on %s per %s: only a limit per minute has a burst", l.Dimension, l.Window))
	}
	return errors.Join(faults...)
}

// Limits are all bounds of one account, at most one for each dimension and window.
// A dimension without a limit is unlimited.
type Limits []Limit

// Validate reports every fault at once. [State] must only be given valid limits.
func (ls Limits) Validate() error {
	var faults []error
	seen := make(map[[2]uint8]bool, len(ls))
	for _, l := range ls {
		if err := l.validate(); err != nil {
			faults = append(faults, err)
		}
		key := [2]uint8{uint8(l.Dimension), uint8(l.Window)}
		if seen[key] {
			faults = append(faults, fmt.Errorf("limit on %s per %s: given twice", l.Dimension, l.Window))
		}
		seen[key] = true
	}
	return errors.Join(faults...)
}

// Scale returns the limits times num/den, rounded down but never below 1: a scaled
// limit still lets something through, and no limit stays no limit. A fraction that
// is not positive gives 1 everywhere.
func (ls Limits) Scale(num, den int64) Limits {
	scaled := make(Limits, len(ls))
	for i, l := range ls {
		l.Amount = scale(l.Amount, num, den)
		l.Burst = scale(l.Burst, num, den)
		scaled[i] = l
	}
	return scaled
}

func scale(amount, num, den int64) int64 {
	if amount <= 0 {
		return amount
	}
	if num <= 0 || den <= 0 {
		return 1
	}
	return max(1, mulDiv(amount, num, den, false, math.MaxInt64))
}

// mulDiv returns a*b/c for non-negative a and b and positive c, computed in 128
// bits, rounded up or down, and at most most.
func mulDiv(a, b, c int64, up bool, most int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b)) //nolint:gosec // non-negative by contract
	if hi >= uint64(c) {                       //nolint:gosec // positive by contract
		return most
	}
	quotient, rest := bits.Div64(hi, lo, uint64(c)) //nolint:gosec // positive by contract
	if up && rest > 0 {
		quotient++
	}
	if quotient > uint64(most) { //nolint:gosec // a positive constant
		return most
	}
	return int64(quotient) //nolint:gosec // at most most
}
