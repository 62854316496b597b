package coarsen

import (
	"strconv"
	"strings"
)

// word returns the word of a way; ways without one are the strictest.
func word(way uint8, words ...string) string {
	if int(way) >= len(words) {
		return words[0]
	}
	return words[way]
}

// String returns the way as it is written in a configuration.
func (f ForcedTokens) String() string { return word(uint8(f), "deny", "xor_logprobs", "allow") }

// String returns the way as it is written in a configuration.
func (f Fingerprint) String() string { return word(uint8(f), "strip", "hmac", "pass") }

// String returns the way as it is written in a configuration.
func (t Timings) String() string { return word(uint8(t), "strip", "round", "pass") }

// String returns the way as it is written in a configuration.
func (r Reasoning) String() string { return word(uint8(r), "drop", "summary", "raw") }

// String returns the way as it is written in a configuration.
func (u UnknownRequest) String() string { return word(uint8(u), "reject", "drop", "pass") }

// String returns the grid as it is written in a configuration.
func (g Grid) String() string { return word(uint8(g), "int8", "decimals", "float16", "float32") }

// String returns the mode as it is written in a configuration.
func (m Mode) String() string { return word(uint8(m), "label", "bucket", "top_k", "full") }

// String describes what is told, such as "top 3 with 2 decimals".
func (s Scores) String() string {
	decimals := " with " + strconv.Itoa(s.Decimals) + " decimals"
	if s.Decimals == 1 {
		decimals = " with 1 decimal"
	}
	var says string
	switch s.Mode {
	case ScoresBucket:
		edges := make([]string, 0, len(s.Edges.At))
		for _, at := range s.Edges.used() {
			edges = append(edges, short(at))
		}
		says = "buckets at " + strings.Join(edges, ", ")
	case ScoresTopK:
		says = "top " + strconv.Itoa(s.TopK) + decimals
	case ScoresFull:
		says = "all" + decimals
	default:
		return "label only"
	}
	var more []string
	if s.ReverseSigmoid.Beta != 0 {
		more = append(more, "reverse sigmoid "+short(s.ReverseSigmoid.Beta)+" "+short(s.ReverseSigmoid.Gamma))
	}
	if s.Noise != 0 {
		more = append(more, "noise "+short(s.Noise))
	}
	return strings.Join(append([]string{says}, more...), ", ")
}

// String describes the grid and the length, such as "3 decimals, at most 256 components".
func (e Embeddings) String() string {
	says := e.Grid.String()
	if e.Grid == GridDecimals {
		says = strconv.Itoa(e.Decimals) + " decimals"
	}
	if e.Dims > 0 {
		says += ", at most " + strconv.Itoa(e.Dims) + " components"
	}
	return says
}

func short(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
