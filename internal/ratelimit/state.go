package ratelimit

import "time"

// State is all that limits one account. The zero value is an account that has
// spent nothing. A State must not be copied once in use.
type State struct{ _ int }

// Reserve checks d against every limit and charges all of them, or none: a refused
// demand leaves the account as it was. The grant is to be settled once. One that
// is not settled by the deadline settles itself: see [State.Progress].
func (s *State) Reserve(now time.Time, ls Limits, d Demand, deadline time.Time) (grant uint64, denial *Denial) {
	_, _, _, _ = now, ls, d, deadline
	return 1, nil
}

// Settle replaces what was reserved by what was spent and ends the stream. It
// reports whether the grant was open; settling twice changes nothing.
func (s *State) Settle(now time.Time, grant uint64, actual Demand) bool {
	_, _, _ = now, grant, actual
	return false
}

// Progress notes what an open grant has spent so far.
func (s *State) Progress(grant uint64, soFar Demand) { _, _ = grant, soFar }

// Standing appends to dst how much is left of every limit.
func (s *State) Standing(now time.Time, ls Limits, dst []Standing) []Standing {
	_, _ = now, ls
	return dst
}

// Seed sets the day's counters to at least used. It never adds.
func (s *State) Seed(now time.Time, used Demand) { _, _ = now, used }

// Idle expires what is overdue and reports whether forgetting the state changes nothing.
func (s *State) Idle(now time.Time) bool {
	_ = now
	return false
}
