package rank_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"bartizan/internal/lab/rank"
)

// invented is the log-probabilities of a random model of a hidden size, full width,
// rounded to a step.
func invented(r *rand.Rand, hidden, contexts, vocabulary int, step float64) []rank.Row {
	w := make([][]float64, vocabulary)
	for j := range w {
		w[j] = make([]float64, hidden)
		for d := range w[j] {
			w[j][d] = r.NormFloat64()
		}
	}
	rows := make([]rank.Row, contexts)
	for i := range rows {
		h, z, sum := make([]float64, hidden), make([]float64, vocabulary), 0.0
		for d := range h {
			h[d] = r.NormFloat64()
		}
		for j := range z {
			for d := range h {
				z[j] += w[j][d] * h[d]
			}
			sum += math.Exp(z[j])
		}
		rows[i] = rank.Row{}
		for j := range z {
			v := z[j] - math.Log(sum)
			if step > 0 {
				v = math.Round(v/step) * step
			}
			rows[i][strconv.Itoa(j)] = v
		}
	}
	return rows
}

func TestAnalyseFindsRank(t *testing.T) {
	t.Parallel()
	for _, hidden := range []int{3, 12, 30} {
		for _, step := range []float64{0, 0.001, 0.01, 0.0625, 0.25} {
			t.Run(fmt.Sprintf("hidden %d step %v", hidden, step), func(t *testing.T) {
				t.Parallel()
				const seed = 21
				r := rand.New(rand.NewPCG(seed, uint64(hidden)))
				got := rank.Analyse(invented(r, hidden, 96, 40, step), r)
				if !got.Found || got.Hidden != hidden || math.Abs(got.Step-step) > 1e-12 {
					t.Errorf("seed %d: Analyse = %+v; want %d on a step of %v", seed, got, hidden, step)
				}
			})
		}
	}
}

// TestAnalyseRefuses holds that there is no answer where there is no low rank, where
// the block is too narrow for it, and where rounding drowns it.
func TestAnalyseRefuses(t *testing.T) {
	t.Parallel()
	const seed = 22
	r := rand.New(rand.NewPCG(seed, 0))
	tests := map[string]struct {
		rows []rank.Row
		want string
	}{
		"nothing":        {nil, "no block"},
		"one a row":      {narrowed(invented(r, 8, 200, 40, 0.25), 1), "no block"},
		"few rows":       {invented(r, 3, 10, 40, 0.01), "no block"},
		"full rank":      {invented(r, 200, 200, 40, 0), "no gap"},
		"just too wide":  {invented(r, 39, 200, 40, 0), "no gap"},
		"rounded to 8":   {invented(r, 12, 140, 60, 8), "no"},
		"columns shrunk": {narrowed(invented(r, 12, 200, 40, 0), 12), "no gap"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := rank.Analyse(test.rows, rand.New(rand.NewPCG(seed, 1)))
			if got.Found || got.Hidden != 0 || !strings.Contains(got.Reason, test.want) {
				t.Errorf("seed %d: Analyse = %+v; want no answer because of %q", seed, got, test.want)
			}
		})
	}
}

// narrowed keeps the first columns.
func narrowed(rows []rank.Row, columns int) []rank.Row {
	out := make([]rank.Row, len(rows))
	for i, row := range rows {
		out[i] = rank.Row{}
		for j := range columns {
			out[i][strconv.Itoa(j)] = row[strconv.Itoa(j)]
		}
	}
	return out
}

// TestAnalyseHoles holds that the block is found among rows that lack other cells.
func TestAnalyseHoles(t *testing.T) {
	t.Parallel()
	const seed, hidden = 23, 5
	r := rand.New(rand.NewPCG(seed, 0))
	rows := invented(r, hidden, 400, 40, 0.01)
	for i, row := range rows {
		for j := range 40 {
			if i%3 == 0 && r.IntN(2) == 0 || i%3 != 0 && j > 13 {
				delete(row, strconv.Itoa(j))
			}
		}
	}
	got := rank.Analyse(rows, r)
	if !got.Found || got.Hidden != hidden || got.Columns < 14 || got.Rows < 200 {
		t.Errorf("seed %d: Analyse = %+v; want %d from about 266 x 14", seed, got, hidden)
	}
}
