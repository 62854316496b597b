package wire

import (
	"errors"

	"bartizan"
)

// ErrNotUnderstood says that an answer is not JSON of a form that can be rewritten
// safely.
var ErrNotUnderstood = errors.New("answer not understood")

// Rewriter edits answers of one route by one plan. It is reused from document to
// document; its facts add up.
type Rewriter struct {
	// Facts is what the documents so far have said.
	Facts Facts
}

// Facts is what the rewriter learns on its way through an answer.
type Facts struct {
	Usage     bartizan.Usage
	HasUsage  bool
	TextBytes int
}
