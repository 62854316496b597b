package main

import "math"

// solveSPD solves a·x = b for symmetric positive definite a of n rows, of which only
// the lower triangle is read, by Cholesky's method. b holds several right sides, one
// after the other, and becomes x; a becomes its factor. A pivot that is not positive
// is taken as infinite, so that its unknown becomes zero.
func solveSPD(a []float64, n int, b []float64) {
	factorSPD(a, n)
	for ; len(b) >= n; b = b[n:] {
		backSPD(a, n, b[:n])
	}
}

func factorSPD(a []float64, n int) {
	least := 0.0
	for i := range n {
		least = max(least, a[i*n+i]*1e-15)
	}
	for j := range n {
		row := a[j*n : j*n+j+1]
		d := row[j] - dot(row[:j], row[:j])
		if d > least {
			row[j] = math.Sqrt(d)
		} else {
			row[j] = math.Inf(1)
		}
		for i := j + 1; i < n; i++ {
			other := a[i*n : i*n+j+1]
			other[j] = (other[j] - dot(other[:j], row[:j])) / row[j]
		}
	}
}

func backSPD(l []float64, n int, b []float64) {
	for i := range n {
		b[i] = (b[i] - dot(l[i*n:i*n+i], b[:i])) / l[i*n+i]
	}
	for i := n - 1; i >= 0; i-- {
		s := b[i]
		for k := i + 1; k < n; k++ {
			s -= l[k*n+i] * b[k]
		}
		b[i] = s / l[i*n+i]
	}
}

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

func axpy(y []float64, a float64, x []float64) {
	x = x[:len(y)]
	for i, v := range x {
		y[i] += a * v
	}
}

// triangle returns the upper triangle R of the QR decomposition of a tall matrix given
// by its columns, row by row: it has the same singular values and as many rows as there
// are columns. The columns are overwritten. It is Householder's method.
func triangle(columns [][]float64) [][]float64 {
	n := len(columns)
	r := make([][]float64, n)
	for i := range r {
		r[i] = make([]float64, n)
	}
	for k := range n {
		v := columns[k][k:]
		length := math.Sqrt(dot(v, v))
		if length == 0 {
			continue
		}
		alpha := -math.Copysign(length, v[0])
		v[0] -= alpha
		r[k][k] = alpha
		scale := 2 / dot(v, v)
		for j := k + 1; j < n; j++ {
			c := columns[j][k:]
			axpy(c, -scale*dot(v, c), v)
			r[k][j] = c[0]
		}
	}
	return r
}

// minimise walks downhill from x by the method of limited-memory BFGS (Liu and Nocedal
// 1989) with a backtracking line search. f returns its value and sets its gradient.
func minimise(x []float64, steps int, f func(x, gradient []float64) float64) {
	const memory = 12
	n := len(x)
	g, next, nextG, d := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	var moves, changes [][]float64
	value := f(x, g)
	for range steps {
		copy(d, g)
		direction(d, moves, changes)
		slope := -dot(d, g)
		if !(slope < 0) {
			return
		}
		t := 1.0
		if len(moves) == 0 {
			t = min(1, 1/math.Sqrt(dot(g, g)))
		}
		lower := math.NaN()
		for range 25 {
			copy(next, x)
			axpy(next, -t, d)
			if lower = f(next, nextG); lower <= value+1e-4*t*slope {
				break
			}
			t /= 2
		}
		if !(lower < value) {
			return
		}
		move, change := make([]float64, n), make([]float64, n)
		for i := range move {
			move[i], change[i] = next[i]-x[i], nextG[i]-g[i]
		}
		if dot(move, change) > 1e-14*dot(change, change) {
			moves, changes = append(moves, move), append(changes, change)
			if len(moves) > memory {
				moves, changes = moves[1:], changes[1:]
			}
		}
		settled := value-lower < 1e-10*math.Abs(value)
		copy(x, next)
		copy(g, nextG)
		if value = lower; settled {
			return
		}
	}
}

// direction multiplies g by the approximate inverse of the curvature.
func direction(g []float64, moves, changes [][]float64) {
	last := len(moves) - 1
	if last < 0 {
		return
	}
	shares := make([]float64, len(moves))
	for i := last; i >= 0; i-- {
		shares[i] = dot(moves[i], g) / dot(moves[i], changes[i])
		axpy(g, -shares[i], changes[i])
	}
	scale := dot(moves[last], changes[last]) / dot(changes[last], changes[last])
	for i := range g {
		g[i] *= scale
	}
	for i := range moves {
		axpy(g, shares[i]-dot(changes[i], g)/dot(moves[i], changes[i]), moves[i])
	}
}
