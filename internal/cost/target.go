package cost

import (
	"math"
	"math/bits"
)

// Target is something that an attacker can compute from enough numeric values.
type Target struct {
	Name string `json:"name"`
	// Values is how many values are enough in principle: the least, without noise.
	Values int64 `json:"values"`
	// Source is where the count comes from.
	Source string `json:"source"`
}

// HiddenSize is the width h of a language model. The log-probs of h+1 tokens after h+1
// prompts form a matrix whose rank shows it: (h+1)^2 values.
//
// Carlini et al. 2024, Stealing Part of a Production Language Model, arXiv 2403.06634,
// section 4: the singular values of a matrix of logits drop behind the h-th.
func HiddenSize(h int64) Target {
	return Target{
		Name: "hidden size", Values: product(plus1(h), plus1(h)),
		Source: "(h+1)^2 log-probs, h=" + grouped(h) + " (arXiv 2403.06634)",
	}
}

// OutputLayer is the last layer of a language model of width h over a vocabulary of v
// tokens, up to a linear map: the log-probs of all v tokens after h+1 prompts.
//
// Carlini et al. 2024, arXiv 2403.06634, section 4.2; Finlayson et al. 2024, arXiv
// 2403.09539, need the same number of whole vectors for the image of the layer.
func OutputLayer(h, v int64) Target {
	return Target{
		Name: "output layer", Values: product(v, plus1(h)),
		Source: "V(h+1) log-probs, V=" + grouped(v) + ", h=" + grouped(h) + " (arXiv 2403.06634)",
	}
}

// LinearClassifier is a softmax regression of d features and k classes: each answer
// gives k-1 equations for (d+1)(k-1) unknowns.
//
// Tramèr et al. 2016, Stealing Machine Learning Models via Prediction APIs, arXiv
// 1609.02943, section 4.1.
func LinearClassifier(d, k int64) Target {
	return Target{
		Name: "linear classifier", Values: product(plus1(d), max(1, k)-1),
		Source: "(d+1)(k-1) scores, d=" + grouped(d) + ", k=" + grouped(k) + " (arXiv 1609.02943)",
	}
}

// Targets returns the targets that tables show: a language model of width 4,096 with a
// vocabulary of 128,000 tokens, and a classifier of 10 classes over the 768 features of
// a small text encoder.
func Targets() []Target {
	return []Target{LinearClassifier(768, 10), HiddenSize(4096), OutputLayer(4096, 128_000)}
}

// ModelTargets returns what can be computed of one model by its width h and its vocabulary
// of v tokens, under the model's name. What depends on an unknown number, 0, is left out.
func ModelTargets(model string, h, v int64) []Target {
	var targets []Target
	if h > 0 {
		targets = append(targets, HiddenSize(h))
	}
	if h > 0 && v > 0 {
		targets = append(targets, OutputLayer(h, v))
	}
	for i := range targets {
		targets[i].Name += ", " + model
	}
	return targets
}

// product returns a*b, at least 0 and at most the greatest int64.
func product(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(max(0, a)), uint64(max(0, b)))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// plus1 returns n+1, at most the greatest int64.
func plus1(n int64) int64 { return min(n, math.MaxInt64-1) + 1 }
