package review

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"bartizan"
	"bartizan/internal/ratelimit"
)

// microUSD is how many of a bound's units of cost a dollar has.
const microUSD = 1e6

// ParseBound reads a bound as people write it, in the paths and sizes of the
// configuration: "tokens.per_day=5M", "streams=20", "cost.per_month=500" (dollars).
func ParseBound(text string) (bartizan.Bound, error) {
	path, value, ok := strings.Cut(text, "=")
	if !ok {
		return bartizan.Bound{}, fault("limit %q: want something like tokens.per_day=5M", text)
	}
	dimension, window, ok := strings.Cut(strings.TrimSpace(path), ".per_")
	if !ok {
		window = ratelimit.Concurrent.String()
	}
	amount, ok := parseAmount(strings.TrimSpace(value), dimension == ratelimit.Cost.String())
	if !ok {
		return bartizan.Bound{}, fault("limit %q: %q is no amount above 0, such as 120, 1.5M or 2G", text, value)
	}
	b := bartizan.Bound{Dimension: dimension, Window: window, Amount: amount}
	if _, err := ratelimit.ParseLimit(b.Dimension, b.Window, b.Amount); err != nil {
		return bartizan.Bound{}, fault("limit %q: %w", text, err)
	}
	return b, nil
}

func parseAmount(text string, dollars bool) (int64, bool) {
	unit := 1.0
	for suffix, times := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = number, times
			break
		}
	}
	if dollars {
		unit *= microUSD
	}
	if strings.Trim(text, "0123456789.") != "" { // neither a sign nor an exponent, nor "inf"
		return 0, false
	}
	x, err := strconv.ParseFloat(text, 64)
	const most = 1e15
	if err != nil || x*unit < 1 || x*unit > most {
		return 0, false
	}
	return int64(math.Round(x * unit)), true
}

// BoundPath is the path of what a bound limits, such as "tokens.per_day".
func BoundPath(b bartizan.Bound) string {
	if b.Window == ratelimit.Concurrent.String() {
		return b.Dimension
	}
	return b.Dimension + ".per_" + b.Window
}

// BoundText writes a bound in the form that [ParseBound] reads.
func BoundText(b bartizan.Bound) string { return BoundPath(b) + "=" + Amount(BoundPath(b), b.Amount) }

// Amount writes the amount of a limit of that path: with a unit where that loses nothing,
// and dollars for cost.
func Amount(path string, n int64) string {
	if strings.HasPrefix(path, ratelimit.Cost.String()+".") {
		return strconv.FormatFloat(float64(n)/microUSD, 'f', -1, 64)
	}
	for _, unit := range []struct {
		size int64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		const tenths = 10
		if n >= unit.size && n%(unit.size/tenths) == 0 {
			text := strconv.FormatInt(n/unit.size, 10)
			if rest := n % unit.size; rest != 0 {
				text += "." + strconv.FormatInt(rest/(unit.size/tenths), 10)
			}
			return text + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// FaultError says what is wrong with what a person asked for; nothing was changed.
type FaultError struct{ err error }

// Error says it.
func (f *FaultError) Error() string { return f.err.Error() }

// Unwrap returns what it is made of.
func (f *FaultError) Unwrap() error { return f.err }

func fault(format string, args ...any) error { return &FaultError{fmt.Errorf(format, args...)} }
