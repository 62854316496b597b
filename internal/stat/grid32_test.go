package stat_test

import (
	"math"
	"slices"
	"testing"

	"bartizan/internal/stat"
)

func TestGrid32(t *testing.T) {
	t.Parallel()
	var wide stat.Grid
	var g stat.Grid32
	for i := range 500 {
		e := stat.PToE(float64(i%97+1) / 98)
		wide.Bet(e)
		g.Bet(e)
	}
	near(t, "grid in half the space", g.Log10(), wide.Log10(), 1e-3)
}

func TestMeanUpper(t *testing.T) {
	t.Parallel()
	// mean 2, standard deviation 1, three values: 2 + 1.6448536/sqrt(3)
	near(t, "MeanUpper", stat.MeanUpper([]float64{1, 2, 3}), 2.949657, 1e-6)
	if got := stat.MeanUpper([]float64{1}); !math.IsInf(got, 1) {
		t.Errorf("MeanUpper of one value = %v; want +Inf", got)
	}
}

func TestUniformDrift(t *testing.T) {
	t.Parallel()
	// P(X >= 2) for ten trials of one in ten: 1 - .9^10 - 10*.1*.9^9
	near(t, "drift", stat.UniformDrift(2, 10), .263901, 1e-6)
	near(t, "none", stat.UniformDrift(0, 10), 1, 0)
	if p := stat.UniformDrift(300, 1000); p > 1e-9 {
		t.Errorf("three in ten of 1,000: p = %v; want it tiny", p)
	}
}

func TestEBHLog10(t *testing.T) {
	t.Parallel()
	if got := stat.EBHLog10([]float64{0, 900, math.Log10(190), math.Log10(110), -3, 0, 0, 0, 0, 0}, .05); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("EBHLog10 = %v; want the three largest", got)
	}
}
