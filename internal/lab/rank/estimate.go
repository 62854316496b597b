package rank

import (
	"fmt"
	"math"
	"math/rand/v2"

	"bartizan/internal/stat"
)

const (
	// margin is how far above the expected largest singular value of noise alone a
	// value must lie to count as signal.
	margin = 1.15
	// leastGap is the least fall at the edge of the noise that counts as an answer.
	// Directions that fade into the noise one after the other fall by less each.
	leastGap = 3
	// leastFall is the least fall that counts where the noise is not known.
	leastFall = 50
	// spare is how many singular values must lie below the fall, so that it is not the
	// edge of the block.
	spare     = 2
	resamples = 20
	agreement = 0.9 // of the resamples that must give the same answer
)

// Estimate is what a table of log-probabilities says about the hidden size.
type Estimate struct {
	// Found says that Hidden is an answer; else Reason says why there is none.
	Found  bool   `json:"found"`
	Hidden int    `json:"hidden,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Values are the singular values of the block, largest first.
	Values []float64 `json:"singular_values,omitempty"`
	// Gap is the ratio of the last value of the signal to the next one.
	Gap float64 `json:"gap,omitempty"`
	// Noise is the largest singular value that rounding alone explains; 0 where no
	// rounding was seen.
	Noise float64 `json:"noise"`
	// Step is the grid on which all log-probabilities lie, in nats; 0 if there is none.
	Step float64 `json:"step"`
	// Rows and Columns are the contexts and tokens of the block.
	Rows    int `json:"rows"`
	Columns int `json:"columns"`
	// Agreement is the share of resamples of the rows that give the same answer.
	Agreement float64 `json:"agreement,omitempty"`
}

// Analyse looks for the hidden size in rows of log-probabilities.
//
// A log-probability is a logit less the normaliser of its context, so that differences
// between tokens of one context are free of it. Analyse takes blocks of contexts and
// tokens without a hole, the widest first, takes the differences, and finds where
// their singular values fall to what rounding explains. The step of the rounding is
// read off the values themselves. It answers with the first block whose values fall
// steeply and whose random halves say the same, and refuses when there is none.
//
// An answer is a lower bound in one respect: a direction of the hidden space in which
// the seen contexts hardly differ hides in the noise.
func Analyse(rows []Row, r *rand.Rand) Estimate {
	none := Estimate{Step: stepOf(rows), Reason: "no block of differing contexts without a hole is large enough"}
	for i, block := range blocks(rows) {
		e := analyse(block, none.Step, r)
		if e.Found {
			return e
		}
		if i == 0 {
			none = e
		}
	}
	return none
}

// analyse looks at one block.
func analyse(block [][]float64, step float64, r *rand.Rand) Estimate {
	e := Estimate{Step: step, Rows: len(block), Columns: len(block[0]), Values: singular(block)}
	e.Noise = noise(step, e.Rows, e.Columns)
	e.Hidden, e.Gap = fall(e.Values, e.Noise)
	if e.Hidden == 0 {
		e.Reason = fmt.Sprintf("no gap among %d singular values", len(e.Values))
		return e
	}
	same, width := 0, min(e.Columns, 2*e.Hidden+20) // more columns than that only cost time
	for range resamples {
		part := half(block, width, r)
		if k, _ := fall(singular(part), noise(step, len(part), width)); k == e.Hidden {
			same++
		}
	}
	e.Agreement = float64(same) / resamples
	if e.Agreement < agreement {
		e.Reason = fmt.Sprintf("no stable gap: %d of %d random halves of the rows agree on %d", same, resamples, e.Hidden)
		e.Hidden = 0
		return e
	}
	e.Found = true
	return e
}

// singular returns the singular values of the differences in each row of a block. The
// differences against one token and those against the mean of the row span the same
// space; the mean is taken because it does not spread the rounding of one token over
// all. The value that is then zero is left out.
func singular(block [][]float64) []float64 {
	centred := make([][]float64, len(block))
	for i, row := range block {
		mean := 0.0
		for _, v := range row {
			mean += v / float64(len(row))
		}
		centred[i] = make([]float64, len(row))
		for j, v := range row {
			centred[i][j] = v - mean
		}
	}
	values := stat.SingularValues(centred)
	return values[:min(len(values), len(block[0])-1)]
}

// noise is the largest singular value to expect of a matrix of independent rounding
// errors, which lie evenly in a step: their deviation times the sum of the roots of
// both sides (Geman 1980), with the margin.
func noise(step float64, rows, columns int) float64 {
	return margin * step / math.Sqrt(12) * (math.Sqrt(float64(rows)) + math.Sqrt(float64(columns)))
}

// fall returns how many values lie above the place where they fall to the noise, and
// the ratio there; 0 if there is no such place.
func fall(values []float64, noise float64) (k int, gap float64) {
	for k < len(values) && values[k] > noise {
		k++
	}
	if k > 0 && k+spare <= len(values) && noise > 0 {
		if gap = ratio(values, k); gap < leastGap {
			return 0, gap
		}
		return k, gap
	}
	// The noise is not known, or there is more of it than rounding explains.
	k, gap = 0, 0
	for i := 1; i+spare <= len(values); i++ {
		if g := ratio(values, i); g > gap {
			k, gap = i, g
		}
	}
	if gap < leastFall {
		return 0, gap
	}
	return k, gap
}

// ratio is the fall after the first k values. Below the smallest part of the largest
// value that a float64 can tell there is nothing but rounding.
func ratio(values []float64, k int) float64 {
	const precision = 1e-15
	least := max(values[0]*precision, math.SmallestNonzeroFloat64)
	return max(values[k-1], least) / max(values[k], least)
}

// half draws half of the rows without replacement, but as many as the columns need, and
// cuts them to a width. With replacement, rows that come twice would look like a fall.
func half(block [][]float64, width int, r *rand.Rand) [][]float64 {
	n := min(len(block), max(len(block)/2, width+spare))
	part := make([][]float64, n)
	for i, at := range r.Perm(len(block))[:n] {
		part[i] = block[at][:width]
	}
	return part
}
