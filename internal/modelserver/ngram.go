package modelserver

import (
	"math"
	"slices"
)

const (
	maxContext  = 4    // tokens of context that the n-gram model looks at
	unseenCount = 0.01 // pseudo-count of a token that never occurred in the text
)

// ngram is an n-gram model with interpolated Kneser-Ney smoothing (Kneser and Ney
// 1995; the interpolated form of Chen and Goodman 1999, with one discount for each
// order). It is a tree of contexts: the root is the empty context, and the child of
// a node under t is the context that has t before it. Read-only once built.
type ngram struct {
	children map[edge]int32
	nodes    []node
	// floor is the distribution below all contexts. It is nil in a model that only
	// corrects another one.
	floor *floor
}

// edge leads from a context to the one that is one token longer.
type edge struct {
	parent int32
	before token
}

// node holds what followed one context.
type node struct {
	followers []follower
	backoff   float64 // mass left to the next shorter context
}

// follower is a token and its discounted probability after a context.
type follower struct {
	token token
	mass  float64
}

// ngramBuilder counts. Above the longest context it counts in how many different
// longer contexts a token occurred, which is what Kneser-Ney smoothing asks for.
type ngramBuilder struct {
	depth    int
	children map[edge]int32
	levels   []int8
	counts   []map[token]float64
}

func newNgramBuilder(depth int) *ngramBuilder {
	b := &ngramBuilder{depth: depth, children: map[edge]int32{}}
	b.grow(0)
	return b
}

func (b *ngramBuilder) grow(level int8) int32 {
	b.counts = append(b.counts, map[token]float64{})
	b.levels = append(b.levels, level)
	return int32(len(b.counts) - 1) //nolint:gosec // bounded by the text's length times the depth
}

// learn counts every token of passage after the first.
func (b *ngramBuilder) learn(passage []token) {
	path := make([]int32, 0, b.depth+1)
	for i := 1; i < len(passage); i++ {
		path = append(path[:0], 0)
		for k := 1; k <= min(i, b.depth); k++ {
			e := edge{path[k-1], passage[i-k]}
			child, ok := b.children[e]
			if !ok {
				child = b.grow(int8(k))
				b.children[e] = child
			}
			path = append(path, child)
		}
		for _, id := range slices.Backward(path) {
			seen := b.counts[id][passage[i]]
			b.counts[id][passage[i]] = seen + 1
			if seen > 0 {
				break // the shorter contexts have counted this one already
			}
		}
	}
}

// build makes a model that stands on its own distribution of the whole vocabulary.
func (b *ngramBuilder) build(v *vocabulary) *ngram {
	m := b.buildWith(b.discounts())
	m.floor = newFloor(v, b)
	return m
}

// buildWith discounts the counts of each order. The model has nothing below its
// contexts.
func (b *ngramBuilder) buildWith(discounts []float64) *ngram {
	m := &ngram{children: b.children, nodes: make([]node, len(b.counts))}
	for i, counts := range b.counts {
		total := 0.0
		for _, c := range counts {
			total += c
		}
		d := discounts[b.levels[i]]
		n := node{followers: make([]follower, 0, len(counts)), backoff: 1}
		if total > 0 {
			n.backoff = d * float64(len(counts)) / total
		}
		for t, c := range counts {
			n.followers = append(n.followers, follower{t, (c - d) / total})
		}
		m.nodes[i] = n
	}
	return m
}

// discounts estimates the discount of each order from how many n-grams occurred
// once and twice.
func (b *ngramBuilder) discounts() []float64 {
	once, twice := make([]float64, b.depth+1), make([]float64, b.depth+1)
	for i, counts := range b.counts {
		for _, c := range counts {
			switch c {
			case 1:
				once[b.levels[i]]++
			case 2:
				twice[b.levels[i]]++
			}
		}
	}
	out := make([]float64, b.depth+1)
	for k := range out {
		out[k] = 0.5
		if once[k] > 0 && twice[k] > 0 {
			out[k] = once[k] / (once[k] + 2*twice[k])
		}
	}
	return out
}

// path returns the nodes of the known contexts at the end of tokens, longest first,
// without the empty one.
func (m *ngram) path(dst []int32, tokens []token, depth int) []int32 {
	dst = dst[:0]
	at := int32(0)
	for k := 1; k <= min(depth, len(tokens)); k++ {
		child, ok := m.children[edge{at, tokens[len(tokens)-k]}]
		if !ok {
			break
		}
		dst = append(dst, child)
		at = child
	}
	slices.Reverse(dst)
	return dst
}

// next is the distribution after context.
func (m *ngram) next(dst []float64, context []token) {
	var buffer [maxContext]int32
	path := m.path(buffer[:0], context, maxContext)
	left := 1.0
	for _, id := range path {
		left *= m.nodes[id].backoff
	}
	m.floor.fill(dst, context, left)
	m.addFollowers(dst, path, 1)
}

// addFollowers adds what the contexts of path give, times scale.
func (m *ngram) addFollowers(dst []float64, path []int32, scale float64) {
	for _, id := range path {
		n := &m.nodes[id]
		for _, f := range n.followers {
			dst[f.token] += scale * f.mass
		}
		scale *= n.backoff
	}
}

// perplexity is the exponential of the mean surprise per token of passages.
func perplexity(s scorer, vocabulary int, passages [][]token) float64 {
	dst := make([]float64, vocabulary)
	surprise, n := 0.0, 0
	for _, p := range passages {
		for i := 1; i < len(p); i++ {
			s.next(dst, p[:i])
			surprise -= math.Log(dst[p[i]])
			n++
		}
	}
	return math.Exp(surprise / float64(max(n, 1)))
}
