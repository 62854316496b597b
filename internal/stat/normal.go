package stat

import (
	"math"
	"slices"
)

// NormalQuantile returns the point below which a standard normal variable lies with
// chance p.
func NormalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// ShapiroWilk returns the W of the Shapiro-Wilk test that a sample is normal, with
// Royston's approximate weights (1995, algorithm AS R94). W is at most 1 and small
// where the sample is not normal. It is 1 for fewer than three values and for a
// sample of equal ones, of which nothing can be said. The order of x does not matter.
func ShapiroWilk(x []float64) float64 {
	n := len(x)
	if n < 3 {
		return 1
	}
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	mean := 0.0
	for _, v := range sorted {
		mean += v / float64(n)
	}
	squares, spread := 0.0, 0.0
	for _, v := range sorted {
		squares += (v - mean) * (v - mean)
	}
	if !(squares > 0) {
		return 1
	}
	for i, a := range shapiroWeights(n) {
		spread += a * (sorted[n-1-i] - sorted[i])
	}
	return min(spread*spread/squares, 1)
}

// shapiroWeights returns the weights of the greatest n/2 order statistics, greatest
// first; those of the smallest are their negatives.
func shapiroWeights(n int) []float64 {
	if n == 3 {
		return []float64{math.Sqrt(.5)}
	}
	scores, sum := make([]float64, n/2), 0.0
	for i := range scores {
		scores[i] = -NormalQuantile((float64(i) + 1 - .375) / (float64(n) + .25))
		sum += 2 * scores[i] * scores[i]
	}
	root, r := math.Sqrt(sum), 1/math.Sqrt(float64(n))
	first := polynomial(r, .221157, -.147981, -2.07119, 4.434685, -2.706056) + scores[0]/root
	left, kept := sum-2*scores[0]*scores[0], 1-2*first*first
	weights := []float64{first}
	if n > 5 {
		second := polynomial(r, .042981, -.293762, -1.752461, 5.682633, -3.582633) + scores[1]/root
		left, kept = left-2*scores[1]*scores[1], kept-2*second*second
		weights = append(weights, second)
	}
	scale := math.Sqrt(left / kept)
	for _, s := range scores[len(weights):] {
		weights = append(weights, s/scale)
	}
	return weights
}

// polynomial returns c[0]*x + c[1]*x^2 + ...
func polynomial(x float64, c ...float64) float64 {
	sum := 0.0
	for _, v := range slices.Backward(c) {
		sum = (sum + v) * x
	}
	return sum
}

// Quantile returns the smallest of the ascending values that at least the share q of
// them does not exceed. It is NaN without values.
func Quantile(ascending []float64, q float64) float64 {
	n := len(ascending)
	if n == 0 {
		return math.NaN()
	}
	return ascending[max(0, min(n, int(math.Ceil(q*float64(n)-1e-9)))-1)]
}
