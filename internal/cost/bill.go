package cost

import (
	"math"
	"math/big"
)

const million = 1_000_000

// Bill is what a collection takes.
type Bill struct {
	// Answers is how many answers are asked for in all.
	Answers int64 `json:"answers"`
	// Values is how many numeric values are wanted; 0 for a bill of answers.
	Values int64 `json:"values,omitempty"`
	// Never means that no time is enough: a limit is smaller than one answer, or no
	// numbers are released. Days and MicroUSD are then 0.
	Never bool `json:"never,omitempty"`
	// Days is the time from the first request to the last, in days of 24 hours. The
	// latency of the last answer is not in it.
	Days float64 `json:"days"`
	// MicroUSD is the price of all answers, rounded up, and of the accounts, in
	// millionths of a US dollar and at most the greatest int64.
	MicroUSD int64 `json:"micro_usd"`
	// Binding is the limit that takes the longest by itself, the first of equals. It
	// is nil when nothing has to wait, or when no numbers are released.
	Binding *Limit `json:"binding,omitempty"`
}

// Collect returns the bill for n answers. Negative numbers count as 0; see
// [Tier.Validate] and [Attacker.Validate] for what makes sense. Limits on [Values] do
// not slow it.
func Collect(t Tier, a Attacker, n int64) Bill {
	n = max(0, n)
	return settle(t.Without(Values), a, 1, float64(n), Bill{Answers: n})
}

// Reach returns the bill for the values of a target. Each answer brings as many as the
// tier releases, up to the tier's limits on [Values].
//
// Use [Tier.Only] and [Tier.Without] with [Values] for the time that the budget, or
// that the limits on answers, take by themselves.
func Reach(t Tier, a Attacker, target Target) Bill {
	b := Bill{Values: max(0, target.Values)}
	perAnswer := t.values(a)
	if perAnswer <= 0 {
		b.Never = b.Values > 0
		return b
	}
	b.Answers = whole(math.Ceil(float64(b.Values) / perAnswer))
	return settle(t, a, perAnswer, float64(b.Values), b)
}

// settle fills in the time and the money for n items, of which an answer brings
// perAnswer.
func settle(t Tier, a Attacker, perAnswer, n float64, b Bill) Bill {
	b.MicroUSD = price(t, a, b.Answers)
	if n <= 0 {
		return b
	}
	var grants []grant
	slowest := 0.0
	for _, l := range t.Limits {
		g, ok := newGrant(l, t, a, perAnswer)
		if !ok {
			continue
		}
		if !g.possible() {
			b.Never, b.MicroUSD, b.Binding = true, 0, &l
			return b
		}
		if at := g.alone(n); at > slowest {
			slowest, b.Binding = at, &l
		}
		grants = append(grants, g)
	}
	minutes, ok := newWalk(grants).reach(n)
	if !ok {
		minutes = slowest
	}
	b.Days = minutes / minutesPerDay
	return b
}

// price is what the answers and the accounts cost, in whole numbers of any size.
func price(t Tier, a Attacker, answers int64) int64 {
	product := func(x, y int64) *big.Int {
		return new(big.Int).Mul(big.NewInt(max(0, x)), big.NewInt(max(0, y)))
	}
	sum := product(a.PromptTokens, t.Price.Input)
	sum.Add(sum, product(t.answerTokens(a.AnswerTokens), t.Price.Output))
	sum.Mul(sum, big.NewInt(answers))
	sum.Add(sum, big.NewInt(million-1)).Quo(sum, big.NewInt(million))
	sum.Add(sum, product(max(1, a.Accounts), a.AccountMicroUSD))
	if !sum.IsInt64() {
		return math.MaxInt64
	}
	return sum.Int64()
}
