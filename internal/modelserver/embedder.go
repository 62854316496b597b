package modelserver

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"unicode"
)

// EmbeddingDimensions is the length of an embedding that asks for nothing else.
const EmbeddingDimensions = 256

const (
	indexSpread   = 12   // places of a random index vector that are not zero
	contextWindow = 4    // tokens on each side that tell about a token
	selfWeight    = 0.5  // weight of a token's own index vector against its contexts'
	frequencyHalf = 3e-3 // frequency at which a token counts half
	rareCount     = 5    // added to counts, so that what was never seen does not rule a text
)

// embedder turns tokens into vectors by random indexing (Kanerva, Kristoferson and
// Holst 2000): each word has a sparse random vector, and a token's vector is its own
// plus those of the words that it was seen beside. A text is the mean of its tokens,
// rare ones counting more, minus what all texts share (Arora, Liang and Ma 2017).
type embedder struct {
	vectors [][]float32 // by token
	weights []float64   // by token
	common  []float64   // unit vector of what all texts share
}

func newEmbedder(v *vocabulary, paragraphs []string) *embedder {
	index := make([][]float32, v.size())
	for t := range index {
		index[t] = indexVector(v.pieces[t])
	}
	counts, total := make([]float64, v.size()), 0.0
	texts := make([][]token, len(paragraphs))
	for i, p := range paragraphs {
		texts[i] = v.encode(p)
		for _, t := range texts[i] {
			counts[t]++
			total++
		}
	}
	e := &embedder{weights: make([]float64, v.size())}
	for t := range e.weights {
		e.weights[t] = frequencyHalf / (frequencyHalf + (counts[t]+rareCount)/(total+rareCount))
	}
	e.vectors = e.learn(index, texts)
	e.common = e.shared(texts)
	return e
}

// indexVector draws the sparse vector of a word and, for longer words, adds that of
// its beginning, so that forms of one word lie near each other. Case and the
// leading space do not matter.
func indexVector(piece string) []float32 {
	out := make([]float32, EmbeddingDimensions)
	w := strings.ToLower(strings.TrimFunc(piece, unicode.IsSpace))
	scatter(out, w)
	if len(w) > stemLen-1 {
		scatter(out, w[:stemLen-1])
	}
	normalise(out)
	return out
}

func scatter(dst []float32, name string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))                         // a hash accepts everything
	rng := rand.New(rand.NewPCG(h.Sum64(), indexSpread)) //nolint:gosec // a fixed function of the name, no secret
	for range indexSpread {
		dst[rng.IntN(len(dst))] += float32(1 - 2*rng.IntN(2))
	}
}

// learn adds the neighbours of every occurrence.
func (e *embedder) learn(index [][]float32, texts [][]token) [][]float32 {
	out := make([][]float32, len(index))
	for t := range out {
		out[t] = make([]float32, EmbeddingDimensions)
	}
	for _, text := range texts {
		for i, t := range text {
			for j := max(0, i-contextWindow); j < min(len(text), i+contextWindow+1); j++ {
				if j != i {
					add(out[t], index[text[j]], float32(e.weights[text[j]]))
				}
			}
		}
	}
	for t := range out {
		normalise(out[t])
		add(out[t], index[t], selfWeight)
		normalise(out[t])
	}
	return out
}

// shared is the first principal direction of the texts, by power iteration.
func (e *embedder) shared(texts [][]token) []float64 {
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

// mean is the weighted mean of the tokens' vectors.
func (e *embedder) mean(text []token) []float64 {
	out := make([]float64, EmbeddingDimensions)
	for _, t := range text {
		if t == endToken {
			continue
		}
		w := e.weights[t] / float64(len(text))
		for i, x := range e.vectors[t] {
			out[i] += w * float64(x)
		}
	}
	return out
}

// embed returns the unit vector of a text, cut to its first dimensions. A text that
// has none gets the unit vector of what all texts share.
func (e *embedder) embed(text []token, dimensions int) []float32 {
	v := e.mean(text)
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
