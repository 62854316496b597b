package wire

import (
	"strconv"

	"bartizan"
)

// counts are the tokens that one of several answers of a request counts.
type counts struct {
	choice int
	// input are the parts of the prompt's tokens: alone, read from a cache, written to it.
	input                           [3]int64
	output, more, cached, reasoning int64
}

// count takes the number of a usage object. What was counted before the answer was
// written is no usage yet: of an answer that breaks off it would tell too little.
func (w *Rewriter) count(n *node, span []byte) {
	number, err := strconv.ParseInt(string(span), 10, 64)
	if err != nil || number < 0 || number > maxTokens {
		return
	}
	c := w.countsOf(w.choice())
	switch n.form {
	case formPromptTokens:
		c.input[0] = number
		w.Facts.HasUsage = w.Facts.HasUsage || !n.early
	case formOutputTokens:
		c.output, w.Facts.HasUsage = number, true
	case formCachedTokens:
		c.cached = number
	case formCacheReadTokens:
		c.cached, c.input[1] = number, number
	case formCacheWriteTokens:
		c.input[2] = number
	case formReasoningTokens:
		c.reasoning = number
	case formMoreTokens:
		c.reasoning, c.more = number, number
	default:
		return
	}
	usage := bartizan.Usage{Estimated: w.Facts.Usage.Estimated}
	for i := range w.counts {
		c := &w.counts[i]
		usage.InputTokens += c.input[0] + c.input[1] + c.input[2]
		usage.OutputTokens += c.output + c.more
		usage.CachedTokens += c.cached
		usage.ReasoningTokens += c.reasoning
	}
	w.Facts.Usage = usage
}

// countsOf returns the counts of one choice. Those of more choices than any request may
// have fall together.
func (w *Rewriter) countsOf(choice int) *counts {
	const most = 4096
	for i := range w.counts {
		if w.counts[i].choice == choice || i == most {
			return &w.counts[i]
		}
	}
	w.counts = append(w.counts, counts{choice: choice})
	return &w.counts[len(w.counts)-1]
}

// maxTokens is the greatest count of tokens that is believed.
const maxTokens = 1 << 40
