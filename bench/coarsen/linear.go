package main

import "math"

const (
	linearInputs   = 30
	linearClasses  = 5
	linearWidth    = linearInputs + 1 // with the bias
	linearUnknowns = linearWidth * (linearClasses - 1)
	// linearLogits is the deviation of the victim's logits.
	linearLogits = 3
)

// linearModel is a softmax regression: a row of weights for each class, the bias last.
type linearModel []float64

// newLinearVictim draws a victim.
func newLinearVictim(seed uint64) linearModel {
	return normal(source(seed, forLinear), linearClasses*linearWidth, linearLogits/math.Sqrt(linearWidth))
}

// logits sets z to the logits of x, which ends in 1.
func (m linearModel) logits(z, x []float64) {
	for j := range z {
		z[j] = dot(x, m[j*linearWidth:(j+1)*linearWidth])
	}
}

func (m linearModel) label(x []float64) int {
	var z [linearClasses]float64
	m.logits(z[:], x)
	return argmax(z[:])
}

// agreement is the share of inputs for which both give the same label, in percent.
func (m linearModel) agreement(other linearModel, inputs [][]float64) float64 {
	same := 0
	for _, x := range inputs {
		if m.label(x) == other.label(x) {
			same++
		}
	}
	return 100 * float64(same) / float64(len(inputs))
}

// linearInput draws n inputs.
func linearInput(seed uint64, n int, purpose ...int) [][]float64 {
	r := source(seed, purpose...)
	out := make([][]float64, n)
	for i := range out {
		out[i] = append(normal(r, linearInputs, 1), 1)
	}
	return out
}

// lesson is one answer as the attacker reads it.
type lesson struct {
	x         []float64
	label     int
	told      []float64 // NaN is withheld
	low, high []float64 // where the true scores may lie
	share     []float64 // told, fit for learning: see target
	rest      float64
}

// ask gets the victim's answer to x through the defence.
func (m linearModel) ask(d *defence, x []float64, input int) lesson {
	l := lesson{x: x, told: make([]float64, linearClasses), low: make([]float64, linearClasses), high: make([]float64, linearClasses)}
	m.logits(l.told, x)
	softmax(l.told)
	d.tell(l.told, input)
	l.label = argmax(l.told)
	for i, v := range l.told {
		l.low[i], l.high[i] = 0, 1
		if !math.IsNaN(v) {
			l.low[i], l.high[i] = d.bounds(v)
		}
	}
	l.share = append(l.share, l.told...)
	l.rest = target(l.share)
	return l
}

// solveEquations recovers the weights from the ratios of told scores (Tramèr et al.
// 2016): log(p_j/p_i) is linear in the weights. Each equation counts by how exactly
// rounding by width to either side leaves it. The weights of the first class are zero.
// ok is false when no answer tells two scores.
func solveEquations(lessons []lesson, width float64) (m linearModel, ok bool) {
	const n = linearUnknowns
	a, b := make([]float64, n*n), make([]float64, n)
	for i := range lessons {
		l := &lessons[i]
		top := l.label
		for j, p := range l.told {
			if j == top || !(p > 0) {
				continue
			}
			spread := width * width / 3
			addEquation(a, b, l.x, j, top, math.Log(p/l.told[top]), 1/(1e-24+spread/(p*p)+spread/(l.told[top]*l.told[top])))
			ok = true
		}
	}
	if !ok {
		return nil, false
	}
	trace := 0.0
	for i := range n {
		trace += a[i*n+i]
	}
	for i := range n {
		a[i*n+i] += 1e-13 * trace / n // what too few equations leave open becomes zero
	}
	factorSPD(a, n)
	backSPD(a, n, b)
	return append(make(linearModel, linearWidth), b...), true
}

// addEquation adds (w_j - w_i)·x = value to the normal equations.
func addEquation(a, b, x []float64, j, i int, value, weight float64) {
	const n = linearUnknowns
	part := func(row, column int, sign float64) {
		if row == 0 || column == 0 || row < column {
			return // the first class has no unknowns; the upper triangle is not read
		}
		for p, xp := range x {
			axpy(a[((row-1)*linearWidth+p)*n+(column-1)*linearWidth:][:linearWidth], sign*weight*xp, x)
		}
	}
	part(j, j, 1)
	part(i, i, 1)
	part(j, i, -1)
	part(i, j, -1)
	if j > 0 {
		axpy(b[(j-1)*linearWidth:j*linearWidth], weight*value, x)
	}
	if i > 0 {
		axpy(b[(i-1)*linearWidth:i*linearWidth], -weight*value, x)
	}
}

// fit trains a softmax regression from start on what was told by cross-entropy, with
// the prior of weights that are normal with variance 1/decay. Classes whose scores were
// withheld share what is left as the student thinks.
func fit(start linearModel, lessons []lesson, decay float64) linearModel {
	m := make(linearModel, linearClasses*linearWidth)
	copy(m, start)
	scale := 1 / float64(len(lessons))
	minimise(m, 80, func(w, g []float64) float64 {
		loss := 0.0
		for i, v := range w {
			g[i] = decay * scale * v
			loss += 0.5 * decay * scale * v * v
		}
		var q [linearClasses]float64
		for i := range lessons {
			l := &lessons[i]
			linearModel(w).logits(q[:], l.x)
			softmax(q[:])
			loss += scale * l.entropy(q[:])
			for j, d := range q {
				axpy(g[j*linearWidth:(j+1)*linearWidth], scale*d, l.x)
			}
		}
		return loss
	})
	return m
}

// entropy returns the cross-entropy of q against what was told, and turns q into its
// gradient in the logits.
func (l *lesson) entropy(q []float64) float64 {
	const tiny = 1e-300
	unknown := 0.0
	for j, p := range l.share {
		if math.IsNaN(p) {
			unknown += q[j]
		}
	}
	loss := 0.0
	if l.rest > 0 {
		loss -= l.rest * math.Log(unknown+tiny)
	}
	for j, p := range l.share {
		if math.IsNaN(p) {
			q[j] -= l.rest * q[j] / (unknown + tiny)
			continue
		}
		if p > 0 {
			loss -= p * math.Log(q[j]+tiny)
		}
		q[j] -= p
	}
	return loss
}

// consistent moves a model until its scores lie where the answers allow and its labels
// are those told: the attacker who knows the grid. unit is the size of a miss that
// counts one.
func consistent(start linearModel, lessons []lesson, unit float64) linearModel {
	m := make(linearModel, len(start))
	copy(m, start)
	scale := 1 / float64(len(lessons))
	minimise(m, 80, func(w, g []float64) float64 {
		loss := 0.0
		for i, v := range w {
			const faint = 1e-7
			g[i] = faint * v
			loss += 0.5 * faint * v * v
		}
		var q, dq [linearClasses]float64
		for i := range lessons {
			l := &lessons[i]
			linearModel(w).logits(q[:], l.x)
			softmax(q[:])
			loss += scale * l.miss(q[:], dq[:], unit)
			mean := dot(q[:], dq[:])
			for j := range q {
				axpy(g[j*linearWidth:(j+1)*linearWidth], scale*q[j]*(dq[j]-mean), l.x)
			}
		}
		return loss
	})
	return m
}

// miss is half the squared distance of q to what the answer allows; dq becomes its
// gradient in q.
func (l *lesson) miss(q, dq []float64, unit float64) float64 {
	loss, per := 0.0, 1/unit
	for j, v := range q {
		d := (v - max(l.low[j], min(v, l.high[j]))) * per
		loss += 0.5 * d * d
		dq[j] = d * per
	}
	for j, v := range q {
		if over := (v - q[l.label]) * per; over > 0 {
			loss += 0.5 * over * over
			dq[j] += over * per
			dq[l.label] -= over * per
		}
	}
	return loss
}
