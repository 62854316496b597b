package replay

import (
	"bartizan"
	"bartizan/internal/cost"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// Tiers returns what package cost bills: the limits, the prices and the numbers that
// each tier of p has for a model, for an account that nobody suspects. An empty model,
// or one that no entry of the price table matches, costs nothing.
//
// Limits that only watch are left out, and all are under a policy in shadow. Those of
// organisations are those of ones that the policy does not name. A limit on a model is
// one on the account, which asks for no other.
func Tiers(p *policy.Policy, model string) []cost.Tier {
	const million = 1_000_000
	price := cost.Price{
		Input:  p.Cost(model, bartizan.Usage{InputTokens: million}),
		Output: p.Cost(model, bartizan.Usage{OutputTokens: million}),
	}
	tiers := make([]cost.Tier, 0, len(p.Tiers()))
	for _, name := range p.Tiers() {
		rules, ok := p.Rules(name, bartizan.LevelNormal)
		if !ok {
			continue
		}
		t := cost.Tier{Name: string(name), Price: price, MaxOutput: rules.MaxOutput}
		profile := rules.Profile
		t.Limits = billed(nil, rules.Limits, cost.PerAccount)
		t.Limits = billed(t.Limits, rules.Key, cost.PerKey)
		t.Limits = billed(t.Limits, p.Organisation("*"), cost.PerOrganisation)
		if m := rules.Model(model); m != nil && model != "" {
			profile, t.MaxOutput = m.Profile, m.MaxOutput
			t.Limits = billed(t.Limits, m.Limits, cost.PerAccount)
		}
		t.Logprobs = profile.Logprobs.Allow
		if t.Logprobs {
			t.TopK = int64(profile.Logprobs.TopK)
		}
		tiers = append(tiers, t)
	}
	return tiers
}

// billed appends limits in the words of package cost.
func billed(dst []cost.Limit, limits ratelimit.Limits, s cost.Scope) []cost.Limit {
	if dst == nil {
		dst = []cost.Limit{}
	}
	for _, l := range limits {
		if l.Shadow || l.Amount <= 0 {
			continue
		}
		dst = append(dst, cost.Limit{Unit: unit(l.Dimension), Span: span(l.Window), Scope: s, Amount: l.Amount, Burst: l.Burst})
	}
	return dst
}

func unit(d ratelimit.Dimension) cost.Unit {
	switch d {
	case ratelimit.Tokens:
		return cost.Tokens
	case ratelimit.Input:
		return cost.InputTokens
	case ratelimit.Output:
		return cost.OutputTokens
	case ratelimit.Cost:
		return cost.Dollars
	case ratelimit.Values:
		return cost.Values
	case ratelimit.Prompts:
		return cost.Prompts
	case ratelimit.Streams:
		return cost.Streams
	case ratelimit.InFlight:
		return cost.InFlight
	default:
		return cost.Requests
	}
}

func span(w ratelimit.Window) cost.Span {
	switch w {
	case ratelimit.Hour:
		return cost.Hour
	case ratelimit.Day:
		return cost.Day
	case ratelimit.Month:
		return cost.Month
	case ratelimit.Concurrent:
		return cost.AtOnce
	default:
		return cost.Minute
	}
}

// grid is what the bill shows: one account and a hundred, a million answers, and the
// width of a language model.
func grid() cost.Grid {
	return cost.Grid{Accounts: []int64{1, 100}, Answers: []int64{1_000_000}, Targets: []cost.Target{cost.HiddenSize(4096)}}
}

func newBill(o *Options, models map[string]int64) (Bill, error) {
	b := Bill{Model: o.Model}
	for model, n := range models {
		if o.Model == "" && (n > models[b.Model] || n == models[b.Model] && model < b.Model) {
			b.Model = model
		}
	}
	var err error
	if b.After, err = cost.NewTable(Tiers(o.New.Rules, b.Model), o.Attacker, grid()); err != nil {
		return b, err //nolint:wrapcheck // it says what it is
	}
	if o.Against == nil {
		return b, nil
	}
	before, err := cost.NewTable(Tiers(o.Against.Rules, b.Model), o.Attacker, grid())
	if err != nil {
		return b, err //nolint:wrapcheck // it says what it is
	}
	b.Changes = cost.CompareTables(before, b.After)
	return b, nil
}
