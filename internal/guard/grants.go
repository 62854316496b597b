package guard

import (
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// grantedRules are the rules of an account whose limits a person has raised, worked out
// once for what they depend on.
type grantedRules struct {
	policy *policy.Policy
	tier   bartizan.Tier
	level  bartizan.Level
	grants []string // ids of those in force
	rules  *policy.Rules
}

// rules returns what holds for the account now: the rules of its tier and level, with
// the limits that grants in force have raised.
func (g *Guard) rules(p *policy.Policy, account *bartizan.Account, now time.Time) (*policy.Rules, bool) {
	inForce := false
	for i := range account.Grants {
		inForce = inForce || account.Grants[i].In(now)
	}
	if !inForce {
		return p.Rules(account.Tier, account.Level)
	}
	if known, ok := g.granted.Load(account.ID); ok {
		k, _ := known.(*grantedRules) // The map holds nothing else.
		if k.policy == p && k.tier == account.Tier && k.level == account.Level && k.same(account.Grants, now) {
			return k.rules, true
		}
	}
	k := &grantedRules{policy: p, tier: account.Tier, level: account.Level}
	var limits ratelimit.Limits
	for _, grant := range account.Grants {
		if grant.In(now) {
			k.grants = append(k.grants, grant.ID)
			limits = append(limits, Limits(grant.Bounds)...)
		}
	}
	rules, ok := p.With(account.Tier, account.Level, limits)
	if !ok {
		return nil, false
	}
	k.rules = rules
	g.granted.Store(account.ID, k)
	return rules, true
}

// same reports whether the grants in force are those that the rules were made of.
func (k *grantedRules) same(grants []bartizan.Grant, now time.Time) bool {
	n := 0
	for i := range grants {
		if !grants[i].In(now) {
			continue
		}
		if n >= len(k.grants) || k.grants[n] != grants[i].ID {
			return false
		}
		n++
	}
	return n == len(k.grants)
}

// Limits turns bounds in words into limits; what names none is left out.
func Limits(bounds []bartizan.Bound) ratelimit.Limits {
	out := make(ratelimit.Limits, 0, len(bounds))
	for _, b := range bounds {
		if l, err := ratelimit.ParseLimit(b.Dimension, b.Window, b.Amount); err == nil {
			out = append(out, l)
		}
	}
	return slices.Clip(out)
}

// Bounds turns limits into words.
func Bounds(limits ratelimit.Limits) []bartizan.Bound {
	out := make([]bartizan.Bound, 0, len(limits))
	for _, l := range limits {
		out = append(out, bartizan.Bound{Dimension: l.Dimension.String(), Window: l.Window.String(), Amount: l.Amount})
	}
	return out
}

// Words names what a limit counts and over which time, such as "tokens per day".
func Words(l ratelimit.Limit) string {
	if l.Window == ratelimit.Concurrent {
		return l.Dimension.String() + " at once"
	}
	return l.Dimension.String() + " per " + l.Window.String()
}
