package ratelimit

import (
	"math"
	"time"
)

const (
	// latest is the greatest stamp: the year 2116 in nanoseconds since 1970. It
	// leaves as much room above for theoretical arrival times.
	latest = int64(1) << 62
	// dearest is the greatest charge and the greatest debt of a run of settled
	// charges, 52 days. It is small enough that a whole run adds up without overflow.
	dearest = int64(1) << 52
	// farthest is the greatest arrival time that is kept.
	farthest = latest + latest/2
	// nothing is an m that never wins in max(x+s, m), and survives adding to it.
	nothing = int64(math.MinInt64 / 2)
	// hourLength and dayLength are in UTC, which has no leap seconds in Unix time.
	hourLength = int64(time.Hour)
	dayLength  = int64(24 * time.Hour)
)

// stamp turns a time into nanoseconds since 1970, held between 0 and latest.
func stamp(t time.Time) int64 {
	switch seconds := t.Unix(); {
	case seconds < 0:
		return 0
	case seconds >= latest/int64(time.Second):
		return latest
	default:
		return t.UnixNano()
	}
}

// add returns a+b for a non-negative b, at most the greatest int64.
func add(a, b int64) int64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxInt64
}

// charge is the time that n units cost at amount per minute, rounded up.
func charge(n, amount int64) int64 {
	return mulDiv(n, period, amount, true, dearest)
}

// tolerance is how far the theoretical arrival time may lie ahead: the charge of the
// whole burst, and a slack.
//
// The slack makes up for rounding. Every charge is rounded up by less than a
// nanosecond, so a burst spent in single units would end short of its last one: at
// 7 per minute only 6 would pass. It is one nanosecond for each unit of the burst,
// held under a thousandth of the charge of one unit, so that it never lets a
// further unit through noticeably early.
func tolerance(l *Limit) (whole, slack int64) {
	burst := l.Ceiling()
	whole = period
	if burst != l.Amount {
		whole = charge(burst, l.Amount)
	}
	if period%l.Amount != 0 {
		slack = min(burst, charge(1, l.Amount)/1024)
	}
	return whole, slack
}

// step is what a charge does to the theoretical arrival times of the short windows,
// x -> max(x+s, m) in each of them.
type step struct {
	grant uint64
	open  bool
	s, m  amounts
}

// newStep is a charge of inc at time at. An amount of 0 is no limit: x -> x.
func newStep(grant uint64, at int64, limit, inc *amounts) step {
	st := step{grant: grant, open: true}
	for k := range st.s {
		if limit[k] > 0 {
			st.s[k], st.m[k] = inc[k], at+inc[k]
		} else {
			st.s[k], st.m[k] = 0, nothing
		}
	}
	return st
}

// apply makes of the arrival times x what the step makes of them.
func (st *step) apply(x *amounts) {
	for k := range x {
		x[k] = max(x[k]+st.s[k], st.m[k])
	}
}

// bound holds arrival times below the point from which adding a run could overflow.
func (x *amounts) bound() {
	for k := range x {
		x[k] = min(x[k], farthest)
	}
}

// then makes st the composition of st and next after it.
func (st *step) then(next *step) {
	for k := range st.s {
		st.s[k], st.m[k] = min(st.s[k]+next.s[k], dearest), max(st.m[k]+next.s[k], next.m[k])
	}
}

// monthEnd returns the nanoseconds since 1970 at which the UTC month of the stamp ends.
func monthEnd(at int64) int64 {
	t := time.Unix(0, at).UTC()
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
}

// sameMonth reports whether two stamps lie in one UTC month.
func sameMonth(a, b int64) bool {
	x, y := time.Unix(0, a).UTC(), time.Unix(0, b).UTC()
	return x.Year() == y.Year() && x.Month() == y.Month()
}
