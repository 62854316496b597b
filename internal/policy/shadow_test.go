package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/detect"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// watching marks levels of the spec as ones that only watch.
func watching(s policy.Spec, levels ...bartizan.Level) policy.Spec {
	for _, level := range levels {
		spec := s.Levels[level]
		spec.Shadow = true
		s.Levels[level] = spec
	}
	return s
}

// At a level that only watches everything holds that holds below it, and what would hold
// is what holds when it acts.
func TestShadowLevelHoldsWhatIsBelow(t *testing.T) {
	t.Parallel()
	acting := compile(t, priced())
	for name, tt := range map[string]struct {
		shadows []bartizan.Level
		below   map[bartizan.Level]bartizan.Level // of each level, the one whose rules hold
	}{
		"watch": {
			[]bartizan.Level{bartizan.LevelWatch},
			map[bartizan.Level]bartizan.Level{bartizan.LevelWatch: bartizan.LevelNormal, bartizan.LevelRestricted: bartizan.LevelRestricted},
		},
		"restricted and suspended": {
			[]bartizan.Level{bartizan.LevelRestricted, bartizan.LevelSuspended},
			map[bartizan.Level]bartizan.Level{
				bartizan.LevelNormal: bartizan.LevelNormal, bartizan.LevelWatch: bartizan.LevelWatch,
				bartizan.LevelRestricted: bartizan.LevelWatch, bartizan.LevelSuspended: bartizan.LevelWatch,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, watching(priced(), tt.shadows...))
			if p.Hash() == acting.Hash() {
				t.Error("a policy whose level only watches has the hash of one whose level acts")
			}
			for _, tier := range p.Tiers() {
				for level, below := range tt.below {
					got, _ := p.Rules(tier, level)
					want, _ := acting.Rules(tier, below)
					would, _ := acting.Rules(tier, level)
					bare := *got
					bare.Would = nil
					if diff := cmp.Diff(*want, bare); diff != "" {
						t.Errorf("tier %s at level %s (-want +got):\n%s", tier, level, diff)
					}
					if got.Would == nil {
						if level >= tt.shadows[0] {
							t.Errorf("tier %s at level %s: nothing says what would hold", tier, level)
						}
						continue
					}
					if diff := cmp.Diff(would, got.Would); diff != "" {
						t.Errorf("tier %s at level %s would (-want +got):\n%s", tier, level, diff)
					}
				}
			}
		})
	}
}

func TestExplainShadowLevel(t *testing.T) {
	t.Parallel()
	p := compile(t, watching(priced(), bartizan.LevelWatch, bartizan.LevelSuspended))
	e, _ := policy.Explain(p, policy.Question{
		Account: bartizan.Account{ID: "acme", Tier: bartizan.TierTrusted, Level: bartizan.LevelWatch}, At: noon,
	})
	if e.ShadowLevel != "watch" || e.Denied || e.WouldDeny {
		t.Errorf("shadow level %q, denied %t, would be %t; want watch, false, false", e.ShadowLevel, e.Denied, e.WouldDeny)
	}
	const want = "account acme requests.minute 600: tier trusted: 600; level watch, which only watches: would leave 300;"
	if got := told(e.Limits[0]); got != want {
		t.Errorf("limit %s\nwant %s", got, want)
	}
	steps := []policy.Step{{Source: "tier trusted", Says: "trusted"}, {Source: "level watch, which only watches", Says: "would leave public"}}
	if diff := cmp.Diff(steps, e.Profile.Steps); diff != "" || e.Profile.Name != "trusted" {
		t.Errorf("profile %s (-want +got):\n%s", e.Profile.Name, diff)
	}
	e, _ = policy.Explain(p, policy.Question{
		Account: bartizan.Account{ID: "acme", Tier: bartizan.TierTrusted, Level: bartizan.LevelSuspended}, At: noon,
	})
	if e.ShadowLevel != "suspended" || e.Denied || !e.WouldDeny {
		t.Errorf("shadow level %q, denied %t, would be %t; want suspended, false, true", e.ShadowLevel, e.Denied, e.WouldDeny)
	}
}

func TestLintShadowLevel(t *testing.T) {
	t.Parallel()
	s := watching(one(t), bartizan.LevelWatch)
	restricted := s.Levels[bartizan.LevelRestricted]
	restricted.Replace = ratelimit.Limits{limit(ratelimit.Requests, ratelimit.Minute, 50)}
	s.Levels[bartizan.LevelRestricted] = restricted
	want := []string{
		"error replace-without-effect levels.restricted.replace.requests.per_minute", "warning shadow levels.watch.shadow",
	}
	if diff := cmp.Diff(want, short(policy.Lint(s))); diff != "" {
		t.Errorf("Lint() (-want +got):\n%s", diff)
	}
}

// Modes of detectors are told, and those under which nothing is found or follows are said.
func TestDetectorModes(t *testing.T) {
	t.Parallel()
	const observe, off = detect.ModeObserve, detect.ModeOff
	for name, tt := range map[string]struct {
		modes map[string]detect.Mode
		want  []string
	}{
		"all act":            {nil, []string{}},
		"pace observes":      {map[string]detect.Mode{"pace": observe}, []string{"note detector detect.detectors.pace"}},
		"no support":         {map[string]detect.Mode{"pace": observe, "volume": off}, []string{"warning detector detect.detectors.volume"}},
		"diversity observes": {map[string]detect.Mode{"diversity": observe, "pace": off}, []string{"warning detector detect.detectors.diversity"}},
		"diversity is off":   {map[string]detect.Mode{"diversity": off}, []string{"warning detector detect.detectors.diversity"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := one(t)
			s.Detect.Detectors = tt.modes
			if diff := cmp.Diff(tt.want, short(policy.Lint(s))); diff != "" {
				t.Errorf("Lint() (-want +got):\n%s", diff)
			}
			e, _ := policy.Explain(compile(t, s), policy.Question{Account: bartizan.Account{ID: "acme", Tier: "t"}, At: noon})
			if diff := cmp.Diff(tt.modes, e.Detectors); diff != "" {
				t.Errorf("Explain() (-want +got):\n%s", diff)
			}
		})
	}
}
