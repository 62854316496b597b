package nn

import (
	"math"
	"math/rand/v2"
)

// Param is a matrix of weights and its gradient, both row by row.
type Param struct {
	Rows, Width int
	// Value is what training changes.
	Value []float32
	// Grad is the sum of the gradients since the last step.
	Grad []float32

	mean, square []float32 // Adam's running moments of the gradient
	sparse       bool
	touched      []int32 // rows of a sparse matrix with a gradient, in order of the first
	marked       []bool
}

// newParam draws weights evenly between -limit and limit; a nil r leaves them zero.
func newParam(rows, width int, limit float64, r *rand.Rand) *Param {
	p := &Param{Rows: rows, Width: width}
	n := rows * width
	p.Value, p.Grad = make([]float32, n), make([]float32, n)
	p.mean, p.square = make([]float32, n), make([]float32, n)
	if r != nil {
		for i := range p.Value {
			p.Value[i] = float32((2*r.Float64() - 1) * limit)
		}
	}
	return p
}

// row returns the weights of one row.
func (p *Param) row(i int) []float32 { return p.Value[i*p.Width : (i+1)*p.Width : (i+1)*p.Width] }

// gradRow returns the gradient of one row.
func (p *Param) gradRow(i int) []float32 { return p.Grad[i*p.Width : (i+1)*p.Width : (i+1)*p.Width] }

// touch notes that a row of a sparse matrix gets a gradient.
func (p *Param) touch(row int32) {
	if !p.marked[row] {
		p.marked[row] = true
		p.touched = append(p.touched, row)
	}
}

// Adam is the optimiser of Kingma and Ba (2015). A zero field takes the value that
// the paper proposes; a rate of zero changes nothing.
type Adam struct {
	Rate         float64 // of the next step; the owner may change it at any time
	Beta1, Beta2 float64 // decay of the moments; 0.9 and 0.999
	Epsilon      float64 // 1e-8

	steps int
}

// Step moves the parameters against their gradients and clears the gradients. Of an
// embedding table only the rows that were used since the last step are visited, so
// that a step costs what was used and not what the table holds; the moments of the
// other rows stay as they are.
func (a *Adam) Step(params ...*Param) {
	a.steps++
	b1, b2, epsilon := orElse(a.Beta1, 0.9), orElse(a.Beta2, 0.999), orElse(a.Epsilon, 1e-8)
	n := float64(a.steps)
	// Both corrections for the moments' start at zero go into the rate.
	root := math.Sqrt(1 - math.Pow(b2, n))
	u := update{
		rate: float32(a.Rate * root / (1 - math.Pow(b1, n))), epsilon: float32(epsilon * root),
		b1: float32(b1), b2: float32(b2),
	}
	for _, p := range params {
		if !p.sparse {
			u.apply(p, 0, len(p.Value))
			continue
		}
		for _, row := range p.touched {
			u.apply(p, int(row)*p.Width, (int(row)+1)*p.Width)
			p.marked[row] = false
		}
		p.touched = p.touched[:0]
	}
}

func orElse(value, otherwise float64) float64 {
	if value == 0 {
		return otherwise
	}
	return value
}

// update is one step's arithmetic.
type update struct{ rate, epsilon, b1, b2 float32 }

func (u update) apply(p *Param, from, to int) {
	value, grad := p.Value[from:to], p.Grad[from:to]
	mean, square := p.mean[from:to], p.square[from:to]
	for i, g := range grad {
		m := u.b1*mean[i] + (1-u.b1)*g
		s := u.b2*square[i] + (1-u.b2)*g*g
		mean[i], square[i] = m, s
		value[i] -= u.rate * m / (float32(math.Sqrt(float64(s))) + u.epsilon)
		grad[i] = 0
	}
}

// Cosine is the rate of one of steps: it begins at rate and falls to zero along half
// a cosine.
func Cosine(rate float64, step, steps int) float64 {
	return rate * (1 + math.Cos(math.Pi*float64(step)/float64(max(steps, 1)))) / 2
}
