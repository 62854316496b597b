package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bartizan/internal/stat"
)

func TestSingularValuesKnown(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rows [][]float64
		want []float64
	}{
		"empty":     {nil, nil},
		"zero":      {[][]float64{{0, 0}, {0, 0}}, []float64{0, 0}},
		"diagonal":  {[][]float64{{3, 0}, {0, -4}}, []float64{4, 3}},
		"textbook":  {[][]float64{{3, 2, 2}, {2, 3, -2}}, []float64{5, 3}},
		"tall":      {[][]float64{{3, 2}, {2, 3}, {2, -2}}, []float64{5, 3}},
		"rank one":  {[][]float64{{1, 2}, {2, 4}}, []float64{5, 0}},
		"far apart": {[][]float64{{1e8, 0}, {0, 1e-8}}, []float64{1e8, 1e-8}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := stat.SingularValues(test.rows)
			if len(got) != len(test.want) {
				t.Fatalf("SingularValues(%v) = %v; want %v", test.rows, got, test.want)
			}
			for i, want := range test.want {
				if math.Abs(got[i]-want) > 1e-12*max(want, 1e-3) {
					t.Errorf("SingularValues(%v) = %v; want %v", test.rows, got, test.want)
				}
			}
		})
	}
}

// TestSingularValuesHold checks two identities on random matrices: the squares sum to
// those of the entries, and a product of a tall and a wide matrix has their rank.
func TestSingularValuesHold(t *testing.T) {
	t.Parallel()
	const seed, n, m, rank = 17, 60, 37, 9
	r := rand.New(rand.NewPCG(seed, 0))
	left, right := random(r, n, rank), random(r, rank, m)
	rows, squares := make([][]float64, n), 0.0
	for i := range rows {
		rows[i] = make([]float64, m)
		for k := range rank {
			for j := range m {
				rows[i][j] += left[i][k] * right[k][j]
			}
		}
		for _, v := range rows[i] {
			squares += v * v
		}
	}
	got := stat.SingularValues(rows)
	sum := 0.0
	for i, v := range got {
		sum += v * v
		if i > 0 && v > got[i-1] {
			t.Errorf("seed %d: value %d is larger than the one before", seed, i)
		}
	}
	if math.Abs(sum-squares) > 1e-9*squares {
		t.Errorf("seed %d: squares of the values sum to %v; of the entries to %v", seed, sum, squares)
	}
	if len(got) != m || got[rank-1] < 1 || got[rank] > 1e-10 {
		t.Errorf("seed %d: %d values, %v around rank %d; want %d, and a fall to rounding", seed, len(got), got[rank-1:rank+1], rank, m)
	}
}

func random(r *rand.Rand, n, m int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, m)
		for j := range out[i] {
			out[i][j] = r.NormFloat64()
		}
	}
	return out
}
