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
	// dayLength is a calendar day in UTC, which has no leap seconds in Unix time.
	dayLength = int64(24 * time.Hour)
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
func (l Limit) tolerance() (whole, slack int64) {
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
	s, m  [2]int64
}

// newStep is a charge of inc at time at. An amount of 0 is no limit: x -> x.
func newStep(grant uint64, at int64, amounts, inc [2]int64) step {
	st := step{grant: grant, open: true}
	for k := range st.s {
		if amounts[k] > 0 {
			st.s[k], st.m[k] = inc[k], at+inc[k]
		} else {
			st.s[k], st.m[k] = 0, nothing
		}
	}
	return st
}

// apply returns what the step makes of the arrival times x.
func (st *step) apply(x [2]int64) [2]int64 {
	return [2]int64{max(x[0]+st.s[0], st.m[0]), max(x[1]+st.s[1], st.m[1])}
}

// bound holds arrival times below the point from which adding a run could overflow.
func bound(x [2]int64) [2]int64 {
	return [2]int64{min(x[0], farthest), min(x[1], farthest)}
}

// then makes st the composition of st and next after it.
func (st *step) then(next *step) {
	for k := range st.s {
		st.s[k], st.m[k] = min(st.s[k]+next.s[k], dearest), max(st.m[k]+next.s[k], next.m[k])
	}
}
