package stat

import "math"

// Grid32 is a [Grid] in half the space, for states of which there are many. The zero
// value has seen nothing and stands at 1.
type Grid32 [GridSize]float32

// Bet takes one e-value into g. A negative or undefined e counts as 0.
func (g *Grid32) Bet(e float64) {
	wide := g.wide()
	wide.Bet(e)
	for j, l := range wide {
		g[j] = float32(l)
	}
}

// Log10 returns the decimal logarithm of the mixture.
func (g *Grid32) Log10() float64 {
	wide := g.wide()
	return wide.Log10()
}

func (g *Grid32) wide() Grid {
	var wide Grid
	for j, l := range g {
		wide[j] = float64(l)
	}
	return wide
}

// MeanUpper returns an upper 95 % confidence bound of the mean of values, by the
// normal approximation; +Inf when there are fewer than two.
func MeanUpper(values []float64) float64 {
	n := float64(len(values))
	if n < 2 {
		return math.Inf(1)
	}
	sum, squares := 0.0, 0.0
	for _, v := range values {
		sum += v
	}
	mean := sum / n
	for _, v := range values {
		squares += float64((v - mean) * (v - mean))
	}
	return mean + 1.6448536269514722*math.Sqrt(squares/(n-1)/n)
}

// UniformDrift returns the one-sided p-value of seeing k or more of n p-values in the
// lowest tenth, where a true null puts one in ten.
func UniformDrift(k, n int) float64 {
	if k <= 0 {
		return 1
	}
	return max(0, 1-binomialAtMost(k-1, n, .1))
}
