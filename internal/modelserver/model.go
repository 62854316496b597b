package modelserver

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// minPassages is the least text that a model can be trained from.
const minPassages = 2

// Model is a trained language model and embedder, made by [Train] or [TrainNeural]. It
// is read-only and safe for use by many goroutines.
type Model struct {
	vocabulary *vocabulary
	language   language
	embedder   *embedder
	name       string // in the API, when the server's options give none
	kind       string // how a talkative server calls it
}

var errTooLittle = errors.New("train model: the text needs at least two paragraphs with a blank line between them")

// Train learns a model from English prose with blank lines between paragraphs. It
// is deterministic: equal texts give equal models.
func Train(text string) (*Model, error) {
	paragraphs := split(text)
	if len(paragraphs) < minPassages {
		return nil, errTooLittle
	}
	passages := pairUp(paragraphs)
	v := learnVocabulary(strings.Join(passages, "\n\n"), maxTokens)
	return &Model{
		vocabulary: v,
		language:   newTopical(v, passages),
		embedder:   newEmbedder(paragraphs),
		name:       DefaultName,
		kind:       "ngram" + strconv.Itoa(maxContext+1),
	}, nil
}

// split returns the paragraphs of a text, each on one line.
func split(text string) []string {
	var out []string
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for p := range strings.SplitSeq(text, "\n\n") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// pairUp joins paragraphs two by two, so that the model learns both to go on after
// a paragraph and to end.
func pairUp(paragraphs []string) []string {
	var out []string
	for i := 0; i < len(paragraphs); i += 2 {
		out = append(out, strings.Join(paragraphs[i:min(i+2, len(paragraphs))], "\n\n"))
	}
	return out
}

// VocabularySize returns the number of tokens that a distribution covers.
func (m *Model) VocabularySize() int { return m.vocabulary.size() }

// Encode returns the token ids of text.
func (m *Model) Encode(text string) []int {
	tokens := m.vocabulary.encode(text)
	out := make([]int, len(tokens))
	for i, t := range tokens {
		out[i] = int(t)
	}
	return out
}

// Decode returns the text of token ids; ids outside the vocabulary are left out.
// For every text s, Decode(Encode(s)) is s.
func (m *Model) Decode(ids []int) string {
	tokens := make([]token, 0, len(ids))
	for _, id := range ids {
		if id >= 0 && id < m.vocabulary.size() {
			tokens = append(tokens, token(id)) //nolint:gosec // less than the vocabulary's size
		}
	}
	return m.vocabulary.decode(tokens)
}

// Logprobs returns the natural logarithm of the probability of every token after
// text, when the model was asked prompt. This is what the server samples from.
func (m *Model) Logprobs(prompt, text string) []float64 {
	dst := make([]float64, m.vocabulary.size())
	m.language.condition(prompt).next(dst, append([]token{endToken}, m.vocabulary.encode(text)...))
	for i, p := range dst {
		dst[i] = math.Log(p)
	}
	return dst
}

// Perplexity is the exponential of the mean surprise, in nats per token, at each
// paragraph of text read without a prompt.
func (m *Model) Perplexity(text string) float64 {
	var passages [][]token
	for _, p := range split(text) {
		passages = append(passages, framed(m.vocabulary.encode(p)))
	}
	return perplexity(m.language.condition(""), m.vocabulary.size(), passages)
}

// Embed returns the unit vector of text with the given number of dimensions,
// between 1 and [EmbeddingDimensions].
func (m *Model) Embed(text string, dimensions int) []float32 {
	return m.embedder.embed(text, dimensions)
}
