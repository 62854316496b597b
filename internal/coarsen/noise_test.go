package coarsen_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"bartizan/internal/coarsen"
)

// seedOf is a seed as a caller makes it.
func seedOf(n int) [32]byte {
	var text [8]byte
	binary.LittleEndian.PutUint64(text[:], uint64(n))
	return sha256.Sum256(text[:])
}

// TestRepeatsGainNothing: the mean of a thousand answers to one input is as far from
// the truth as one answer.
func TestRepeatsGainNothing(t *testing.T) {
	t.Parallel()
	p := coarsen.Profile{Scores: coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 6, Noise: 0.05}}
	raw := []float64{0.3, 0.5, 0.15, 0.05}
	ask := func(seed [32]byte) []float64 {
		v := slices.Clone(raw)
		p.ScoresOf(coarsen.ScoreInput{Values: v, Seed: seed})
		return v
	}
	first := ask(seedOf(1))
	if slices.Equal(first, raw) {
		t.Fatal("nothing was added")
	}
	for range 1000 {
		if again := ask(seedOf(1)); !slices.Equal(first, again) {
			t.Fatalf("the same input got %v, then %v", first, again)
		}
	}
	if slices.Equal(first, ask(seedOf(2))) {
		t.Error("two inputs got the same noise")
	}
}

// TestNoiseIsNormal: the draws pass the test of Kolmogorov and Smirnov against the
// normal distribution, over positions and over inputs, and neighbours do not correlate.
func TestNoiseIsNormal(t *testing.T) {
	t.Parallel()
	const draws, deviation = 20_000, 0.05
	rules := coarsen.Scores{Noise: deviation}
	seed := seedOf(3)
	positions := make([]float64, draws)
	rules.Unguarded(positions, &seed)
	var inputs, odd []float64
	for n := range draws {
		var v [2]float64
		seed := seedOf(n)
		rules.Unguarded(v[:], &seed)
		inputs, odd = append(inputs, v[0]), append(odd, v[1])
	}
	product := 0.0
	for i := 1; i < draws; i++ {
		product += positions[i] * positions[i-1] / (deviation * deviation)
	}
	if z := product / math.Sqrt(draws); math.Abs(z) > 4 {
		t.Errorf("neighbours correlate: z = %v", z)
	}
	for name, sample := range map[string][]float64{"positions": positions, "inputs": inputs, "second of inputs": odd} {
		slices.Sort(sample)
		distance := 0.0
		for i, f := range sample {
			below := 0.5 * math.Erfc(-f/deviation/math.Sqrt2)
			distance = max(distance, math.Abs(below-float64(i)/draws), math.Abs(below-float64(i+1)/draws))
		}
		// At the limit of 1.95/sqrt(n) a true normal sample fails once in a thousand.
		if limit := 1.95 / math.Sqrt(draws); distance > limit {
			t.Errorf("%s: distance from normal = %v; want at most %v", name, distance, limit)
		}
	}
}

// TestNoiseOfTwoTiers: what two deviations give for one input does not solve for the
// score, as it would if they scaled the same draw.
func TestNoiseOfTwoTiers(t *testing.T) {
	t.Parallel()
	const draws = 4000
	sum := 0.0
	for n := range draws {
		seed := seedOf(n)
		a, b := []float64{0.5}, []float64{0.5}
		coarsen.Scores{Noise: 0.1}.Unguarded(a, &seed)
		coarsen.Scores{Noise: 0.2}.Unguarded(b, &seed)
		sum += (a[0] - 0.5) / 0.1 * (b[0] - 0.5) / 0.2
	}
	if z := sum / math.Sqrt(draws); math.Abs(z) > 4 {
		t.Errorf("the noise of two deviations correlates: z = %v", z)
	}
}

func TestMAC(t *testing.T) {
	t.Parallel()
	key := seedOf(4)
	for n := range 300 {
		message := make([]byte, n)
		for i := range message {
			message[i] = byte(i)
		}
		h := hmac.New(sha256.New, key[:])
		h.Write(message)
		if got := coarsen.MAC(&key, message); !hmac.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("the MAC of %d bytes is not that of crypto/hmac", n)
		}
	}
}
