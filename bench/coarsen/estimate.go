package main

import (
	"fmt"
	"math"
	"slices"
)

// estimate is the mean over the seeds with its 95 % interval by Student's t.
type estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	Runs int     `json:"runs"`
}

func newEstimate(values []float64) estimate {
	n := float64(len(values))
	mean := 0.0
	for _, v := range values {
		mean += v / n
	}
	spread := 0.0
	for _, v := range values {
		spread += (v - mean) * (v - mean)
	}
	half := 0.0
	if len(values) > 1 {
		half = student(len(values)-1) * math.Sqrt(spread/(n-1)/n)
	}
	return estimate{Mean: mean, Low: mean - half, High: mean + half, Runs: len(values)}
}

// student is the 97.5 % quantile of Student's t distribution.
func student(freedom int) float64 {
	table := [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131}
	if freedom <= len(table) {
		return table[max(freedom, 1)-1]
	}
	return 1.96 + 2.4/float64(freedom) // within 0.005
}

// String shows the mean and half of the interval.
func (e estimate) String() string {
	return fmt.Sprintf("%s ±%s", digits(e.Mean), digits((e.High-e.Low)/2))
}

// digits shows a number in about three digits.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 1e6 || a < 1e-3:
		return fmt.Sprintf("%.1e", v)
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2g", v)
	}
}

// reach is how many queries a curve of agreement needs for a target: where it first
// gets there, on a line in the logarithm of the queries. A curve that begins above the
// target has reached it at its first size.
func reach(sizes []int, curve []float64, target float64) (queries float64, ok bool) {
	i := slices.IndexFunc(curve, func(a float64) bool { return a >= target })
	switch {
	case i < 0:
		return 0, false
	case i == 0:
		return float64(sizes[0]), true
	}
	part := (target - curve[i-1]) / (curve[i] - curve[i-1])
	low, high := math.Log(float64(sizes[i-1])), math.Log(float64(sizes[i])) //nolint:gosec // i is not 0 here
	return math.Exp(low + part*(high-low)), true
}

// factor is how many times more queries one curve needs than another: the geometric
// mean over the seeds with its 95 % interval. Runs that did not get there count as if
// they had at the last size, so that the factor is then a lower bound.
type factor struct {
	Times   float64 `json:"times"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Reached int     `json:"reached"`
	Runs    int     `json:"runs"`
	// Queries is the geometric mean of the queries, of the last size where not reached.
	Queries float64 `json:"queries"`
}

// newFactor compares curves of the same seeds. It is not defined, and ok is false,
// where the reference itself does not get there.
func newFactor(sizes []int, reference, curves [][]float64, target float64) (f factor, ok bool) {
	var ratios, queries []float64
	for seed := range curves {
		base, ok := reach(sizes, reference[seed], target)
		if !ok {
			return f, false
		}
		own, ok := reach(sizes, curves[seed], target)
		if ok {
			f.Reached++
		} else {
			own = float64(sizes[len(sizes)-1])
		}
		ratios, queries = append(ratios, math.Log(own/base)), append(queries, math.Log(own))
	}
	e := newEstimate(ratios)
	f.Times, f.Low, f.High, f.Runs = math.Exp(e.Mean), math.Exp(e.Low), math.Exp(e.High), e.Runs
	f.Queries = math.Exp(newEstimate(queries).Mean)
	return f, true
}

// String shows the factor, and marks a lower bound.
func (f factor) String() string {
	if f.Reached < f.Runs {
		return fmt.Sprintf("> %s (%d of %d get there)", digits(f.Times), f.Reached, f.Runs)
	}
	return fmt.Sprintf("%s (%s to %s), %.0f queries", digits(f.Times), digits(f.Low), digits(f.High), f.Queries)
}
