package stat

import (
	"math"
	"slices"
)

// Conformal returns the conformal p-value of score against the ascending scores of
// a calibration set, where a greater score is more extreme:
// (1 + #{c >= score}) / (n + 1). Ties count against an alarm.
func Conformal(ascending []float64, score float64) float64 {
	below, _ := slices.BinarySearch(ascending, score)
	return float64(1+len(ascending)-below) / float64(len(ascending)+1)
}

// ConformalLow is [Conformal] for statistics whose small values are extreme:
// (1 + #{c <= score}) / (n + 1).
func ConformalLow(ascending []float64, score float64) float64 {
	notAbove, _ := slices.BinarySearchFunc(ascending, score, func(c, s float64) int {
		if c <= s {
			return -1
		}
		return 1
	})
	return float64(1+notAbove) / float64(len(ascending)+1)
}

// PToE turns a p-value into an e-value: the mean over kappa in {.3, .5, .7} of
// kappa * p^(kappa-1), which integrates to 1 over (0, 1) (Vovk and Wang 2021,
// "E-values: calibration, combination and applications"). A p outside (0, 1] is
// taken as 1.
func PToE(p float64) float64 {
	if !(p > 0 && p <= 1) {
		p = 1
	}
	l := math.Log(p)
	return (.3*math.Exp(-.7*l) + .5*math.Exp(-.5*l) + .7*math.Exp(-.3*l)) / 3
}
