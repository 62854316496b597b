package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bartizan/internal/stat"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.9f; want %.9f within %g", what, got, want, tolerance)
	}
}

func TestPToE(t *testing.T) {
	t.Parallel()
	for p, want := range map[float64]float64{
		1: .5, .5: .685419769, .1: 1.493794717, .05: 2.132710134, .01: 5.107469829,
		.001: 19.713149433, 1.0 / 513: 13.182103091, .004: 8.628476094, 1.234098e-4: 72.931984,
		7.987476e-5: 96.448156,
	} {
		tolerance := 1e-6
		if p < .001 { // these p-values are given with seven digits
			tolerance = 1e-4
		}
		near(t, "PToE", stat.PToE(p), want, tolerance)
	}
	for _, p := range []float64{0, -1, 2, math.NaN()} {
		near(t, "PToE outside its domain", stat.PToE(p), .5, 0)
	}
}

func TestConformal(t *testing.T) {
	t.Parallel()
	calibration := []float64{1, 2, 2, 3}
	for name, c := range map[string]struct{ score, high, low float64 }{
		"below":  {0, 1, .2},
		"tie":    {2, .8, .8},
		"above":  {4, .2, 1},
		"middle": {2.5, .4, .8},
	} {
		near(t, name+" high", stat.Conformal(calibration, c.score), c.high, 1e-12)
		near(t, name+" low", stat.ConformalLow(calibration, c.score), c.low, 1e-12)
	}
	near(t, "without calibration", stat.Conformal(nil, 1), 1, 0)
}

// Two strata, five scores: the product, the grid and the late start step by step.
func TestCompositeExample(t *testing.T) {
	t.Parallel()
	strata := [2][]float64{}
	for i := range 9 {
		strata[0] = append(strata[0], -2+.5*float64(i))
		strata[1] = append(strata[1], -1+.5*float64(i))
	}
	steps := []struct{ s, pA, pB, eA, eB, product, gridA, gridB, srA, srB float64 }{
		{2.5, .1, .3, 1.493794717, .871414448, .871414448, 1.197517887, .948565779, 1.493794717, .871414448},
		{1.2, .3, .5, .871414448, .685419769, .597284690, 1.127273312, .834717140, 2.173128748, 1.282704460},
		{3.5, .1, .1, 1.493794717, 1.493794717, .892220715, 1.369848991, .972736396, 4.740002960, 3.409891863},
		{-.8, .7, .9, .587250564, .524162476, .467668619, 1.090161937, .795478849, 3.370819976, 2.311499839},
		{4, .1, .1, 1.493794717, 1.493794717, .698600913, 1.313168554, .916208947, 6.529107790, 4.946700965},
	}
	var grids [2]stat.Grid
	var late [2]stat.LateStart
	product := [2]float64{1, 1}
	for i, step := range steps {
		for k := range strata {
			p := stat.Conformal(strata[k], step.s)
			e := stat.PToE(p)
			near(t, "p", p, [2]float64{step.pA, step.pB}[k], 1e-9)
			near(t, "e", e, [2]float64{step.eA, step.eB}[k], 1e-6)
			grids[k].Bet(e)
			late[k].Step(e)
			product[k] *= e
		}
		near(t, "product", min(product[0], product[1]), step.product, 1e-6)
		near(t, "grid A", math.Pow(10, grids[0].Log10()), step.gridA, 1e-6)
		near(t, "grid B", math.Pow(10, grids[1].Log10()), step.gridB, 1e-6)
		near(t, "late start A", float64(late[0]), step.srA, 1e-6)
		near(t, "late start B", float64(late[1]), step.srB, 1e-6)
		if i == len(steps)-1 {
			near(t, "log10 E", min(grids[0].Log10(), grids[1].Log10()), -.038005471, 1e-6)
		}
	}
	for k, want := range [2]stat.Grid{
		{1.046934296, 1.139939361, 1.360028654, 1.705771903}, {1.002399080, 1.001045531, .962790266, .698600913},
	} {
		for j := range want {
			near(t, "bet", math.Exp(grids[k][j]), want[j], 1e-6)
		}
	}
}

func TestLateStart(t *testing.T) {
	t.Parallel()
	want := []float64{
		.5, .75, .875, .9375, .96875, .984375, 5.953125, 20.859375, 65.578125, 199.734375, 602.203125, 1809.609375,
	}
	var r stat.LateStart
	product := 1.0
	for i, w := range want {
		e := .5
		if i >= 6 {
			e = 3
		}
		r.Step(e)
		product *= e
		near(t, "late start", float64(r), w, 1e-6)
	}
	near(t, "product", product, 11.390625, 1e-6)
	for range 2000 {
		r.Step(1e9)
	}
	if math.IsInf(float64(r), 0) {
		t.Error("a late start overflowed")
	}
}

func TestFastestAlarm(t *testing.T) {
	t.Parallel()
	e, product, at3, at6 := stat.PToE(1.0/513), 1.0, 0, 0
	for i := 1; i <= 6; i++ {
		product *= e
		if i == 3 {
			near(t, "third product", product, 2290.62, .01)
		}
		if at3 == 0 && product >= 1e3 {
			at3 = i
		}
		if at6 == 0 && product >= 1e6 {
			at6 = i
		}
	}
	if at3 != 3 || at6 != 6 {
		t.Errorf("thresholds passed at %d and %d; want 3 and 6", at3, at6)
	}
}

func TestMixLog10(t *testing.T) {
	t.Parallel()
	weights := []float64{.5, .3, .2}
	got := stat.MixLog10(weights, []float64{math.Log10(200), -1, math.Log10(4)})
	near(t, "mixture", got, 2.003590, 1e-6)
	near(t, "value", math.Pow(10, got), 100.83, 1e-6)
	near(t, "huge", stat.MixLog10(weights, []float64{900, 0, 0}), 900+math.Log10(.5), 1e-9)
	if got := stat.MixLog10(weights, []float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}); !math.IsInf(got, -1) {
		t.Errorf("mixture of zeros = %v; want -Inf", got)
	}
}

func TestEBH(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		e    []float64
		want []int
	}{
		"five":             {[]float64{250, 3, 120, 70, .2, 1, 45, .5, 9, 60}, []int{0, 2, 3, 9, 6}},
		"carried by later": {[]float64{190, 110, 66, 51, 1, 1, 1, 1, 1, 1}, []int{0, 1, 2, 3}},
		"two":              {[]float64{190, 110, 60, 30, 1, 1, 1, 1, 1, 1}, []int{0, 1}},
		"none":             {[]float64{1, 2, 3}, nil},
		"empty":            {nil, nil},
	} {
		if got := stat.EBH(c.e, .05); !slices.Equal(got, c.want) {
			t.Errorf("%s: EBH = %v; want %v", name, got, c.want)
		}
	}
}

func TestClopperPearson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		k, n int
		want float64
	}{
		{0, 100, .029513},
		{0, 140, .021171},
		{0, 299, .009969},
		{0, 300, .009936},
		{1, 300, .015715},
		{3, 300, .025641},
		{0, 3000, .000998},
		{5, 5, 1},
		{0, 0, 1},
	} {
		near(t, "upper", stat.ClopperPearsonUpper(c.k, c.n, .95), c.want, 1e-6)
	}
	for _, c := range []struct {
		k, n int
		want float64
	}{{60, 60, .951297}, {58, 60, .898764}, {19, 20, .783894}, {0, 9, 0}} {
		near(t, "lower", stat.ClopperPearsonLower(c.k, c.n, .95), c.want, 1e-6)
	}
}

func TestRayleigh(t *testing.T) {
	t.Parallel()
	near(t, "Rayleigh", stat.Rayleigh(100, .3), 1.234098e-4, 1e-9)
}

// Under a fair stream the mixture stays below 1/alpha with chance at least 1-alpha.
func TestGridUnderNull(t *testing.T) {
	t.Parallel()
	const seed, streams, alpha = 7, 2000, .05
	rng := rand.New(rand.NewPCG(seed, 1))
	crossed := 0
	for range streams {
		var g stat.Grid
		for range 100 {
			g.Bet(stat.PToE(1 - rng.Float64()))
			if g.Log10() >= -math.Log10(alpha) {
				crossed++
				break
			}
		}
	}
	if lower := stat.ClopperPearsonLower(crossed, streams, .999); lower > alpha {
		t.Errorf("seed %d: %d of %d fair streams crossed 1/%g; want at most that share", seed, crossed, streams, alpha)
	}
}

func TestPToEFalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.Float64Range(1e-9, 1).Draw(t, "p")
		q := rapid.Float64Range(1e-9, 1).Draw(t, "q")
		if p < q && stat.PToE(p) < stat.PToE(q) {
			t.Fatalf("PToE(%g) < PToE(%g)", p, q)
		}
	})
}
