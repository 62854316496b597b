package policy

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"

	"bartizan"
	"bartizan/internal/ratelimit"
)

// windowsIn is how many windows of a kind the longest of another kind holds.
func windowsIn(short, long ratelimit.Window) int64 {
	minutes := [...]int64{ratelimit.Minute: 1, ratelimit.Hour: 60, ratelimit.Day: 24 * 60, ratelimit.Month: 31 * 24 * 60}
	return minutes[long] / minutes[short]
}

// set looks at limits that bind the same account, key or organisation. most is the
// longest answer and choices how many a request may have; 0 leaves them out.
func (l *linter) set(path string, limits ratelimit.Limits, most int64, choices int) {
	priced := false
	for _, x := range limits {
		if x.Amount <= 0 {
			continue
		}
		here := path + "." + Path(x)
		l.longer(here, x, limits)
		l.narrower(here, x, limits)
		l.reached(here, x, limits, most, choices)
		l.burst(path, x, limits)
		if x.Dimension == ratelimit.Cost && l.spec.Priced() == 0 && !priced {
			priced = true
			l.remark(Wrong, "cost-without-price", here, "give models a price, or limit tokens", "counts nothing: no model has a price")
		}
	}
	l.shadows(path, limits)
}

// longer finds a limit over a long time that one over a shorter time never lets anybody reach.
func (l *linter) longer(path string, x ratelimit.Limit, limits ratelimit.Limits) {
	if x.Window < ratelimit.Hour || x.Window > ratelimit.Month {
		return
	}
	best, by := int64(math.MaxInt64), ratelimit.Limit{}
	for w := ratelimit.Minute; w < x.Window; w++ {
		s, ok := find(limits, x.Dimension, w)
		n := windowsIn(w, x.Window)
		if ok && s.Amount <= x.Amount/n && s.Amount*n < best {
			best, by = s.Amount*n, s
		}
	}
	if best < math.MaxInt64 {
		l.remark(Weak, "does-not-bind", path, fmt.Sprintf("lower it below %d, or remove it", best),
			"never counts: %s comes to %d a %s at most", by, best, x.Window)
	}
}

// narrower finds a limit on a part of what a limit on the whole bounds already.
func (l *linter) narrower(path string, x ratelimit.Limit, limits ratelimit.Limits) {
	whole := map[ratelimit.Dimension]ratelimit.Dimension{
		ratelimit.Prompts: ratelimit.Requests, ratelimit.Input: ratelimit.Tokens, ratelimit.Output: ratelimit.Tokens,
		ratelimit.Streams: ratelimit.InFlight,
	}
	d, ok := whole[x.Dimension]
	if !ok {
		return
	}
	if of, ok := find(limits, d, x.Window); ok && x.Amount >= of.Amount && x.Ceiling() >= of.Ceiling() {
		l.remark(Weak, "does-not-bind", path, fmt.Sprintf("lower it below %d, or remove it", of.Amount), "never counts: %s comes first", of)
	}
}

// reached finds a limit on tokens that the limit on requests lets nobody reach.
func (l *linter) reached(path string, x ratelimit.Limit, limits ratelimit.Limits, most int64, choices int) {
	requests, ok := find(limits, ratelimit.Requests, x.Window)
	if !ok || most <= 0 || choices <= 0 || x.Window == ratelimit.Concurrent {
		return
	}
	answers := new(big.Int).Mul(big.NewInt(requests.Amount), big.NewInt(most))
	answers.Mul(answers, big.NewInt(int64(choices)))
	all, unless := new(big.Int).Set(answers), "unless a request carries several prompts"
	switch x.Dimension {
	case ratelimit.Output:
	case ratelimit.Tokens:
		if input, ok := find(limits, ratelimit.Input, x.Window); ok {
			all.Add(all, big.NewInt(input.Amount))
		} else {
			all.Lsh(all, 1)
			unless = "unless prompts are longer than answers may be"
		}
	default:
		return
	}
	if all.Cmp(big.NewInt(x.Amount)) <= 0 {
		l.remark(Weak, "does-not-bind", path, fmt.Sprintf("lower it below %s, or remove it", answers),
			"never counts, %s: %s with answers of %d tokens come to %s", unless, requests, most*int64(choices), answers)
	}
}

// burst finds a burst that is more than an hour, day or month has.
func (l *linter) burst(path string, x ratelimit.Limit, limits ratelimit.Limits) {
	if x.Window != ratelimit.Minute || x.Burst == 0 {
		return
	}
	for w := ratelimit.Hour; w <= ratelimit.Month; w++ {
		if of, ok := find(limits, x.Dimension, w); ok && x.Burst > of.Amount {
			l.remark(Weak, "burst", path+"."+x.Dimension.String()+".burst", fmt.Sprintf("lower it to %d or less", of.Amount),
				"%d at one instant is more than %s", x.Burst, of)
			return
		}
	}
}

// shadows finds limits that only watch.
func (l *linter) shadows(path string, limits ratelimit.Limits) {
	if l.spec.Shadow {
		return // said once
	}
	var said []ratelimit.Dimension
	for _, x := range limits {
		if !x.Shadow || x.Amount <= 0 || slices.Contains(said, x.Dimension) {
			continue
		}
		said = append(said, x.Dimension)
		l.remark(Weak, "shadow", path+"."+x.Dimension.String()+".shadow", "remove it once the record shows that the limit suits",
			"the limits on %s refuse nothing", x.Dimension)
	}
}

// levels finds parts of levels that change nothing.
func (l *linter) levels() {
	acting := l.spec // as if no level only watched
	acting.Levels = maps.Clone(l.spec.Levels)
	for level, spec := range acting.Levels {
		spec.Shadow = false
		acting.Levels[level] = spec
	}
	for _, level := range bartizan.Levels() {
		if l.spec.Levels[level].Shadow && !l.spec.Shadow {
			l.remark(Weak, "shadow", "levels."+level.String()+".shadow", "remove it once the record shows that the level suits",
				"an account at this level loses nothing, whatever was found")
		}
	}
	for _, level := range []bartizan.Level{bartizan.LevelWatch, bartizan.LevelRestricted} {
		spec := acting.Levels[level]
		if spec.Deny {
			return
		}
		path := "levels." + level.String()
		if l.changes(acting, level-1, acting, level) {
			l.replaces(path+".replace", level, acting)
			continue
		}
		l.remark(Weak, "level-without-effect", path, "give it limits such as x0.5, or a stricter profile",
			"an account at this level has everything that it has at level %s", level-1)
	}
}

// replaces finds limits of a level that are above what the level leaves of every tier.
func (l *linter) replaces(path string, level bartizan.Level, acting Spec) {
	limits := acting.Levels[level].Replace
	for i, x := range limits {
		if x.Amount == 0 {
			continue
		}
		without := acting
		without.Levels = maps.Clone(acting.Levels)
		spec := without.Levels[level]
		spec.Replace = slices.Delete(slices.Clone(limits), i, i+1)
		without.Levels[level] = spec
		if l.changes(acting, level, without, level) {
			continue
		}
		says := "never counts: in every tier the level leaves no more than that"
		if !l.anyLimit(x) {
			says = "never counts: it stands in place of a tier's limit, and no tier has one there"
		}
		l.remark(Wrong, "replace-without-effect", path+"."+Path(x), "lower it, or remove it", "%s", says)
	}
}

// anyLimit reports whether any account, key or model has a limit there.
func (l *linter) anyLimit(x ratelimit.Limit) bool {
	has := func(limits ratelimit.Limits) bool {
		return slices.ContainsFunc(limits, func(y ratelimit.Limit) bool {
			return y.Dimension == x.Dimension && y.Window == x.Window && y.Amount > 0
		})
	}
	for _, t := range l.spec.Tiers {
		if has(t.Limits) || has(t.Key) || slices.ContainsFunc(t.Models, func(m ModelSpec) bool { return has(m.Limits) }) {
			return true
		}
	}
	return false
}

// changes reports whether any tier has other limits or sees other things.
func (l *linter) changes(a Spec, atA bartizan.Level, b Spec, atB bartizan.Level) bool {
	for _, t := range a.Tiers {
		x, y := compileTier(t, &a)[atA], compileTier(t, &b)[atB]
		for _, r := range []*Rules{&x, &y} { // lengths follow from limits
			r.MaxOutput, r.DefaultOutput = 0, 0
			for i := range r.Models {
				r.Models[i].MaxOutput = 0
			}
		}
		if !reflect.DeepEqual(x, y) {
			return true
		}
	}
	return false
}

// prices finds prices that never count, and models without one where cost is limited.
func (l *linter) prices() {
	for i, p := range l.spec.Prices {
		if !p.known() {
			continue // an entry of models, which has its own remarks
		}
		for _, earlier := range l.spec.Prices[:i] {
			if Covers(earlier.Match, p.Match) {
				l.remark(Wrong, "unreachable", fmt.Sprintf("prices[%d]", i), "put it before that one, or remove it",
					"the price of %q never counts: %q comes first and matches all of it", p.Match, earlier.Match)
				break
			}
		}
	}
	unknown := func(p Price) bool { return !p.known() }
	everything := func(p Price) bool { return p.known() && Covers(p.Match, "*") }
	switch {
	case l.spec.Priced() == 0 || !l.limitsCost():
	case slices.ContainsFunc(l.spec.Prices, unknown):
		i := slices.IndexFunc(l.spec.Prices, unknown)
		l.remark(Notable, "price-gap", fmt.Sprintf("prices[%d]", i), "give it a price",
			"%q comes before a price and has none: such a model costs nothing, and no limit on cost holds it up", l.spec.Prices[i].Match)
	case !slices.ContainsFunc(l.spec.Prices, everything):
		l.remark(Notable, "price-gap", "prices", `end with a price for "*"`,
			"a model that no price matches costs nothing, and no limit on cost holds it up")
	}
}

// limitsCost reports whether anything limits cost.
func (l *linter) limitsCost() bool {
	has := func(limits ratelimit.Limits) bool {
		return slices.ContainsFunc(limits, func(x ratelimit.Limit) bool { return x.Dimension == ratelimit.Cost && x.Amount > 0 })
	}
	for _, limits := range l.spec.Organisations {
		if has(limits) {
			return true
		}
	}
	for _, t := range l.spec.Tiers {
		if has(t.Limits) || has(t.Key) || slices.ContainsFunc(t.Models, func(m ModelSpec) bool { return has(m.Limits) }) {
			return true
		}
	}
	return false
}
