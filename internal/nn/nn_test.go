package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bartizan/internal/nn"

	"github.com/google/go-cmp/cmp"
)

// tower is a network with every part of the package in it: an embedding and plain
// inputs, a tanh layer, a ReLU layer, and a softmax without bias.
type tower struct {
	table       *nn.Embedding
	first, next *nn.Dense
	last        *nn.Dense
}

const (
	towerIDs, towerWidth, towerInputs = 7, 3, 2
	towerClasses                      = 4
)

func newTower(r *rand.Rand) *tower {
	return &tower{
		table: nn.NewEmbedding(towerIDs, towerWidth, r),
		first: nn.NewDense(towerWidth+towerInputs, 6, true, r),
		next:  nn.NewDense(6, 5, true, r),
		last:  nn.NewDense(5, towerClasses, false, r),
	}
}

func (w *tower) params() []*nn.Param {
	out := []*nn.Param{w.table.Table}
	for _, d := range []*nn.Dense{w.first, w.next, w.last} {
		out = append(out, d.Params()...)
	}
	return out
}

// batch holds examples with two ids each.
type batch struct {
	ids    []int32
	inputs []float32
	truth  []int32
	soft   []float32
}

func newBatch(n int, r *rand.Rand) batch {
	var b batch
	for range n {
		b.ids = append(b.ids, int32(r.IntN(towerIDs)), int32(r.IntN(towerIDs)))
		for range towerInputs {
			b.inputs = append(b.inputs, float32(r.NormFloat64()))
		}
		b.truth = append(b.truth, int32(r.IntN(towerClasses)))
		sum, p := 0.0, make([]float64, towerClasses)
		for i := range p {
			p[i] = r.ExpFloat64()
			sum += p[i]
		}
		for _, v := range p {
			b.soft = append(b.soft, float32(0.9*v/sum)) // a truncated answer: it sums to less than one
		}
	}
	return b
}

// loss runs the network forward, and back when asked.
func (w *tower) loss(b batch, soft, back bool) float64 {
	n := len(b.truth)
	in := towerWidth + towerInputs
	x := make([]float32, n*in)
	for s := range n {
		row := x[s*in : (s+1)*in]
		w.table.Add(row, b.ids[2*s], 1)
		w.table.Add(row, b.ids[2*s+1], 0.5)
		copy(row[towerWidth:], b.inputs[s*towerInputs:(s+1)*towerInputs])
	}
	y1, y2, z := make([]float32, n*6), make([]float32, n*5), make([]float32, n*towerClasses)
	w.first.Forward(y1, x)
	nn.Tanh(y1)
	w.next.Forward(y2, y1)
	nn.ReLU(y2)
	w.last.Forward(z, y2)
	var loss float64
	if soft {
		loss = nn.SoftmaxLossSoft(z, towerClasses, b.soft)
	} else {
		loss = nn.SoftmaxLoss(z, towerClasses, b.truth)
	}
	if !back {
		return loss
	}
	d2, d1, dx := make([]float32, len(y2)), make([]float32, len(y1)), make([]float32, len(x))
	w.last.Backward(d2, z, y2)
	nn.ReLUBack(d2, y2)
	w.next.Backward(d1, d2, y1)
	nn.TanhBack(d1, y1)
	w.first.Backward(dx, d1, x)
	for s := range n {
		w.table.AddGrad(dx[s*in:s*in+towerWidth], b.ids[2*s], 1)
		w.table.AddGrad(dx[s*in:s*in+towerWidth], b.ids[2*s+1], 0.5)
	}
	return loss
}

// TestGradients compares every gradient with a central difference, in batches that
// use the four-at-a-time loops, their tails and both.
func TestGradients(t *testing.T) {
	t.Parallel()
	const nudge = 1e-2
	for name, test := range map[string]struct {
		examples int
		soft     bool
	}{
		"tail alone":  {3, false},
		"whole fours": {8, false},
		"both":        {7, false},
		"soft":        {7, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const seed = 11
			r := rand.New(rand.NewPCG(seed, uint64(test.examples)))
			w := newTower(r)
			b := newBatch(test.examples, r)
			w.loss(b, test.soft, true)
			checked, worst := 0, 0.0
			for which, p := range w.params() {
				for i, got := range p.Grad {
					was := p.Value[i]
					p.Value[i] = was + nudge
					high := w.loss(b, test.soft, false)
					p.Value[i] = was - nudge
					low := w.loss(b, test.soft, false)
					p.Value[i] = was
					want := (high - low) / (2 * nudge)
					off := math.Abs(float64(got) - want)
					worst = max(worst, off)
					checked++
					if off > 1e-3+0.01*math.Abs(want) {
						t.Errorf("seed %d, parameter %d[%d]: gradient %v; central difference %v", seed, which, i, got, want)
					}
				}
			}
			t.Logf("seed %d: %d gradients, the worst is off by %.1e", seed, checked, worst)
		})
	}
}

// TestLearns trains a rule that no linear model can tell: exclusive or.
func TestLearns(t *testing.T) {
	t.Parallel()
	const seed = 5
	first, last, accuracy := trainXOR(seed, 300)
	if accuracy < 1 || last > 0.05 || first < 0.3 {
		t.Errorf("seed %d: loss went from %.3f to %.3f, accuracy %.2f; want to below 0.05 and 1", seed, first, last, accuracy)
	}
}

func trainXOR(seed uint64, steps int) (first, last, accuracy float64) {
	r := rand.New(rand.NewPCG(seed, 0))
	hidden, out := nn.NewDense(2, 8, true, r), nn.NewDense(8, 2, true, r)
	x, truth := []float32{0, 0, 0, 1, 1, 0, 1, 1}, []int32{0, 1, 1, 0}
	y, z, dy := make([]float32, 32), make([]float32, 8), make([]float32, 32)
	adam := nn.Adam{}
	params := append(hidden.Params(), out.Params()...)
	for step := range steps {
		hidden.Forward(y, x)
		nn.Tanh(y)
		out.Forward(z, y)
		right := 0.0
		for s, t := range truth {
			if z[2*s+int(t)] > z[2*s+1-int(t)] {
				right++
			}
		}
		last, accuracy = nn.SoftmaxLoss(z, 2, truth), right/4
		if step == 0 {
			first = last
		}
		out.Backward(dy, z, y)
		nn.TanhBack(dy, y)
		hidden.Backward(nil, dy, x)
		adam.Rate = nn.Cosine(0.05, step, steps)
		adam.Step(params...)
	}
	return first, last, accuracy
}

func TestRepeatable(t *testing.T) {
	t.Parallel()
	run := func() []float32 {
		r := rand.New(rand.NewPCG(3, 3))
		w := newTower(r)
		adam := nn.Adam{Rate: 0.01}
		for range 20 {
			w.loss(newBatch(9, r), false, true)
			adam.Step(w.params()...)
		}
		var all []float32
		for _, p := range w.params() {
			all = append(all, p.Value...)
		}
		return all
	}
	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Errorf("two runs of one seed differ (-first +second):\n%s", diff)
	}
}

// TestStepTouchesUsedRows holds the promise that a step visits only the vectors that
// were used, and clears their gradients.
func TestStepTouchesUsedRows(t *testing.T) {
	t.Parallel()
	e := nn.NewEmbedding(5, 2, rand.New(rand.NewPCG(1, 1)))
	before := append([]float32(nil), e.Table.Value...)
	e.AddGrad([]float32{1, -1}, 3, 1)
	e.AddGrad([]float32{1, -1}, 3, 1)
	adam := nn.Adam{Rate: 0.1}
	adam.Step(e.Table)
	adam.Step(e.Table)
	for row := range 5 {
		got, was := e.Table.Value[2*row:2*row+2], before[2*row:2*row+2]
		if moved := !cmp.Equal(got, was); moved != (row == 3) {
			t.Errorf("row %d went from %v to %v; only row 3 was used", row, was, got)
		}
	}
	// Adam's first step is as long as its rate, whatever the size of the gradient.
	if got, want := e.Table.Value[6], before[6]-0.1; math.Abs(float64(got-want)) > 1e-5 {
		t.Errorf("the used weight went to %v; want %v", got, want)
	}
	if diff := cmp.Diff(make([]float32, 10), e.Table.Grad); diff != "" {
		t.Errorf("gradients after the step (-want +got):\n%s", diff)
	}
}

func TestSoftmaxLargeLogits(t *testing.T) {
	t.Parallel()
	z := []float32{1000, 1000, -1000, -1000}
	nn.Softmax(z, 4)
	if diff := cmp.Diff([]float32{0.5, 0.5, 0, 0}, z); diff != "" {
		t.Errorf("Softmax (-want +got):\n%s", diff)
	}
	if got := nn.SoftmaxLoss([]float32{1000, 1000, -1000, -1000}, 4, []int32{0}); math.Abs(got-math.Ln2) > 1e-6 {
		t.Errorf("SoftmaxLoss = %v; want ln 2", got)
	}
}

// BenchmarkOutputLayer is the dear part of a language model: forward and back
// through a vocabulary of 1,024 from a hidden layer of 64, batch 32.
func BenchmarkOutputLayer(b *testing.B) {
	const in, out, n = 64, 1024, 32
	r := rand.New(rand.NewPCG(1, 1))
	d := nn.NewDense(in, out, false, r)
	x, y, dx := make([]float32, n*in), make([]float32, n*out), make([]float32, n*in)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for b.Loop() {
		d.Forward(y, x)
		d.Backward(dx, y, x)
		clear(d.W.Grad)
	}
	b.ReportMetric(float64(6*in*out*n*b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
}
