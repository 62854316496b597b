package rig

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Median is the middle of the values; NaN when there are none.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile is the value below which the share q of the values lies, between the two
// nearest when it falls between; NaN when there are none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Microseconds turns times into numbers for [Quantile].
func Microseconds(times []time.Duration) []float64 {
	out := make([]float64, len(times))
	for i, d := range times {
		out[i] = float64(d) / float64(time.Microsecond)
	}
	return out
}

// Interval is the 95 % percentile bootstrap of the median: 2,000 samples drawn with
// replacement from the values by the given source.
func Interval(values []float64, random *rand.Rand) (low, high float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	const draws = 2000
	medians := make([]float64, draws)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = Median(sample)
	}
	return Quantile(medians, 0.025), Quantile(medians, 0.975)
}

// Slope is the Theil-Sen line through the points: the median of the slopes of all
// pairs. Outliers, such as a collection that gave memory back, hardly move it. It is
// NaN with fewer than two different x.
func Slope(x, y []float64) float64 {
	var slopes []float64
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			if x[i] != x[j] {
				slopes = append(slopes, (y[j]-y[i])/(x[j]-x[i]))
			}
		}
	}
	return Median(slopes)
}
