package coarsen

import "math"

// unitSlack is how far from 1 the norm of a vector may be to count as a unit vector
// already. It is far above what rounding moves a norm.
const unitSlack = 0.01

// Vector cuts an embedding to the profile's length and rounds it in place to the
// profile's grid. The int8 and decimal grids give unit vectors, whatever the length of
// the model's, and so does a cut. Applied to its own output, as float32, it changes
// nothing.
func (p *Profile) Vector(v []float64) []float64 {
	if most := p.Embeddings.Dims; most > 0 && len(v) > most {
		v = v[:most]
		if length := norm(v); length > 0 {
			for i := range v {
				v[i] /= length
			}
		}
	}
	switch p.Embeddings.Grid {
	case GridFull:
	case GridFloat16:
		for i, f := range v {
			v[i] = toHalf(f)
		}
	case GridDecimals:
		decimals(v, p.Embeddings.Decimals)
	case GridInt8:
		levels(v)
	default:
		clear(v)
	}
	return v
}

func norm(v []float64) float64 {
	sum := 0.0
	for _, f := range v {
		sum += f * f
	}
	return math.Sqrt(sum)
}

// levels rounds to whole levels from -127 to 127 of the greatest component and scales
// to unit norm. The result tells the levels and nothing else: its scale follows from
// them. It has six decimals, which leaves every level told apart.
func levels(v []float64) {
	const most = 127
	greatest := 0.0
	for _, f := range v {
		greatest = max(greatest, math.Abs(f))
	}
	if greatest == 0 {
		clear(v)
		return
	}
	for i, f := range v {
		v[i] = math.Round(f / greatest * most)
	}
	length := norm(v)
	for i, f := range v {
		v[i] = tidy(f/length, 1e6)
	}
}

// decimals rounds to decimal places. A vector that is not of unit norm is scaled to it
// first; one that is stays, so that rounding again changes nothing.
func decimals(v []float64, places int) {
	length := norm(v)
	scale := 1.0
	if length > 0 && math.Abs(length-1) > unitSlack {
		scale = 1 / length
	}
	grid := math.Pow10(places)
	for i, f := range v {
		v[i] = tidy(f*scale, grid)
	}
}

// tidy rounds f to a multiple of 1/grid; never to minus zero.
func tidy(f, grid float64) float64 {
	steps := math.Round(f * grid)
	if steps == 0 {
		return 0
	}
	return steps / grid
}

// toHalf rounds to the nearest IEEE 754 half-precision number, ties to even. What is too
// large becomes the largest; never minus zero.
func toHalf(f float64) float64 {
	const (
		largest   = 65504.0
		mantissa  = 11 // bits, the hidden one included
		leastNorm = -14
	)
	if f == 0 {
		return 0
	}
	if math.Abs(f) >= largest {
		return math.Copysign(largest, f)
	}
	_, exp := math.Frexp(f) // f = m * 2^exp, 0.5 <= |m| < 1
	unit := math.Ldexp(1, max(exp, leastNorm+1)-mantissa)
	rounded := math.RoundToEven(f/unit) * unit
	if rounded == 0 {
		return 0
	}
	return max(min(rounded, largest), -largest)
}
