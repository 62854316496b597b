package policy

import (
	"path"

	"bartizan"
	"bartizan/internal/cost"
	"bartizan/internal/ratelimit"
)

// CostTiers says in the terms of package cost what each tier gives at a level, in the
// order of [Policy.Tiers], to an account whose limits were raised to those granted.
//
// Where something is open, the attacker has the best of it. Limits of organisations are
// left out, because an account need not be in one, and so are limits that only watch.
// With a model, the tier's entry for it counts, at the model's price; without one, the
// tier alone at the lowest price of all. At a level that denies there is no tier.
func (p *Policy) CostTiers(level bartizan.Level, model string, granted ratelimit.Limits) []cost.Tier {
	var tiers []cost.Tier
	for _, name := range p.Tiers() {
		r, ok := p.With(name, level, granted)
		if !ok || r.Deny {
			continue
		}
		tiers = append(tiers, r.costTier(string(name), model, p.costPrice(model)))
	}
	return tiers
}

func (r *Rules) costTier(name, model string, price cost.Price) cost.Tier {
	profile, most := r.Profile, r.MaxOutput
	limits := append(costLimits(r.Limits, cost.PerAccount), costLimits(r.Key, cost.PerKey)...)
	if m := r.Model(model); m != nil && model != "" {
		profile, most = m.Profile, m.MaxOutput
		limits = append(limits, costLimits(m.Limits, cost.PerAccount)...)
	}
	return cost.Tier{
		Name: name, Limits: limits, Price: price, MaxOutput: most,
		Logprobs: profile.Logprobs.Allow || profile.Scores.Tells(), TopK: int64(profile.Logprobs.TopK),
	}
}

func costLimits(limits ratelimit.Limits, scope cost.Scope) []cost.Limit {
	out := make([]cost.Limit, 0, len(limits))
	for _, l := range limits {
		if l.Amount > 0 && !l.Shadow {
			out = append(out, cost.Limit{
				Unit: costUnit(l.Dimension), Span: costSpan(l.Window), Scope: scope, Amount: l.Amount, Burst: l.Burst,
			})
		}
	}
	return out
}

func costUnit(d ratelimit.Dimension) cost.Unit {
	return [...]cost.Unit{
		ratelimit.Requests: cost.Requests, ratelimit.Tokens: cost.Tokens, ratelimit.Input: cost.InputTokens,
		ratelimit.Output: cost.OutputTokens, ratelimit.Cost: cost.Dollars, ratelimit.Values: cost.Values,
		ratelimit.Prompts: cost.Prompts, ratelimit.Streams: cost.Streams, ratelimit.InFlight: cost.InFlight,
	}[d]
}

func costSpan(w ratelimit.Window) cost.Span {
	return [...]cost.Span{
		ratelimit.Minute: cost.Minute, ratelimit.Hour: cost.Hour, ratelimit.Day: cost.Day, ratelimit.Month: cost.Month,
		ratelimit.Concurrent: cost.AtOnce,
	}[w]
}

// costPrice is that of the model, or without one the lowest known for input and output each.
func (p *Policy) costPrice(model string) cost.Price {
	var low cost.Price
	first := true
	for _, price := range p.spec.Prices {
		if model != "" {
			if ok, _ := path.Match(price.Match, model); ok {
				return cost.Price{Input: price.Input, Output: price.Output}
			}
			continue
		}
		if !price.known() {
			continue
		}
		if first {
			low, first = cost.Price{Input: price.Input, Output: price.Output}, false
		}
		low.Input, low.Output = min(low.Input, price.Input), min(low.Output, price.Output)
	}
	return low
}
