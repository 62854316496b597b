package cost

import "math"

// grant is a limit in terms of one collection. What is collected are items: answers,
// or values. A limit is given out in grants of one answer, or of one value.
type grant struct {
	limit Limit
	// amount and burst are those of the limit, and demand is what one grant takes.
	amount, burst, demand float64
	// items is how many items one grant brings, over all who have the limit.
	items float64
}

// newGrant returns what the limit means, and false when it does not bind.
func newGrant(l Limit, t Tier, a Attacker, perAnswer float64) (grant, bool) {
	if l.Amount <= 0 {
		return grant{}, false
	}
	g := grant{limit: l, amount: float64(l.Amount), demand: 1, items: perAnswer * a.sharers(l.Scope)}
	prompt, answer := float64(max(0, a.PromptTokens)), float64(t.answerTokens(a.AnswerTokens))
	switch l.Unit {
	case InputTokens:
		g.demand = prompt
	case OutputTokens:
		g.demand = answer
	case Tokens:
		g.demand = prompt + answer
	case Dollars: // in millionths of the unit, in which the price of an answer is whole
		g.amount *= million
		g.demand = prompt*float64(max(0, t.Price.Input)) + answer*float64(max(0, t.Price.Output))
	case Values: // one at a time: the caller may ask for fewer numbers to use up a budget
		g.items = a.sharers(l.Scope)
	case Requests, Prompts, InFlight, Streams:
	}
	g.burst = g.amount
	if l.Burst > 0 && l.Span == Minute {
		g.burst = g.burst / float64(l.Amount) * float64(l.Burst)
	}
	if l.Span == AtOnce { // c at once, each for the latency, are a bucket of c
		if a.Latency <= 0 {
			return grant{}, false
		}
		g.amount /= a.Latency.Minutes()
	}
	return g, g.demand > 0
}

// bucket tells limits that refill from those of calendar windows.
func (g *grant) bucket() bool { return g.limit.Span == Minute || g.limit.Span == AtOnce }

// window is how many items one calendar window brings.
func (g *grant) window() float64 { return g.items * math.Floor(g.amount/g.demand) }

// possible says whether the limit ever lets anything through.
func (g *grant) possible() bool { return g.burst >= g.demand }

// before is how many items a bucket that is full at p has given by t, the items of p
// included and the instant t not: an item at t belongs to the window that begins then.
func (g *grant) before(p point, t float64) float64 {
	grants := math.Ceil((g.burst+g.amount*(t-p.at))/g.demand) - 1
	return p.items + g.items*max(grants, math.Floor(g.burst/g.demand))
}

// when is the time at which a bucket that is full at p has given n items, those of p
// included.
func (g *grant) when(p point, n float64) float64 {
	grants := math.Ceil((n - p.items) / g.items)
	return p.at + max(0, (grants*g.demand-g.burst)/g.amount)
}

// alone is the time at which this limit without any other has allowed n items.
func (g *grant) alone(n float64) float64 {
	if g.bucket() {
		return g.when(point{}, n)
	}
	windows := max(0, math.Ceil(n/g.window())-1) // that must have gone by
	switch g.limit.Span {
	case Hour:
		return windows * minutesPerHour
	case Day:
		return windows * minutesPerDay
	default:
		return monthStart(whole(windows)) * minutesPerDay
	}
}

// whole turns a float into an int64, at most the greatest.
func whole(x float64) int64 {
	if x >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(x)
}
