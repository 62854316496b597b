package coarsen_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"bartizan/internal/coarsen"
)

func BenchmarkScoresOf(b *testing.B) {
	rules := map[string]coarsen.Scores{
		"label": {}, "bucket": bucket, "top_k": topTwo, "full": full3,
		"full_noise": {Mode: coarsen.ScoresFull, Decimals: 3, Noise: 0.05},
	}
	for name, r := range rules {
		for _, classes := range []int{10, 1000} {
			b.Run(name+"/"+strconv.Itoa(classes), func(b *testing.B) {
				p := coarsen.Profile{Scores: r}
				raw, got := make([]float64, classes), make([]float64, classes)
				softmax(rand.New(rand.NewPCG(1, 1)), raw, 3)
				in := coarsen.ScoreInput{Values: got, Seed: [32]byte{1}}
				b.ReportAllocs()
				for b.Loop() {
					copy(got, raw)
					p.ScoresOf(in)
				}
			})
		}
	}
}
