package modelserver

import (
	"math"
	"strings"
)

// UnigramPerplexity trains a unigram model on the same passages and vocabulary as
// m and returns its perplexity on text.
func UnigramPerplexity(m *Model, training, text string) float64 {
	b := newNgramBuilder(0)
	for _, p := range pairUp(split(training)) {
		b.learn(framed(m.vocabulary.encode(p)))
	}
	total, mass := 0.0, make([]float64, m.VocabularySize())
	for i := range mass {
		mass[i] = unseenCount + b.counts[0][token(i)]
		total += mass[i]
	}
	for i := range mass {
		mass[i] /= total
	}
	var passages [][]token
	for _, p := range split(text) {
		passages = append(passages, framed(m.vocabulary.encode(p)))
	}
	return perplexity(constant(mass), len(mass), passages)
}

type constant []float64

func (c constant) next(dst []float64, _ []token) { copy(dst, c) }

// Halves returns the two halves of each paragraph that is long enough.
func Halves(text string) (first, second []string) {
	for _, p := range split(text) {
		if words := strings.Fields(p); len(words) >= 40 {
			first = append(first, strings.Join(words[:len(words)/2], " "))
			second = append(second, strings.Join(words[len(words)/2:], " "))
		}
	}
	return first, second
}

// Next returns the natural logarithm of the probability of every token after the
// given ones, when the model was asked about something.
func Next(m *Model, about string, before []int) []float64 {
	context := []token{endToken}
	for _, id := range before {
		context = append(context, token(id))
	}
	dst := make([]float64, m.VocabularySize())
	m.language.condition(about).next(dst, context)
	for i, p := range dst {
		dst[i] = math.Log(p)
	}
	return dst
}
