package coarsen_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bartizan/internal/coarsen"
)

var (
	none    = math.NaN()
	bucket  = coarsen.Scores{Mode: coarsen.ScoresBucket, Edges: coarsen.DefaultEdges()}
	topTwo  = coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 2, Decimals: 2}
	topOne  = coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 1, Decimals: 2}
	full1   = coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 1}
	full3   = coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 3}
	ofFour  = coarsen.Count(2.0 / 24)
	ofThree = coarsen.Count(math.Log2(3) / 24)
)

func TestScores(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	cases := map[string]struct {
		rules    coarsen.Scores
		kind     coarsen.Kind
		in, want []float64
		told     coarsen.Count
	}{
		"label": {coarsen.Scores{}, coarsen.Exclusive, []float64{0.2, 0.5, 0.3}, []float64{none, 1, none}, 0},
		"label of equals": {
			coarsen.Scores{}, coarsen.Exclusive, []float64{0.5, 0.5}, []float64{1, none}, 0,
		},
		"label, independent": {coarsen.Scores{}, coarsen.Independent, []float64{0.2, 0.9}, []float64{none, none}, 0},
		"label, lone":        {coarsen.Scores{}, coarsen.Lone, []float64{0.8}, []float64{0.825}, 0},
		"label, one class":   {coarsen.Scores{}, coarsen.Exclusive, []float64{0.8}, []float64{1}, 0},

		"bucket":              {bucket, coarsen.Exclusive, []float64{0.1, 0.75, 0.15}, []float64{none, 0.825, none}, ofFour},
		"bucket, first":       {bucket, coarsen.Exclusive, []float64{0.3, 0.4, 0.3}, []float64{none, 0.25, none}, ofFour},
		"bucket, independent": {bucket, coarsen.Independent, []float64{0.1, 0.5, 0.9, none}, []float64{0.25, 0.625, 0.95, none}, 3 * ofFour},
		"bucket, lone":        {bucket, coarsen.Lone, []float64{-3}, []float64{0.25}, ofFour},
		"bucket of logits":    {bucket, coarsen.Exclusive, []float64{-4.1, 7.3, 2}, []float64{none, 0.95, none}, ofFour},
		"bucket of logits, independent": {
			bucket, coarsen.Independent, []float64{-4.1, 7.3, -inf, inf}, []float64{0.25, 0.95, 0.25, 0.95}, 4 * ofFour,
		},
		"bucket of two, at their boundary": {bucket, coarsen.Exclusive, []float64{0.49, 0.51}, []float64{none, 0.625}, ofThree},
		"bucket of two":                    {bucket, coarsen.Exclusive, []float64{0.92, 0.08}, []float64{0.95, none}, ofThree},
		"bucket of two, one not there":     {bucket, coarsen.Exclusive, []float64{none, 0.3}, []float64{none, 0.625}, ofThree},

		"top two":               {topTwo, coarsen.Exclusive, []float64{0.101, 0.333, 0.566}, []float64{none, 0.33, 0.57}, 2},
		"top two, equal":        {topTwo, coarsen.Exclusive, []float64{0.2, 0.401, 0.399}, []float64{none, 0.4, 0.39}, 2},
		"top two, third equal":  {topTwo, coarsen.Exclusive, []float64{0.3, 0.4, 0.3}, []float64{0.3, 0.4, none}, 2},
		"top two of one":        {topTwo, coarsen.Exclusive, []float64{0.666}, []float64{0.67}, 1},
		"top two, independent":  {topTwo, coarsen.Independent, []float64{0.999, 0.5, 0.998}, []float64{1, none, 1}, 2},
		"top two, not there":    {topTwo, coarsen.Exclusive, []float64{none, 0.25, none}, []float64{none, 0.25, none}, 1},
		"top one":               {topOne, coarsen.Exclusive, []float64{0.4, 0.6}, []float64{none, 0.6}, 1},
		"top two, all are zero": {topTwo, coarsen.Exclusive, []float64{0, 0, 0}, []float64{0.01, 0, none}, 2},

		"full":                  {full3, coarsen.Exclusive, []float64{0.12345, 0.87655}, []float64{0.123, 0.877}, 2},
		"full, equal":           {full1, coarsen.Exclusive, []float64{0.34, 0.31, 0.35}, []float64{0.3, 0.3, 0.4}, 3},
		"full, lowered":         {full1, coarsen.Exclusive, []float64{0.33, 0.34, 0.33}, []float64{0.2, 0.3, 0.2}, 3},
		"full, raised":          {full1, coarsen.Exclusive, []float64{0.02, 0.03, 0.01}, []float64{0, 0.1, 0}, 3},
		"full of logits":        {full3, coarsen.Exclusive, []float64{7, 9, -2}, []float64{0.999, 1, 0}, 3},
		"full, independent":     {full1, coarsen.Independent, []float64{0.33, 0.34}, []float64{0.3, 0.3}, 2},
		"full, lone":            {full3, coarsen.Lone, []float64{-0.43219}, []float64{-0.432}, 1},
		"full, lone logit":      {full3, coarsen.Lone, []float64{-8.5}, []float64{-1}, 1},
		"full, no minus zero":   {full3, coarsen.Lone, []float64{-0.0001}, []float64{0}, 1},
		"full, nothing there":   {full3, coarsen.Exclusive, []float64{none, none}, []float64{none, none}, 0},
		"full, nothing":         {full3, coarsen.Exclusive, nil, nil, 0},
		"noise without a seed":  {coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 3, Noise: 0.1}, coarsen.Exclusive, []float64{0.4, 0.6}, []float64{none, 1}, 0},
		"a mode that is not":    {coarsen.Scores{Mode: 99}, coarsen.Exclusive, []float64{0.4, 0.6}, []float64{none, 1}, 0},
		"buckets without edges": {coarsen.Scores{Mode: coarsen.ScoresBucket}, coarsen.Exclusive, []float64{0.1, 0.6, 0.3}, []float64{none, 0.5, none}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, linear := range []bool{false, true} {
				p := coarsen.Profile{Scores: c.rules}
				if linear {
					p = coarsen.Profile{LinearScores: c.rules}
				}
				got := slices.Clone(c.in)
				told := p.ScoresOf(coarsen.ScoreInput{Values: got, Kind: c.kind, Linear: linear})
				if diff := cmp.Diff(c.want, got, cmpopts.EquateNaNs()); diff != "" || math.Abs(float64(told-c.told)) > 1e-12 {
					t.Errorf("ScoresOf = %v, linear %v; want %v (-want +got):\n%s", told, linear, c.told, diff)
				}
				for i, f := range got {
					if f == 0 && math.Signbit(f) {
						t.Errorf("score %d is minus zero", i)
					}
				}
			}
		})
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	var sum coarsen.Count
	if sum.Values() != 0 {
		t.Errorf("nothing counts %d", sum.Values())
	}
	for n := int64(1); n <= 1000; n++ {
		sum += ofFour
		if got, want := sum.Values(), (n+11)/12; got != want {
			t.Fatalf("%d scores in four buckets count %d; want %d", n, got, want)
		}
	}
	if got := coarsen.Count(7).Values(); got != 7 {
		t.Errorf("seven values count %d", got)
	}
}

// softmax fills v with a softmax of normal logits of a standard deviation.
func softmax(rng *rand.Rand, v []float64, deviation float64) {
	sum := 0.0
	for i := range v {
		v[i] = math.Exp(deviation * rng.NormFloat64())
		sum += v[i]
	}
	for i := range v {
		v[i] /= sum
	}
}

func argmax(v []float64) int {
	at := -1
	for i, f := range v {
		if !math.IsNaN(f) && (at < 0 || f > v[at]) {
			at = i
		}
	}
	return at
}

// tied reports whether the greatest score is not the only one.
func tied(v []float64) bool {
	top, equal := argmax(v), 0
	for _, f := range v {
		if f == v[top] {
			equal++
		}
	}
	return equal > 1
}

// everyMode are the shipped rules, and each mode with each way to perturb.
func everyMode(t *testing.T) map[string]coarsen.Scores {
	t.Helper()
	all := map[string]coarsen.Scores{"one bucket edge": {Mode: coarsen.ScoresBucket, Edges: coarsen.Edges{At: [8]float64{0.5}, N: 1}}}
	for _, name := range names {
		p := shipped(t, name)
		all[name], all[name+", linear"] = p.Scores, p.LinearScores
	}
	sigmoid := coarsen.ReverseSigmoid{Beta: 1, Gamma: 0.1}
	for name, rules := range map[string]coarsen.Scores{"bucket": bucket, "top two": topTwo, "top one": topOne, "full 1": full1, "full 3": full3} {
		rules.Noise = 0.05
		all[name+", noise"] = rules
		rules.Noise, rules.ReverseSigmoid = 0, sigmoid
		all[name+", reverse sigmoid"] = rules
	}
	all["both"] = coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 3, Noise: 0.05, ReverseSigmoid: sigmoid}
	return all
}

// vectors returns how many random answers each mode is tried on per number of classes.
func vectors() int {
	if testing.Short() {
		return 2000
	}
	return 50_000
}

// TestLabelStays: on random softmax vectors the label is the same in every mode and
// nothing ties with it; a second pass changes nothing but where something perturbs.
func TestLabelStays(t *testing.T) {
	t.Parallel()
	const seed = 20260401
	modes := everyMode(t)
	for _, classes := range []int{2, 10, 100} {
		t.Run(strconv.Itoa(classes)+" classes", func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(classes)))
			raw, got, again := make([]float64, classes), make([]float64, classes), make([]float64, classes)
			for n := range vectors() {
				softmax(rng, raw, []float64{1, 3, 6}[n%3])
				in := coarsen.ScoreInput{Seed: [32]byte{1, byte(n), byte(n >> 8), byte(n >> 16)}}
				for name, rules := range modes {
					p := coarsen.Profile{Scores: rules}
					copy(got, raw)
					in.Values = got
					told := p.ScoresOf(in)
					if want := argmax(raw); argmax(got) != want || tied(got) {
						t.Fatalf("%s, vector %d: label %d of %v became %v (seed %d)", name, n, want, raw, got, seed)
					}
					checkTold(t, rules, got, told)
					if rules.Noise != 0 || rules.ReverseSigmoid.Beta != 0 {
						continue
					}
					copy(again, got)
					in.Values = again
					p.ScoresOf(in)
					if !equal(again, got) {
						t.Fatalf("%s, vector %d: %v became %v in a second pass", name, n, got, again)
					}
				}
			}
		})
	}
}

func equal(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || (math.IsNaN(x) && math.IsNaN(y)) })
}

// checkTold checks that what was told lies on the grid of the rules and was counted.
func checkTold(t *testing.T, rules coarsen.Scores, got []float64, told coarsen.Count) {
	t.Helper()
	shown := 0
	for i, f := range got {
		if math.IsNaN(f) {
			continue
		}
		shown++
		switch rules.Mode {
		case coarsen.ScoresTopK, coarsen.ScoresFull:
			grid := math.Pow10(rules.Decimals)
			if math.Round(f*grid)/grid != f {
				t.Fatalf("score %d is %v; want %d decimals", i, f, rules.Decimals)
			}
		default:
			if f <= 0 || f > 1 {
				t.Fatalf("score %d is %v", i, f)
			}
		}
	}
	switch rules.Mode {
	case coarsen.ScoresLabel:
		if told != 0 {
			t.Fatalf("a label counts %v", told)
		}
	case coarsen.ScoresBucket:
		if told > coarsen.Count(float64(shown)*math.Log2(float64(rules.Edges.N+1))/24) {
			t.Fatalf("%d buckets count %v", shown, told)
		}
	default:
		if int64(shown) != told.Values() {
			t.Fatalf("%d scores count %v", shown, told)
		}
	}
}

func TestNothingAllocates(t *testing.T) { //nolint:paralleltest // it counts allocations
	key, buf, standard := [32]byte{1}, make([]byte, 0, 64), shipped(t, "standard")
	if n := testing.AllocsPerRun(100, func() { buf, _ = standard.AppendFingerprint(buf[:0], &key, []byte("build 7, fp8")) }); n != 0 {
		t.Errorf("a fingerprint: %v allocations; want none", n)
	}
	for name, rules := range everyMode(t) {
		p := coarsen.Profile{Scores: rules}
		raw, got := make([]float64, 100), make([]float64, 100)
		softmax(rand.New(rand.NewPCG(1, 1)), raw, 3)
		in := coarsen.ScoreInput{Values: got, Seed: [32]byte{1}}
		if n := testing.AllocsPerRun(100, func() { copy(got, raw); p.ScoresOf(in) }); n != 0 {
			t.Errorf("%s: %v allocations; want none", name, n)
		}
	}
}

func FuzzScoresOf(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint8(0), uint8(0), uint8(3), uint8(2), 0.0, 0.0)
	f.Add(slices.Repeat([]byte{0x7f, 0xf0, 0, 0, 0, 0, 0, 0}, 3), uint8(1), uint8(0), uint8(1), uint8(1), 0.1, 1.0)
	f.Add(slices.Repeat([]byte{0xff, 0xf8, 0, 0, 0, 0, 0, 1}, 2), uint8(2), uint8(1), uint8(200), uint8(9), 0.0, 0.5)
	f.Add(slices.Repeat([]byte{0x3f, 0xe0, 0, 0, 0, 0, 0, 0}, 40), uint8(3), uint8(2), uint8(0), uint8(0), 1.0, 0.0)
	f.Fuzz(func(t *testing.T, data []byte, mode, kind, topK, decimals uint8, noise, beta float64) {
		raw := make([]float64, len(data)/8)
		for i := range raw {
			bits := uint64(0)
			for _, b := range data[i*8 : i*8+8] {
				bits = bits<<8 | uint64(b)
			}
			raw[i] = math.Float64frombits(bits)
		}
		rules := coarsen.Scores{
			Mode: coarsen.Mode(mode % 4), TopK: int(topK), Decimals: 1 + int(decimals%8), Edges: coarsen.DefaultEdges(),
			Noise: noise, ReverseSigmoid: coarsen.ReverseSigmoid{Beta: beta, Gamma: beta},
		}
		if rules.Mode == coarsen.ScoresTopK {
			rules.TopK = max(1, min(rules.TopK, 100))
		}
		p := coarsen.Profile{Scores: rules}
		if p.Validate() != nil {
			t.Skip()
		}
		in := coarsen.ScoreInput{Values: slices.Clone(raw), Kind: coarsen.Kind(kind % 3), Seed: [32]byte{9}}
		told := p.ScoresOf(in)
		checkScores(t, rules, in.Kind, raw, in.Values, told)
		if noise != 0 || beta != 0 {
			return
		}
		again := slices.Clone(in.Values)
		p.ScoresOf(coarsen.ScoreInput{Values: again, Kind: in.Kind})
		if !equal(again, in.Values) {
			t.Errorf("%v became %v in a second pass", in.Values, again)
		}
	})
}

// checkScores checks what ScoresOf promises of any input.
func checkScores(t *testing.T, rules coarsen.Scores, kind coarsen.Kind, raw, got []float64, told coarsen.Count) {
	t.Helper()
	top, shown := argmax(raw), 0
	for i, f := range got {
		if math.IsNaN(f) {
			continue
		}
		shown++
		if math.IsNaN(raw[i]) || f < -1 || f > 1 || (f < 0 && kind != coarsen.Lone) || (f == 0 && math.Signbit(f)) {
			t.Errorf("score %d: %v became %v", i, raw[i], f)
		}
		if i != top && (f > got[top] || (kind == coarsen.Exclusive && f == got[top])) {
			t.Errorf("score %d of %v is not below that of the label %d: %v", i, raw, top, got)
		}
	}
	if told < 0 || told.Values() > int64(shown) {
		t.Errorf("%d scores count %v", shown, told)
	}
	if kind == coarsen.Exclusive && top >= 0 && math.IsNaN(got[top]) {
		t.Errorf("the label of %v is gone: %v", raw, got)
	}
	if rules.Mode == coarsen.ScoresTopK && shown > rules.TopK {
		t.Errorf("%d scores are told; want at most %d", shown, rules.TopK)
	}
}
