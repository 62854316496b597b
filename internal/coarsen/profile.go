// Package coarsen decides what an answer may carry for a tier: which kinds of
// content leave at all, and how finely numbers are told.
//
// A [Profile] is plain data, and its zero value releases nothing but content. Its
// functions are pure: equal input gives equal output, and the most likely
// alternative stays the most likely. Coarsening raises the cost of copying a model;
// it does not make copying impossible, and text itself it leaves alone.
package coarsen

import "time"

// Profile is what one tier may ask for and see. In every knob a smaller or false
// value is stricter, but for Logprobs.Step, Logprobs.Floor, Strict, Stream and what
// perturbs Scores, where a greater or true one is. Profiles compare with ==.
type Profile struct {
	Name string

	Logprobs     Logprobs
	ForcedTokens ForcedTokens
	LogitBias    LogitBias
	// TargetIDs lets a client list the vocabulary ids whose log-probabilities it wants.
	// That reads the output layer column by column, so no shipped profile allows it.
	TargetIDs bool

	// PromptLogprobs lets log-probabilities of the prompt pass, and echo with them.
	PromptLogprobs bool
	// TokenIDs lets vocabulary ids pass to a client that asked for them.
	TokenIDs bool
	// Tokenize opens the endpoints that turn text into ids and back.
	Tokenize bool
	// Internal lets hidden states, routed experts and transfer handles pass.
	Internal    bool
	Fingerprint Fingerprint
	Timings     Timings
	// UsageDetail lets counts of cached, reasoning and speculative tokens pass.
	UsageDetail bool
	Reasoning   Reasoning

	// Scores is for class, moderation, rerank and similarity scores.
	Scores Scores
	// LinearScores stands in place of Scores for models declared to be linear: a few
	// exact answers give away all of their weights.
	LinearScores Scores

	Embeddings Embeddings

	// NMax caps n and best_of; 0 is 1.
	NMax int
	// Prompts caps the prompts of one request that generates; 0 is 1.
	Prompts int
	// Inputs caps the texts of one request that embeds or classifies; 0 is 1.
	Inputs int
	// Seed lets a client fix the sampling.
	Seed bool
	// Prediction lets a client send predicted output, whose acceptance counts and
	// timing tell about the model.
	Prediction bool
	// Privileged lets a client order the provider about: priority, storage.
	Privileged bool

	// Strict refuses a request that asks for too much, instead of narrowing it.
	Strict         bool
	UnknownRequest UnknownRequest
	// PassUnknown lets answer fields pass that no route table names. Without it the
	// tables are an allow-list.
	PassUnknown bool
	// PassUnread lets an answer pass that cannot be understood at all.
	PassUnread bool

	Stream Stream
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
	// Dims is the most components that are told; a longer vector is cut and scaled to
	// unit norm. 0 tells all.
	Dims int
	// PerToken lets the client ask for vectors per token, or not scaled to unit norm.
	PerToken bool
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
	UnknownPass                         // they reach the upstream
)

// Reasoning says which text of a model's thinking passes.
type Reasoning uint8

// The ways, strictest first.
const (
	ReasoningDrop    Reasoning = iota // none
	ReasoningSummary                  // a summary that the provider made, if there is one
	ReasoningRaw                      // all
)

// Fingerprint says what becomes of fields that identify build or quantisation.
type Fingerprint uint8

// The ways, strictest first.
const (
	FingerprintStrip Fingerprint = iota // they are left out
	FingerprintHMAC                     // a keyed token that changes when they do
	FingerprintPass                     // they pass
)

// Timings says what becomes of server-side timings.
type Timings uint8

// The ways, strictest first.
const (
	TimingsStrip Timings = iota // they are left out
	TimingsRound                // they are rounded to 10 ms
	TimingsPass                 // they pass
)

// Stream says how the events of a streamed answer are made less telling: their number
// and sizes give away tokens and speculation.
type Stream struct {
	// Wait joins the text of events that come within this time; 0 does not.
	Wait time.Duration
	// Join joins the text of this many events; 0 and 1 do not.
	Join int
	// Pad fills events up to a common size.
	Pad bool
}

// Choices returns how many answers a request may have.
func (p *Profile) Choices() int { return max(p.NMax, 1) }

// TellsNumbers reports whether answers may carry numbers that count: log-probabilities
// or scores.
func (p *Profile) TellsNumbers() bool {
	return p.Logprobs.Allow || p.PromptLogprobs || p.Scores.Tells() || p.LinearScores.Tells()
}

// WithoutNumbers returns the profile with every number withheld that counts. It keeps
// its name.
func (p *Profile) WithoutNumbers() Profile {
	without := *p
	without.Logprobs, without.PromptLogprobs, without.TargetIDs = Logprobs{}, false, false
	without.Scores, without.LinearScores = Scores{}, Scores{}
	return without
}
