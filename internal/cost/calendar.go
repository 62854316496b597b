package cost

// The lengths of windows in minutes, and the Gregorian cycle of 400 years. UTC has no
// leap seconds in Unix time, so every day has 1,440 minutes.
const (
	minutesPerHour = 60
	hoursPerDay    = 24
	minutesPerDay  = hoursPerDay * minutesPerHour
	monthsPerCycle = 400 * 12
	daysPerCycle   = 146_097
)

// monthStart returns the day on which month k begins; both count from 0, which is
// 1 January 2001.
func monthStart(k int64) float64 {
	cycles, k := k/monthsPerCycle, k%monthsPerCycle
	year, month := k/12, k%12
	days := 365*year + year/4 - year/100 + daysBefore(month)
	// year counts from 2001: it is a leap year when the next is a multiple of 4.
	next := year + 1
	if month > 1 && next%4 == 0 && (next%100 != 0 || next%400 == 0) {
		days++
	}
	return float64(cycles)*daysPerCycle + float64(days)
}

// daysBefore returns how many days of a common year lie before the month.
func daysBefore(month int64) int64 {
	return [...]int64{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}[month]
}
