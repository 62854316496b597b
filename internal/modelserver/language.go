package modelserver

// language is a trained model of text: the n-gram model or the neural one.
type language interface {
	// condition returns the model's next-token distribution for one prompt.
	condition(prompt string) scorer
	// vocabularySize is the length of every distribution.
	vocabularySize() int
}

// scorer gives the distribution of the next token.
type scorer interface {
	// next fills dst, whose length is the vocabulary's size, with the probability of
	// every token after context. Each is above zero and they sum to one.
	next(dst []float64, context []token)
}
