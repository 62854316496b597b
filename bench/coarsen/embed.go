package main

import (
	"math"
	"slices"
)

const (
	embedInputs   = 32
	embedLatent   = 24
	embedFeatures = 256
	embedDims     = 128
	embedBend     = 0.2 // deviation of the first layer: how far from linear the map is
)

// embedder is a fixed map of random features to vectors of unit norm.
type embedder struct {
	hidden []float64 // features × (inputs + 1)
	out    []float64 // dims × features
	spread []float64 // inputs × latent: inputs lie near a plane, as texts do
}

func newEmbedder(seed uint64) *embedder {
	r := source(seed, forEmbedder)
	return &embedder{
		hidden: normal(r, embedFeatures*(embedInputs+1), embedBend),
		out:    normal(r, embedDims*embedFeatures, 1),
		spread: normal(r, embedInputs*embedLatent, 1/math.Sqrt(embedLatent)*1.4),
	}
}

// draw returns n inputs, each with a 1 at its end.
func (e *embedder) draw(seed uint64, n, purpose int) [][]float64 {
	r := source(seed, forEmbedder, purpose)
	out := make([][]float64, n)
	for i := range out {
		latent, x := normal(r, embedLatent, 1), normal(r, embedInputs, 0.3)
		for j := range x {
			x[j] += dot(latent, e.spread[j*embedLatent:(j+1)*embedLatent])
		}
		out[i] = append(x, 1)
	}
	return out
}

// embed returns the exact vectors.
func (e *embedder) embed(inputs [][]float64) [][]float64 {
	out := make([][]float64, len(inputs))
	for i, x := range inputs {
		f := features(e.hidden, x)
		v := make([]float64, embedDims)
		for j := range v {
			v[j] = dot(f, e.out[j*embedFeatures:(j+1)*embedFeatures])
		}
		out[i] = unit(v)
	}
	return out
}

// features are the tanh of a random layer.
func features(layer, x []float64) []float64 {
	f := make([]float64, len(layer)/len(x))
	for i := range f {
		f[i] = math.Tanh(dot(x, layer[i*len(x):(i+1)*len(x)]))
	}
	return f
}

func unit(v []float64) []float64 {
	length := math.Sqrt(dot(v, v))
	for i := range v {
		v[i] /= length
	}
	return v
}

// ridge fits told vectors as a linear map of features, with a penalty, and returns the
// map row by row of the features. The products of the features are shared by all that
// is told of the same inputs.
type ridge struct {
	factor []float64
	n      int
}

func newRidge(f [][]float64, penalty float64) ridge {
	n := len(f[0])
	a := make([]float64, n*n)
	for _, row := range f {
		for i, v := range row {
			axpy(a[i*n:i*n+i+1], v, row[:i+1])
		}
	}
	for i := range n {
		a[i*n+i] += penalty
	}
	factorSPD(a, n)
	return ridge{factor: a, n: n}
}

// solve returns, for each dimension, the weights of the features.
func (r ridge) solve(f, told [][]float64) [][]float64 {
	out := make([][]float64, len(told[0]))
	for d := range out {
		b := make([]float64, r.n)
		for i, row := range f {
			axpy(b, told[i][d], row)
		}
		backSPD(r.factor, r.n, b)
		out[d] = b
	}
	return out
}

// apply returns unit vectors.
func apply(weights, f [][]float64) [][]float64 {
	out := make([][]float64, len(f))
	for i, row := range f {
		v := make([]float64, len(weights))
		for d, w := range weights {
			v[d] = dot(w, row)
		}
		out[i] = unit(v)
	}
	return out
}

const neighbours = 10

// nearest returns the documents with the greatest inner product with each question.
func nearest(questions, documents [][]float64) [][]int {
	out := make([][]int, len(questions))
	for i, q := range questions {
		var best [neighbours]int
		var scores [neighbours]float64
		n := 0
		for j, d := range documents {
			s := dot(q, d)
			if n == neighbours && s <= scores[neighbours-1] {
				continue
			}
			n = min(n+1, neighbours)
			at := n - 1
			for ; at > 0 && s > scores[at-1]; at-- {
				best[at], scores[at] = best[at-1], scores[at-1]
			}
			best[at], scores[at] = j, s
		}
		out[i] = slices.Clone(best[:n])
	}
	return out
}

// recall is the share of the true neighbours that were found, in percent.
func recall(found, truth [][]int) float64 {
	hits := 0
	for i, want := range truth {
		for _, j := range found[i] {
			if slices.Contains(want, j) {
				hits++
			}
		}
	}
	return 100 * float64(hits) / float64(len(truth)*neighbours)
}
