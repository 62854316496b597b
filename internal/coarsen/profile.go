// Package coarsen decides what an answer may carry for a tier: which kinds of
// content leave at all, and how finely numbers are told.
//
// A [Profile] is plain data, and its zero value releases nothing but content. Its
// functions are pure: equal input gives equal output, and the most likely
// alternative stays the most likely. Coarsening raises the cost of copying a model;
// it does not make copying impossible, and text itself it leaves alone.
package coarsen

import (
	"errors"
	"fmt"
	"math"
)

// Profile is what one tier may ask for and see. In every knob a smaller or false
// value is stricter, but for Logprobs.Step and Logprobs.Floor, where a greater one is.
type Profile struct {
	Name string

	Logprobs     Logprobs
	ForcedTokens ForcedTokens
	LogitBias    LogitBias

	// PromptLogprobs lets log-probabilities of the prompt pass, and echo with them.
	PromptLogprobs bool
	// TokenIDs lets vocabulary ids pass to a client that asked for them.
	TokenIDs bool
	// Internal lets hidden states, routed experts and transfer handles pass.
	Internal bool
	// Fingerprint lets what identifies build or quantisation pass.
	Fingerprint bool
	// Timings lets server-side timings pass.
	Timings bool
	// UsageDetail lets counts of cached, reasoning and speculative tokens pass.
	UsageDetail bool
	// Reasoning lets raw reasoning text pass.
	Reasoning bool
	// Scores lets class and moderation scores pass.
	Scores bool

	Embeddings Embeddings

	// NMax caps n and best_of; 0 is 1.
	NMax int
	// Seed lets a client fix the sampling.
	Seed bool
	// Prediction lets a client send predicted output, whose acceptance counts and
	// timing tell about the model.
	Prediction bool
	// Privileged lets a client order the provider about: priority, storage.
	Privileged bool

	UnknownRequest UnknownRequest
	// PassUnknown lets answer fields pass that no route table names.
	PassUnknown bool
	// PassUnread lets an answer pass that cannot be understood at all.
	PassUnread bool
}

// Logprobs says which log-probabilities of answer tokens are told.
type Logprobs struct {
	Allow bool
	// TopK is how many alternatives per token are told; 0 tells the sampled token only.
	TopK int
	// Step is the grid, in nats.
	Step float64
	// Floor is the least probability that is told.
	Floor float64
	// NaturalRank is the last rank in the model's own order at which a token's
	// log-probability is told.
	NaturalRank int
}

// ForcedTokens says what becomes of a request that both chooses tokens (by bias,
// lists or a grammar) and asks for log-probabilities.
type ForcedTokens uint8

// The ways, strictest first.
const (
	ForcedDeny  ForcedTokens = iota // the choice of tokens is removed; a grammar removes the log-probabilities
	ForcedXor                       // the log-probabilities are removed
	ForcedAllow                     // both stay
)

// LogitBias says which biases a request may carry.
type LogitBias struct {
	// Entries is how many tokens may be biased; 0 is none.
	Entries int
	// Limit is the size of a bias.
	Limit float64
}

// Embeddings says how finely vectors are told.
type Embeddings struct {
	Grid Grid
	// Decimals is used by GridDecimals.
	Decimals int
	// Dimensions lets the client choose a length.
	Dimensions bool
}

// Grid is the set of numbers that a vector's components are rounded to.
type Grid uint8

// The grids, strictest first.
const (
	GridInt8     Grid = iota // 255 levels, unit norm
	GridDecimals             // decimal places, unit norm
	GridFloat16              // half precision
	GridFull                 // as the model gave it
)

// UnknownRequest says what becomes of request fields that no route table names.
type UnknownRequest uint8

// The ways, strictest first.
const (
	UnknownReject UnknownRequest = iota // the request is refused
	UnknownDrop                         // they are left out
)

const (
	maxRank       = 20  // what providers tell at most
	minDecimals   = 2   // fewer would empty most vectors
	maxDecimals   = 8   // more than a float32 holds
	maxBiasLimit  = 100 // what the API documents
	maxBias       = 4096
	maxChoicesAny = 128
)

// Validate reports every fault of the profile at once.
func (p *Profile) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("profile %q: "+format, append([]any{p.Name}, args...)...))
		}
	}
	if l := p.Logprobs; l.Allow {
		check(l.NaturalRank >= 1 && l.NaturalRank <= maxRank, "logprobs: natural rank is %d, want 1 to %d", l.NaturalRank, maxRank)
		check(l.TopK >= 0 && l.TopK <= l.NaturalRank, "logprobs: top k is %d, want 0 to the natural rank %d", l.TopK, l.NaturalRank)
		check(l.Step > 0 && !math.IsInf(l.Step, 0), "logprobs: step is %v, want a positive number of nats", l.Step)
		check(l.Floor > 0 && l.Floor < 1, "logprobs: floor is %v, want a probability between 0 and 1", l.Floor)
	}
	check(p.ForcedTokens <= ForcedAllow, "forced tokens: no such way")
	check(p.LogitBias.Entries >= 0 && p.LogitBias.Entries <= maxBias, "logit bias: %d entries, want 0 to %d", p.LogitBias.Entries, maxBias)
	check(p.LogitBias.Limit >= 0 && p.LogitBias.Limit <= maxBiasLimit, "logit bias: limit is %v, want 0 to %d", p.LogitBias.Limit, maxBiasLimit)
	check(p.Embeddings.Grid <= GridFull, "embeddings: no such grid")
	if p.Embeddings.Grid == GridDecimals {
		check(p.Embeddings.Decimals >= minDecimals && p.Embeddings.Decimals <= maxDecimals,
			"embeddings: %d decimals, want %d to %d", p.Embeddings.Decimals, minDecimals, maxDecimals)
	}
	check(p.NMax >= 0 && p.NMax <= maxChoicesAny, "choices: %d, want 0 to %d", p.NMax, maxChoicesAny)
	check(p.UnknownRequest <= UnknownDrop, "unknown request fields: no such way")
	return errors.Join(faults...)
}

// Choices returns how many answers a request may have.
func (p *Profile) Choices() int { return max(p.NMax, 1) }

// Tighter returns the stricter of both in every knob. It carries the name of the one
// that it equals, else both names.
func Tighter(a, b Profile) Profile {
	t := Profile{
		Logprobs:       tighterLogprobs(a.Logprobs, b.Logprobs),
		ForcedTokens:   min(a.ForcedTokens, b.ForcedTokens),
		LogitBias:      LogitBias{min(a.LogitBias.Entries, b.LogitBias.Entries), min(a.LogitBias.Limit, b.LogitBias.Limit)},
		PromptLogprobs: both(a.PromptLogprobs, b.PromptLogprobs),
		TokenIDs:       both(a.TokenIDs, b.TokenIDs),
		Internal:       both(a.Internal, b.Internal),
		Fingerprint:    both(a.Fingerprint, b.Fingerprint),
		Timings:        both(a.Timings, b.Timings),
		UsageDetail:    both(a.UsageDetail, b.UsageDetail),
		Reasoning:      both(a.Reasoning, b.Reasoning),
		Scores:         both(a.Scores, b.Scores),
		Embeddings:     tighterEmbeddings(a.Embeddings, b.Embeddings),
		NMax:           min(a.Choices(), b.Choices()),
		Seed:           both(a.Seed, b.Seed),
		Prediction:     both(a.Prediction, b.Prediction),
		Privileged:     both(a.Privileged, b.Privileged),
		UnknownRequest: min(a.UnknownRequest, b.UnknownRequest),
		PassUnknown:    both(a.PassUnknown, b.PassUnknown),
		PassUnread:     both(a.PassUnread, b.PassUnread),
	}
	named := func(p Profile) Profile { p.Name = ""; p.NMax = p.Choices(); return p }
	switch t {
	case named(a):
		t.Name = a.Name
	case named(b):
		t.Name = b.Name
	default:
		t.Name = a.Name + "+" + b.Name
	}
	return t
}

func both(a, b bool) bool { return a && b }

func tighterLogprobs(a, b Logprobs) Logprobs {
	if !a.Allow || !b.Allow {
		return Logprobs{}
	}
	return Logprobs{
		Allow: true, TopK: min(a.TopK, b.TopK), Step: max(a.Step, b.Step), Floor: max(a.Floor, b.Floor),
		NaturalRank: min(a.NaturalRank, b.NaturalRank),
	}
}

func tighterEmbeddings(a, b Embeddings) Embeddings {
	t := Embeddings{Grid: min(a.Grid, b.Grid), Dimensions: a.Dimensions && b.Dimensions}
	if t.Grid != GridDecimals {
		return t
	}
	switch {
	case a.Grid != GridDecimals:
		t.Decimals = b.Decimals
	case b.Grid != GridDecimals:
		t.Decimals = a.Decimals
	default:
		t.Decimals = min(a.Decimals, b.Decimals)
	}
	return t
}
