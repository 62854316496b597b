package detect

import "bartizan"

// Extractor turns exchanges into features under one installation's key.
type Extractor struct{ key []byte }

// NewExtractor returns an extractor whose hashes are keyed with key.
func NewExtractor(key []byte) *Extractor { return &Extractor{key: key} }

// Extract returns the features of x. It reads the text of x and keeps none of it.
// An Extractor is not safe for use by several goroutines at once.
func (e *Extractor) Extract(x *bartizan.Exchange) *Features {
	return &Features{At: x.At, EndAt: x.EndAt}
}
