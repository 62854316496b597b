package policy

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/detect"
	"bartizan/internal/ratelimit"
)

// Spec is a policy as people write it: plain data. [Default] is what ships.
type Spec struct {
	Tiers  map[bartizan.Tier]TierSpec
	Levels map[bartizan.Level]LevelSpec
	// Profiles are what answers may carry, by name, besides the shipped ones.
	Profiles map[string]coarsen.Profile `json:",omitempty"`
	// Kinds say what kind of models there are; the first that matches a model's name
	// counts.
	Kinds []KindSpec `json:",omitempty"`
	// Detect holds the thresholds of the detectors; the zero value means the shipped ones.
	Detect detect.Config
	// Organisations bind all accounts of an organisation together, by its name; "*" holds
	// for those that are not named. Levels do not touch them.
	Organisations map[string]ratelimit.Limits
	// Prices say what tokens cost; the first that matches a model's name counts.
	Prices []Price
	// Shadow refuses nothing: what would have been refused passes and is recorded.
	Shadow bool
}

// Price is what the tokens of some models cost, in millionths of a dollar per million
// tokens. A price of 0 for cached input or reasoning is that of input or output. Where all
// are 0 the price is not known, and the models cost nothing.
type Price struct {
	// Match is a pattern as of [path.Match], over the model's whole name.
	Match                          string
	Input, Cached, Output, Thought int64
}

// known reports whether there is a price at all.
func (p *Price) known() bool { return p.Input != 0 || p.Cached != 0 || p.Output != 0 || p.Thought != 0 }

// Priced counts the prices that are known.
func (s Spec) Priced() int {
	n := 0
	for i := range s.Prices {
		if s.Prices[i].known() {
			n++
		}
	}
	return n
}

// TierSpec is what was sold to the accounts of a tier.
type TierSpec struct {
	// Limits bind each account, Key each of its keys.
	Limits, Key ratelimit.Limits
	// Models say what holds besides for some models; the first that matches counts.
	Models []ModelSpec
	// MaxOutput is the most tokens that one answer may have; what a caller asks beyond it
	// is narrowed to it.
	MaxOutput int64
	// DefaultOutput is how many tokens of answer are reserved when the caller set no cap.
	DefaultOutput int64
	// ReserveWorst reserves MaxOutput in place of DefaultOutput, and caps the answer at it,
	// so that no answer costs more than was reserved for it.
	ReserveWorst bool `json:",omitempty"`
	// Coarsen says what the tier may see of an answer.
	Coarsen coarsen.Profile
	// ExactHeaders tells what is left of limits exactly; without it what is told is rounded
	// down to a twentieth of the limit, so that nobody paces a collector along the line.
	ExactHeaders bool
	// WatermarkStrength is how strongly answers are marked, 0 to 10; 0 means not at all.
	// It is carried and hashed, but nothing is marked yet.
	WatermarkStrength float64
}

// ModelSpec is what a tier has of some models.
type ModelSpec struct {
	// Match is a pattern as of [path.Match], over the model's whole name.
	Match string
	// Limits bind an account's requests for these models, within those of the tier.
	Limits ratelimit.Limits
	// MaxOutput stands in place of the tier's; 0 keeps it.
	MaxOutput int64
	// Coarsen stands in place of the tier's profile; nil keeps it.
	Coarsen *coarsen.Profile
}

// LevelSpec tightens every tier for accounts under suspicion. The zero value changes
// nothing against the level below.
type LevelSpec struct {
	// LimitsNum and LimitsDen are the fraction of the tier's limits that is left; both 0
	// mean the same as at the level below.
	LimitsNum, LimitsDen int64
	// Replace stand in place of what is left of the tier's limits, where they are less.
	Replace ratelimit.Limits
	// Coarsen names a profile, shipped or of the spec, that holds besides the tier's own,
	// the stricter of the two in every knob; empty means none.
	Coarsen string
	// Deny serves nothing.
	Deny bool
	// Shadow takes nothing away: what the level would refuse or narrow passes as at the
	// level below, and is recorded.
	Shadow bool `json:",omitempty"`
	// Quiet is how long an account stays at the level without a new finding, if findings
	// brought it there; it then goes down by one. 0 is for ever. Evidence starts afresh with
	// each month, and so an account that goes on collecting makes a new finding in each: a
	// time under a month lets go of those who go on.
	Quiet time.Duration
}

func (l LevelSpec) isZero() bool {
	return !l.scales() && len(l.Replace) == 0 && l.Coarsen == "" && !l.Deny && !l.Shadow && l.Quiet == 0
}

func (l LevelSpec) scales() bool { return l.LimitsNum != 0 || l.LimitsDen != 0 }

// fraction is exact: num/den of two specs compare by value, not by how they are written.
func (l LevelSpec) fraction() *big.Rat { return big.NewRat(l.LimitsNum, l.LimitsDen) }

func (l LevelSpec) canonical() LevelSpec {
	if l.scales() {
		f := l.fraction()
		l.LimitsNum, l.LimitsDen = f.Num().Int64(), f.Denom().Int64()
	}
	l.Replace = canonical(l.Replace)
	return l
}

// canonical sorts limits and leaves out those that are none.
func canonical(limits ratelimit.Limits) ratelimit.Limits {
	kept := make(ratelimit.Limits, 0, len(limits))
	for _, l := range limits {
		if l.Amount == 0 {
			continue
		}
		if l.Burst == l.Amount {
			l.Burst = 0
		}
		kept = append(kept, l)
	}
	slices.SortFunc(kept, func(a, b ratelimit.Limit) int {
		return cmp.Or(cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Window, b.Window))
	})
	return kept
}

// quiet is longer than a month, so that those who go on collecting are found again first.
const quiet = 40 * 24 * time.Hour

// defaultOutput is reserved for an answer of unknown length, in every shipped tier.
const defaultOutput = 256

// Default returns the shipped policy: four tiers, and levels that halve the limits on
// watch, leave a tenth of them when restricted, and serve nothing when suspended. Each
// call returns a fresh value that the caller may change.
func Default() Spec {
	return Spec{
		Tiers: map[bartizan.Tier]TierSpec{
			bartizan.TierPublic:   shipped("public", 2_048, amounts{20, 200, 10_000, 150_000, 1_000, 2}),
			bartizan.TierStandard: shipped("standard", 8_192, amounts{60, 5_000, 100_000, 3_000_000, 50_000, 10}),
			bartizan.TierTrusted:  shipped("trusted", 32_768, amounts{600, 100_000, 1_000_000, 50_000_000, 1_000_000, 50}),
			bartizan.TierPartner:  shipped("partner", 131_072, amounts{6_000, 0, 10_000_000, 0, 20_000_000, 500}),
		},
		Levels: map[bartizan.Level]LevelSpec{
			bartizan.LevelWatch:      {LimitsNum: 1, LimitsDen: 2, Coarsen: "public", Quiet: quiet},
			bartizan.LevelRestricted: {LimitsNum: 1, LimitsDen: 10, Coarsen: "public", Quiet: quiet},
			bartizan.LevelSuspended:  {Deny: true},
		},
	}
}

// amounts are the limits of a shipped tier; 0 is none.
type amounts struct{ requestsMinute, requestsDay, tokensMinute, tokensDay, valuesDay, streams int64 }

func shipped(profile string, maxOutput int64, a amounts) TierSpec {
	p, _ := coarsen.Shipped(profile) // a test compiles the shipped policy
	return TierSpec{
		Limits: canonical(ratelimit.Limits{
			{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: a.requestsMinute},
			{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: a.requestsDay},
			{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: a.tokensMinute},
			{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: a.tokensDay},
			{Dimension: ratelimit.Values, Window: ratelimit.Day, Amount: a.valuesDay},
			{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: a.streams},
		}),
		MaxOutput: maxOutput, DefaultOutput: defaultOutput, Coarsen: p,
		ExactHeaders: profile != string(bartizan.TierPublic),
	}
}
