package ratelimit

import (
	"math"
	"time"
)

// patience is how far a time may lie before the newest one seen and still be taken
// for a late arrival: requests carry the time at which they came, and are reserved
// for once their body has been read.
const patience = int64(10 * time.Minute)

// State is all that limits one account. The zero value is an account that has
// spent nothing. A State must not be copied once in use.
//
// Time never runs backwards in a State. A time that is up to ten minutes before the
// newest one seen counts as the newest. One that lies further back means that the
// clock was set back: everything that is noted moves back with it and the day's
// counters are kept, so that setting the clock back gives and takes nothing. A step
// forward cannot be told from a rest: it restores at most one burst, and one past
// midnight begins a day. Limits may differ from call to call: the share of a short
// window that is spent stays spent, and so does the day's count.
type State struct {
	base [2]int64 // arrival times before the run
	now  int64    // newest stamp seen
	last uint64   // newest grant
	day  int64    // of now, counted from 1970
	used [2]int64 // on that day
	live *live    // what is under way
}

// live is the part of a state that an account at rest does not need.
type live struct {
	soonest int64 // no open grant has an earlier deadline
	streams int64
	run     run
	grants  table
	// after caches the arrival times after the run.
	after [2]int64
	known bool
}

// Reserve checks d against every limit and charges all of them, or none: a refused
// demand leaves the account as it was. A dimension of which d wants nothing is not
// checked. The grant, never 0, is to be settled once. One that is still open at the
// deadline settles itself, at the next call of any method that is given a time: at
// the tokens that [State.Progress] noted, and at least at d.Prompt. If neither says
// anything it stays charged as reserved.
func (s *State) Reserve(now time.Time, ls Limits, d Demand, deadline time.Time) (id uint64, denial *Denial) {
	at := s.observe(now)
	d = d.clean()
	after := s.after()
	var refused bool
	var worst Denial
	var amounts, inc [2]int64
	for _, l := range ls {
		if l.Amount <= 0 {
			continue
		}
		n := d.in(l.Dimension)
		if l.Window == Minute {
			k := l.Dimension & 1
			amounts[k], inc[k] = l.Amount, charge(n, l.Amount)
		}
		if n == 0 || s.fits(l, n, inc, after) {
			continue
		}
		if next := s.refuse(l, n, inc, after); !refused || next.outlasts(worst) {
			refused, worst = true, next
		}
	}
	if refused {
		answer := worst
		return 0, &answer
	}
	return s.commit(at, d, stamp(deadline), amounts, inc), nil
}

// fits reports whether n more of the limit's dimension pass. For a Minute inc holds
// their charge.
func (s *State) fits(l Limit, n int64, inc, after [2]int64) bool {
	switch l.Window {
	case Minute:
		k := l.Dimension & 1
		whole, slack := l.tolerance()
		return n <= l.Ceiling() && max(after[k], s.now)+inc[k] <= s.now+whole+slack
	case Day:
		return add(s.used[l.Dimension&1], n) <= l.Amount
	case Concurrent:
		return add(s.streams(), n) <= l.Amount
	default:
		return false
	}
}

// refuse says how long n more of the limit's dimension have to wait.
func (s *State) refuse(l Limit, n int64, inc, after [2]int64) Denial {
	if n > l.Ceiling() {
		return Denial{Limit: l, Never: true}
	}
	var wait int64
	switch l.Window {
	case Minute:
		k := l.Dimension & 1
		whole, slack := l.tolerance()
		wait = max(after[k], s.now) + inc[k] - (s.now + whole + slack)
	case Day:
		wait = s.midnight()
	case Concurrent:
		wait = int64(StreamRetry)
	}
	return Denial{Limit: l, RetryAfter: time.Duration(wait)}
}

func (d Denial) outlasts(other Denial) bool {
	if d.Never != other.Never {
		return d.Never
	}
	return d.RetryAfter > other.RetryAfter
}

// commit charges d and returns its grant.
func (s *State) commit(at int64, d Demand, deadline int64, amounts, inc [2]int64) uint64 {
	if s.live == nil {
		s.live = &live{soonest: math.MaxInt64}
	}
	l := s.live
	// Ids rise with time, so that a grant of a forgotten state is not taken for one
	// of its successor.
	s.last = max(s.last+1, uint64(at)) //nolint:gosec // a stamp is not negative
	if amounts != [2]int64{} {
		after := s.after()
		st := newStep(s.last, at, amounts, inc)
		l.run.push(st, &s.base)
		l.after, l.known = bound(st.apply(after)), true
	}
	s.used[Requests] = add(s.used[Requests], d.Requests)
	s.used[Tokens] = add(s.used[Tokens], d.Tokens)
	l.streams = add(l.streams, d.Streams)
	l.grants.push(grant{
		id: s.last, at: at, deadline: deadline, day: s.day, amounts: amounts,
		reserved: [2]int64{d.Requests, d.Tokens}, streams: d.Streams, spent: d.Prompt,
	})
	l.soonest = min(l.soonest, deadline)
	return s.last
}

// Settle replaces what was reserved by what was spent and ends the streams of the
// grant; actual.Streams has no meaning. The limits then stand as if the true amounts
// had been known when the grant was made, and a grant made on an earlier day changes
// nothing of today. More than was reserved goes into debt. Settle reports
// whether the grant was open: settling twice, or after the deadline took effect,
// changes nothing.
func (s *State) Settle(now time.Time, id uint64, actual Demand) bool {
	open := false
	if s.live != nil {
		if i := s.live.grants.find(id); i >= 0 {
			s.settle(i, actual.clean())
			open = true
		}
	}
	s.observe(now)
	return open
}

func (s *State) settle(i int, actual Demand) {
	l := s.live
	g := &l.grants.list[i]
	spent := [2]int64{actual.Requests, actual.Tokens}
	if g.amounts != [2]int64{} {
		var inc [2]int64
		for k, amount := range g.amounts {
			if amount > 0 {
				inc[k] = charge(spent[k], amount)
			}
		}
		l.run.settle(newStep(g.id, g.at, g.amounts, inc), &s.base)
		l.known = false
	}
	if g.day == s.day {
		for k := range s.used {
			s.used[k] = add(max(0, s.used[k]-g.reserved[k]), spent[k])
		}
	}
	l.streams = max(0, l.streams-g.streams)
	l.grants.close(i)
}

// Progress notes what an open grant has spent so far, prompt included. Only tokens
// count, and only upwards.
func (s *State) Progress(id uint64, soFar Demand) {
	if s.live == nil {
		return
	}
	if i := s.live.grants.find(id); i >= 0 {
		g := &s.live.grants.list[i]
		g.spent = max(g.spent, soFar.Tokens)
	}
}

// Standing appends to dst how much is left of every limit that has an amount, in the
// order of ls. A demand of what remains passes that limit, and one more does not.
func (s *State) Standing(now time.Time, ls Limits, dst []Standing) []Standing {
	s.observe(now)
	after := s.after()
	for _, l := range ls {
		if l.Amount > 0 {
			dst = append(dst, s.standing(l, after))
		}
	}
	return dst
}

func (s *State) standing(l Limit, after [2]int64) Standing {
	st := Standing{Limit: l}
	switch l.Window {
	case Minute:
		ahead := max(after[l.Dimension&1], s.now) - s.now
		whole, slack := l.tolerance()
		if room := whole + slack - ahead; room > 0 {
			st.Remaining = mulDiv(room, l.Amount, period, false, l.Ceiling())
		}
		st.Reset = time.Duration(max(0, ahead-slack))
	case Day:
		used := s.used[l.Dimension&1]
		st.Remaining = max(0, l.Amount-used)
		if used > 0 {
			st.Reset = time.Duration(s.midnight())
		}
	case Concurrent:
		st.Remaining = max(0, l.Amount-s.streams())
	}
	return st
}

// Seed sets the counters of now's day to at least used, as after a restart. It never
// adds, so seeding twice is the same as once.
func (s *State) Seed(now time.Time, used Demand) {
	s.observe(now)
	s.used[Requests] = max(s.used[Requests], used.Requests)
	s.used[Tokens] = max(s.used[Tokens], used.Tokens)
}

// Idle settles overdue grants and reports whether the account is as good as new, so
// that its state may be forgotten. If nothing is under way it also returns the memory
// that only open grants need.
func (s *State) Idle(now time.Time) bool {
	at := s.observe(now)
	if s.live != nil && s.live.grants.open == 0 {
		s.live = nil
	}
	return s.live == nil && s.used == [2]int64{} && s.base[0] <= at && s.base[1] <= at
}

// observe takes note of the time, expires grants and turns the day.
func (s *State) observe(t time.Time) int64 {
	now := stamp(t)
	if now < s.now {
		if s.now-now > patience {
			s.back(s.now - now)
		} else {
			now = s.now
		}
	}
	s.now = now
	if today := now / dayLength; today != s.day {
		if today > s.day {
			s.used = [2]int64{}
		}
		s.day = today
	}
	if s.live != nil && now >= s.live.soonest {
		s.expire()
	}
	return now
}

// back moves everything back by d, as the clock did.
func (s *State) back(d int64) {
	// Nothing is ever charged before 0, so a time before 0 means the same as 0.
	s.base[0] = max(0, s.base[0]-d)
	s.base[1] = max(0, s.base[1]-d)
	l := s.live
	if l == nil {
		return
	}
	l.known = false
	l.run.back(d)
	l.soonest = max(0, l.soonest-d)
	today := (s.now - d) / dayLength
	for i := l.grants.head; i < len(l.grants.list); i++ {
		g := &l.grants.list[i]
		g.at = max(0, g.at-d)
		g.deadline = max(0, g.deadline-d)
		if g.day == s.day {
			g.day = today
		} else {
			g.day = -1 // not a day that is still counted
		}
	}
}

// expire settles the grants whose deadline has come.
func (s *State) expire() {
	g := &s.live.grants
	soonest := int64(math.MaxInt64)
	for i := g.head; i < len(g.list); i++ {
		switch {
		case g.list[i].closed:
		case g.list[i].deadline <= s.now:
			s.settle(i, g.list[i].overdue())
		default:
			soonest = min(soonest, g.list[i].deadline)
		}
	}
	s.live.soonest = soonest
}

// after returns the arrival times after all charges.
func (s *State) after() [2]int64 {
	l := s.live
	switch {
	case l == nil:
		return s.base
	case !l.known:
		l.after, l.known = l.run.fold(s.base), true
	}
	return l.after
}

func (s *State) streams() int64 {
	if s.live == nil {
		return 0
	}
	return s.live.streams
}

// midnight is the time left of the day.
func (s *State) midnight() int64 { return dayLength - s.now%dayLength }

func (d Demand) clean() Demand {
	return Demand{
		Requests: max(0, d.Requests), Tokens: max(0, d.Tokens),
		Streams: max(0, d.Streams), Prompt: max(0, d.Prompt),
	}
}

func (d Demand) in(dim Dimension) int64 {
	switch dim {
	case Requests:
		return d.Requests
	case Tokens:
		return d.Tokens
	default:
		return d.Streams
	}
}
