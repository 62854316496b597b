// Package policy holds the rule book: what each tier may have at each level of
// suspicion.
//
// A [Spec] is what people wrote. [Compile] checks all of it and works out the rules of
// every tier at every level, so that a request only looks them up. A [Policy] never
// changes; whoever holds one swaps it for another as a whole.
//
// Levels only tighten. Each builds on the one below it, whatever a spec says: an account
// never gets more by being suspected more.
package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"path"
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/detect"
	"bartizan/internal/ratelimit"
)

// Policy is a compiled Spec. It is immutable and may be shared by any number of
// goroutines.
type Policy struct {
	rules map[bartizan.Tier]*[levels]Rules
	spec  Spec
	hash  [sha256.Size]byte
}

const levels = int(bartizan.LevelSuspended) + 1

// Rules are what holds for one tier at one level. Callers must not change them.
type Rules struct {
	// Limits bind the account, Key each of its keys.
	Limits, Key ratelimit.Limits
	Models      []ModelRules
	// MaxOutput is the most tokens that one answer may have.
	MaxOutput int64
	// DefaultOutput is how many tokens are reserved when the caller set no cap. With
	// ReserveWorst it is MaxOutput instead, and the answer is capped at it.
	DefaultOutput int64
	ReserveWorst  bool
	Profile       *coarsen.Profile
	// Plain is the profile without numbers, for an account that has had its share of them.
	Plain *coarsen.Profile
	// ExactHeaders tells what is left of limits exactly.
	ExactHeaders bool
	// Deny means that nothing is served at all.
	Deny bool
	// Would are the rules that would hold if no level only watched; nil where it is these.
	Would *Rules
}

// ModelRules are what holds for some models within the rules of a tier at a level.
type ModelRules struct {
	Match          string
	Limits         ratelimit.Limits
	MaxOutput      int64
	Profile, Plain *coarsen.Profile
}

// Model returns the rules of the first pattern that matches the model, or nil.
func (r *Rules) Model(name string) *ModelRules {
	for i := range r.Models {
		if ok, _ := path.Match(r.Models[i].Match, name); ok {
			return &r.Models[i]
		}
	}
	return nil
}

// Rules returns what holds for accounts of tier t at level l. It does not allocate. ok
// is false when the policy has no such tier or there is no such level; nothing may be
// served then.
func (p *Policy) Rules(t bartizan.Tier, l bartizan.Level) (r *Rules, ok bool) {
	tier, ok := p.rules[t]
	if !ok || int(l) >= levels {
		return nil, false
	}
	return &tier[l], true
}

// Detect returns the thresholds of the detectors.
func (p *Policy) Detect() detect.Config { return p.spec.Detect }

// Shadow reports whether nothing is refused, only recorded.
func (p *Policy) Shadow() bool { return p.spec.Shadow }

// Tiers lists the names of the policy's tiers in order.
func (p *Policy) Tiers() []bartizan.Tier { return slices.Sorted(maps.Keys(p.rules)) }

// Tier returns what was written of a tier.
func (p *Policy) Tier(t bartizan.Tier) (TierSpec, bool) {
	spec, ok := p.spec.Tiers[t]
	return spec, ok
}

// Level returns what was written of a level.
func (p *Policy) Level(l bartizan.Level) LevelSpec { return p.spec.Levels[l] }

// Quiet returns how long an account stays at each level that findings brought it to.
// Levels that do not end by themselves are left out.
func (p *Policy) Quiet() map[bartizan.Level]time.Duration {
	quiet := make(map[bartizan.Level]time.Duration)
	for level, spec := range p.spec.Levels {
		if spec.Quiet > 0 && level != bartizan.LevelSuspended {
			quiet[level] = spec.Quiet
		}
	}
	return quiet
}

// Organisation returns the limits of all accounts of an organisation together; none for
// an account without one.
func (p *Policy) Organisation(name string) ratelimit.Limits {
	if name == "" || len(p.spec.Organisations) == 0 {
		return nil
	}
	if ls, ok := p.spec.Organisations[name]; ok {
		return ls
	}
	return p.spec.Organisations["*"]
}

// Cost is what the usage of a model costs in millionths of a dollar, rounded up; 0 for a
// model without a price.
func (p *Policy) Cost(model string, u bartizan.Usage) int64 {
	for i := range p.spec.Prices {
		if ok, _ := path.Match(p.spec.Prices[i].Match, model); ok {
			return p.spec.Prices[i].Cost(u)
		}
	}
	return 0
}

// With returns the rules of a tier at a level with other limits for the account, as a
// grant gives them: each stands in place of the tier's in its dimension and window,
// before the level tightens it.
func (p *Policy) With(t bartizan.Tier, l bartizan.Level, granted ratelimit.Limits) (*Rules, bool) {
	tier, ok := p.spec.Tiers[t]
	if !ok || int(l) >= levels {
		return nil, false
	}
	tier.Limits = replace(tier.Limits, granted)
	return &compileTier(tier, &p.spec)[l], true
}

// replace returns limits with those of others in place of their like.
func replace(limits, others ratelimit.Limits) ratelimit.Limits {
	out := slices.Clone(limits)
	for _, o := range others {
		i := slices.IndexFunc(out, func(l ratelimit.Limit) bool { return l.Dimension == o.Dimension && l.Window == o.Window })
		switch {
		case i < 0:
			continue // there is no limit to raise
		case o.Burst == 0 && out[i].Burst > 0:
			o.Burst = max(1, out[i].Burst) // the tier's burst, which a grant of the rate does not lower
		}
		o.Shadow = out[i].Shadow
		out[i] = o
	}
	return out
}

// Cost is what the usage costs in millionths of a dollar, rounded up.
func (p *Price) Cost(u bartizan.Usage) int64 {
	cached, thought := min(u.CachedTokens, u.InputTokens), min(u.ReasoningTokens, u.OutputTokens)
	sum := new(big.Int)
	add := func(tokens, price int64) {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(max(0, tokens)), big.NewInt(price)))
	}
	add(u.InputTokens-cached, p.Input)
	add(cached, cmp.Or(p.Cached, p.Input))
	add(u.OutputTokens-thought, p.Output)
	add(thought, cmp.Or(p.Thought, p.Output))
	const million = 1_000_000
	sum.Add(sum, big.NewInt(million-1)).Quo(sum, big.NewInt(million))
	if !sum.IsInt64() {
		return math.MaxInt64
	}
	return sum.Int64()
}

// Hash names the policy: equal specs have equal hashes, however they were written down.
func (p *Policy) Hash() [sha256.Size]byte { return p.hash }

// Compile checks s and works out its rules. When anything is wrong it returns every
// fault at once, joined; each is a [*Fault].
func Compile(s Spec) (*Policy, error) {
	c := checker{}
	c.spec(s)
	if err := c.err(); err != nil {
		return nil, err
	}
	hash, err := hashSpec(s)
	if err != nil {
		return nil, err
	}
	p := &Policy{rules: make(map[bartizan.Tier]*[levels]Rules, len(s.Tiers)), spec: s.clone(), hash: hash}
	for name, tier := range p.spec.Tiers {
		p.rules[name] = compileTier(tier, &p.spec)
	}
	return p, nil
}

// compileTier works out what holds at every level. Levels that only watch are left out of
// it, and stand in what would hold.
func compileTier(tier TierSpec, s *Spec) *[levels]Rules {
	rules := compileLevels(tier, s, false)
	first := slices.IndexFunc(bartizan.Levels(), func(l bartizan.Level) bool { return s.Levels[l].Shadow })
	if first < 0 {
		return rules
	}
	would := compileLevels(tier, s, true)
	for level := first; level < levels; level++ {
		rules[level].Would = &would[level]
	}
	return rules
}

func compileLevels(tier TierSpec, s *Spec, shadows bool) *[levels]Rules {
	rules := new([levels]Rules)
	num, den := int64(1), int64(1)
	var stricter []coarsen.Profile
	var ceilings ratelimit.Limits
	deny, at := false, bartizan.LevelNormal // at is the level whose rules hold
	for _, level := range bartizan.Levels() {
		spec := s.Levels[level]
		if spec.Shadow && !shadows {
			spec = LevelSpec{}
		} else {
			at = level
		}
		if spec.scales() {
			num, den = spec.LimitsNum, spec.LimitsDen
		}
		if profile, ok := s.profile(spec.Coarsen); ok {
			stricter = append(stricter, profile)
		}
		ceilings = append(ceilings, spec.Replace...)
		deny = deny || spec.Deny
		tighten := func(ls ratelimit.Limits) ratelimit.Limits {
			return lower(canonical(ls).Scale(num, den), ceilings, s.Shadow)
		}
		r := &rules[level]
		*r = Rules{
			Limits: tighten(tier.Limits), Key: tighten(tier.Key), Deny: deny, ExactHeaders: tier.ExactHeaders,
			ReserveWorst: tier.ReserveWorst,
		}
		r.Profile, r.Plain = profiles(tier.Coarsen, stricter)
		r.MaxOutput, r.DefaultOutput = outputs(tier, r.Limits, at)
		for _, m := range tier.Models {
			here := ModelRules{Match: m.Match, Limits: tighten(m.Limits)}
			own := tier
			if m.MaxOutput > 0 {
				own.MaxOutput = m.MaxOutput
			}
			if m.Coarsen != nil {
				own.Coarsen = *m.Coarsen
			}
			here.Profile, here.Plain = profiles(own.Coarsen, stricter)
			here.MaxOutput, _ = outputs(own, append(slices.Clone(r.Limits), here.Limits...), at)
			r.Models = append(r.Models, here)
		}
	}
	return rules
}

// lower puts ceilings in place of limits that are above them.
func lower(limits, ceilings ratelimit.Limits, shadow bool) ratelimit.Limits {
	for i := range limits {
		l := &limits[i]
		for _, c := range ceilings {
			if c.Dimension == l.Dimension && c.Window == l.Window && c.Amount > 0 && c.Amount < l.Amount {
				l.Amount, l.Burst = c.Amount, min(l.Burst, c.Ceiling())
			}
		}
		l.Shadow = l.Shadow || shadow
	}
	return limits
}

// profiles returns the profile that is left, and what is left of it without numbers.
func profiles(own coarsen.Profile, stricter []coarsen.Profile) (profile, plain *coarsen.Profile) {
	for _, s := range stricter {
		own = coarsen.Tighter(own, s)
	}
	without := own.WithoutNumbers()
	return &own, &without
}

// outputs fits the lengths of answers into limits that a level has scaled down. An
// answer that is longer than the limit could never be granted, and a caller who is told
// so would learn that something has changed; half of the limit leaves room for a prompt.
func outputs(tier TierSpec, limits ratelimit.Limits, level bartizan.Level) (most, usual int64) {
	most = tier.MaxOutput
	if level != bartizan.LevelNormal {
		for _, l := range limits {
			if bindsOutput(l) {
				most = min(most, max(1, l.Ceiling()/2))
			}
		}
	}
	return most, min(tier.DefaultOutput, most)
}

// bindsOutput reports whether the limit bounds the length of a single answer.
func bindsOutput(l ratelimit.Limit) bool {
	return (l.Dimension == ratelimit.Tokens || l.Dimension == ratelimit.Output) && !l.Shadow
}

// clone returns a spec that shares nothing with s that the caller could change.
func (s Spec) clone() Spec {
	s.Tiers, s.Levels = maps.Clone(s.Tiers), maps.Clone(s.Levels)
	s.Prices = slices.Clone(s.Prices)
	s.Detect.Detectors = maps.Clone(s.Detect.Detectors)
	s.Profiles, s.Kinds = maps.Clone(s.Profiles), slices.Clone(s.Kinds)
	organisations := make(map[string]ratelimit.Limits, len(s.Organisations))
	for name, ls := range s.Organisations {
		organisations[name] = lower(canonical(ls), nil, s.Shadow)
	}
	s.Organisations = organisations
	for name, tier := range s.Tiers {
		tier.Limits, tier.Key, tier.Models = slices.Clone(tier.Limits), slices.Clone(tier.Key), slices.Clone(tier.Models)
		s.Tiers[name] = tier
	}
	return s
}

func hashSpec(s Spec) ([sha256.Size]byte, error) {
	tiers := make(map[bartizan.Tier]TierSpec, len(s.Tiers))
	for name, tier := range s.Tiers {
		tier.Limits, tier.Key = canonical(tier.Limits), canonical(tier.Key)
		tiers[name] = tier
	}
	specs := make(map[bartizan.Level]LevelSpec, len(s.Levels))
	for level, spec := range s.Levels {
		if !spec.isZero() {
			specs[level] = spec.canonical()
		}
	}
	s.Tiers, s.Levels = tiers, specs
	// encoding/json writes fields in the order of their declaration and maps in the order
	// of their keys, so the text is a function of the spec.
	text, err := json.Marshal(s)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode policy: %w", err)
	}
	return sha256.Sum256(append([]byte("bartizan.policy/1\n"), text...)), nil
}
