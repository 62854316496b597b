package modelserver

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strings"
)

const (
	topicPassages = 4   // passages of the training text that a prompt calls up
	topicContext  = 3   // tokens of context that the called-up passages are read with
	topicWeight   = 0.8 // share of the called-up passages in the mixture
)

// topical is the n-gram model of the whole text together with an index of its
// passages. For a prompt it calls up the passages that resemble it, and mixes what
// follows a context there (and in the prompt itself) with what follows it anywhere.
type topical struct {
	vocabulary *vocabulary
	general    *ngram
	passages   [][]token
	postings   map[string][]posting
}

// posting says how much a passage is about a stem.
type posting struct {
	passage int
	weight  float64
}

func newTopical(v *vocabulary, passages []string) *topical {
	t := &topical{vocabulary: v, postings: map[string][]posting{}}
	builder := newNgramBuilder(maxContext)
	for i, text := range passages {
		tokens := framed(v.encode(text))
		builder.learn(tokens)
		t.passages = append(t.passages, tokens)
		counts := map[string]int{}
		for s := range stems(text) {
			counts[s]++
		}
		for s, n := range counts {
			t.postings[s] = append(t.postings[s], posting{i, 1 + math.Log(float64(n))})
		}
	}
	for s, list := range t.postings {
		rarity := math.Log(float64(len(passages)+1) / float64(len(list)))
		for i := range list {
			p := &list[i]
			p.weight *= rarity / math.Sqrt(float64(len(t.passages[p.passage])))
		}
		t.postings[s] = list
	}
	t.general = builder.build(v)
	return t
}

// framed puts end tokens around a passage.
func framed(tokens []token) []token {
	return append(append([]token{endToken}, tokens...), endToken)
}

func (t *topical) vocabularySize() int { return t.vocabulary.size() }

// condition calls up the passages that resemble prompt, the most alike counting
// most. An empty prompt calls up nothing.
func (t *topical) condition(prompt string) scorer { //nolint:ireturn // the model that answers depends on the prompt
	if strings.TrimSpace(prompt) == "" {
		return t.general
	}
	builder := newNgramBuilder(topicContext)
	recalled := t.recall(prompt)
	for rank := range recalled {
		for _, i := range recalled[:len(recalled)-rank] {
			builder.learn(t.passages[i])
		}
	}
	builder.learn(t.vocabulary.encode(lastBytes(prompt, 2048)))
	return &conditioned{general: t.general, topic: builder.buildWith(topicDiscounts())}
}

// lastBytes returns the end of text, at most n bytes.
func lastBytes(text string, n int) string { return text[max(0, len(text)-n):] }

// recall returns the passages most like the prompt. Where the prompt says nothing
// about any passage, its hash chooses, so that every prompt leads somewhere.
func (t *topical) recall(prompt string) []int {
	scores := make([]float64, len(t.passages))
	counted := map[string]bool{}
	for s := range stems(prompt) {
		if counted[s] {
			continue
		}
		counted[s] = true
		for _, p := range t.postings[s] {
			scores[p.passage] += p.weight
		}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(prompt)) // a hash accepts everything
	turn := int(h.Sum32()) % max(1, len(scores))
	order := make([]int, len(scores))
	for i := range order {
		order[i] = (i + turn) % len(scores)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order[:min(topicPassages, len(order))]
}

// topicDiscounts are small: what the called-up passages say is said with confidence.
func topicDiscounts() []float64 { return []float64{0.3, 0.3, 0.3, 0.3} }

// conditioned is the mixture for one prompt.
type conditioned struct {
	general, topic *ngram
}

// next mixes the general distribution with that of the called-up passages, which
// itself falls back on the general one where they say nothing.
func (c *conditioned) next(dst []float64, context []token) {
	c.general.next(dst, context)
	var buffer [topicContext]int32
	path := c.topic.path(buffer[:0], context, topicContext)
	if len(path) == 0 {
		return
	}
	left := 1.0
	for _, id := range path {
		left *= c.topic.nodes[id].backoff
	}
	keep := 1 - topicWeight + topicWeight*left
	for i := range dst {
		dst[i] *= keep
	}
	c.topic.addFollowers(dst, path, topicWeight)
}
