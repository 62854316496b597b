package guard_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/counters"
	"bartizan/internal/guard"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/wire"
)

// watching returns the shipped policy with levels that only watch.
func watching(levels ...bartizan.Level) policy.Spec {
	s := policy.Default()
	for _, level := range levels {
		spec := s.Levels[level]
		spec.Shadow = true
		s.Levels[level] = spec
	}
	return s
}

func guardOf(t *testing.T, s policy.Spec) *guard.Guard {
	t.Helper()
	p, err := policy.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return guard.New(p, counters.NewMemory(), guard.Options{})
}

// has reports whether a decision has the reason.
func has(d bartizan.Decision, code string) bool {
	for _, r := range d.Reasons {
		if r.Code == code {
			return true
		}
	}
	return false
}

// A level that only watches refuses nothing, and what it records is, request for request,
// what it refuses when it acts: limits per minute, with settlements, lengths that it
// narrows, and pauses in between.
func TestShadowLevelSaysWhatTheLevelWouldDo(t *testing.T) {
	t.Parallel()
	const seed = 20_260_501
	rnd := rand.New(rand.NewPCG(seed, 1))
	tier := policy.TierSpec{
		Limits: ratelimit.Limits{
			{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 10_000},
			{Dimension: ratelimit.Output, Window: ratelimit.Minute, Amount: 1_000_000},
		},
		Key: ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: 1_500_000}},
		Models: []policy.ModelSpec{{Match: "m", Limits: ratelimit.Limits{
			{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 5_000},
		}}},
		MaxOutput: 2_000, DefaultOutput: 100, Coarsen: policy.Default().Tiers[bartizan.TierStandard].Coarsen,
	}
	guards := map[bool]*guard.Guard{}
	for _, shadow := range []bool{true, false} {
		s := policy.Default()
		s.Tiers = map[bartizan.Tier]policy.TierSpec{"t": tier}
		s.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsNum: 1, LimitsDen: 500, Shadow: shadow}
		s.Levels[bartizan.LevelRestricted] = policy.LevelSpec{}
		guards[shadow] = guardOf(t, s)
	}
	account := bartizan.Account{ID: "a", Tier: "t", Level: bartizan.LevelWatch}
	now, refused := noon, 0
	type open struct {
		end  time.Time
		adms map[bool]*guard.Admission
		used int64
	}
	var under []open
	const requests = 4_000
	for range requests {
		now = now.Add(time.Duration(rnd.IntN(4_000)) * time.Millisecond)
		rest := under[:0]
		for _, o := range under {
			if o.end.After(now) {
				rest = append(rest, o)
				continue
			}
			for shadow, adm := range o.adms {
				usage := bartizan.Usage{InputTokens: 10, OutputTokens: o.used}
				if _, err := guards[shadow].Settle(t.Context(), o.end, adm, guard.Result{
					Outcome: bartizan.OutcomeAnswered, Reached: true, Reported: true, Usage: usage, OutputBytes: 1,
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		under = rest
		request := wire.Request{Model: "m", TextBytes: 35, Asked: bartizan.Asked{MaxTokens: rnd.IntN(3) * 600, N: 1}}
		o := open{end: now.Add(time.Duration(rnd.IntN(3_000)) * time.Millisecond), adms: map[bool]*guard.Admission{}}
		verdicts := map[bool]bool{}
		for shadow, g := range guards {
			adm, err := g.Admit(t.Context(), now, &guard.Ask{Account: account, Key: "k", Route: chatRoute(t), Request: request})
			if err != nil {
				t.Fatal(err)
			}
			verdicts[shadow] = !adm.Decision.Allowed()
			if shadow {
				if !adm.Decision.Allowed() {
					t.Fatalf("a level that only watches refused: %+v", adm.Decision)
				}
				verdicts[shadow] = has(adm.Decision, "shadow_limit")
			}
			if !adm.Decision.Allowed() {
				continue
			}
			o.adms[shadow] = &adm
		}
		if verdicts[true] != verdicts[false] {
			t.Fatalf("at %s: the level in shadow says %t, acting %t (seed %d)", now, verdicts[true], verdicts[false], seed)
		}
		if verdicts[false] {
			refused++
		}
		// What the level lets through at most.
		o.used = int64(rnd.IntN(40))
		under = append(under, o)
	}
	if refused < requests/20 || refused > requests*19/20 {
		t.Errorf("%d of %d requests were refused; the test wants both kinds", refused, requests)
	}
}

// What hours, days and months count is what was served, before the level came too.
func TestShadowLevelCountsWhatWasServed(t *testing.T) {
	t.Parallel()
	s := watching(bartizan.LevelWatch)
	tier := s.Tiers[bartizan.TierStandard]
	tier.Limits = ratelimit.Limits{
		{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: 20},
		{Dimension: ratelimit.InFlight, Window: ratelimit.Concurrent, Amount: 100},
	}
	s.Tiers[bartizan.TierStandard] = tier
	g := guardOf(t, s)
	var got []bool
	for i := range 21 {
		account := bartizan.Account{ID: "a", Tier: bartizan.TierStandard}
		if i >= 8 {
			account.Level = bartizan.LevelWatch
		}
		adm, err := g.Admit(t.Context(), noon, &guard.Ask{Account: account, Route: chatRoute(t), Request: ask(1)})
		if err != nil {
			t.Fatal(err)
		}
		if adm.Decision.Allowed() != (i < 20) {
			t.Errorf("request %d: %+v; want 20 to pass", i+1, adm.Decision)
		}
		got = append(got, has(adm.Decision, "shadow_limit"))
	}
	for i, shadowed := range got {
		if want := i >= 10 && i < 20; shadowed != want {
			t.Errorf("request %d: in shadow %t; want %t, of a day's 20 the level leaves 10", i+1, shadowed, want)
		}
	}
}

func TestShadowLevelTakesNothing(t *testing.T) {
	t.Parallel()
	scored := ask(1)
	scored.Asked.Logprobs, scored.Asked.TopLogprobs, scored.Options = true, 2, wire.Set(wire.OptionLogprobs, wire.OptionTopLogprobs)
	seeded := ask(1)
	seeded.Options = wire.Set(wire.OptionSeed)
	for name, tt := range map[string]struct {
		spec    policy.Spec
		level   bartizan.Level
		request wire.Request
		code    string
	}{
		"suspended":           {watching(bartizan.LevelSuspended), bartizan.LevelSuspended, ask(1), "shadow_suspended"},
		"log-probabilities":   {watching(bartizan.LevelWatch), bartizan.LevelWatch, scored, "shadow_level"},
		"an option":           {watching(bartizan.LevelWatch), bartizan.LevelWatch, seeded, "shadow_level"},
		"nothing was asked":   {watching(bartizan.LevelWatch), bartizan.LevelWatch, ask(1), ""},
		"another level":       {watching(bartizan.LevelWatch), bartizan.LevelNormal, scored, ""},
		"the level below too": {watching(bartizan.LevelWatch, bartizan.LevelRestricted), bartizan.LevelRestricted, scored, "shadow_level"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guardOf(t, tt.spec)
			account := bartizan.Account{ID: "a", Tier: bartizan.TierTrusted, Level: tt.level}
			adm, err := g.Admit(t.Context(), noon, &guard.Ask{Account: account, Route: chatRoute(t), Request: tt.request})
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, r := range adm.Decision.Reasons {
				codes = append(codes, r.Code)
			}
			if !adm.Decision.Allowed() || (tt.code == "") != (len(codes) == 0) || tt.code != "" && !has(adm.Decision, tt.code) {
				t.Errorf("Admit = %s with %q; want it allowed with %q", adm.Decision.Action, codes, tt.code)
			}
			below, _ := g.Policy().Rules(bartizan.TierTrusted, bartizan.LevelNormal)
			if tt.level != bartizan.LevelSuspended && (adm.Profile.Name != below.Profile.Name || adm.MaxOutput != below.MaxOutput) {
				t.Errorf("profile %s, %d tokens; want those of the level below, %s and %d",
					adm.Profile.Name, adm.MaxOutput, below.Profile.Name, below.MaxOutput)
			}
		})
	}
}
