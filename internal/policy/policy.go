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
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/detect"
	"bartizan/internal/ratelimit"
)

// Policy is a compiled Spec. It is immutable and may be shared by any number of
// goroutines.
type Policy struct {
	rules  map[bartizan.Tier]*[levels]Rules
	detect detect.Config
	hash   [sha256.Size]byte
}

const levels = int(bartizan.LevelSuspended) + 1

// Rules are what holds for one tier at one level. Callers must not change them.
type Rules struct {
	Limits ratelimit.Limits
	// MaxOutput is the most tokens that one answer may have.
	MaxOutput int64
	// DefaultOutput is how many tokens are reserved when the caller set no cap.
	DefaultOutput int64
	Profile       *coarsen.Profile
	// Deny means that nothing is served at all.
	Deny bool
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
func (p *Policy) Detect() detect.Config { return p.detect }

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
	p := &Policy{rules: make(map[bartizan.Tier]*[levels]Rules, len(s.Tiers)), detect: s.Detect, hash: hash}
	for name, tier := range s.Tiers {
		p.rules[name] = compileTier(tier, s.Levels)
	}
	return p, nil
}

func compileTier(tier TierSpec, specs map[bartizan.Level]LevelSpec) *[levels]Rules {
	rules := new([levels]Rules)
	profile := tier.Coarsen
	num, den, deny := int64(1), int64(1), false
	for _, level := range bartizan.Levels() {
		spec := specs[level]
		if spec.scales() {
			num, den = spec.LimitsNum, spec.LimitsDen
		}
		if stricter, ok := coarsen.Shipped(spec.Coarsen); ok {
			profile = coarsen.Tighter(profile, stricter)
		}
		deny = deny || spec.Deny
		here := profile
		r := &rules[level]
		*r = Rules{Limits: canonical(tier.Limits).Scale(num, den), Profile: &here, Deny: deny}
		r.MaxOutput, r.DefaultOutput = outputs(tier, r.Limits, level)
	}
	return rules
}

// outputs fits the lengths of answers into limits that a level has scaled down. An
// answer that is longer than the limit could never be granted, and a caller who is told
// so would learn that something has changed; half of the limit leaves room for a prompt.
func outputs(tier TierSpec, limits ratelimit.Limits, level bartizan.Level) (most, usual int64) {
	most = tier.MaxOutput
	if level != bartizan.LevelNormal {
		for _, l := range limits {
			if l.Dimension == ratelimit.Tokens {
				most = min(most, max(1, l.Ceiling()/2))
			}
		}
	}
	return most, min(tier.DefaultOutput, most)
}

func hashSpec(s Spec) ([sha256.Size]byte, error) {
	tiers := make(map[bartizan.Tier]TierSpec, len(s.Tiers))
	for name, tier := range s.Tiers {
		tier.Limits = canonical(tier.Limits)
		tiers[name] = tier
	}
	specs := make(map[bartizan.Level]LevelSpec, len(s.Levels))
	for level, spec := range s.Levels {
		if spec != (LevelSpec{}) {
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
