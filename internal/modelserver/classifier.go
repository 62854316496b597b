package modelserver

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxTopics    = 13 // as many as the moderation API has categories
	perTopic     = 4  // paragraphs that a topic has on average, at least
	topicRounds  = 12 // of the clustering
	trainRounds  = 40 // of gradient descent
	learningRate = 2.0
	momentum     = 0.9
	weightDecay  = 1e-3
	labelLetters = 5 // of a word that may name a topic
)

// classifier sorts texts into the topics of the training text. The topics are found
// by clustering the paragraphs' embeddings (spherical k-means) and named by the word
// that is most particular to each. On the embedding, two linear models are trained by
// gradient descent: a softmax regression over all topics, and one independent logistic
// regression for each topic.
type classifier struct {
	labels []string
	shared head // softmax: exactly one topic
	single head // sigmoids: any number of topics
}

// head is a linear model: one row of weights per topic, its offset at the end.
type head [][]float64

func newClassifier(e *embedder, paragraphs []string) *classifier {
	features := make([][]float32, len(paragraphs))
	for i, p := range paragraphs {
		features[i] = e.embed(p, EmbeddingDimensions)
	}
	k := min(maxTopics, max(2, len(paragraphs)/perTopic))
	topic := cluster(features, k)
	return &classifier{
		labels: e.nameTopics(paragraphs, topic, k),
		shared: trainHead(features, topic, k, softmax),
		single: trainHead(features, topic, k, sigmoids),
	}
}

// cluster assigns every vector to one of k groups. The first groups are far apart,
// and everything is decided by the vectors alone.
func cluster(features [][]float32, k int) []int {
	centres := [][]float32{features[0]}
	for len(centres) < k { // the vector that is least like any centre
		far, least := 0, math.Inf(1)
		for i, f := range features {
			nearest := math.Inf(-1)
			for _, c := range centres {
				nearest = max(nearest, dot(f, c))
			}
			if nearest < least {
				far, least = i, nearest
			}
		}
		centres = append(centres, features[far])
	}
	topic := make([]int, len(features))
	for range topicRounds {
		next := make([][]float32, k)
		for c := range next {
			next[c] = make([]float32, EmbeddingDimensions)
		}
		for i, f := range features {
			best := 0
			for c := range centres {
				if dot(f, centres[c]) > dot(f, centres[best]) {
					best = c
				}
			}
			topic[i] = best
			add(next[best], f, 1)
		}
		for c := range next {
			if normalise(next[c]) { // an empty group keeps its centre
				centres[c] = next[c]
			}
		}
	}
	return topic
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// nameTopics picks for each topic the word that is most particular to it, rare words
// counting more, and each word once.
func (e *embedder) nameTopics(paragraphs []string, topic []int, k int) []string {
	in, all := make([]map[string]float64, k), map[string]float64{}
	for c := range in {
		in[c] = map[string]float64{}
	}
	for i, p := range paragraphs {
		for w := range strings.FieldsFuncSeq(strings.ToLower(p), func(r rune) bool { return !unicode.IsLetter(r) }) {
			if len(w) >= labelLetters {
				in[topic[i]][w]++
				all[w]++
			}
		}
	}
	labels, taken := make([]string, k), map[string]bool{}
	for c := range labels {
		best, most := "topic-"+strconv.Itoa(c), 0.0
		for w, n := range in[c] {
			score := n * n / all[w] * e.words[stem(w)].weight
			if !taken[w] && cmp.Or(cmp.Compare(score, most), cmp.Compare(best, w)) > 0 {
				best, most = w, score
			}
		}
		labels[c], taken[best] = best, true
	}
	return labels
}

// trainHead fits a linear model to the topics of vectors; activate turns its outputs
// into probabilities. Both activations have the same gradient.
func trainHead(features [][]float32, topic []int, k int, activate func([]float64) []float64) head {
	h := make(head, k)
	for c := range h {
		h[c] = make([]float64, EmbeddingDimensions+1)
	}
	step, speed := make(head, k), make(head, k)
	for c := range speed {
		step[c], speed[c] = make([]float64, EmbeddingDimensions+1), make([]float64, EmbeddingDimensions+1)
	}
	for range trainRounds {
		for c := range step {
			clear(step[c])
		}
		for i, f := range features {
			errs := activate(h.logits(f))
			errs[topic[i]]--
			for c, miss := range errs {
				row := step[c]
				for d, x := range f {
					row[d] += miss * float64(x)
				}
				row[EmbeddingDimensions] += miss
			}
		}
		for c := range h {
			for d := range h[c] {
				speed[c][d] = momentum*speed[c][d] - learningRate*(step[c][d]/float64(len(features))+weightDecay*h[c][d])
				h[c][d] += speed[c][d]
			}
		}
	}
	return h
}

// logits are the outputs for one vector.
func (h head) logits(f []float32) []float64 {
	out := make([]float64, len(h))
	for c, row := range h {
		out[c] = row[EmbeddingDimensions]
		for d, x := range f {
			out[c] += row[d] * float64(x)
		}
	}
	return out
}

// softmax turns logits into probabilities that sum to one.
func softmax(logits []float64) []float64 {
	largest := slices.Max(logits)
	out, total := make([]float64, len(logits)), 0.0
	for i, x := range logits {
		out[i] = math.Exp(x - largest)
		total += out[i]
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

// sigmoids turns each logit into a probability of its own.
func sigmoids(logits []float64) []float64 {
	out := make([]float64, len(logits))
	for i, x := range logits {
		out[i] = 1 / (1 + math.Exp(-x))
	}
	return out
}

// identity leaves logits as they are.
func identity(logits []float64) []float64 { return logits }

// Labels returns the names of the topics that texts are sorted into, at least two.
func (m *Model) Labels() []string { return slices.Clone(m.embedder.classifier().labels) }

// Logits returns the classifier's outputs for a text, one per label. They are linear
// in the text's embedding of [EmbeddingDimensions] numbers.
func (m *Model) Logits(text string) []float64 {
	return m.embedder.classifier().shared.logits(m.Embed(text, EmbeddingDimensions))
}

// Classify returns the probability of each label; together they are one.
func (m *Model) Classify(text string) []float64 { return softmax(m.Logits(text)) }

// Topics returns for each label the probability that the text is about it; they are
// independent of one another.
func (m *Model) Topics(text string) []float64 {
	return sigmoids(m.embedder.classifier().single.logits(m.Embed(text, EmbeddingDimensions)))
}
