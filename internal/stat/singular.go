package stat

import (
	"cmp"
	"math"
	"slices"
)

// SingularValues returns the singular values of a matrix given by its rows, largest
// first: as many as the smaller of its sides. All rows have one length. It is the
// one-sided Jacobi method (Hestenes 1958), which finds small values as exactly as
// large ones, and takes time in proportion to the larger side times the square of
// the smaller.
func SingularValues(rows [][]float64) []float64 {
	columns := orthogonal(rows)
	values := make([]float64, len(columns))
	for i, c := range columns {
		values[i] = math.Sqrt(dot(c, c))
	}
	slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
	return values
}

// sweeps bounds the work; a matrix of some hundred columns needs about ten.
const sweeps = 40

// orthogonal copies the matrix as vectors along its longer side and turns pairs of
// them until all are at right angles. Turning keeps the singular values.
func orthogonal(rows [][]float64) [][]float64 {
	if len(rows) == 0 {
		return nil
	}
	var vectors [][]float64
	if n, m := len(rows), len(rows[0]); n < m {
		for _, row := range rows {
			vectors = append(vectors, slices.Clone(row))
		}
	} else {
		for j := range m {
			v := make([]float64, n)
			for i := range rows {
				v[i] = rows[i][j]
			}
			vectors = append(vectors, v)
		}
	}
	const right = 1e-15 // the cosine at which two vectors count as at right angles
	for range sweeps {
		turned := false
		for i := range vectors {
			for j := i + 1; j < len(vectors); j++ {
				turned = turn(vectors[i], vectors[j], right) || turned
			}
		}
		if !turned {
			break
		}
	}
	return vectors
}

// turn rotates a and b in their plane until they are at right angles; it reports
// whether they were not.
func turn(a, b []float64, right float64) bool {
	aa, bb, ab := dot(a, a), dot(b, b), dot(a, b)
	if math.Abs(ab) <= right*math.Sqrt(aa*bb) {
		return false
	}
	zeta := (bb - aa) / (2 * ab)
	t := math.Copysign(1/(math.Abs(zeta)+math.Hypot(1, zeta)), zeta)
	c := 1 / math.Hypot(1, t)
	s := c * t
	for i := range a {
		a[i], b[i] = c*a[i]-s*b[i], s*a[i]+c*b[i]
	}
	return true
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
