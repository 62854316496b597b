package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bartizan/internal/stat"
)

func TestShapiroWilk(t *testing.T) {
	t.Parallel()
	// The weights of eleven men, from Shapiro and Wilk 1965; W as published for AS R94.
	men := []float64{148, 154, 158, 160, 161, 162, 166, 170, 182, 195, 236}
	near(t, "weights of men", stat.ShapiroWilk(men), .788815, 1e-6)
	slices.Reverse(men)
	near(t, "in another order", stat.ShapiroWilk(men), .788815, 1e-6)
	near(t, "three in a line", stat.ShapiroWilk([]float64{1, 2, 3}), 1, 1e-12)
	near(t, "three", stat.ShapiroWilk([]float64{0, 0, 1}), .75, 1e-12)
	near(t, "equal", stat.ShapiroWilk([]float64{2, 2, 2, 2}), 1, 0)
	near(t, "two", stat.ShapiroWilk([]float64{1, 9}), 1, 0)
}

// W is near 1 for normal samples of any size and clearly below for exponential ones.
func TestShapiroWilkTells(t *testing.T) {
	t.Parallel()
	const seed = 5
	r := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{4, 5, 6, 20, 101, 1000} {
		normal, skew := make([]float64, n), make([]float64, n)
		mean, least := 0.0, 1.0
		for range 50 {
			for i := range normal {
				normal[i], skew[i] = 3+2*r.NormFloat64(), r.ExpFloat64()
			}
			w := stat.ShapiroWilk(normal)
			mean += w / 50
			least = min(least, w)
			if n >= 101 && stat.ShapiroWilk(skew) > .93 {
				t.Errorf("seed %d: W of %d exponential values = %.3f; want it below .93", seed, n, stat.ShapiroWilk(skew))
			}
		}
		if mean < .85 || n >= 101 && least < .94 {
			t.Errorf("seed %d: W of %d normal values: mean %.3f, least %.3f", seed, n, mean, least)
		}
	}
}

func TestNormalQuantile(t *testing.T) {
	t.Parallel()
	for p, want := range map[float64]float64{.5: 0, .975: 1.959963985, .05: -1.644853627} {
		near(t, "quantile", stat.NormalQuantile(p), want, 1e-8)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	values := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, .25: 1, .26: 2, .5: 2, .75: 3, .999: 4, 1: 4} {
		near(t, "quantile", stat.Quantile(values, q), want, 0)
	}
	if got := stat.Quantile(nil, .5); !math.IsNaN(got) {
		t.Errorf("Quantile of nothing = %v; want NaN", got)
	}
}
