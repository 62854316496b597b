package coarsen_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bartizan/internal/coarsen"
)

// TestMeasuredWithoutGuard measures what the guard is for: how often plain rounding
// leaves no single greatest score, and how often perturbation moves it, on 50,000
// softmax vectors of normal logits. The percentages are those of section 8A of the
// design note, which another program measured.
func TestMeasuredWithoutGuard(t *testing.T) {
	t.Parallel()
	const seed, draws = 20260402, 50_000
	columns := []struct {
		classes   int
		deviation float64
	}{{10, 1}, {10, 3}, {10, 6}, {100, 1}, {100, 3}, {100, 6}}
	rows := map[string]struct {
		rules       coarsen.Scores
		flips, ties [6]float64
	}{
		"3 decimals": {coarsen.Scores{Decimals: 3}, [6]float64{}, [6]float64{0.4, 0.1, 0, 2.2, 0.2, 0.1}},
		"2 decimals": {coarsen.Scores{Decimals: 2}, [6]float64{}, [6]float64{3.4, 0.8, 0.4, 19.4, 2, 0.7}},
		"1 decimal":  {coarsen.Scores{Decimals: 1}, [6]float64{}, [6]float64{31.5, 7, 3.4, 63.2, 16.4, 6}},
		"noise 0.05": {coarsen.Scores{Noise: 0.05}, [6]float64{19.6, 4.2, 1.7, 82.7, 11.4, 3.7}, [6]float64{}},
		"noise 0.2":  {coarsen.Scores{Noise: 0.2}, [6]float64{60.7, 20.4, 8.9, 97.5, 61.1, 28}, [6]float64{}},
		"reverse sigmoid 1 0.1": {
			coarsen.Scores{ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 1, Gamma: 0.1}},
			[6]float64{0, 0.02, 0.35, 93.5, 31.8, 8.7},
			[6]float64{},
		},
		"reverse sigmoid 0.008 0.2": {
			coarsen.Scores{ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 0.008, Gamma: 0.2}}, [6]float64{}, [6]float64{},
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, c := range columns {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				flips, ties := 0, 0
				raw, got := make([]float64, c.classes), make([]float64, c.classes)
				for n := range draws {
					softmax(rng, raw, c.deviation)
					copy(got, raw)
					unguarded(row.rules, got, n)
					switch {
					case tied(got):
						ties++
					case argmax(got) != argmax(raw):
						flips++
					}
				}
				near := func(what string, count int, want float64) {
					p := float64(count) / draws * 100
					// Both are samples: four deviations of their difference, and the note's rounding.
					if slack := 4*100*math.Sqrt(2*want/100*(1-want/100)/draws) + 0.06; math.Abs(p-want) > slack {
						t.Errorf("%d classes, deviation %v: %s %.2f %%; the note says %v (seed %d)", c.classes, c.deviation, what, p, want, seed)
					}
				}
				near("flips", flips, row.flips[i])
				near("ties", ties, row.ties[i])
			}
		})
	}
}

// unguarded rounds or perturbs; independent scores are rounded without a guard.
func unguarded(rules coarsen.Scores, v []float64, input int) {
	if rules.Decimals > 0 {
		rules.Mode = coarsen.ScoresFull
		p := coarsen.Profile{Scores: rules}
		p.ScoresOf(coarsen.ScoreInput{Values: v, Kind: coarsen.Independent})
		return
	}
	seed := seedOf(input)
	rules.Unguarded(v, &seed)
}
