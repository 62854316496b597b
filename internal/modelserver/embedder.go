package modelserver

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// EmbeddingDimensions is the length of an embedding that asks for nothing else.
const EmbeddingDimensions = 256

const (
	indexSpread = 12   // places of a random index vector that are not zero
	selfWeight  = 0.5  // weight of a word's own index vector against its contexts'
	rareCount   = 5    // added to counts, so that what was never seen does not rule a text
	leastWeight = 0.02 // of the most frequent words, before it is squared
)

// embedder turns texts into vectors by random indexing (Kanerva, Kristoferson and
// Holst 2000): each word has a sparse random vector, a paragraph is the sum of its
// words, and what a word means is its own vector plus the paragraphs that it was
// seen in. A text is the mean of its words, rare ones counting more, minus what all
// texts share (Arora, Liang and Ma 2017). Words that training never saw have their
// random vector alone.
type embedder struct {
	words  map[string]meaning
	unseen float64   // weight of a word that was never seen
	common []float64 // unit vector of what all texts share
	// classifier is trained on the vectors of the same texts when it is first asked.
	classifier func() *classifier
}

// meaning is a word's vector and weight.
type meaning struct {
	vector []float32
	weight float64
}

func newEmbedder(paragraphs []string) *embedder {
	counts, total := map[string]float64{}, 0.0
	texts := make([][]string, len(paragraphs))
	for i, p := range paragraphs {
		texts[i] = slices.Collect(stems(p))
		for _, w := range texts[i] {
			counts[w]++
			total++
		}
	}
	// The square of the inverse frequency, on a logarithmic scale from 0 to 1.
	weight := func(n float64) float64 {
		rarity := math.Log(total/(n+rareCount)) / math.Log(max(total, 2*rareCount)/rareCount)
		return math.Pow(max(leastWeight, rarity), 2)
	}
	index := make(map[string]meaning, len(counts))
	for w, n := range counts {
		index[w] = meaning{indexVector(w), weight(n)}
	}
	e := &embedder{words: learnMeanings(index, texts), unseen: weight(0), common: make([]float64, EmbeddingDimensions)}
	e.common = e.shared(texts)
	e.classifier = sync.OnceValue(func() *classifier { return newClassifier(e, paragraphs) })
	return e
}

// indexVector draws the sparse vector of a word; it depends on nothing else.
func indexVector(word string) []float32 {
	out := make([]float32, EmbeddingDimensions)
	h := fnv.New64a()
	_, _ = h.Write([]byte(word))                         // a hash accepts everything
	rng := rand.New(rand.NewPCG(h.Sum64(), indexSpread)) //nolint:gosec // a fixed function of the word, no secret
	for range indexSpread {
		out[rng.IntN(len(out))] += float32(1 - 2*rng.IntN(2))
	}
	normalise(out)
	return out
}

// learnMeanings adds the paragraph of every occurrence.
func learnMeanings(index map[string]meaning, texts [][]string) map[string]meaning {
	out := make(map[string]meaning, len(index))
	for w, m := range index {
		out[w] = meaning{make([]float32, EmbeddingDimensions), m.weight}
	}
	for _, text := range texts {
		paragraph := make([]float32, EmbeddingDimensions)
		for _, w := range text {
			add(paragraph, index[w].vector, float32(index[w].weight))
		}
		normalise(paragraph)
		for _, w := range text {
			add(out[w].vector, paragraph, 1)
		}
	}
	for w, m := range out {
		normalise(m.vector)
		add(m.vector, index[w].vector, selfWeight)
		normalise(m.vector)
	}
	return out
}

// shared is the first principal direction of the texts, by power iteration.
func (e *embedder) shared(texts [][]string) []float64 {
	var rows [][]float64
	for _, text := range texts {
		rows = append(rows, e.mean(text))
	}
	direction := make([]float64, EmbeddingDimensions)
	for i := range direction {
		direction[i] = 1 / math.Sqrt(EmbeddingDimensions)
	}
	for range 20 {
		next := make([]float64, len(direction))
		for _, row := range rows {
			p := 0.0
			for i := range row {
				p += row[i] * direction[i]
			}
			for i := range row {
				next[i] += p * row[i]
			}
		}
		size := 0.0
		for _, x := range next {
			size += x * x
		}
		if size == 0 {
			break
		}
		for i := range next {
			direction[i] = next[i] / math.Sqrt(size)
		}
	}
	return direction
}

// mean is the weighted mean of the words' vectors.
func (e *embedder) mean(text []string) []float64 {
	out := make([]float64, EmbeddingDimensions)
	for _, w := range text {
		m, ok := e.words[w]
		if !ok {
			m = meaning{indexVector(w), e.unseen}
		}
		for i, x := range m.vector {
			out[i] += m.weight * float64(x) / float64(len(text))
		}
	}
	return out
}

// embed returns the unit vector of a text, cut to its first dimensions. A text that
// has none gets the unit vector of what all texts share.
func (e *embedder) embed(text string, dimensions int) []float32 {
	v := e.mean(slices.Collect(stems(text)))
	p := 0.0
	for i := range v {
		p += v[i] * e.common[i]
	}
	out := make([]float32, dimensions)
	for i := range out {
		out[i] = float32(v[i] - p*e.common[i])
	}
	if !normalise(out) {
		for i := range out {
			out[i] = float32(e.common[i])
		}
		normalise(out)
	}
	return out
}

func add(dst, src []float32, scale float32) {
	for i, x := range src {
		dst[i] += x * scale
	}
}

// normalise scales v to length one; it reports false and leaves v alone when v is zero.
func normalise(v []float32) bool {
	size := 0.0
	for _, x := range v {
		size += float64(x) * float64(x)
	}
	if size == 0 {
		return false
	}
	scale := float32(1 / math.Sqrt(size))
	for i := range v {
		v[i] *= scale
	}
	return true
}
