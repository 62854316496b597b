package coarsen_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"bartizan/internal/coarsen"
)

func norm(v []float64) float64 {
	sum := 0.0
	for _, f := range v {
		sum += f * f
	}
	return math.Sqrt(sum)
}

// direction draws a random vector of a given length in the geometric sense.
func direction(rng *rand.Rand, dims int, length float64) []float64 {
	v := make([]float64, dims)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	scale := length / norm(v)
	for i := range v {
		v[i] *= scale
	}
	return v
}

// asFloat32 is what a vector is after it was sent.
func asFloat32(v []float64) []float64 {
	sent := slices.Clone(v)
	for i, f := range sent {
		sent[i] = float64(float32(f))
	}
	return sent
}

func TestVector(t *testing.T) {
	t.Parallel()
	const seed = 7
	for _, name := range names {
		for _, dims := range []int{1, 2, 64, 1536, 4096} {
			for _, length := range []float64{1, 0.004, 37} {
				t.Run(name+" "+strconv.Itoa(dims)+" "+strconv.FormatFloat(length, 'g', -1, 64), func(t *testing.T) {
					t.Parallel()
					p := shipped(t, name)
					raw := direction(rand.New(rand.NewPCG(seed, uint64(dims))), dims, length)
					got := slices.Clone(raw)
					p.Vector(got)
					checkGrid(t, &p, raw, got)

					sent := asFloat32(got)
					again := slices.Clone(sent)
					p.Vector(again)
					if !slices.Equal(asFloat32(again), sent) {
						t.Error("a second pass changed the vector")
					}
					cosine := 0.0
					for i := range raw {
						cosine += raw[i] * got[i] / norm(raw) / norm(got)
					}
					if cosine < 0.999 {
						t.Errorf("cosine with the model's vector = %v; want at least 0.999 (seed %d)", cosine, seed)
					}
				})
			}
		}
	}
}

// checkGrid checks what the profile's grid promises.
func checkGrid(t *testing.T, p *coarsen.Profile, raw, got []float64) {
	t.Helper()
	levels := map[float64]bool{}
	for i, f := range got {
		levels[f] = true
		if f == 0 && math.Signbit(f) {
			t.Errorf("component %d is minus zero", i)
		}
	}
	switch p.Embeddings.Grid {
	case coarsen.GridInt8:
		if len(levels) > 255 {
			t.Errorf("%d levels; want at most 255", len(levels))
		}
	case coarsen.GridDecimals:
		for i, f := range got {
			if text := strconv.FormatFloat(f, 'f', -1, 64); len(text) > len("-0.")+p.Embeddings.Decimals {
				t.Fatalf("component %d = %s; want %d decimals", i, text, p.Embeddings.Decimals)
			}
		}
	case coarsen.GridFloat16:
		for i, f := range got {
			if math.Abs(f-raw[i]) > math.Abs(raw[i])/2048+1e-7 {
				t.Fatalf("component %d: %v became %v", i, raw[i], f)
			}
		}
		return
	case coarsen.GridFull:
		if !slices.Equal(raw, got) {
			t.Error("the vector was changed")
		}
		return
	}
	if n := norm(got); math.Abs(n-1) > 2e-3 {
		t.Errorf("norm = %v; want 1", n)
	}
}

func TestVectorHalf(t *testing.T) {
	t.Parallel()
	p := shipped(t, "trusted")
	cases := map[float64]float64{
		0: 0, 1: 1, -1: -1, 0.1: 0.0999755859375, 1e9: 65504, -1e9: -65504, 65504: 65504, 65519: 65504, 2048.9: 2048, 2049.1: 2050,
		5.960464477539063e-08: 5.960464477539063e-08, 1e-9: 0, -1e-9: 0, 6.1e-05: 6.097555160522461e-05, 2049: 2048, 2051: 2052,
	}
	for in, want := range cases {
		v := []float64{in}
		if p.Vector(v); v[0] != want || math.Signbit(v[0]) != (want < 0) {
			t.Errorf("%v became %v; want %v", in, v[0], want)
		}
	}
}

func TestVectorOfZeros(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		p := shipped(t, name)
		v := make([]float64, 8)
		p.Vector(v)
		for _, f := range v {
			if f != 0 || math.Signbit(f) {
				t.Errorf("%s: a vector of zeros became %v", name, v)
			}
		}
		p.Vector(nil)
	}
}

// TestVectorCut: a cut vector has unit norm on every grid, as a second pass leaves it.
func TestVectorCut(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		p := shipped(t, name)
		p.Embeddings.Dims = 256
		for _, dims := range []int{64, 256, 1536} {
			raw := direction(rand.New(rand.NewPCG(8, uint64(dims))), dims, 1)
			got := p.Vector(slices.Clone(raw))
			if len(got) != min(dims, 256) {
				t.Fatalf("%s: %d of %d components; want at most 256", name, len(got), dims)
			}
			if n := norm(got); math.Abs(n-1) > 2e-3 {
				t.Errorf("%s: norm of %d of %d components = %v; want 1", name, len(got), dims, n)
			}
			cosine := 0.0
			for i := range got {
				cosine += raw[i] * got[i] / norm(raw[:len(got)]) / norm(got)
			}
			if cosine < 0.999 {
				t.Errorf("%s: cosine with the cut vector = %v; want at least 0.999", name, cosine)
			}
			sent := asFloat32(got)
			if again := p.Vector(slices.Clone(sent)); !slices.Equal(asFloat32(again), sent) {
				t.Errorf("%s: a second pass changed the vector", name)
			}
		}
		if got := p.Vector(make([]float64, 300)); len(got) != 256 || norm(got) != 0 {
			t.Errorf("%s: a vector of zeros became %v", name, got)
		}
	}
}
