package baseline

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"bartizan"
	"bartizan/internal/stat"
)

// The constants of the two-sample test.
const (
	mmdPooledWindows   = 1000
	mmdPooledQuantile  = .95
	mmdAccountQuantile = .99
)

// Calibration says what the threshold of [MMD] comes from.
type Calibration int

// The calibrations.
const (
	// Pooled is that of the paper: windows drawn at random from all benign prompts, of
	// which 5 % lie above the threshold.
	Pooled Calibration = iota
	// PerAccount takes the greatest value within each benign account; 1 % of the
	// accounts lie above the threshold.
	PerAccount
)

// MMD returns the two-sample test of the last prompts of an account, as many as the
// window holds, against the prompts of the reference accounts, with a linear kernel:
// the squared distance of the two means, without bias. The calibration accounts, which
// share no prompt with the reference, set the threshold. An account says nothing until
// its window is full. An error means that there is too little for the window.
func MMD(space *Space, reference, calibration []Account, window int, from Calibration, r *rand.Rand) (Detector, error) {
	vectors := space.all(reference)
	test := &mmdTest{window: window, n: len(vectors), reference: meanOf(vectors)}
	d := Detector{Name: fmt.Sprintf("MMD %d, pooled", window)}
	var values []float64
	quantile := mmdPooledQuantile
	if from == PerAccount {
		d.Name = fmt.Sprintf("MMD %d, per account", window)
		values, quantile = test.ofAccounts(space, calibration), mmdAccountQuantile
	} else {
		values = test.pooled(space.all(calibration), r)
	}
	if test.n < 2 || window < 2 || len(values) == 0 {
		return Detector{}, fmt.Errorf("calibrate %s: no benign window of %d prompts beside a reference", d.Name, window)
	}
	slices.Sort(values)
	threshold := stat.Quantile(values, quantile)
	d.Calibrated = fmt.Sprintf("threshold %.5f from %d values, reference of %d prompts", threshold, len(values), test.n)
	d.Open = func(string) Judge { return &mmd{space: space, sum: newSum(test), threshold: threshold} }
	return d, nil
}

// mmdTest is what the windows are compared with.
type mmdTest struct {
	window    int
	n         int // vectors of the reference
	reference centre
}

// pooled returns the statistic of windows that are drawn from the pool.
func (t *mmdTest) pooled(pool []Vector, r *rand.Rand) []float64 {
	if len(pool) < t.window {
		return nil
	}
	dots := make([]float64, len(pool))
	for i, v := range pool {
		dots[i] = dense64(t.reference.at, v)
	}
	values := make([]float64, mmdPooledWindows)
	sum := make([]float32, bins)
	drawn := make([]int, t.window)
	for i := range values {
		square, dot := 0.0, 0.0
		for k := range drawn {
			drawn[k] = r.IntN(len(pool))
			dot += dots[drawn[k]]
			for _, c := range pool[drawn[k]] {
				old := sum[c.Index]
				sum[c.Index] = old + c.Value
				square += float64(c.Value) * float64(2*old+c.Value)
			}
		}
		for _, at := range drawn {
			for _, c := range pool[at] {
				sum[c.Index] = 0
			}
		}
		values[i] = t.statistic(square, dot)
	}
	return values
}

// statistic is MMD^2 in its form without bias for unit vectors, of a full window with
// the given square of its sum and product of its sum with the reference.
func (t *mmdTest) statistic(square, dot float64) float64 {
	w, n := float64(t.window), float64(t.n)
	return (square/w-1)/(w-1) + (n*t.reference.square-1)/(n-1) - 2*dot/w
}

// ofAccounts returns the greatest value within each account that fills a window.
func (t *mmdTest) ofAccounts(space *Space, accounts []Account) []float64 {
	var values []float64
	for _, a := range accounts {
		sum, most, full := newSum(t), 0.0, false
		for _, x := range a {
			v := space.Of(x)
			if len(v) == 0 {
				continue
			}
			sum.add(v)
			if value, ok := sum.statistic(); ok && (!full || value > most) {
				most, full = value, true
			}
		}
		if full {
			values = append(values, most)
		}
	}
	return values
}

type mmd struct {
	space     *Space
	sum       *runningSum
	threshold float64
	alarmed   bool
}

func (m *mmd) See(x *bartizan.Exchange) (float64, bartizan.Verdict) {
	v := m.space.Of(x)
	if m.alarmed || len(v) == 0 {
		return 0, decide(m.alarmed)
	}
	m.sum.add(v)
	value, full := m.sum.statistic()
	m.alarmed = full && value > m.threshold
	return 0, decide(m.alarmed)
}

// runningSum is the sum of the vectors in the window.
type runningSum struct {
	test   *mmdTest
	ring   []Vector
	next   int
	values map[uint32]float32
	square float64 // of the sum
	dot    float64 // with the reference
}

func newSum(t *mmdTest) *runningSum {
	return &runningSum{test: t, values: make(map[uint32]float32)}
}

func (s *runningSum) add(v Vector) {
	if len(s.ring) < s.test.window {
		s.ring = append(s.ring, v)
	} else {
		s.shift(s.ring[s.next], -1)
		s.ring[s.next] = v
		s.next = (s.next + 1) % s.test.window
	}
	s.shift(v, 1)
}

// shift adds sign times v.
func (s *runningSum) shift(v Vector, sign float32) {
	for _, c := range v {
		old := s.values[c.Index]
		now := old + sign*c.Value
		s.square += float64(now)*float64(now) - float64(old)*float64(old)
		if now*now < 1e-8 {
			delete(s.values, c.Index)
		} else {
			s.values[c.Index] = now
		}
	}
	s.dot += float64(sign) * dense64(s.test.reference.at, v)
}

// statistic returns that of the window; full is false while it is not.
func (s *runningSum) statistic() (value float64, full bool) {
	if len(s.ring) < s.test.window {
		return 0, false
	}
	return s.test.statistic(s.square, s.dot), true
}
