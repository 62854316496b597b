package stat

import (
	"math"
	"slices"
)

// GridSize is the number of bets of a [Grid].
const GridSize = 4

// Lambdas are the bets of a [Grid], from cautious to all-in, each with a quarter of
// the stake. The cautious ones survive traffic in which evidence is diluted.
func Lambdas() [GridSize]float64 { return [GridSize]float64{.05, .15, .4, 1} }

// Grid is a mixture of test martingales over one stream of e-values: bet j
// multiplies by 1 - lambda_j + lambda_j*e at each step. The fields are natural
// logarithms of the bets. The zero value has seen nothing and stands at 1.
type Grid [GridSize]float64

// Bet takes one e-value into g. A negative or undefined e counts as 0.
func (g *Grid) Bet(e float64) {
	if !(e >= 0) {
		e = 0
	}
	for j, lambda := range Lambdas() {
		g[j] += math.Log1p(float64(lambda * (e - 1)))
	}
}

// Log10 returns the decimal logarithm of the mixture.
func (g *Grid) Log10() float64 {
	top := slices.Max(g[:])
	if math.IsInf(top, 0) {
		return top / math.Ln10
	}
	sum := 0.0
	for _, l := range g {
		sum += math.Exp(l - top)
	}
	return (top + math.Log(sum/GridSize)) / math.Ln10
}

// LateStart is a Shiryaev-Roberts sum: the evidence that a change began at some
// unknown step. A threshold of 1/alpha bounds the mean time between false alarms
// from below, not the chance of ever alarming. The zero value has seen nothing.
type LateStart float64

// Step takes one e-value into r, as R <- (R + 1) * e.
func (r *LateStart) Step(e float64) {
	if !(e >= 0) {
		e = 0
	}
	*r = LateStart(min((float64(*r)+1)*e, math.MaxFloat64))
}

// Bet is the e-value of betting the share lambda on e: 1 - lambda + lambda*e.
func Bet(lambda, e float64) float64 { return 1 - lambda + float64(lambda*e) }

// MixLog10 returns the decimal logarithm of the weighted mean of e-values that are
// given as decimal logarithms. It is an e-value under any dependence when the
// weights are fixed beforehand and add up to 1.
func MixLog10(weights, log10e []float64) float64 {
	top := math.Inf(-1)
	for i, l := range log10e {
		if weights[i] > 0 {
			top = max(top, l)
		}
	}
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for i, l := range log10e {
		sum += float64(weights[i] * math.Pow(10, l-top))
	}
	return top + math.Log10(sum)
}

// EBHLog10 is [EBH] over decimal logarithms of e-values, however large.
func EBHLog10(log10e []float64, q float64) []int {
	e := make([]float64, len(log10e))
	for i, l := range log10e {
		e[i] = math.Pow(10, min(l, 300)) + max(0, l-300) // the rest only orders
	}
	return EBH(e, q)
}

// EBH returns the indexes of the hypotheses that the e-BH procedure rejects at
// false discovery rate q: with e-values sorted down, the first k* of them, k* being
// the largest k with e_(k) >= n/(q*k) (Wang and Ramdas 2022). The indexes come in
// the order of falling e-values, equal ones in input order.
func EBH(e []float64, q float64) []int {
	order := make([]int, len(e))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case e[a] > e[b]:
			return -1
		case e[a] < e[b]:
			return 1
		default:
			return 0
		}
	})
	k := 0
	for i, index := range order {
		if e[index] >= float64(len(e))/(q*float64(i+1)) {
			k = i + 1
		}
	}
	return order[:k]
}
