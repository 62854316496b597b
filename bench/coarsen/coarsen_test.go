package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bartizan/internal/coarsen"
)

func TestEquationsRecoverWeights(t *testing.T) {
	t.Parallel()
	const seed = 7
	victim := newLinearVictim(seed)
	exact := defence{exact: true}
	var lessons []lesson
	for i, x := range linearInput(seed, 62, forQueries) {
		lessons = append(lessons, victim.ask(&exact, x, i))
	}
	got, ok := solveEquations(lessons, 0)
	if !ok {
		t.Fatal("solveEquations found no equations in exact answers")
	}
	for j := range linearClasses {
		for i := range linearWidth {
			// Only differences between classes can be known.
			want := victim[j*linearWidth+i] - victim[i]
			if d := math.Abs(got[j*linearWidth+i] - want); d > 1e-6 {
				t.Fatalf("weight %d of class %d is off by %g (seed %d)", i, j, d, seed)
			}
		}
	}
	label := newDefence("label", coarsen.Scores{})
	if _, ok := solveEquations([]lesson{victim.ask(&label, lessons[0].x, 0)}, 0); ok {
		t.Error("solveEquations found equations in a label")
	}
}

func TestGradients(t *testing.T) {
	t.Parallel()
	d := newDefence("top 2", coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 2, Decimals: 1})
	victim := newLinearVictim(3)
	for i, x := range linearInput(3, 20, forQueries) {
		l := victim.ask(&d, x, i)
		z := normal(source(1, forStudent, i), linearClasses, 1)
		loss := func(z []float64) float64 {
			q := append([]float64(nil), z...)
			softmax(q)
			return l.entropy(q)
		}
		got := append([]float64(nil), z...)
		softmax(got)
		l.entropy(got)
		for j := range z {
			const h = 1e-5
			up, down := append([]float64(nil), z...), append([]float64(nil), z...)
			up[j] += h
			down[j] -= h
			if want := (loss(up) - loss(down)) / (2 * h); math.Abs(got[j]-want) > 1e-6 {
				t.Errorf("answer %d: gradient in logit %d is %g; want %g", i, j, got[j], want)
			}
		}
	}
}

func TestConsistentObeysTheGrid(t *testing.T) {
	t.Parallel()
	const seed = 11
	d := newDefence("1 decimal", full(1))
	victim := newLinearVictim(seed)
	var lessons []lesson
	for i, x := range linearInput(seed, 60, forQueries) {
		lessons = append(lessons, victim.ask(&d, x, i))
	}
	miss := func(m linearModel) float64 {
		sum := 0.0
		var q, dq [linearClasses]float64
		for i := range lessons {
			m.logits(q[:], lessons[i].x)
			softmax(q[:])
			sum += lessons[i].miss(q[:], dq[:], 0.05)
		}
		return sum
	}
	start := fit(nil, lessons, 1)
	before, after := miss(start), miss(consistent(start, lessons, 0.05))
	if !(before > 0) || after > before/100 {
		t.Errorf("misses fell from %g to %g; want a hundredth or less (seed %d)", before, after, seed)
	}
}

func TestMinimise(t *testing.T) {
	t.Parallel()
	x := []float64{-1.2, 1} // Rosenbrock's valley
	minimise(x, 200, func(x, g []float64) float64 {
		a, b := 1-x[0], x[1]-x[0]*x[0]
		g[0], g[1] = -2*a-400*x[0]*b, 200*b
		return a*a + 100*b*b
	})
	if math.Abs(x[0]-1) > 1e-3 || math.Abs(x[1]-1) > 1e-3 {
		t.Errorf("minimise ended at %v; want 1, 1", x)
	}
}

func TestSolveSPD(t *testing.T) {
	t.Parallel()
	a := []float64{4, 0, 0, 2, 5, 0, 1, 3, 6} // the lower triangle
	want := []float64{1, -2, 3}
	full := [][]float64{{4, 2, 1}, {2, 5, 3}, {1, 3, 6}}
	b := make([]float64, 3)
	for i, row := range full {
		b[i] = dot(row, want)
	}
	solveSPD(a, 3, b)
	for i := range want {
		if math.Abs(b[i]-want[i]) > 1e-12 {
			t.Errorf("solveSPD = %v; want %v", b, want)
		}
	}
}

func TestWidthOfALanguageModel(t *testing.T) {
	t.Parallel()
	const seed, width = 5, 8
	s := rankSizes{vocabulary: 200, hidden: width, deviation: 2, answers: 40, many: 80}
	everything := coarsen.Logprobs{Allow: true, TopK: 200, NaturalRank: 200}
	stepped, floored, listed := everything, everything, everything
	stepped.Step, floored.Floor = 0.25, 1e-4
	listed.TopK, listed.NaturalRank, listed.Step, listed.Floor = 5, 20, 0.1, 1e-3
	for name, c := range map[string]struct {
		rules coarsen.Logprobs
		by    string
	}{
		"exact": {everything, "gap"}, "a coarse step": {stepped, "noise edge"},
		"a floor": {floored, "completion"}, "a short list": {listed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := attackRank(t.Context(), s, rankCase{name, coarsen.Profile{Logprobs: c.rules}, s.many}, seed)
			if c.by != "" && out.said[c.by] != width {
				t.Errorf("%s said %d; want %d (seed %d)", c.by, out.said[c.by], width, seed)
			}
			for attack, said := range out.said {
				if c.by == "" && said == width {
					t.Errorf("%s found the width in lists of five (seed %d)", attack, seed)
				}
			}
		})
	}
}

func TestTriangleKeepsLengths(t *testing.T) {
	t.Parallel()
	columns := [][]float64{{3, 4, 0}, {0, 0, 2}}
	r := triangle(columns)
	if got := math.Abs(r[0][0]); math.Abs(got-5) > 1e-12 {
		t.Errorf("first diagonal element %v; want 5", got)
	}
	if got := math.Hypot(r[0][1], r[1][1]); math.Abs(got-2) > 1e-12 {
		t.Errorf("length of the second column %v; want 2", got)
	}
}

func TestInvertReverseSigmoid(t *testing.T) {
	t.Parallel()
	const seed, answers = 3, 400
	d := newDefence("rs", coarsen.Scores{
		Mode: coarsen.ScoresFull, Decimals: 3, ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 1, Gamma: 0.1},
	})
	undo := newInverter(1, 0.1, 3)
	r := source(seed, forTest)
	told, undone := 0.0, 0.0
	for n := range answers {
		p := normal(r, 10, 3)
		softmax(p)
		moved := append([]float64(nil), p...)
		d.tell(moved, n)
		back := append([]float64(nil), moved...)
		undo.invert(back)
		for i := range p {
			told += math.Abs(moved[i]-p[i]) / answers
			undone += math.Abs(back[i]-p[i]) / answers
		}
	}
	if undone > told/4 {
		t.Errorf("distance to the true scores %.3f after undoing, %.3f before; want a quarter at most (seed %d)", undone, told, seed)
	}
}

func TestRidgeRecoversALinearEmbedder(t *testing.T) {
	t.Parallel()
	r := source(9, forTest)
	weights := [][]float64{normal(r, 4, 1), normal(r, 4, 1)}
	var f, told [][]float64
	for range 20 {
		x := normal(r, 4, 1)
		f, told = append(f, x), append(told, []float64{dot(weights[0], x), dot(weights[1], x)})
	}
	for d, got := range newRidge(f, 1e-9).solve(f, told) {
		for i, want := range weights[d] {
			if math.Abs(got[i]-want) > 1e-6 {
				t.Errorf("dimension %d: %v; want %v", d, got, weights[d])
			}
		}
	}
}

func TestReachAndFactor(t *testing.T) {
	t.Parallel()
	sizes := []int{10, 100, 1000}
	tests := map[string]struct {
		curve  []float64
		target float64
		want   float64
		ok     bool
	}{
		"between": {[]float64{50, 70, 90}, 80, 316.2, true},
		"at once": {[]float64{95, 97, 99}, 90, 10, true},
		"exactly": {[]float64{50, 90, 95}, 90, 100, true},
		"never":   {[]float64{50, 60, 70}, 90, 0, false},
	}
	for name, test := range tests {
		if got, ok := reach(sizes, test.curve, test.target); ok != test.ok || math.Abs(got-test.want) > 0.1 {
			t.Errorf("%s: reach = %v, %t; want %v, %t", name, got, ok, test.want, test.ok)
		}
	}
	fast, slow := []float64{90, 95, 99}, []float64{20, 90, 95}
	f, ok := newFactor(sizes, [][]float64{fast, fast}, [][]float64{slow, slow}, 90)
	if !ok || math.Abs(f.Times-10) > 1e-9 || f.Reached != 2 {
		t.Errorf("newFactor = %+v, %t; want 10 times", f, ok)
	}
	if f, _ = newFactor(sizes, [][]float64{fast, fast}, [][]float64{slow, {1, 2, 3}}, 90); !strings.HasPrefix(f.String(), ">") {
		t.Errorf("String = %q; want a lower bound", f)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	e := newEstimate([]float64{1, 2, 3, 4, 5})
	// Mean 3, deviation 1.5811, t(4) 2.776.
	if e.Mean != 3 || math.Abs(e.High-e.Mean-1.963) > 1e-3 {
		t.Errorf("newEstimate = %+v; want 3 within 1.963", e)
	}
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "r.json")
	read := func(workers string) string {
		var stdout, stderr strings.Builder
		if code := run([]string{"-smoke", "-parts", "argmax,linear,embed", "-workers", workers, "-out", out}, &stdout, &stderr); code != 0 {
			t.Fatalf("run = %d: %s", code, stderr.String())
		}
		text, err := os.ReadFile(strings.TrimSuffix(out, ".json") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		_, tables, _ := strings.Cut(string(text), "\n") // the first line has the load and the time
		return tables
	}
	one, three := read("1"), read("3")
	if one != three {
		t.Errorf("the numbers depend on the number of workers:\n%s\n%s", one, three)
	}
	for _, want := range []string{"A:", "B2:", "E3:", "0 changed, 0 without"} {
		if !strings.Contains(one, want) {
			t.Errorf("no %q in\n%s", want, one)
		}
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	out := filepath.Join(t.TempDir(), "r.json")
	if err := measure(ctx, []string{"-out", out}, &stdout, &stderr); err == nil {
		t.Error("measure under an ended context: no error")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a stopped run wrote a result")
	}
	for _, args := range [][]string{{"-seeds", "1"}, {"-parts", "x"}, {"-workers", "0"}, {"-nonsense"}} {
		if code := run(args, &stdout, &stderr); code != 2 {
			t.Errorf("run(%v) = %d; want 2", args, code)
		}
	}
}
