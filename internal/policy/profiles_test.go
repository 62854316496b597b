package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/policy"
)

// own is a spec whose level watch names a profile of its own, wider than public in one
// knob, and of whose models some are linear.
func own() policy.Spec {
	s := policy.Default()
	mine, _ := coarsen.Shipped("public")
	mine.Name, mine.Scores = "mine", coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 2}
	s.Profiles = map[string]coarsen.Profile{"mine": mine}
	s.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsNum: 1, LimitsDen: 2, Coarsen: "mine"}
	s.Kinds = []policy.KindSpec{{Match: "credit-deep"}, {Match: "credit-*", Linear: true}}
	return s
}

func TestOwnProfilesTighten(t *testing.T) {
	t.Parallel()
	s := own()
	p := compile(t, s)
	mine := s.Profiles["mine"]
	delete(s.Profiles, "mine") // the policy has its own copy
	for _, tier := range p.Tiers() {
		r, _ := p.Rules(tier, bartizan.LevelWatch)
		shipped, _ := coarsen.Shipped(string(tier))
		if want := coarsen.Tighter(shipped, mine); *r.Profile != want {
			t.Errorf("%s on watch (-want +got):\n%s", tier, cmp.Diff(want, *r.Profile))
		}
		if r.Plain.TellsNumbers() {
			t.Errorf("%s on watch tells numbers beyond its share: %+v", tier, r.Plain)
		}
	}
	if p.Hash() == compile(t, policy.Default()).Hash() {
		t.Error("a profile of its own does not change the hash")
	}
}

func TestLinear(t *testing.T) {
	t.Parallel()
	p := compile(t, own())
	for model, want := range map[string]bool{"credit-2": true, "credit-deep": false, "other": false, "": false} {
		if got := p.Kind(model).Linear; got != want {
			t.Errorf("Linear(%q) = %v; want %v", model, got, want)
		}
	}
	account := bartizan.Account{ID: "a", Tier: bartizan.TierPartner}
	for model, want := range map[string]string{"credit-2": "all with 1 decimal", "other": "all with 3 decimals", "": "all with 3 decimals"} {
		e, _ := policy.Explain(p, policy.Question{Account: account, Model: model, At: noon})
		if e.Profile.Scores != want || e.Profile.LinearScores != "all with 1 decimal" {
			t.Errorf("of %q it tells %q, of linear models %q; want %q", model, e.Profile.Scores, e.Profile.LinearScores, want)
		}
	}
	account.Level = bartizan.LevelWatch
	e, _ := policy.Explain(p, policy.Question{Account: account, At: noon})
	want := []policy.Step{
		{Source: "tier partner", Says: "partner"}, {Source: "level watch", Says: "the stricter of partner and mine: mine"},
	}
	if diff := cmp.Diff(want, e.Profile.Steps); diff != "" || e.Profile.Scores != "all with 2 decimals" {
		t.Errorf("on watch it tells %q (-want +got):\n%s", e.Profile.Scores, diff)
	}
}

func TestOwnProfileFaults(t *testing.T) {
	t.Parallel()
	s := own()
	bad := coarsen.Profile{Name: "bad", NMax: -1, Prompts: -1}
	s.Profiles["bad"], s.Profiles["Bad Name"], s.Profiles["partner"] = bad, coarsen.Profile{Name: "x"}, coarsen.Profile{Name: "partner"}
	s.Kinds = append(s.Kinds, policy.KindSpec{Match: "["})
	public := s.Tiers[bartizan.TierPublic]
	public.Coarsen = bad // said once, where it stands
	s.Tiers[bartizan.TierPublic] = public
	standard := s.Tiers[bartizan.TierStandard]
	standard.Coarsen = s.Profiles["mine"]
	standard.Coarsen.Seed = true
	s.Tiers[bartizan.TierStandard] = standard
	want := []string{
		"profiles.Bad Name: a profile's name is 1 to 32 of a-z 0-9 _ -",
		`profiles.Bad Name: is called "x" in itself`,
		`profiles.bad: profile "bad": choices: -1, want 0 to 128`,
		`profiles.bad: profile "bad": prompts: -1, want 0 to 2048`,
		"profiles.partner: is a shipped profile; one of your own needs another name",
		`models[2].match: "[" is no pattern over the names of models`,
		`tiers.standard.coarsen: is not the profile "mine" that is among profiles`,
	}
	if diff := cmp.Diff(want, faults(t, s)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
