package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/cost"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

func priced() policy.Spec {
	s := policy.Default()
	tier := s.Tiers[bartizan.TierStandard]
	tier.Key = ratelimit.Limits{{Dimension: ratelimit.Cost, Window: ratelimit.Month, Amount: 5_000_000}}
	partner, _ := coarsen.Shipped("partner")
	tier.Models = []policy.ModelSpec{{
		Match: "big-*", MaxOutput: 1_000, Coarsen: &partner,
		Limits: ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Hour, Amount: 100}},
	}}
	s.Tiers[bartizan.TierStandard] = tier
	s.Prices = []policy.Price{{Match: "big-*", Input: 3_000_000, Output: 9_000_000}, {Match: "*", Input: 100_000, Output: 400_000}}
	s.Organisations = map[string]ratelimit.Limits{"*": {{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: 9_000}}}
	return s
}

func TestCostTiers(t *testing.T) {
	t.Parallel()
	own := func(requestsMinute, requestsDay, tokensMinute, tokensDay, values, streams int64) []cost.Limit {
		return []cost.Limit{
			{Unit: cost.Requests, Span: cost.Minute, Amount: requestsMinute},
			{Unit: cost.Requests, Span: cost.Day, Amount: requestsDay},
			{Unit: cost.Tokens, Span: cost.Minute, Amount: tokensMinute},
			{Unit: cost.Tokens, Span: cost.Day, Amount: tokensDay},
			{Unit: cost.Values, Span: cost.Day, Amount: values},
			{Unit: cost.Streams, Span: cost.AtOnce, Amount: streams},
		}
	}
	key := func(dollars int64) cost.Limit {
		return cost.Limit{Unit: cost.Dollars, Span: cost.Month, Scope: cost.PerKey, Amount: dollars}
	}
	cases := map[string]struct {
		level   bartizan.Level
		model   string
		granted ratelimit.Limits
		want    cost.Tier
	}{
		"no model: the lowest price": {
			want: cost.Tier{
				Limits: append(own(60, 5_000, 100_000, 3_000_000, 50_000, 10), key(5_000_000)),
				Price:  cost.Price{Input: 100_000, Output: 400_000}, MaxOutput: 8_192, Logprobs: true,
			},
		},
		"a model with an entry": {
			model: "big-70b",
			want: cost.Tier{
				Limits: append(own(60, 5_000, 100_000, 3_000_000, 50_000, 10), key(5_000_000),
					cost.Limit{Unit: cost.Requests, Span: cost.Hour, Amount: 100}),
				Price: cost.Price{Input: 3_000_000, Output: 9_000_000}, MaxOutput: 1_000, Logprobs: true, TopK: 20,
			},
		},
		"watched, with a grant": {
			level: bartizan.LevelWatch, model: "small",
			granted: ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: 5_000_000}},
			want: cost.Tier{
				Limits: append(own(30, 2_500, 50_000, 2_500_000, 25_000, 5), key(2_500_000)),
				Price:  cost.Price{Input: 100_000, Output: 400_000}, MaxOutput: 8_192,
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.Name = "standard"
			tiers := compile(t, priced()).CostTiers(c.level, c.model, c.granted)
			if len(tiers) != 4 {
				t.Fatalf("CostTiers() = %d tiers; want 4", len(tiers))
			}
			if diff := cmp.Diff(c.want, tiers[2]); diff != "" {
				t.Errorf("CostTiers() (-want +got):\n%s", diff)
			}
			for _, tier := range tiers {
				if err := tier.Validate(); err != nil {
					t.Errorf("CostTiers() gives a faulty tier: %v", err)
				}
			}
		})
	}
}

func TestCostTiersLeaveOut(t *testing.T) {
	t.Parallel()
	if got := compile(t, priced()).CostTiers(bartizan.LevelSuspended, "", nil); len(got) != 0 {
		t.Errorf("CostTiers(suspended) = %v; want none", got)
	}
	s := policy.Default()
	s.Prices = []policy.Price{{Match: "free-*"}, {Match: "*", Input: 3, Output: 5}}
	for model, want := range map[string]cost.Price{"": {Input: 3, Output: 5}, "free-1": {}, "m": {Input: 3, Output: 5}} {
		if got := compile(t, s).CostTiers(bartizan.LevelNormal, model, nil)[0].Price; got != want {
			t.Errorf("price of model %q = %+v; want %+v", model, got, want)
		}
	}
	s = policy.Default()
	s.Shadow = true
	for _, tier := range compile(t, s).CostTiers(bartizan.LevelNormal, "", nil) {
		if len(tier.Limits) != 0 {
			t.Errorf("in shadow mode tier %s has limits %v; want none", tier.Name, tier.Limits)
		}
	}
}
