package cost

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Mean lengths in days of the Gregorian calendar, for words only.
const (
	meanMonth = daysPerCycle / float64(monthsPerCycle)
	meanYear  = daysPerCycle / 400.0
)

// Duration says in two digits how long so many days are: "at once", "40 minutes",
// "3.2 days", "11 months", "27 years".
func Duration(days float64) string {
	switch {
	case days <= 0:
		return "at once"
	case days*minutesPerDay < 1.5:
		return amount(math.Max(1, days*minutesPerDay*60), "second")
	case days*minutesPerDay < 90:
		return amount(days*minutesPerDay, "minute")
	case days < 2:
		return amount(days*hoursPerDay, "hour")
	case days < 60:
		return amount(days, "day")
	case days < 2*meanYear:
		return amount(days/meanMonth, "month")
	case days < million*meanYear:
		return amount(days/meanYear, "year")
	default:
		return "over a million years"
	}
}

// amount writes x with one decimal when it is under 10 and not whole.
func amount(x float64, unit string) string {
	text := grouped(int64(math.Round(x)))
	if tenths := math.Round(10 * x); tenths < 100 && math.Mod(tenths, 10) != 0 {
		text = strconv.FormatFloat(tenths/10, 'f', 1, 64)
	}
	if text == "1" {
		return text + " " + unit
	}
	return text + " " + unit + "s"
}

// dollars writes millionths of a dollar: cents under $100, whole dollars above.
func dollars(micro int64) string {
	switch {
	case micro <= 0:
		return "$0"
	case micro < 5_000:
		return "<$0.01"
	case micro < 99_995_000:
		return fmt.Sprintf("$%.2f", float64(micro)/million)
	default:
		whole := micro / million
		if micro%million >= million/2 {
			whole++
		}
		return "$" + grouped(whole)
	}
}

// grouped writes n in groups of three digits with spaces between them, as the SI does.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, groups...), " ")
}
