package wire

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"
)

// Header is one HTTP header. Its name is in the canonical form of HTTP.
type Header struct{ Name, Value string }

// RateStanding is what is left of one limit.
type RateStanding struct {
	// Dimension is what the limit counts: "requests", "tokens", "input_tokens",
	// "output_tokens", "cost", "numeric_values", "prompts", "streams" or "concurrent".
	Dimension string
	// Window is the time over which it counts: "minute", "hour", "day", "month" or
	// "concurrent".
	Window           string
	Limit, Remaining int64
	// Reset is the time until the limit is whole again.
	Reset time.Duration
}

// Lossy returns the standing with less to read from it: of what remains, the least
// number in the same twentieth of the limit. Where a limit refills steadily, by the
// minute or the hour, the time until it is whole tells how much is gone, so it is
// rounded up to a twentieth of the window.
func (s RateStanding) Lossy() RateStanding {
	const parts = 20
	s.Remaining = min(max(s.Remaining, 0), s.Limit)
	if s.Limit > 0 {
		high, low := bits.Mul64(uint64(s.Remaining), parts) //nolint:gosec // not negative: see above
		part, _ := bits.Div64(high, low, uint64(s.Limit))
		high, low = bits.Mul64(part, uint64(s.Limit))
		low, carry := bits.Add64(low, parts-1, 0)
		least, _ := bits.Div64(high+carry, low, parts)
		s.Remaining = int64(least) //nolint:gosec // at most the limit
	}
	if s.Window == "minute" || s.Window == "hour" {
		s.Reset = roundUp(s.Reset, windowLength(s.Window)/parts)
	}
	return s
}

// windowLength is the length of a window; a month counts 30 days. It is 0 where there is
// none.
func windowLength(window string) time.Duration {
	const day = 24 * time.Hour
	switch window {
	case "minute":
		return time.Minute
	case "hour":
		return time.Hour
	case "day":
		return day
	case "month":
		return 30 * day
	default:
		return 0
	}
}

// rateRow is a group of three headers of a dialect.
type rateRow struct {
	// dimensions are told; others stand in for the first if it has no limit.
	dimensions              []string
	limit, remaining, reset string
}

var openAIRates = []rateRow{ //nolint:gochecknoglobals // a static table
	{[]string{"requests"}, "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	{[]string{"tokens", "input_tokens", "output_tokens"}, "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
}

var anthropicRates = []rateRow{ //nolint:gochecknoglobals // a static table
	{[]string{"requests"}, "Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
	{[]string{"tokens", "input_tokens", "output_tokens"}, "Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
	{[]string{"input_tokens"}, "Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
	{[]string{"output_tokens"}, "Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
}

// RateHeaders returns the provider's headers for what is left of any number of limits.
// A provider tells one limit per dimension: here the tightest per minute or, where
// none counts per minute, the tightest of the others. Where tokens have no limit of
// their own, the tighter of input and output tokens stands for them.
func (d Dialect) RateHeaders(now time.Time, standings []RateStanding) []Header {
	rows := openAIRates
	if d == DialectAnthropic {
		rows = anthropicRates
	}
	headers := make([]Header, 0, 3*len(rows))
	var room [256]byte
	text := room[:0]
	var ends [3 * 4]int
	for _, row := range rows {
		s, ok := row.choose(standings)
		if !ok {
			continue
		}
		text = strconv.AppendInt(text, s.Limit, 10)
		ends[len(headers)] = len(text)
		text = strconv.AppendInt(text, max(s.Remaining, 0), 10)
		ends[len(headers)+1] = len(text)
		text = d.appendReset(text, now, s.Reset)
		ends[len(headers)+2] = len(text)
		headers = append(headers, Header{Name: row.limit}, Header{Name: row.remaining}, Header{Name: row.reset})
	}
	values, from := string(text), 0
	for i := range headers {
		headers[i].Value, from = values[from:ends[i]], ends[i]
	}
	return headers
}

// choose returns the standing that a row tells.
func (r rateRow) choose(standings []RateStanding) (RateStanding, bool) {
	if i := tightest(standings, r.dimensions[:1]); i >= 0 {
		return standings[i], true
	}
	if i := tightest(standings, r.dimensions[1:]); i >= 0 {
		return standings[i], true
	}
	return RateStanding{}, false
}

// tightest returns the index of the tightest standing of some dimensions, those per
// minute first, or -1. What counts at one instant is not a rate.
func tightest(standings []RateStanding, dimensions []string) int {
	best := -1
	for i, s := range standings {
		if !slices.Contains(dimensions, s.Dimension) || s.Window == "concurrent" {
			continue
		}
		if best < 0 || s.before(standings[best]) {
			best = i
		}
	}
	return best
}

// before reports whether a client should rather be told of s than of other.
func (s RateStanding) before(other RateStanding) bool {
	if minute := s.Window == "minute"; minute != (other.Window == "minute") {
		return minute
	}
	return s.tighter(other)
}

// tighter reports whether s leaves less than other, or the same for longer.
func (s RateStanding) tighter(other RateStanding) bool {
	if s.Remaining != other.Remaining {
		return s.Remaining < other.Remaining
	}
	return s.Reset > other.Reset
}

// appendReset writes when a limit is whole again: for OpenAI the time until then, such
// as "0s", "17ms" or "6m0s", for Anthropic the time of day. It rounds up, so that a
// client which waits this long does not come too early: to milliseconds below a
// second and else to seconds.
func (d Dialect) appendReset(dst []byte, now time.Time, reset time.Duration) []byte {
	if d == DialectAnthropic {
		at := now.UTC().Add(max(reset, 0))
		if whole := at.Truncate(time.Second); whole.Before(at) {
			at = whole.Add(time.Second)
		}
		return at.AppendFormat(dst, time.RFC3339)
	}
	unit := time.Second
	if reset < time.Second {
		unit = time.Millisecond
	}
	return append(dst, roundUp(reset, unit).String()...)
}

// roundUp returns the least multiple of unit that is not under d, nor under 0.
func roundUp(d, unit time.Duration) time.Duration {
	whole := max(d, 0).Truncate(unit)
	if whole < d && whole <= math.MaxInt64-unit {
		whole += unit
	}
	return whole
}

// wholeSeconds rounds up to whole seconds.
func wholeSeconds(d time.Duration) int64 { return int64(roundUp(d, time.Second) / time.Second) }

// maxStructured is the greatest integer of a structured field (RFC 9651).
const maxStructured = 999_999_999_999_999

// IETFHeaders returns the fields RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-11 for any number of limits, or nothing when
// there is none. Of limits on the same dimension and window the tightest is told. Names
// are stable: "req-minute", "tok-day", "in-flight". An hour is 3600 seconds, a day
// 86400 and a month 2592000. Limits on what is under way at once have the draft's unit
// concurrent-requests and no window; units that the draft does not know, such as
// tokens, are called as the dimension is.
func IETFHeaders(standings []RateStanding) []Header {
	var policy, limit []byte
	for i, s := range standings {
		if !tellsOf(standings, i) {
			continue
		}
		if len(policy) > 0 {
			policy, limit = append(policy, ", "...), append(limit, ", "...)
		}
		name, unit := ietfNames(s)
		policy = append(append(append(policy, '"'), name...), `";q=`...)
		policy = strconv.AppendInt(policy, structured(s.Limit), 10)
		limit = append(append(append(limit, '"'), name...), `";r=`...)
		limit = strconv.AppendInt(limit, structured(s.Remaining), 10)
		if seconds := windowLength(s.Window) / time.Second; seconds > 0 {
			policy = strconv.AppendInt(append(policy, ";w="...), int64(seconds), 10)
			limit = strconv.AppendInt(append(limit, ";t="...), wholeSeconds(s.Reset), 10)
		}
		policy = append(append(append(policy, `;qu="`...), unit...), '"')
	}
	if len(policy) == 0 {
		return nil
	}
	return []Header{{"Ratelimit-Policy", string(policy)}, {"Ratelimit", string(limit)}}
}

// tellsOf reports whether standings[i] is the tightest of its dimension and window.
func tellsOf(standings []RateStanding, i int) bool {
	s := standings[i]
	for j, other := range standings {
		if j == i || other.Dimension != s.Dimension || other.Window != s.Window {
			continue
		}
		if other.tighter(s) || (j < i && !s.tighter(other)) {
			return false
		}
	}
	return true
}

// ietfNames returns the name of a standing's policy and its quota unit.
func ietfNames(s RateStanding) (name, unit string) {
	short := s.Dimension
	unit = s.Dimension
	switch s.Dimension {
	case "requests":
		short = "req"
	case "tokens":
		short = "tok"
	case "input_tokens":
		short, unit = "tok-in", "input-tokens"
	case "output_tokens":
		short, unit = "tok-out", "output-tokens"
	case "cost":
		short, unit = "cost", "microusd"
	case "numeric_values":
		short, unit = "values", "numeric-values"
	case "concurrent":
		short = "in-flight"
	}
	if s.Window == "concurrent" {
		return short, "concurrent-requests"
	}
	return short + "-" + s.Window, unit
}

// structured limits a number to what a structured field can hold.
func structured(n int64) int64 { return min(max(n, 0), maxStructured) }
