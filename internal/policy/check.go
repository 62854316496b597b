package policy

import (
	"errors"
	"fmt"
	"maps"
	pathpkg "path"
	"regexp"
	"slices"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/ratelimit"
)

// Fault is one thing that is wrong with a spec.
type Fault struct { //nolint:errname // a list of faults is read as a list; each is an error besides
	// Path names the place as in a configuration file, such as
	// "tiers.public.limits.requests.per_minute".
	Path string
	// Says is what is wrong and, where it is not plain, what to do.
	Says string
}

// Error returns path and message.
func (f *Fault) Error() string { return f.Path + ": " + f.Says }

// Path returns where a limit stands below the "limits" of a tier.
func Path(l ratelimit.Limit) string {
	if l.Window == ratelimit.Concurrent {
		return l.Dimension.String()
	}
	return l.Dimension.String() + ".per_" + l.Window.String()
}

var tierName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// checker collects faults in a fixed order: tiers by name, then levels upwards.
type checker struct {
	faults []error
	own    map[string]coarsen.Profile // of the spec, besides the shipped ones
}

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, &Fault{Path: path, Says: fmt.Sprintf(format, args...)})
}

func (c *checker) err() error { return errors.Join(c.faults...) }

func (c *checker) spec(s Spec) {
	if len(s.Tiers) == 0 {
		c.fault("tiers", "there is none; at least one is needed")
	}
	c.own = s.Profiles
	c.profiles(s.Profiles)
	for i, l := range s.Kinds {
		c.pattern(fmt.Sprintf("models[%d].match", i), l.Match)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tiers)) {
		path := "tiers." + string(name)
		if !tierName.MatchString(string(name)) {
			c.fault(path, "a tier's name is 1 to 32 of a-z 0-9 _ -")
		}
		c.tier(path, s.Tiers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Organisations)) {
		c.some("organisations."+name+".limits", s.Organisations[name])
	}
	for i, p := range s.Prices {
		c.pattern(fmt.Sprintf("prices[%d].match", i), p.Match)
		if min(p.Input, p.Cached, p.Output, p.Thought) < 0 {
			c.fault(fmt.Sprintf("prices[%d]", i), "a price is negative")
		}
	}
	c.levels(s.Levels)
	if err := s.Detect.Validate(); err != nil {
		c.fault("detect", "%v", err)
	}
}

func (c *checker) tier(path string, t TierSpec) {
	c.limits(path+".limits", t.Limits)
	c.some(path+".key.limits", t.Key)
	c.output(path, t.MaxOutput, t.Limits)
	switch {
	case t.DefaultOutput <= 0:
		c.fault(path+".default_output", "%d tokens; want 1 or more", t.DefaultOutput)
	case t.MaxOutput > 0 && t.DefaultOutput > t.MaxOutput:
		c.fault(path+".default_output", "%d tokens is more than max_output, %d", t.DefaultOutput, t.MaxOutput)
	}
	c.profile(path+".coarsen", t.Coarsen)
	for i, m := range t.Models {
		here := fmt.Sprintf("%s.models[%d]", path, i)
		c.pattern(here+".match", m.Match)
		c.some(here+".limits", m.Limits)
		if m.MaxOutput != 0 {
			c.output(here, m.MaxOutput, append(slices.Clone(t.Limits), m.Limits...))
		}
		if m.Coarsen != nil {
			c.profile(here+".coarsen", *m.Coarsen)
		}
	}
	if !(t.WatermarkStrength >= 0 && t.WatermarkStrength <= 10) { // also refuses NaN
		c.fault(path+".watermark.strength", "%v; want 0 to 10", t.WatermarkStrength)
	}
}

// output checks the longest answer against the limits.
func (c *checker) output(path string, most int64, limits ratelimit.Limits) {
	ceiling, by := tokenCeiling(limits)
	switch {
	case most <= 0:
		c.fault(path+".max_output", "%d tokens; want 1 or more", most)
	case by != nil && most > ceiling:
		c.fault(path+".max_output", "%d tokens is more than %s ever grants at once; such an answer could never be served", most, by)
	}
}

func (c *checker) pattern(path, pattern string) {
	if _, err := pathpkg.Match(pattern, ""); err != nil || pattern == "" {
		c.fault(path, "%q is no pattern over the names of models", pattern)
	}
}

// tokenCeiling is the smallest limit on the tokens of a single request.
func tokenCeiling(limits ratelimit.Limits) (ceiling int64, by *ratelimit.Limit) {
	for _, l := range limits {
		if bindsOutput(l) && l.Amount > 0 && (by == nil || l.Ceiling() < ceiling) {
			ceiling, by = l.Ceiling(), &l
		}
	}
	return ceiling, by
}

// limits checks those of a tier, which needs at least one.
func (c *checker) limits(path string, limits ratelimit.Limits) {
	if !c.some(path, limits) {
		c.fault(path, "a tier needs at least one limit")
	}
}

// some checks limits and reports whether any binds.
func (c *checker) some(path string, limits ratelimit.Limits) (bound bool) {
	amounts := map[ratelimit.Dimension]map[ratelimit.Window]int64{}
	for _, l := range limits {
		here := path + "." + Path(l)
		if err := (ratelimit.Limits{l}).Validate(); err != nil {
			c.fault(here, "%v", err)
			bound = true // said already
			continue
		}
		if amounts[l.Dimension] == nil {
			amounts[l.Dimension] = map[ratelimit.Window]int64{}
		}
		if _, twice := amounts[l.Dimension][l.Window]; twice {
			c.fault(here, "given twice")
		}
		amounts[l.Dimension][l.Window] = l.Amount
		bound = bound || l.Amount > 0
	}
	for _, d := range slices.Sorted(maps.Keys(amounts)) {
		shorter, of := int64(0), ratelimit.Minute
		for _, w := range []ratelimit.Window{ratelimit.Minute, ratelimit.Hour, ratelimit.Day, ratelimit.Month} {
			amount := amounts[d][w]
			if amount > 0 && amount < shorter {
				c.fault(path+"."+d.String()+".per_"+w.String(), "%d is less than per_%s, %d", amount, of, shorter)
			}
			if amount > 0 {
				shorter, of = amount, w
			}
		}
	}
	return bound
}

func (c *checker) levels(specs map[bartizan.Level]LevelSpec) {
	for _, level := range slices.Sorted(maps.Keys(specs)) {
		if level > bartizan.LevelSuspended {
			c.fault("levels."+level.String(), "no such level")
		}
	}
	if !specs[bartizan.LevelNormal].isZero() {
		c.fault("levels.normal", "nothing is suspected at this level; change the tier instead")
	}
	below := LevelSpec{LimitsNum: 1, LimitsDen: 1}
	for _, level := range bartizan.Levels()[1:] {
		below = c.level("levels."+level.String(), specs[level], below)
	}
	if !specs[bartizan.LevelSuspended].Deny {
		c.fault("levels.suspended", "must deny; an account that may still be served belongs to a level below")
	}
}

// level checks one level against the one below and returns what holds from here on.
func (c *checker) level(path string, l, below LevelSpec) LevelSpec {
	if l.Coarsen != "" {
		if _, ok := (Spec{Profiles: c.own}).profile(l.Coarsen); !ok {
			c.fault(path+".coarsen", "no profile is called %q", l.Coarsen)
		}
	}
	c.some(path+".replace", l.Replace)
	if l.Quiet < 0 {
		c.fault(path+".quiet", "%v is negative", l.Quiet)
	}
	switch {
	case !l.scales():
		l.LimitsNum, l.LimitsDen = below.LimitsNum, below.LimitsDen
	case l.LimitsNum <= 0 || l.LimitsDen <= 0:
		c.fault(path+".limits", "%d/%d is not a fraction of the limits; to serve nothing, deny", l.LimitsNum, l.LimitsDen)
		return below
	case l.fraction().Cmp(below.fraction()) > 0:
		c.fault(path+".limits", "x%s loosens what holds at the level below, x%s", decimal(l), decimal(below))
	}
	if below.Deny && !l.Deny {
		c.fault(path, "serves what the level below denies")
	}
	return l
}

func decimal(l LevelSpec) string {
	f, _ := l.fraction().Float64()
	return fmt.Sprint(f)
}
