package policy_test

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

func limit(d ratelimit.Dimension, w ratelimit.Window, amount int64) ratelimit.Limit {
	return ratelimit.Limit{Dimension: d, Window: w, Amount: amount}
}

func profile(t testing.TB, name string) coarsen.Profile {
	t.Helper()
	p, ok := coarsen.Shipped(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	return p
}

// short lists remarks as "severity rule path".
func short(remarks []policy.Remark) []string {
	out := []string{}
	for _, r := range remarks {
		out = append(out, string(r.Severity)+" "+r.Rule+" "+r.Path)
	}
	return out
}

// one returns a policy of one tier, t, in which nothing is amiss.
func one(t testing.TB) policy.Spec {
	t.Helper()
	return policy.Spec{
		Tiers: map[bartizan.Tier]policy.TierSpec{"t": {
			Limits: ratelimit.Limits{
				limit(ratelimit.Requests, ratelimit.Minute, 60), limit(ratelimit.Requests, ratelimit.Day, 5_000),
				limit(ratelimit.Tokens, ratelimit.Minute, 100_000), limit(ratelimit.Tokens, ratelimit.Day, 3_000_000),
			},
			MaxOutput: 8_192, DefaultOutput: 256, Coarsen: profile(t, "standard"),
		}},
		Levels: policy.Default().Levels,
	}
}

func TestLintShipped(t *testing.T) {
	t.Parallel()
	want := []string{
		"note full-logprobs tiers.partner.coarsen",
		"note no-long-window tiers.partner.limits",
		"note no-numbers tiers.public.limits.numeric_values.per_day",
		"note fast tiers.trusted.limits",
	}
	if diff := cmp.Diff(want, short(policy.Lint(policy.Default()))); diff != "" {
		t.Errorf("Lint(shipped) (-want +got):\n%s", diff)
	}
	// A tier that somebody has written is theirs to answer for.
	s := policy.Default()
	partner := s.Tiers[bartizan.TierPartner]
	partner.DefaultOutput = 300
	s.Tiers[bartizan.TierPartner] = partner
	want[0], want[1] = "warning full-logprobs tiers.partner.coarsen", "warning no-long-window tiers.partner.limits"
	if diff := cmp.Diff(want, short(policy.Lint(s))); diff != "" {
		t.Errorf("Lint(changed partner) (-want +got):\n%s", diff)
	}
}

func TestLintRules(t *testing.T) {
	t.Parallel()
	add := func(limits ...ratelimit.Limit) func(*policy.TierSpec) {
		return func(s *policy.TierSpec) { s.Limits = append(s.Limits, limits...) }
	}
	drop := func(s *policy.TierSpec, d ratelimit.Dimension, w ratelimit.Window) {
		var kept ratelimit.Limits
		for _, l := range s.Limits {
			if l.Dimension != d || l.Window != w {
				kept = append(kept, l)
			}
		}
		s.Limits = kept
	}
	cases := map[string]struct {
		tier func(*policy.TierSpec)
		spec func(*policy.Spec)
		want []string
	}{
		"nothing amiss": {},
		"the worst case fits": {
			tier: func(s *policy.TierSpec) { s.ReserveWorst = true },
		},
		"a limit is smaller than the worst case": {
			tier: func(s *policy.TierSpec) {
				s.ReserveWorst, s.MaxOutput = true, 60_000
				s.Coarsen = profile(t, "trusted")
			},
			want: []string{"note worst-reserve tiers.t.reserve"},
		},
		"limits of parts are smaller than the worst case": {
			tier: func(s *policy.TierSpec) {
				s.ReserveWorst = true
				s.Models = []policy.ModelSpec{{Match: "big", Limits: ratelimit.Limits{limit(ratelimit.Output, ratelimit.Hour, 8_191)}}}
			},
			spec: func(s *policy.Spec) {
				s.Organisations = map[string]ratelimit.Limits{"*": {limit(ratelimit.Cost, ratelimit.Month, 100_000)}}
				s.Prices = []policy.Price{{Match: "free"}, {Match: "*", Output: 20_000_000}}
			},
			want: []string{
				"note worst-reserve tiers.t.models[0].limits", "note worst-reserve organisations.*.limits", "note price-gap prices[0]",
			},
		},
		"a key has more than its account": {
			tier: func(s *policy.TierSpec) {
				s.Key = ratelimit.Limits{limit(ratelimit.Requests, ratelimit.Day, 5_001), limit(ratelimit.Requests, ratelimit.Minute, 60)}
			},
			want: []string{"error key-above-account tiers.t.key.limits.requests.per_day"},
		},
		"a model has more than the tier": {
			tier: func(s *policy.TierSpec) {
				s.Models = []policy.ModelSpec{{Match: "big", Limits: ratelimit.Limits{limit(ratelimit.Tokens, ratelimit.Day, 4_000_000)}}}
			},
			want: []string{"error model-above-tier tiers.t.models[0].limits.tokens.per_day"},
		},
		"an organisation has less than any account": {
			spec: func(s *policy.Spec) {
				s.Organisations = map[string]ratelimit.Limits{"*": {limit(ratelimit.Requests, ratelimit.Day, 4_999)}}
			},
			want: []string{"error organisation-below-account organisations.*.limits.requests.per_day"},
		},
		"an organisation has less than some accounts": {
			spec: func(s *policy.Spec) {
				s.Organisations = map[string]ratelimit.Limits{"acme": {limit(ratelimit.Requests, ratelimit.Day, 4_999)}}
				small := s.Tiers["t"]
				small.Limits = ratelimit.Limits{limit(ratelimit.Requests, ratelimit.Day, 100)}
				s.Tiers["small"] = small
			},
			want: []string{"note organisation-below-account organisations.acme.limits.requests.per_day"},
		},
		"a level replaces by more than it leaves": {
			spec: func(s *policy.Spec) {
				s.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsNum: 1, LimitsDen: 2, Replace: ratelimit.Limits{
					limit(ratelimit.Requests, ratelimit.Minute, 30), limit(ratelimit.Requests, ratelimit.Day, 2_499),
				}}
			},
			want: []string{"error replace-without-effect levels.watch.replace.requests.per_minute"},
		},
		"a level replaces what no tier has": {
			spec: func(s *policy.Spec) {
				s.Levels[bartizan.LevelRestricted] = policy.LevelSpec{LimitsNum: 1, LimitsDen: 10, Replace: ratelimit.Limits{
					limit(ratelimit.Prompts, ratelimit.Day, 1),
				}}
			},
			want: []string{"error replace-without-effect levels.restricted.replace.prompts.per_day"},
		},
		"a level changes nothing": {
			spec: func(s *policy.Spec) { s.Levels[bartizan.LevelRestricted] = policy.LevelSpec{} },
			want: []string{"warning level-without-effect levels.restricted"},
		},
		"an answer of no stated length takes more than half of a minute": {
			tier: func(s *policy.TierSpec) { s.DefaultOutput = 6_000; s.Limits[2].Burst = 10_000 },
			want: []string{"warning default-output tiers.t.default_output"},
		},
		"an answer that no key is granted": {
			tier: func(s *policy.TierSpec) {
				s.Key = ratelimit.Limits{limit(ratelimit.Output, ratelimit.Minute, 8_000)}
			},
			want: []string{"error output-above-key tiers.t.max_output"},
		},
		"an entry behind one that matches all of it": {
			tier: func(s *policy.TierSpec) {
				s.Models = []policy.ModelSpec{{Match: "*", MaxOutput: 100}, {Match: "big-*", MaxOutput: 10}, {Match: "org/*", MaxOutput: 10}}
			},
			want: []string{"error unreachable tiers.t.models[1].match"},
		},
		"a price behind one that matches all of it": {
			spec: func(s *policy.Spec) {
				s.Prices = []policy.Price{{Match: "big-*", Input: 1}, {Match: "big-7?b", Input: 2}, {Match: "*", Input: 1}}
			},
			want: []string{"error unreachable prices[1]"},
		},
		"a day of 1,440 minutes": {
			tier: add(limit(ratelimit.Input, ratelimit.Minute, 1_000), limit(ratelimit.Input, ratelimit.Day, 1_440_000)),
			want: []string{"warning does-not-bind tiers.t.limits.input_tokens.per_day"},
		},
		"a day of a little less": {
			tier: add(limit(ratelimit.Input, ratelimit.Minute, 1_000), limit(ratelimit.Input, ratelimit.Day, 1_439_999)),
		},
		"an hour of 60 minutes, and a month of 31 days": {
			tier: add(limit(ratelimit.Requests, ratelimit.Hour, 3_600), limit(ratelimit.Requests, ratelimit.Month, 155_000)),
			want: []string{
				"warning does-not-bind tiers.t.limits.requests.per_hour", "warning does-not-bind tiers.t.limits.requests.per_month",
			},
		},
		"tokens that the longest answers never reach": {
			tier: func(s *policy.TierSpec) { s.MaxOutput, s.DefaultOutput = 70, 70 }, // 5,000 requests of four answers of 70 are 1.4 million
			want: []string{
				"warning does-not-bind tiers.t.limits.tokens.per_minute", "warning does-not-bind tiers.t.limits.tokens.per_day",
			},
		},
		"tokens of answers that the longest answers never reach": {
			tier: func(s *policy.TierSpec) {
				drop(s, ratelimit.Tokens, ratelimit.Day)
				s.Limits = append(s.Limits, limit(ratelimit.Output, ratelimit.Day, 5_000*4*8_192))
			},
			want: []string{"warning does-not-bind tiers.t.limits.output_tokens.per_day"},
		},
		"as many prompts as requests": {
			tier: add(limit(ratelimit.Prompts, ratelimit.Day, 5_000)),
			want: []string{"warning does-not-bind tiers.t.limits.prompts.per_day"},
		},
		"as many streams as requests at once": {
			tier: add(limit(ratelimit.Streams, ratelimit.Concurrent, 5), limit(ratelimit.InFlight, ratelimit.Concurrent, 5)),
			want: []string{"warning does-not-bind tiers.t.limits.streams"},
		},
		"a burst of more than a day": {
			tier: func(s *policy.TierSpec) { s.Limits[0].Burst = 5_001 },
			want: []string{"warning burst tiers.t.limits.requests.burst"},
		},
		"a cost limit without a price": {
			tier: add(limit(ratelimit.Cost, ratelimit.Day, 1_000_000), limit(ratelimit.Cost, ratelimit.Month, 2_000_000)),
			want: []string{"error cost-without-price tiers.t.limits.cost.per_day"},
		},
		"a cost limit without a price for some models": {
			tier: add(limit(ratelimit.Cost, ratelimit.Day, 1_000_000)),
			spec: func(s *policy.Spec) { s.Prices = []policy.Price{{Match: "big-*", Input: 1}} },
			want: []string{"note price-gap prices"},
		},
		"a limit on numbers where none are told": {
			tier: func(s *policy.TierSpec) {
				s.Coarsen = profile(t, "public")
				s.Limits = append(s.Limits, limit(ratelimit.Values, ratelimit.Day, 1_000))
			},
			want: []string{"note no-numbers tiers.t.limits.numeric_values.per_day"},
		},
		"twenty alternatives": {
			tier: func(s *policy.TierSpec) { s.Coarsen = profile(t, "partner") },
			want: []string{"warning full-logprobs tiers.t.coarsen"},
		},
		"log-probabilities of forced tokens for a model": {
			tier: func(s *policy.TierSpec) {
				open := profile(t, "standard")
				open.ForcedTokens = coarsen.ForcedAllow
				s.Models = []policy.ModelSpec{{Match: "big", Coarsen: &open}}
			},
			want: []string{"warning full-logprobs tiers.t.models[0].coarsen"},
		},
		"fine steps": {
			tier: func(s *policy.TierSpec) { s.Coarsen.Logprobs.Step, s.Coarsen.Logprobs.Floor = 0.001, 1e-9 },
			want: []string{"warning full-logprobs tiers.t.coarsen"},
		},
		"no long window": {
			tier: func(s *policy.TierSpec) {
				drop(s, ratelimit.Requests, ratelimit.Day)
				drop(s, ratelimit.Tokens, ratelimit.Day)
			},
			want: []string{"warning no-long-window tiers.t.limits"},
		},
		"a long window that only watches": {
			tier: func(s *policy.TierSpec) {
				drop(s, ratelimit.Tokens, ratelimit.Day)
				s.Limits[1].Shadow = true
			},
			want: []string{"warning shadow tiers.t.limits.requests.shadow", "warning no-long-window tiers.t.limits"},
		},
		"a million answers in 29 days": {
			tier: func(s *policy.TierSpec) { s.Limits[1].Amount, s.Limits[3].Amount = 34_500, 100_000_000 },
			want: []string{"warning fast tiers.t.limits"},
		},
		"shadow mode": {
			spec: func(s *policy.Spec) { s.Shadow = true },
			want: []string{"warning shadow shadow"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := one(t)
			if c.tier != nil {
				tier := s.Tiers["t"]
				c.tier(&tier)
				s.Tiers["t"] = tier
			}
			if c.spec != nil {
				c.spec(&s)
			}
			compile(t, s) // what is illegal is not lint
			remarks := policy.Lint(s)
			if diff := cmp.Diff(append([]string{}, c.want...), short(remarks)); diff != "" {
				t.Errorf("Lint() (-want +got):\n%s", diff)
			}
			for _, r := range remarks {
				if r.Says == "" || r.Fix == "" || strings.Contains(r.Says, "%!") {
					t.Errorf("Lint() = %+v; want two whole sentences", r)
				}
			}
		})
	}
}

func TestLintLeavesFaultsToCompile(t *testing.T) {
	t.Parallel()
	if got := policy.Lint(policy.Spec{}); got != nil {
		t.Errorf("Lint(no tier) = %v; want nil", got)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		a, b string
		want bool
	}{
		{"*", "gpt", true},
		{"*", "gpt-*", true},
		{"*", "org/gpt", false},
		{"*/*", "org/gpt-*", true},
		{"gpt-*", "gpt-4?", true},
		{"gpt-*", "gp*", false},
		{"gpt-?", "gpt-*", false},
		{"gpt-?", "gpt-[34]", true},
		{"gpt-?", "gpt-[^4]", false}, // which matches a slash
		{"gpt-[34]", "gpt-4", true},
		{"gpt-[34]", "gpt-5", false},
		{"*-mini", "gpt-*-mini", true},
		{"a*b*c", "ab*xbc", true},
		{`\*`, "*", false},
		{`\*`, `\*`, true},
		{"*", `\*`, true},
		{"a", "a", true},
	}
	for _, c := range cases {
		if got := policy.Covers(c.a, c.b); got != c.want {
			t.Errorf("Covers(%q, %q) = %v; want %v", c.a, c.b, got, c.want)
		}
	}
}

// What Covers says holds for every name.
func TestCoversHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "/", "*", "?", "[ab]", "[^a]", "[a-z]", `\a`, `\*`}), 1, 5).Draw(t, "parts"), "")
		})
		a, b := pattern.Draw(t, "a"), pattern.Draw(t, "b")
		name := rapid.StringOfN(rapid.RuneFrom([]rune("ab/*z")), 0, 6, -1).Draw(t, "name")
		inA, errA := path.Match(a, name)
		inB, errB := path.Match(b, name)
		if errA == nil && errB == nil && inB && !inA && policy.Covers(a, b) {
			t.Fatalf("Covers(%q, %q), but only the second matches %q", a, b, name)
		}
	})
}
