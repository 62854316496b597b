package scan

import "bartizan/internal/detect"

// curvePoints is the most points that are kept of a curve.
const curvePoints = 64

// curve is the evidence against an account over its exchanges, at most [curvePoints] of
// them at equal distances. It depends on the exchanges alone.
type curve struct {
	stride int64
	points []curvePoint
}

// curvePoint is the evidence after the first N exchanges, in decimal logarithms.
type curvePoint struct {
	N         int64
	Combined  float32
	Detectors []float32 // in the order in which the engine names them
}

// wants reports whether the evidence after n exchanges is a point of the curve.
func (c *curve) wants(n int64) bool { return c.stride <= 1 || n%c.stride == 0 }

func (c *curve) add(n int64, a *detect.Assessment) {
	if len(c.points) == curvePoints {
		c.stride = 2 * max(1, c.stride)
		kept := c.points[:0]
		for _, p := range c.points {
			if p.N%c.stride == 0 {
				kept = append(kept, p)
			}
		}
		c.points = kept
		if n%c.stride != 0 {
			return
		}
	}
	c.points = append(c.points, pointOf(n, a))
}

func pointOf(n int64, a *detect.Assessment) curvePoint {
	p := curvePoint{N: n, Combined: float32(a.Log10E)}
	for _, e := range a.Evidence {
		p.Detectors = append(p.Detectors, float32(e.Log10E))
	}
	return p
}
