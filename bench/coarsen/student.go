package main

import (
	"context"
	"math"
	"math/rand/v2"

	"bartizan/internal/nn"
)

// network is a perceptron with one hidden layer.
type network struct {
	in, hidden, out int
	first, last     *nn.Dense
}

func newNetwork(in, hidden, out int, r *rand.Rand) *network {
	return &network{in, hidden, out, nn.NewDense(in, hidden, true, r), nn.NewDense(hidden, out, true, r)}
}

func (n *network) params() []*nn.Param { return append(n.first.Params(), n.last.Params()...) }

// forward returns the outputs of the examples in x.
func (n *network) forward(x []float32) []float32 {
	count := len(x) / n.in
	h, y := make([]float32, count*n.hidden), make([]float32, count*n.out)
	n.first.Forward(h, x)
	nn.ReLU(h)
	n.last.Forward(y, h)
	return y
}

// lessons are examples and what to learn of each: shares of the outputs, NaN where a
// share was withheld, and rest, what those have together.
type lessons struct {
	x, share []float32
	rest     []float32
}

// training says how long: so many epochs, within bounds of steps.
type training struct {
	rate        float64
	batch       int
	least, most int // steps
	epochs      int
}

// train fits the network by Adam. gradient turns outputs into the gradient in them,
// given which examples they are of.
func (n *network) train(ctx context.Context, x []float32, t training, r *rand.Rand, gradient func(y []float32, at []int)) error {
	count := len(x) / n.in
	batch := min(t.batch, count)
	steps := min(max(t.epochs*count/batch, t.least), t.most)
	optimiser := nn.Adam{}
	order := r.Perm(count)
	bx, dh := make([]float32, batch*n.in), make([]float32, batch*n.hidden)
	h, y := make([]float32, batch*n.hidden), make([]float32, batch*n.out)
	at := 0
	for step := range steps {
		if step%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if at+batch > count {
			r.Shuffle(count, func(i, j int) { order[i], order[j] = order[j], order[i] })
			at = 0
		}
		chosen := order[at : at+batch]
		at += batch
		for i, c := range chosen {
			copy(bx[i*n.in:(i+1)*n.in], x[c*n.in:(c+1)*n.in])
		}
		n.first.Forward(h, bx)
		nn.ReLU(h)
		n.last.Forward(y, h)
		gradient(y, chosen)
		n.last.Backward(dh, y, h)
		nn.ReLUBack(dh, h)
		n.first.Backward(nil, dh, bx)
		optimiser.Rate = nn.Cosine(t.rate, step, steps)
		optimiser.Step(n.params()...)
	}
	return nil
}

// learn trains a classifier on lessons. Withheld shares are as the student thinks.
func (n *network) learn(ctx context.Context, l lessons, t training, r *rand.Rand) error {
	k := n.out
	share := make([]float32, t.batch*k)
	think := make([]float32, t.batch*k)
	return n.train(ctx, l.x, t, r, func(y []float32, at []int) {
		share, think := share[:len(y)], think[:len(y)]
		copy(think, y)
		nn.Softmax(think, k)
		for i, c := range at {
			own, q := share[i*k:(i+1)*k], think[i*k:(i+1)*k]
			copy(own, l.share[c*k:(c+1)*k])
			unknown := float32(1e-20)
			for j, p := range own {
				if p != p {
					unknown += q[j]
				}
			}
			for j, p := range own {
				if p != p {
					own[j] = l.rest[c] * q[j] / unknown
				}
			}
		}
		nn.SoftmaxLossSoft(y, k, share)
	})
}

// labels are what the network says of each example.
func (n *network) labels(x []float32) []int {
	y := n.forward(x)
	out := make([]int, len(y)/n.out)
	for i := range out {
		for j, v := range y[i*n.out : (i+1)*n.out] {
			if v > y[i*n.out+out[i]] {
				out[i] = j
			}
		}
	}
	return out
}

func sameShare(a, b []int) float64 {
	same := 0
	for i, v := range a {
		if v == b[i] {
			same++
		}
	}
	return 100 * float64(same) / float64(len(a))
}

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, f := range v {
		out[i] = float32(f)
	}
	return out
}

// inverter undoes a reverse sigmoid whose parameters are known, by a table. The map is
// not one to one: it falls for small scores and rises for the others, so that a told
// score has up to two origins. Those are chosen that add up to one.
type inverter struct {
	grid      float64
	low, high map[int]float64 // by told score on its grid: the origin on either branch
}

func newInverter(beta, gamma float64, decimals int) *inverter {
	v := &inverter{grid: math.Pow10(decimals), low: map[int]float64{}, high: map[int]float64{}}
	move := func(p float64) float64 {
		return min(1, max(0, p-beta*(1/(1+math.Exp(-gamma*math.Log(p/(1-p))))-0.5)))
	}
	const points = 200_000
	bottom, least := 0.0, math.Inf(1)
	at := func(i int) float64 { // finer for small scores
		z := -21 + 42*float64(i)/points
		return 1 / (1 + math.Exp(-z))
	}
	for i := range points + 1 {
		if told := move(at(i)); told < least {
			bottom, least = at(i), told
		}
	}
	sums, counts := [2]map[int]float64{{}, {}}, [2]map[int]float64{{}, {}}
	for i := range points + 1 {
		p := at(i)
		branch := 0
		if p >= bottom {
			branch = 1
		}
		key := int(math.Round(move(p) * v.grid))
		sums[branch][key] += p
		counts[branch][key]++
	}
	for key, sum := range sums[0] {
		v.low[key] = sum / counts[0][key]
	}
	for key, sum := range sums[1] {
		v.high[key] = sum / counts[1][key]
	}
	return v
}

// invert replaces told scores by their origins. The greatest is on the high branch.
func (v *inverter) invert(told []float64) {
	top := argmax(told)
	base := 0.0
	var open []int // classes with two origins
	highs, lows := make([]float64, len(told)), make([]float64, len(told))
	for i, t := range told {
		key := int(math.Round(t * v.grid))
		low, isLow := v.low[key]
		high, isHigh := v.high[key]
		switch {
		case i == top && isHigh || isHigh && !isLow:
			told[i] = high
		case isLow && isHigh:
			lows[i], highs[i], told[i] = low, high, low
			open = append(open, i)
		case isLow:
			told[i] = low
		default:
			told[i] = 0 // rounding left the range of the map
		}
		base += told[i]
	}
	best := nearestSum(1-base, open, lows, highs)
	for b, i := range open {
		if best>>b&1 == 1 {
			told[i] = highs[i]
		}
	}
	sum := 0.0
	for _, p := range told {
		sum += p
	}
	for i := range told {
		told[i] /= sum
	}
}

// nearestSum returns which of the open classes take their high origin, as bits, so that
// what this adds comes nearest to the sum.
func nearestSum(wanted float64, open []int, lows, highs []float64) int {
	best, least := 0, math.Inf(1)
	for choice := range 1 << len(open) {
		sum := 0.0
		for b, i := range open {
			if choice>>b&1 == 1 {
				sum += highs[i] - lows[i]
			}
		}
		if off := math.Abs(sum - wanted); off < least {
			best, least = choice, off
		}
	}
	return best
}
