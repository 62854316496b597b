package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/cost"
	"bartizan/internal/ratelimit"
)

// Severity says how much a [Remark] matters.
type Severity string

// The severities, the worst first.
const (
	Wrong   Severity = "error"   // what is written contradicts itself or never counts
	Weak    Severity = "warning" // it protects less than it seems to
	Notable Severity = "note"    // good to know, and perhaps meant so
)

// Remark is something that a policy may say and hardly means.
type Remark struct {
	Severity Severity `json:"severity"`
	// Rule names the kind of remark in a stable word.
	Rule string `json:"rule"`
	// Path names the place as in a configuration file; see [Fault]. Prices are "prices[i]".
	Path string `json:"path"`
	// Says is what is the matter, Fix what to do about it; one sentence each.
	Says string `json:"says"`
	Fix  string `json:"fix"`
}

// What a collector does in the eyes of [Lint]: it wants a million answers of this size,
// and has them too soon when they take less than a month.
const (
	lintAnswers      = 1_000_000
	lintPrompt       = 200
	lintAnswer       = 500
	lintDays         = 30
	fullTopK         = 20
	fullStep         = 0.01
	fullFloor        = 1e-4
	lintHidden       = 4096
	lintAnswersADay  = lintAnswers / lintDays
	lintTokensPerDay = lintAnswersADay * (lintPrompt + lintAnswer)
)

// Lint names what is legal in s and yet wrong, the worst first, else in the order of the
// file. Of a spec that does not compile it says nothing: [Compile] says more. What it
// finds in a tier that is as shipped are notes: nobody has written it.
func Lint(s Spec) []Remark {
	p, err := Compile(s)
	if err != nil {
		return nil
	}
	l := linter{spec: s, policy: p, bills: map[string]cost.Tier{}}
	for _, t := range p.CostTiers(bartizan.LevelNormal, "", nil) {
		l.bills[t.Name] = t
	}
	for _, name := range p.Tiers() {
		before := len(l.remarks)
		l.tier("tiers."+string(name), string(name), s.Tiers[name])
		if asShipped(name, s.Tiers[name]) {
			for i := range l.remarks[before:] {
				l.remarks[before+i].Severity = Notable
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Organisations)) {
		l.organisation("organisations."+name+".limits", s.Organisations[name])
	}
	if s.Shadow {
		l.remark(Weak, "shadow", "shadow", "remove it once the record shows that the limits suit",
			"nothing is refused, whatever the limits say")
	}
	l.levels()
	l.detectors()
	l.prices()
	slices.SortStableFunc(l.remarks, func(a, b Remark) int { return a.Severity.rank() - b.Severity.rank() })
	return l.remarks
}

func (s Severity) rank() int { return slices.Index([]Severity{Wrong, Weak, Notable}, s) }

// asShipped reports whether a tier is the shipped one of its name.
func asShipped(name bartizan.Tier, t TierSpec) bool {
	shipped, ok := Default().Tiers[name]
	for _, spec := range []*TierSpec{&t, &shipped} {
		spec.Limits, spec.Key = canonical(spec.Limits), canonical(spec.Key)
		if len(spec.Models) == 0 {
			spec.Models = nil
		}
	}
	return ok && reflect.DeepEqual(t, shipped)
}

type linter struct {
	spec    Spec
	policy  *Policy
	bills   map[string]cost.Tier
	remarks []Remark
}

func (l *linter) remark(severity Severity, rule, path, fix, says string, args ...any) {
	l.remarks = append(l.remarks, Remark{Severity: severity, Rule: rule, Path: path, Says: fmt.Sprintf(says, args...), Fix: fix})
}

// find returns the limit on a dimension in a window that refuses, if there is one.
func find(limits ratelimit.Limits, d ratelimit.Dimension, w ratelimit.Window) (ratelimit.Limit, bool) {
	for _, l := range limits {
		if l.Dimension == d && l.Window == w && l.Amount > 0 && !l.Shadow {
			return l, true
		}
	}
	return ratelimit.Limit{}, false
}

func (l *linter) tier(path, name string, t TierSpec) {
	choices := t.Coarsen.Choices()
	l.set(path+".limits", t.Limits, t.MaxOutput, choices)
	l.set(path+".key.limits", t.Key, t.MaxOutput, choices)
	l.within("key-above-account", path+".key.limits", "an account", t.Key, t.Limits)
	l.outputs(path, t)
	l.worstOfTier(path, t)
	l.full(path, name, t.Coarsen)
	l.numbers(path, t)
	l.pace(path, name, t)
	for i, m := range t.Models {
		here := fmt.Sprintf("%s.models[%d]", path, i)
		for k, earlier := range t.Models[:i] {
			if Covers(earlier.Match, m.Match) {
				l.remark(Wrong, "unreachable", here+".match", "put it before that one, or remove it",
					"never counts: models[%d], %q, comes first and matches all of it", k, earlier.Match)
				break
			}
		}
		most, profile := t.MaxOutput, t.Coarsen
		if m.MaxOutput > 0 {
			most = m.MaxOutput
		}
		if m.Coarsen != nil {
			profile = *m.Coarsen
			l.full(here, name, profile)
		}
		l.set(here+".limits", m.Limits, most, profile.Choices())
		l.within("model-above-tier", here+".limits", "the tier", m.Limits, t.Limits)
	}
}

// within finds limits of a part that are above those of the whole.
func (l *linter) within(rule, path, whole string, part, all ratelimit.Limits) {
	for _, p := range part {
		if of, ok := find(all, p.Dimension, p.Window); ok && p.Amount > of.Amount {
			l.remark(Wrong, rule, path+"."+Path(p), "lower it below that, or remove it",
				"never counts: %s has no more than %s", whole, of)
		}
	}
}

// outputs compares the lengths of answers with what the tier's limits grant.
func (l *linter) outputs(path string, t TierSpec) {
	for _, k := range t.Key {
		if bindsOutput(k) && k.Amount > 0 && t.MaxOutput > k.Ceiling() {
			l.remark(Wrong, "output-above-key", path+".max_output", fmt.Sprintf("lower it to %d or less", k.Ceiling()),
				"an answer of %d tokens is never served, because a key has %s", t.MaxOutput, k)
			break
		}
	}
	for _, m := range append(slices.Clone(t.Limits), t.Key...) {
		if !t.ReserveWorst && bindsOutput(m) && m.Window == ratelimit.Minute && m.Amount > 0 && t.DefaultOutput > m.Ceiling()/2 {
			l.remark(Weak, "default-output", path+".default_output", fmt.Sprintf("lower it to %d or less", m.Ceiling()/2),
				"a request that sets no cap reserves %d tokens, more than half of what %s grants at once, so that no two pass together",
				t.DefaultOutput, m)
			break
		}
	}
}

// full finds profiles that tell log-probabilities as the model gave them.
func (l *linter) full(path, name string, p coarsen.Profile) {
	if !p.Logprobs.Allow {
		return
	}
	var why []string
	if p.Logprobs.TopK >= fullTopK {
		why = append(why, fmt.Sprintf("%d alternatives for each token", p.Logprobs.TopK))
	}
	if p.Logprobs.Step <= fullStep && p.Logprobs.Floor <= fullFloor {
		why = append(why, fmt.Sprintf("numbers in steps of %g down to %g", p.Logprobs.Step, p.Logprobs.Floor))
	}
	if p.ForcedTokens == coarsen.ForcedAllow {
		why = append(why, "the log-probability of any token that the caller chooses")
	}
	if len(why) == 0 {
		return
	}
	tier := l.bills[name]
	tier.Logprobs, tier.TopK = true, int64(p.Logprobs.TopK)
	target := cost.HiddenSize(lintHidden)
	bill := cost.Reach(tier, collector(), target)
	l.remark(Weak, "full-logprobs", path+".coarsen", "choose a stricter profile, such as standard, or limit numeric_values.per_day further",
		"profile %s tells %s; what one account needs for the %d values that show the width of a model of %d: %s",
		p.Name, strings.Join(why, ", "), target.Values, lintHidden, bill.Duration())
}

func collector() cost.Attacker {
	return cost.Attacker{Accounts: 1, PromptTokens: lintPrompt, AnswerTokens: lintAnswer}
}

// numbers finds a limit on numbers where none are told.
func (l *linter) numbers(path string, t TierSpec) {
	tells := func(m ModelSpec) bool { return m.Coarsen != nil && m.Coarsen.TellsNumbers() }
	if t.Coarsen.TellsNumbers() || slices.ContainsFunc(t.Models, tells) {
		return
	}
	for _, v := range t.Limits {
		if v.Dimension == ratelimit.Values && v.Amount > 0 {
			l.remark(Notable, "no-numbers", path+".limits."+Path(v), "keep it only for the day on which the profile widens",
				"counts nothing: profile %s tells no numbers", t.Coarsen.Name)
		}
	}
}

// pace finds tiers in which nothing holds over days, or in which it holds too little.
func (l *linter) pace(path, name string, t TierSpec) {
	if l.spec.Shadow {
		return // said once
	}
	long := slices.ContainsFunc(t.Limits, func(x ratelimit.Limit) bool {
		switch x.Dimension {
		case ratelimit.Requests, ratelimit.Tokens, ratelimit.Output:
		case ratelimit.Cost:
			if l.spec.Priced() == 0 {
				return false
			}
		default:
			return false
		}
		return (x.Window == ratelimit.Day || x.Window == ratelimit.Month) && x.Amount > 0 && !x.Shadow
	})
	bill := cost.Collect(l.bills[name], collector(), lintAnswers)
	fix := fmt.Sprintf("for a month or more, allow at most requests.per_day %d or tokens.per_day %d", lintAnswersADay, lintTokensPerDay)
	switch {
	case !long:
		l.remark(Weak, "no-long-window", path+".limits", fix,
			"no limit on requests, tokens or cost holds for a day or a month, and those hold up a patient collector most: one account has a million answers in %s",
			bill.Duration())
	case !bill.Never && bill.Days < lintDays:
		l.remark(Weak, "fast", path+".limits", fix, "one account has a million answers in %s, held up by %s", bill.Duration(), bill.Binding)
	}
}

// organisation compares the limits of all accounts together with those of one.
func (l *linter) organisation(path string, limits ratelimit.Limits) {
	l.set(path, limits, 0, 0)
	l.worstOfGroup(path, limits)
	for _, o := range limits {
		var below, others []string
		for _, name := range l.policy.Tiers() {
			own, ok := find(l.spec.Tiers[name].Limits, o.Dimension, o.Window)
			switch {
			case ok && own.Amount > o.Amount:
				below = append(below, string(name))
			case ok:
				others = append(others, string(name))
			}
		}
		switch {
		case len(below) == 0:
		case len(others) == 0:
			l.remark(Wrong, "organisation-below-account", path+"."+Path(o), "raise it above an account's",
				"%s for all accounts together is less than any single account has", o)
		default:
			l.remark(Notable, "organisation-below-account", path+"."+Path(o), "raise it, or keep such accounts out of the organisation",
				"%s for all accounts together is less than a single account has in %s", o, strings.Join(below, ", "))
		}
	}
}
