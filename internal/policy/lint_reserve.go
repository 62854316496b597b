package policy

import (
	"fmt"
	"math/big"
	"slices"

	"bartizan/internal/ratelimit"
)

// worst compares what a request without a cap reserves in the worst case with the limits
// that bind it. Of several that are too small it names the smallest.
func (l *linter) worst(path string, most int64, choices int, limits ratelimit.Limits) {
	need := product(most, int64(choices))
	var by *ratelimit.Limit
	for i := range limits {
		x := &limits[i]
		if l.takes(need, *x).Cmp(big.NewInt(x.Ceiling())) > 0 && (by == nil || x.Ceiling() < by.Ceiling()) {
			by = x
		}
	}
	if by != nil {
		l.remark(Notable, "worst-reserve", path, "lower max_output, or raise the limit",
			"a request that sets no cap and asks for %s reserves %s tokens of answer, more than %s grants at once: it is never served",
			answers(choices), need, *by)
	}
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

func answers(n int) string {
	if n == 1 {
		return "one answer"
	}
	return fmt.Sprintf("%d answers", n)
}

// takes is what so many tokens of answer take of a limit; 0 of one that does not count them,
// or refuses nothing.
func (l *linter) takes(tokens *big.Int, x ratelimit.Limit) *big.Int {
	switch {
	case x.Amount <= 0 || x.Shadow:
	case bindsOutput(x):
		return tokens
	case x.Dimension == ratelimit.Cost:
		dearest := int64(0)
		for _, p := range l.spec.Prices {
			dearest = max(dearest, p.Output)
		}
		const million = 1_000_000
		micro := new(big.Int).Mul(tokens, big.NewInt(dearest))
		return micro.Quo(micro, big.NewInt(million))
	}
	return new(big.Int)
}

// worstOfTier looks at a tier that reserves the worst case, and at what it has of models.
func (l *linter) worstOfTier(path string, t TierSpec) {
	if !t.ReserveWorst {
		return
	}
	l.worst(path+".reserve", t.MaxOutput, t.Coarsen.Choices(), append(slices.Clone(t.Limits), t.Key...))
	for i, m := range t.Models {
		most, profile := t.MaxOutput, t.Coarsen
		if m.MaxOutput > 0 {
			most = m.MaxOutput
		}
		if m.Coarsen != nil {
			profile = *m.Coarsen
		}
		l.worst(fmt.Sprintf("%s.models[%d].limits", path, i), most, profile.Choices(), m.Limits)
	}
}

// worstOfGroup looks at the limits of an organisation, whose accounts may be in any tier.
func (l *linter) worstOfGroup(path string, limits ratelimit.Limits) {
	for _, name := range l.policy.Tiers() {
		t := l.spec.Tiers[name]
		if t.ReserveWorst {
			l.worst(path, t.MaxOutput, t.Coarsen.Choices(), limits)
		}
	}
}
