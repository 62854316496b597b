package guard

import (
	"bartizan"
	"bartizan/internal/wire"
)

// Counter counts the tokens of a text under a model's vocabulary.
type Counter func(text string) int

// Counts returns what counts the tokens of a model, or nil.
func (g *Guard) Counts(model string) Counter {
	if g.counter == nil {
		return nil
	}
	return g.counter(model)
}

// What OpenAI's chats have besides their texts, in tokens, under the vocabularies of gpt-4
// and gpt-4o: for each message, for each name, and before the answer. As the provider
// documents it in its cookbook, "How to count tokens with tiktoken", section 6
// (developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken). Other
// providers document nothing of the kind.
const (
	tokensPerMessage = 3
	tokensPerName    = 1
	tokensToPrime    = 3
)

// input counts the tokens of what the model read.
func (c Counter) input(d wire.Dialect, w *wire.Whole) int64 {
	n := w.IDs
	for _, piece := range w.Pieces {
		n += c(piece)
	}
	if d == wire.DialectOpenAI && w.Messages > 0 {
		n += w.Messages*tokensPerMessage + w.Names*tokensPerName + tokensToPrime
	}
	return int64(n)
}

// count is the usage of a request of which the upstream reported none.
func (g *Guard) count(adm *Admission, r *Result) bartizan.Usage {
	usage := bartizan.Usage{
		InputTokens:  adm.inputTokens,
		OutputTokens: g.estimate.tokens(adm.model, r.OutputBytes),
		Estimated:    true,
	}
	counter := g.Counts(adm.model)
	if counter == nil {
		return usage
	}
	if r.Output != "" {
		usage.OutputTokens = int64(counter(r.Output))
	}
	if r.Whole != nil {
		if whole, ok := r.Whole(); ok {
			usage.InputTokens = counter.input(adm.dialect, &whole)
		}
	}
	return usage
}
