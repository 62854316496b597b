package coarsen

import (
	"cmp"
	"math"
	"slices"

	"bartizan"
)

// Tokens applies the profile to the log-probabilities of an answer whose upstream was
// asked for twenty alternatives per token. See [Profile.TokensOf].
func (p *Profile) Tokens(asked bartizan.Asked, toks []bartizan.TokenScore) (out []bartizan.TokenScore, values int) {
	return p.TokensOf(asked, toks, maxRank)
}

// TokensOf returns what may be told of toks and how many numbers that is; requested
// is how many alternatives per token the upstream was asked for.
//
// A token's log-probability is told only if the token is in the model's natural order
// at or before the profile's rank, as the alternatives show it, and at or above the
// floor; else it is [bartizan.LogprobWithheld]. So a caller who forces a token learns
// nothing from having forced it. Without alternatives no rank can be shown and all is
// withheld. Alternatives under the floor are left out, then all but the most likely;
// what is left lies on the profile's grid, most likely first. Applied to its own
// output it only ever withholds more. The input is not changed.
func (p *Profile) TokensOf(asked bartizan.Asked, toks []bartizan.TokenScore, requested int) (out []bartizan.TokenScore, values int) {
	if !p.Logprobs.Allow || !asked.Logprobs || toks == nil {
		return nil, 0
	}
	keep := min(asked.TopLogprobs, p.Logprobs.TopK)
	least := math.Log(p.Logprobs.Floor)
	out = make([]bartizan.TokenScore, len(toks))
	for i, tok := range toks {
		told := bartizan.LogprobWithheld
		if natural(tok, p.Logprobs.NaturalRank, requested) {
			told = p.grid(tok.Logprob, least)
		}
		if told != bartizan.LogprobWithheld {
			values++
		}
		out[i] = bartizan.TokenScore{Token: tok.Token, Logprob: told}
		if keep > 0 {
			out[i].Top = p.alternatives(tok.Top, keep, least)
			values += len(out[i].Top)
		}
	}
	return out, values
}

// TargetsOf is [Profile.TokensOf] for a caller who, by contract, chose the ids whose
// log-probabilities it wants: ranks do not count, and every alternative is told that is at
// or above the floor, in the order in which they came.
func (p *Profile) TargetsOf(toks []bartizan.TokenScore) (out []bartizan.TokenScore, values int) {
	if !p.Logprobs.Allow || !p.TargetIDs || toks == nil {
		return nil, 0
	}
	least := math.Log(p.Logprobs.Floor)
	out = make([]bartizan.TokenScore, len(toks))
	for i, tok := range toks {
		out[i] = bartizan.TokenScore{Token: tok.Token, Logprob: p.grid(tok.Logprob, least)}
		if out[i].Logprob != bartizan.LogprobWithheld {
			values++
		}
		for _, a := range tok.Top {
			if told := p.grid(a.Logprob, least); told != bartizan.LogprobWithheld {
				out[i].Top = append(out[i].Top, bartizan.TokenAlternative{Token: a.Token, Logprob: told})
				values++
			}
		}
	}
	return out, values
}

// natural reports whether the alternatives show that the token is among the model's
// most likely ones.
func natural(tok bartizan.TokenScore, rank, requested int) bool {
	at := slices.IndexFunc(tok.Top, func(a bartizan.TokenAlternative) bool { return a.Token == tok.Token })
	if at < 0 {
		return false
	}
	own := tok.Top[at].Logprob
	above, below, after := 0, 0, false
	for i, a := range tok.Top {
		switch {
		case i == at:
		case a.Logprob > own:
			above++
			after = after || i > at
		case a.Logprob < own:
			below++
		}
	}
	if above >= rank {
		return false
	}
	// Engines add the sampled token to the list when it is not in it. Then it is the
	// last by value: one more than was asked for, or put before more likely ones in a
	// list that was cut to the number asked for.
	added := below == 0 && above > 0 && (len(tok.Top) > requested || (len(tok.Top) == requested && after))
	return !added
}

// alternatives returns the most likely alternatives that may be told.
func (p *Profile) alternatives(tops []bartizan.TokenAlternative, keep int, least float64) []bartizan.TokenAlternative {
	var told []bartizan.TokenAlternative
	for _, a := range tops {
		if p.grid(a.Logprob, least) != bartizan.LogprobWithheld {
			told = append(told, a)
		}
	}
	slices.SortStableFunc(told, func(a, b bartizan.TokenAlternative) int { return cmp.Compare(b.Logprob, a.Logprob) })
	told = told[:min(len(told), keep)]
	for i := range told {
		told[i].Logprob = p.grid(told[i].Logprob, least)
	}
	return told
}

// grid rounds a log-probability to the profile's step. What is under the floor before
// or after, and what is no number, is withheld.
func (p *Profile) grid(logprob, least float64) float64 {
	if math.IsNaN(logprob) || logprob < least || logprob > slack {
		return bartizan.LogprobWithheld
	}
	rounded := onGrid(min(logprob, 0), p.Logprobs.Step)
	if rounded < least {
		return bartizan.LogprobWithheld
	}
	return rounded
}

// slack is how far above zero rounding may carry a log-probability upstream.
const slack = 1e-3

// onGrid returns the multiple of step that is nearest to f, as the float nearest to
// its decimal form, so that it prints short. It is never minus zero.
func onGrid(f, step float64) float64 {
	steps := math.Round(f / step)
	if steps == 0 {
		return 0
	}
	if per := math.Round(1 / step); per >= 1 && math.Abs(per*step-1) < 1e-9 {
		return steps / per
	}
	const decimals = 1e6
	return math.Round(steps*step*decimals) / decimals
}
