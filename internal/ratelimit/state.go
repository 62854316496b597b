package ratelimit

import (
	"math"
	"time"
)

// patience is how far a time may lie before the newest one seen and still be taken
// for a late arrival: requests carry the time at which they came, and are reserved
// for once their body has been read.
const patience = int64(10 * time.Minute)

// State is all that limits one account, or one of the others that a [Nest] names. The
// zero value has spent nothing. A State must not be copied once in use.
//
// Time never runs backwards in a State. A time that is up to ten minutes before the
// newest one seen counts as the newest. One that lies further back means that the
// clock was set back: everything that is noted moves back with it and the counters of
// the calendar are kept, so that setting the clock back gives and takes nothing. A step
// forward cannot be told from a rest: it restores at most one burst, and one past
// midnight begins a day. Limits may differ from call to call: the share of a short
// window that is spent stays spent, and so do the counts of hour, day and month.
type State struct {
	base amounts // arrival times before the run
	now  int64   // newest stamp seen
	last uint64  // newest grant
	used [calendar][counted]int64
	live *live // what is under way
}

// live is the part of a state that an account at rest does not need.
type live struct {
	prompts  *promptSet // nil while no limit counts them
	soonest  int64      // no open grant has an earlier deadline
	streams  int64
	inFlight int64
	run      run
	grants   table
	// after caches the arrival times after the run.
	after amounts
	known bool
}

// Charge is what [State.Check] worked out for [State.Take].
type Charge struct {
	limit, inc amounts
	marks      uint8 // windows in which the prompt is new
	prompts    bool  // a limit counts prompts
	shadowed   bool
	shadow     Denial
}

// Shadow returns what a limit that only watches would have refused.
func (c *Charge) Shadow() (Denial, bool) { return c.shadow, c.shadowed }

// Reserve checks d against every limit and charges all of them, or none: a refused
// demand leaves the account as it was. A dimension of which d wants nothing is not
// checked. The grant, never 0, is to be settled once. One that is still open at the
// deadline settles itself, at the next call of any method that is given a time: at
// what [State.Progress] noted, and at least at d.Prompt. If neither says
// anything it stays charged as reserved.
func (s *State) Reserve(now time.Time, ls Limits, d Demand, deadline time.Time) (id uint64, denial *Denial) {
	var c Charge
	if worst, refused := s.Check(now, ls, &d, &c); refused {
		answer := worst // only a refusal allocates
		return 0, &answer
	}
	return s.Take(&d, deadline, &c), nil
}

// Check is the first half of [State.Reserve]: it changes nothing but the time, and
// fills c. It reports whether d is refused, and if so the denial with the longest wait.
func (s *State) Check(now time.Time, ls Limits, d *Demand, c *Charge) (worst Denial, refused bool) {
	s.observe(now)
	d.clean()
	after := s.after()
	c.marks = s.newIn(d)
	wants := d.rates()
	for i := range ls {
		l := &ls[i]
		if l.Amount <= 0 {
			continue
		}
		n := c.in(d, &wants, l)
		if l.Window == Minute {
			k := int(l.Dimension) % rates
			c.limit[k], c.inc[k] = l.Amount, charge(n, l.Amount)
		}
		if n == 0 || s.fits(l, n, c, after) {
			continue
		}
		next := s.refuse(l, n, c, after)
		if l.Shadow {
			c.watch(l, next)
			continue
		}
		if !refused || next.Outlasts(&worst) {
			refused, worst = true, next
		}
	}
	return worst, refused
}

// watch notes what a limit would have refused, and charges it nothing.
func (c *Charge) watch(l *Limit, denial Denial) {
	if l.Window == Minute {
		c.limit[int(l.Dimension)%rates] = 0
	}
	if !c.shadowed || denial.Outlasts(&c.shadow) {
		c.shadowed, c.shadow = true, denial
	}
}

// in is what the demand wants of the limit.
func (c *Charge) in(d *Demand, wants *amounts, l *Limit) int64 {
	switch l.Dimension {
	case Streams:
		return d.Streams
	case InFlight:
		return d.InFlight
	case Prompts:
		c.prompts = true
		if d.PromptHash == 0 {
			return d.Prompts
		}
		return int64(c.marks >> (l.Window - Hour) & 1)
	default:
		return wants[int(l.Dimension)%rates]
	}
}

// newIn returns the windows, as bits, in which the demand's prompt has not been counted.
func (s *State) newIn(d *Demand) uint8 {
	if d.PromptHash == 0 {
		return 0
	}
	const all = 1<<calendar - 1
	if s.live == nil {
		return all
	}
	return ^s.live.prompts.marks(d.PromptHash) & all
}

// fits reports whether n more of the limit's dimension pass.
func (s *State) fits(l *Limit, n int64, c *Charge, after *amounts) bool {
	switch l.Window {
	case Minute:
		k := int(l.Dimension) % rates
		whole, slack := tolerance(l)
		return n <= l.Ceiling() && max(after[k], s.now)+c.inc[k] <= s.now+whole+slack
	case Hour, Day, Month:
		return add(s.used[l.Window-Hour][int(l.Dimension)%counted], n) <= l.Amount
	case Concurrent:
		return add(s.under(l.Dimension), n) <= l.Amount
	default:
		return false
	}
}

// refuse says how long n more of the limit's dimension have to wait.
func (s *State) refuse(l *Limit, n int64, c *Charge, after *amounts) Denial {
	if n > l.Ceiling() {
		return Denial{Limit: *l, Never: true}
	}
	var wait int64
	switch l.Window {
	case Minute:
		k := int(l.Dimension) % rates
		whole, slack := tolerance(l)
		wait = max(after[k], s.now) + c.inc[k] - (s.now + whole + slack)
	case Hour, Day, Month:
		wait = s.left(l.Window)
	case Concurrent:
		wait = int64(StreamRetry)
	}
	return Denial{Limit: *l, RetryAfter: time.Duration(wait)}
}

// Outlasts reports whether d makes a caller wait longer than other does.
func (d *Denial) Outlasts(other *Denial) bool {
	if d.Never != other.Never {
		return d.Never
	}
	return d.RetryAfter > other.RetryAfter
}

// Take is the second half of [State.Reserve]: it charges what the last call of
// [State.Check] let pass, and returns the grant.
func (s *State) Take(d *Demand, deadline time.Time, c *Charge) uint64 {
	if s.live == nil {
		s.live = &live{soonest: math.MaxInt64}
	}
	l := s.live
	at := s.now
	// Ids rise with time, so that a grant of a forgotten state is not taken for one
	// of its successor.
	s.last = max(s.last+1, uint64(at)) //nolint:gosec // a stamp is not negative
	if c.limit != (amounts{}) {
		l.after, l.known = *s.after(), true
		st := newStep(s.last, at, &c.limit, &c.inc)
		l.run.push(st, &s.base)
		st.apply(&l.after)
		l.after.bound()
	}
	g := grant{
		id: s.last, at: at, deadline: stamp(deadline), limit: c.limit, streams: d.Streams, inFlight: d.InFlight,
		counts:   1<<calendar - 1,
		reserved: [counted]int64{d.Requests, d.Tokens, d.Input, d.Output, d.Cost, d.Values, d.Prompts},
	}
	if d.PromptHash != 0 {
		g.reserved[Prompts] = 0
		if c.prompts {
			g.prompt, g.added = d.PromptHash, c.marks
			if l.prompts == nil {
				l.prompts = &promptSet{}
			}
			l.prompts.mark(d.PromptHash, c.marks)
		}
	}
	if d.Prompt > 0 {
		g.known = true
		g.spent[Tokens], g.spent[Input] = d.Prompt, d.Input
		g.spent[Cost] = share(d.Cost, d.Prompt, d.Tokens)
	}
	for w := range s.used {
		for k := range s.used[w] {
			s.used[w][k] = add(s.used[w][k], g.reserved[k])
		}
		s.used[w][Prompts] = add(s.used[w][Prompts], int64(g.added>>w&1))
	}
	l.streams = add(l.streams, d.Streams)
	l.inFlight = add(l.inFlight, d.InFlight)
	l.grants.push(g)
	l.soonest = min(l.soonest, g.deadline)
	return s.last
}

// share is the part of whole that n is of all.
func share(whole, n, all int64) int64 {
	if all <= 0 || n >= all {
		return whole
	}
	return mulDiv(whole, n, all, true, whole)
}

// Standing appends to dst how much is left of every limit that has an amount, in the
// order of ls. A demand of what remains passes that limit, and one more does not.
func (s *State) Standing(now time.Time, ls Limits, dst []Standing) []Standing {
	s.observe(now)
	after := s.after()
	for i := range ls {
		if ls[i].Amount > 0 {
			dst = append(dst, Standing{})
			s.standing(&dst[len(dst)-1], &ls[i], after)
		}
	}
	return dst
}

// standing fills in how much is left of a limit.
func (s *State) standing(st *Standing, l *Limit, after *amounts) {
	st.Limit = *l
	switch l.Window {
	case Minute:
		ahead := max(after[int(l.Dimension)%rates], s.now) - s.now
		whole, slack := tolerance(l)
		if room := whole + slack - ahead; room > 0 {
			st.Remaining = mulDiv(room, l.Amount, period, false, l.Ceiling())
		}
		st.Reset = time.Duration(max(0, ahead-slack))
	case Hour, Day, Month:
		used := s.used[l.Window-Hour][int(l.Dimension)%counted]
		st.Remaining = max(0, l.Amount-used)
		if used > 0 {
			st.Reset = time.Duration(s.left(l.Window))
		}
	case Concurrent:
		st.Remaining = max(0, l.Amount-s.under(l.Dimension))
	}
}

// Seed sets the counters of now's hour, day or month to at least used, as after a
// restart. It never adds, so seeding twice is the same as once.
func (s *State) Seed(now time.Time, w Window, used Demand) {
	s.observe(now)
	if w < Hour || w > Month {
		return
	}
	counts := &s.used[w-Hour]
	for k, n := range used.rates() {
		counts[k] = max(counts[k], n)
	}
	counts[Prompts] = max(counts[Prompts], used.Prompts)
}

// Idle settles overdue grants and reports whether the account is as good as new, so
// that its state may be forgotten. If nothing is under way it also returns the memory
// that only open grants need.
func (s *State) Idle(now time.Time) bool {
	at := s.observe(now)
	if l := s.live; l != nil && l.grants.open == 0 {
		if l.prompts == nil {
			s.live = nil
		} else {
			*l = live{prompts: l.prompts, soonest: math.MaxInt64}
		}
	}
	for _, tat := range s.base {
		if tat > at {
			return false
		}
	}
	return s.live == nil && s.used == [calendar][counted]int64{}
}

// observe takes note of the time, turns the calendar and expires grants.
func (s *State) observe(t time.Time) int64 {
	now, old := stamp(t), s.now
	if now < old {
		if old-now > patience {
			s.back(old - now)
		} else {
			now = old
		}
	}
	s.now = now
	if now/hourLength > old/hourLength {
		s.turn(old, now)
	}
	if s.live != nil && now >= s.live.soonest {
		s.expire()
	}
	return now
}

// turn begins the calendar windows anew that ended between two stamps.
func (s *State) turn(old, now int64) {
	ended := uint8(1)
	s.used[0] = [counted]int64{} // the hour
	if now/dayLength > old/dayLength {
		ended |= 1 << (Day - Hour)
		s.used[Day-Hour] = [counted]int64{}
		if !sameMonth(old, now) {
			ended |= 1 << (Month - Hour)
			s.used[Month-Hour] = [counted]int64{}
		}
	}
	l := s.live
	if l == nil {
		return
	}
	if l.prompts != nil {
		if l.prompts.clear(ended); l.prompts.n == 0 {
			l.prompts = nil
		}
	}
	g := &l.grants
	for i := g.head; i < len(g.list); i++ {
		g.list[i].counts &^= ended
	}
}

// back moves everything back by d, as the clock did. The calendar's counts stay.
func (s *State) back(d int64) {
	// Nothing is ever charged before 0, so a time before 0 means the same as 0.
	for k := range s.base {
		s.base[k] = max(0, s.base[k]-d)
	}
	l := s.live
	if l == nil {
		return
	}
	l.known = false
	l.run.back(d)
	l.soonest = max(0, l.soonest-d)
	for i := l.grants.head; i < len(l.grants.list); i++ {
		g := &l.grants.list[i]
		g.at = max(0, g.at-d)
		g.deadline = max(0, g.deadline-d)
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
			actual := g.list[i].overdue()
			s.settle(i, &actual)
		default:
			soonest = min(soonest, g.list[i].deadline)
		}
	}
	s.live.soonest = soonest
}

// after returns the arrival times after all charges; they are not to be changed.
func (s *State) after() *amounts {
	l := s.live
	if l == nil {
		return &s.base
	}
	if !l.known {
		l.after, l.known = l.run.fold(s.base), true
	}
	return &l.after
}

// under is how much of the dimension is under way.
func (s *State) under(d Dimension) int64 {
	switch {
	case s.live == nil:
		return 0
	case d == InFlight:
		return s.live.inFlight
	default:
		return s.live.streams
	}
}

// left is the time left of a calendar window.
func (s *State) left(w Window) int64 {
	switch w {
	case Hour:
		return hourLength - s.now%hourLength
	case Month:
		return monthEnd(s.now) - s.now
	default:
		return dayLength - s.now%dayLength
	}
}

func (d *Demand) clean() {
	for _, n := range []*int64{
		&d.Requests, &d.Tokens, &d.Input, &d.Output, &d.Cost, &d.Values, &d.Prompts, &d.Streams, &d.InFlight, &d.Prompt,
	} {
		*n = max(0, *n)
	}
}
