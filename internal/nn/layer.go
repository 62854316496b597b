package nn

import (
	"math"
	"math/rand/v2"
)

// Dense is a layer in which every output sees every input: y = W·x + b.
type Dense struct {
	In, Out int
	// W has one row for each output.
	W *Param
	// B is nil in a layer without bias.
	B *Param
}

// NewDense makes a layer with the evenly drawn weights of Glorot and Bengio (2010)
// and, if there is a bias, zeros in it.
func NewDense(in, out int, bias bool, r *rand.Rand) *Dense {
	d := &Dense{In: in, Out: out, W: newParam(out, in, math.Sqrt(6/float64(in+out)), r)}
	if bias {
		d.B = newParam(1, out, 0, nil)
	}
	return d
}

// Params returns what an optimiser changes.
func (d *Dense) Params() []*Param {
	if d.B == nil {
		return []*Param{d.W}
	}
	return []*Param{d.W, d.B}
}

// Forward sets y to the outputs for the examples in x.
func (d *Dense) Forward(y, x []float32) {
	n := len(x) / d.In
	for o := range d.Out {
		w, b := d.W.row(o), float32(0)
		if d.B != nil {
			b = d.B.Value[o]
		}
		s := 0
		for ; s+4 <= n; s += 4 { // four examples share each load of a weight
			x0, x1, x2, x3 := four(x, s, d.In)
			a0, a1, a2, a3 := b, b, b, b
			for i, wi := range w {
				a0 += wi * x0[i]
				a1 += wi * x1[i]
				a2 += wi * x2[i]
				a3 += wi * x3[i]
			}
			y[s*d.Out+o], y[(s+1)*d.Out+o], y[(s+2)*d.Out+o], y[(s+3)*d.Out+o] = a0, a1, a2, a3
		}
		for ; s < n; s++ {
			a := b
			for i, xi := range x[s*d.In : (s+1)*d.In] {
				a += w[i] * xi
			}
			y[s*d.Out+o] = a
		}
	}
}

// Backward adds to the gradients of the weights, given the gradient dy of the loss
// in the outputs that [Dense.Forward] gave for x, and sets dx to its gradient in x.
// A nil dx is left out.
func (d *Dense) Backward(dx, dy, x []float32) {
	clear(dx)
	n := len(x) / d.In
	for o := range d.Out {
		w, g := d.W.row(o), d.W.gradRow(o)
		sum := float32(0)
		s := 0
		for ; s+4 <= n; s += 4 {
			g0, g1, g2, g3 := dy[s*d.Out+o], dy[(s+1)*d.Out+o], dy[(s+2)*d.Out+o], dy[(s+3)*d.Out+o]
			sum += (g0 + g1) + (g2 + g3)
			x0, x1, x2, x3 := four(x, s, d.In)
			x0, x1, x2, x3 = x0[:len(g)], x1[:len(g)], x2[:len(g)], x3[:len(g)]
			for i := range g {
				g[i] += (g0*x0[i] + g1*x1[i]) + (g2*x2[i] + g3*x3[i])
			}
			if dx == nil {
				continue
			}
			d0, d1, d2, d3 := four(dx, s, d.In)
			d0, d1, d2, d3 = d0[:len(w)], d1[:len(w)], d2[:len(w)], d3[:len(w)]
			for i, wi := range w {
				d0[i] += g0 * wi
				d1[i] += g1 * wi
				d2[i] += g2 * wi
				d3[i] += g3 * wi
			}
		}
		for ; s < n; s++ {
			gs := dy[s*d.Out+o]
			sum += gs
			axpy(g, gs, x[s*d.In:])
			if dx != nil {
				axpy(dx[s*d.In:(s+1)*d.In], gs, w)
			}
		}
		if d.B != nil {
			d.B.Grad[o] += sum
		}
	}
}

// four returns four consecutive examples of a batch.
func four(x []float32, s, width int) (x0, x1, x2, x3 []float32) {
	x = x[s*width : (s+4)*width]
	return x[:width], x[width : 2*width], x[2*width : 3*width], x[3*width:]
}

// axpy adds a times x to y.
func axpy(y []float32, a float32, x []float32) {
	x = x[:len(y)]
	for i, xi := range x {
		y[i] += a * xi
	}
}

// Embedding is a table with a vector for each id. Training it costs what is used of
// it, not what it holds.
type Embedding struct {
	Width int
	Table *Param
}

// NewEmbedding makes a table of rows vectors, evenly drawn with variance 1/width.
func NewEmbedding(rows, width int, r *rand.Rand) *Embedding {
	p := newParam(rows, width, math.Sqrt(3/float64(width)), r)
	p.sparse, p.marked = true, make([]bool, rows)
	return &Embedding{Width: width, Table: p}
}

// Add adds scale times the vector of id to y.
func (e *Embedding) Add(y []float32, id int32, scale float32) {
	axpy(y[:e.Width], scale, e.Table.row(int(id)))
}

// AddGrad is the way back of [Embedding.Add]: dy is the gradient in y.
func (e *Embedding) AddGrad(dy []float32, id int32, scale float32) {
	e.Table.touch(id)
	axpy(e.Table.gradRow(int(id)), scale, dy)
}

// Tanh replaces each value of y by its hyperbolic tangent.
func Tanh(y []float32) {
	for i, v := range y {
		y[i] = float32(math.Tanh(float64(v)))
	}
}

// TanhBack turns the gradient in the outputs y of [Tanh] into that in its inputs.
func TanhBack(dy, y []float32) {
	for i, v := range y {
		dy[i] *= 1 - v*v
	}
}

// ReLU replaces the negative values of y by zero.
func ReLU(y []float32) {
	for i, v := range y {
		y[i] = max(v, 0)
	}
}

// ReLUBack turns the gradient in the outputs y of [ReLU] into that in its inputs.
func ReLUBack(dy, y []float32) {
	for i, v := range y {
		if v <= 0 {
			dy[i] = 0
		}
	}
}
