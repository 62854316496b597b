package replay

import (
	"slices"
	"time"

	"bartizan"
)

// account is what a replay keeps of one.
type account struct {
	who    bartizan.Account
	sold   bartizan.Tier // as the lookup says
	worker int

	tier  bartizan.Tier // of its newest record
	level bartizan.Level
	keys  map[string]string
	sums  *sums

	in    []bartizan.Tier    // the tiers that it was in
	hitIn [2][]bartizan.Tier // those in which a policy refused it something

	answered             int64
	input, output, lasts int64 // sums of its answered requests
}

// key names a key of the account: in a log of others two accounts may have keys of one
// name, which do not share a limit.
func (a *account) key(id string) string {
	if id == "" {
		return ""
	}
	name, ok := a.keys[id]
	if !ok {
		if a.keys == nil {
			a.keys = make(map[string]string)
		}
		name = a.who.ID + "\x00" + id
		a.keys[id] = name
	}
	return name
}

// firstIn is 1 when the account had not been in the tier.
func (a *account) firstIn(t bartizan.Tier) int64 {
	if slices.Contains(a.in, t) {
		return 0
	}
	a.in = append(a.in, t)
	return 1
}

// firstHit is 1 when the policy had refused the account nothing in the tier, and does now.
func (a *account) firstHit(lane int, t bartizan.Tier, r *ruling) int64 {
	if !r.refused && !r.would || slices.Contains(a.hitIn[lane], t) {
		return 0
	}
	a.hitIn[lane] = append(a.hitIn[lane], t)
	return 1
}

// guess is what a request spends, as far as is known.
type guess struct {
	input   int64 // the tokens that it brings, for the reservation
	usage   bartizan.Usage
	lasts   int64
	outcome bartizan.Outcome
	exact   bool // the numbers released are those of the record
	whole   bool // the answer is as long as it may be
}

// guess returns what the record says, or for one that was refused what the account's
// answered ones say. What failed has no usage, but brought a prompt all the same.
func (a *account) guess(e *event) guess {
	g := guess{input: e.usage.InputTokens, usage: e.usage, lasts: e.end - e.at, outcome: e.outcome, exact: e.exact}
	if g.input == 0 && a.answered > 0 {
		g.input = a.input / a.answered
	}
	if !e.refused {
		return g
	}
	g.outcome, g.exact, g.usage.InputTokens = bartizan.OutcomeAnswered, false, g.input
	if a.answered == 0 {
		g.whole = true
		return g
	}
	g.usage.OutputTokens = a.output / a.answered
	if most := int64(e.asked.MaxTokens) * int64(max(1, e.asked.N)); most > 0 {
		g.usage.OutputTokens = min(g.usage.OutputTokens, most)
	}
	g.lasts = a.lasts / a.answered
	return g
}

func (a *account) learn(e *event) {
	if e.refused || e.outcome != bartizan.OutcomeAnswered {
		return
	}
	a.answered++
	a.input += e.usage.InputTokens
	a.output += e.usage.OutputTokens
	a.lasts += e.end - e.at
}

// Weight is how much some requests are worth.
type Weight struct {
	Requests int64 `json:"requests"`
	Tokens   int64 `json:"tokens"`
	// MicroUSD is by the new policy's price table, in millionths of a dollar.
	MicroUSD int64 `json:"micro_usd"`
}

func (w *Weight) add(o Weight) {
	w.Requests += o.Requests
	w.Tokens += o.Tokens
	w.MicroUSD += o.MicroUSD
}

// Cause is what stopped a request. Of several limits it is that with the longest wait.
type Cause struct {
	// Code is "limit", "suspended" or "unknown_tier".
	Code      string `json:"code"`
	Dimension string `json:"dimension,omitempty"`
	Window    string `json:"window,omitempty"`
	// Of says whose limit it is: "account", "organisation", "key" or "model".
	Of string `json:"of,omitempty"`
}

// Blame is how much one cause stopped.
type Blame struct {
	Cause
	Weight
}

// Tally is what one policy does to some requests.
type Tally struct {
	// Refused is what it refuses; Would what its shadow limits would refuse but for being
	// shadows.
	Refused Weight `json:"refused"`
	Would   Weight `json:"would_refuse"`
	// NoNumbers counts answers without the numbers that were asked for, because the budget
	// for them was spent.
	NoNumbers int64 `json:"without_numbers"`
	// LongestRun is the most refusals of one account in a row.
	LongestRun int64 `json:"longest_run"`
	// LongestWait is the longest wait that a refusal told; Never counts refusals after
	// which no wait helps.
	LongestWait time.Duration `json:"longest_wait_ns"`
	Never       int64         `json:"never"`
	// NewlyRefused counts requests that the old policy, or the log, let pass and this
	// one refuses; NewlyAllowed the other way round.
	NewlyRefused int64 `json:"newly_refused"`
	NewlyAllowed int64 `json:"newly_allowed"`
	// By says what stopped them, most first.
	By []Blame `json:"by"`
}

// stopped is all that is refused or would be.
func (t *Tally) stopped() Weight {
	w := t.Refused
	w.add(t.Would)
	return w
}

func (t *Tally) add(before bool, worth Weight, r *ruling) {
	if r.plain && !r.refused {
		t.NoNumbers++
	}
	if r.would {
		t.Would.add(worth)
	}
	switch {
	case r.refused && !before:
		t.NewlyRefused++
	case before && !r.refused:
		t.NewlyAllowed++
	}
	if !r.refused {
		return
	}
	t.Refused.add(worth)
	t.LongestWait = max(t.LongestWait, r.decision.RetryAfter)
	if r.never {
		t.Never++
	}
}

// blame notes what stopped a request, and reports whether that is new.
func (t *Tally) blame(c Cause, worth Weight) bool {
	for i := range t.By {
		if t.By[i].Cause == c {
			t.By[i].add(worth)
			return false
		}
	}
	t.By = append(t.By, Blame{c, worth})
	return true
}

// merge adds the tally of others.
func (t *Tally) merge(o *Tally) {
	t.Refused.add(o.Refused)
	t.Would.add(o.Would)
	t.NoNumbers += o.NoNumbers
	t.LongestRun = max(t.LongestRun, o.LongestRun)
	t.LongestWait = max(t.LongestWait, o.LongestWait)
	t.Never += o.Never
	t.NewlyRefused += o.NewlyRefused
	t.NewlyAllowed += o.NewlyAllowed
	for _, b := range o.By {
		t.blame(b.Cause, b.Weight)
	}
}

// sums are the totals of an account or a tier.
type sums struct {
	all      Weight
	recorded Weight // refused when it was recorded
	lanes    []Tally
	accounts int64
	hit      []int64
	run      []int64 // refusals in a row, of an account
}

func newSums(lanes int) *sums {
	return &sums{lanes: make([]Tally, lanes), hit: make([]int64, lanes), run: make([]int64, lanes)}
}

func (s *sums) add(refused bool, worth Weight, now []ruling) {
	s.all.add(worth)
	if refused {
		s.recorded.add(worth)
	}
	before := refused
	for i := range now {
		s.lanes[i].add(before, worth, &now[i])
		before = now[i].refused
	}
}

// follow notes whether a refusal of an account follows another, and returns how many there
// are in a row.
func (s *sums) follow(lane int, refused bool) int64 {
	if !refused {
		s.run[lane] = 0
		return 0
	}
	s.run[lane]++
	s.lanes[lane].LongestRun = max(s.lanes[lane].LongestRun, s.run[lane])
	return s.run[lane]
}

func (s *sums) merge(o *sums) {
	s.all.add(o.all)
	s.recorded.add(o.recorded)
	s.accounts += o.accounts
	for i := range s.lanes {
		s.lanes[i].merge(&o.lanes[i])
		s.hit[i] += o.hit[i]
	}
}
