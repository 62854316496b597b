// Package tokens counts the tokens of a text as a model's own tokenizer would.
//
// The vocabularies are those of OpenAI, o200k_base and cl100k_base, embedded in the
// binary by github.com/tiktoken-go/tokenizer: nothing is fetched at run time. Of that
// module only the vocabulary is used. Its splitter is a backtracking regular
// expression that takes quadratic time on runs of mixed white space and cuts them
// elsewhere than the reference does, so text is split here by a hand-written scanner
// and merged here by a bounded heap.
//
// Every text is counted whole. Counting a sample and scaling it up would be cheaper,
// but who writes the text could put the cheap part where the sample is taken. Instead
// the cost is linear whatever the text holds: see [Counter.Count]. On one core of a
// 2025 server prose and code run at 50 to 75 MB/s, the worst text found, one space
// repeated, at 5 MB/s.
//
// The module adds 10 MB to a binary. An open o200k_base keeps 15 MiB of heap and takes
// 60 ms to build, cl100k_base 8 MiB and 25 ms; one never opened costs nothing more.
//
// Models with another vocabulary (Llama, Qwen, Mistral) are counted only roughly: for
// those an estimate learnt from what the server reports is the better choice.
package tokens

import (
	"fmt"
	"strings"
)

const (
	// O200kBase is the vocabulary of GPT-4o, GPT-4.1, GPT-5 and the o models.
	O200kBase = "o200k_base"
	// CL100kBase is the vocabulary of GPT-4, GPT-3.5 and the embedding models.
	CL100kBase = "cl100k_base"
	// Estimate is the name for no vocabulary.
	Estimate = "estimate"
)

// Names lists what [Open] knows.
func Names() []string { return []string{O200kBase, CL100kBase, Estimate} }

// Counter counts tokens under one vocabulary. It is safe for use by several
// goroutines. Get one from [Open].
type Counter struct {
	name       string
	vocabulary *vocabulary
}

// Open returns the counter for a vocabulary. For "" and [Estimate] there is none: the
// counter is nil, and the caller must estimate. Mind that a nil *Counter in an
// interface is no nil interface. The first Open of a vocabulary in a process builds it,
// so do it at start; later ones share it.
func Open(name string) (*Counter, error) {
	build := o200k
	switch name {
	case "", Estimate:
		return nil, nil
	case O200kBase:
	case CL100kBase:
		build = cl100k
	default:
		return nil, fmt.Errorf("unknown vocabulary %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	v, err := build()
	if err != nil {
		return nil, fmt.Errorf("open vocabulary %s: %w", name, err)
	}
	return &Counter{name: name, vocabulary: v}, nil
}

// Name returns the name of the vocabulary.
func (c *Counter) Name() string { return c.name }

// Count returns how many tokens text makes, never more than it has bytes. Names of
// special tokens, such as <|endoftext|>, count as the plain text that they are here.
//
// The count is that of the reference, but for two cases. A run of more than 4096
// bytes that the vocabulary's pattern does not split, such as one letter repeated, is
// merged in pieces of that size, which can add a token or two for each. A byte that
// is no UTF-8 is split like U+FFFD but counted as itself.
//
// Time is linear in the length of text; memory beside it is constant.
func (c *Counter) Count(text string) int {
	v := c.vocabulary
	n := 0
	for text != "" {
		end := v.split(text)
		n += v.count(text[:end])
		text = text[end:]
	}
	return n
}

// ChatOverhead returns the tokens that the chat format adds to the text of so many
// messages: three that frame each message, one for its role, and three that open the
// answer. A message with a name costs one more and the name's own tokens.
//
// The rule is that of OpenAI's cookbook, "How to count tokens with tiktoken". Servers
// of other models format otherwise.
func ChatOverhead(messages int) int {
	const frame, role, opening = 3, 1, 3
	if messages <= 0 {
		return 0
	}
	return messages*(frame+role) + opening
}
