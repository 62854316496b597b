package main

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// completion fits a table with holes as rows times columns of a rank, with an offset for
// each row, by alternating least squares. One entry in twelve is kept out, to see
// whether the fit knows what it was not told.
type completion struct {
	table      [][]float64 // NaN is a hole
	kept       [][]bool    // out of the fit
	rank       int
	ridge      float64
	rows, cols [][]float64 // rows have the offset last
}

// entries is how many told numbers a fit uses at most, so that it takes seconds.
const entries = 40_000

// fitsWidth reports whether the told entries follow a model of the width and none of the
// next smaller one: the cliff that an attacker sees who tries every width. It is false
// without a fit where an answer tells no more numbers than it has unknowns of its own,
// the width and one: then no number of answers is enough.
func fitsWidth(ctx context.Context, told [][]float64, width int, tolerance float64, r *rand.Rand) bool {
	table := frequentColumns(told)
	c := completion{table: table, kept: make([][]bool, len(table))}
	given := 0
	for i, row := range table {
		c.kept[i] = make([]bool, len(row))
		for j, v := range row {
			c.kept[i][j] = r.IntN(12) == 0
			if !math.IsNaN(v) {
				given++
			}
		}
	}
	if given <= len(table)*(width+1) {
		return false
	}
	known := func(width int) bool {
		c.rank = width
		return c.fit(ctx, tolerance, source(1, forStudent, width)) < tolerance
	}
	return known(width) && !known(width-1)
}

// frequentColumns keeps the columns with the fewest holes, as many as entries allow.
func frequentColumns(told [][]float64) [][]float64 {
	type column struct{ at, told int }
	columns := make([]column, len(told[0]))
	for j := range columns {
		columns[j].at = j
		for _, row := range told {
			if !math.IsNaN(row[j]) {
				columns[j].told++
			}
		}
	}
	slices.SortFunc(columns, func(a, b column) int { return cmp.Or(cmp.Compare(b.told, a.told), cmp.Compare(a.at, b.at)) })
	n := 0
	for sum := 0; n < len(columns) && sum < entries; n++ {
		sum += columns[n].told
	}
	out := make([][]float64, len(told))
	for i, row := range told {
		for _, c := range columns[:n] {
			out[i] = append(out[i], row[c.at])
		}
	}
	return out
}

// fit returns the root of the mean squared error on the entries kept out, or the first
// one under the tolerance. The penalty on large factors begins high and falls: without
// that, fits get stuck.
func (c *completion) fit(ctx context.Context, tolerance float64, r *rand.Rand) float64 {
	const rounds, most, least = 60, 10, 1e-3
	c.rows, c.cols = make([][]float64, len(c.table)), make([][]float64, len(c.table[0]))
	for j := range c.cols {
		c.cols[j] = append(normal(r, c.rank, 1), 1)
	}
	err := math.Inf(1)
	c.ridge = most
	for range rounds {
		if ctx.Err() != nil {
			return math.Inf(1)
		}
		c.improveRows()
		c.improveColumns()
		if err = c.error(); err < tolerance {
			break
		}
		c.ridge = max(least, 0.75*c.ridge)
	}
	return err
}

func (c *completion) improveRows() {
	n := c.rank + 1
	a, b := make([]float64, n*n), make([]float64, n)
	for i, row := range c.table {
		clear(a)
		clear(b)
		for j, v := range row {
			if !math.IsNaN(v) && !c.kept[i][j] {
				gather(a, b, c.cols[j], v)
			}
		}
		for k := range n {
			a[k*n+k] += c.ridge
		}
		solveSPD(a, n, b)
		c.rows[i] = slices.Clone(b)
	}
}

func (c *completion) improveColumns() {
	n := c.rank
	a, b := make([]float64, n*n), make([]float64, n)
	for j := range c.cols {
		clear(a)
		clear(b)
		for i, row := range c.table {
			if v := row[j]; !math.IsNaN(v) && !c.kept[i][j] {
				gather(a, b, c.rows[i][:n], v-c.rows[i][n])
			}
		}
		for k := range n {
			a[k*n+k] += c.ridge
		}
		solveSPD(a, n, b)
		copy(c.cols[j], b)
	}
}

// gather adds the equation x·unknown = v to the normal equations.
func gather(a, b, x []float64, v float64) {
	n := len(x)
	for k, xk := range x {
		axpy(a[k*n:k*n+k+1], xk, x[:k+1])
	}
	axpy(b, v, x)
}

func (c *completion) error() float64 {
	sum, n := 0.0, 0
	for i, row := range c.table {
		for j, v := range row {
			if !math.IsNaN(v) && c.kept[i][j] {
				d := v - dot(c.cols[j], c.rows[i])
				sum += d * d
				n++
			}
		}
	}
	if n == 0 {
		return math.Inf(1)
	}
	return math.Sqrt(sum / float64(n))
}
