package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"

	"bartizan"
	"bartizan/internal/stat"
)

// The constants of PRADA; delta is that of the authors' code.
const (
	pradaClasses = 16
	pradaDelta   = .90
	pradaEvery   = 10  // queries between tests
	pradaLeast   = 100 // distances, that a test needs more than
	pradaClass   = 10  // distances, that a class needs to take part
	pradaSigmas  = 3   // beyond which distances are left out
	kmeansRounds = 10
	kmeansSample = 1500 // prompts that centres are made of at most
)

// PRADA returns the detector of Juuti and others, which tests whether the distances of
// each query to the growing set of its class are normal. Classes are the nearest of 16
// k-means centres of the calibration prompts. State is kept for each account.
func PRADA(space *Space, calibration []Account, r *rand.Rand) Detector {
	centres := kmeans(sample(space.all(calibration), kmeansSample, r), pradaClasses, r)
	return Detector{
		Name:       "PRADA",
		Calibrated: fmt.Sprintf("delta %.2f, %d centres from %d accounts", pradaDelta, len(centres), len(calibration)),
		Open:       func(string) Judge { return &prada{space: space, centres: centres} },
	}
}

type prada struct {
	space   *Space
	centres []centre
	classes [pradaClasses]pradaSet
	queries int
	alarmed bool
}

// pradaSet is the growing set of a class.
type pradaSet struct {
	members   index
	threshold float64
	kept, all []float64
}

func (p *prada) See(x *bartizan.Exchange) (float64, bartizan.Verdict) {
	v := p.space.Of(x)
	if p.alarmed || len(v) == 0 {
		return 0, decide(p.alarmed)
	}
	p.classes[nearest(p.centres, v)].take(v)
	if p.queries++; p.queries%pradaEvery == 0 {
		if w, tested := p.normality(); tested {
			p.alarmed = w < pradaDelta
		}
	}
	return 0, decide(p.alarmed)
}

// take adds the distance of v to the set, and v itself when it is far from it.
func (s *pradaSet) take(v Vector) {
	if s.members.n == 0 {
		s.members.add(v)
		return
	}
	top := math.Inf(-1)
	for _, dot := range s.members.products(v) {
		top = max(top, float64(dot))
	}
	d := distance(top)
	s.all = append(s.all, d)
	if d <= s.threshold {
		return
	}
	s.members.add(v)
	s.kept = append(s.kept, d)
	mean, deviation := moments(s.kept)
	s.threshold = max(s.threshold, mean-deviation)
}

// normality returns W of all distances without the outliers.
func (p *prada) normality() (w float64, tested bool) {
	var all []float64
	for i := range p.classes {
		if d := p.classes[i].all; len(d) >= pradaClass {
			all = append(all, d...)
		}
	}
	if len(all) <= pradaLeast {
		return 1, false
	}
	mean, deviation := moments(all)
	inner := all[:0]
	for _, d := range all {
		if math.Abs(d-mean) <= pradaSigmas*deviation {
			inner = append(inner, d)
		}
	}
	return stat.ShapiroWilk(inner), true
}

func moments(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, math.Sqrt(deviation)
}

// centre is the mean of a cluster.
type centre struct {
	at     []float32
	square float64
}

// nearest returns the number of the centre nearest to v; 0 when there is none.
func nearest(centres []centre, v Vector) int {
	best, most := 0, math.Inf(-1)
	for i, c := range centres {
		if s := 2*dense64(c.at, v) - c.square; s > most {
			best, most = i, s
		}
	}
	return best
}

// dense64 is the inner product of a dense and a sparse vector.
func dense64(m []float32, v Vector) float64 {
	sum := 0.0
	for _, c := range v {
		sum += float64(m[c.Index]) * float64(c.Value)
	}
	return sum
}

// kmeans returns k centres by Lloyd's method from randomly chosen beginnings, or as
// many as there are vectors.
func kmeans(vectors []Vector, k int, r *rand.Rand) []centre {
	k = min(k, len(vectors))
	centres := make([]centre, k)
	for i, at := range r.Perm(len(vectors))[:k] {
		centres[i] = meanOf([]Vector{vectors[at]})
	}
	for range kmeansRounds {
		groups := make([][]Vector, k)
		for _, v := range vectors {
			i := nearest(centres, v)
			groups[i] = append(groups[i], v)
		}
		for i, group := range groups {
			if len(group) > 0 {
				centres[i] = meanOf(group)
			}
		}
	}
	return centres
}

func meanOf(vectors []Vector) centre {
	c := centre{at: make([]float32, bins)}
	for _, v := range vectors {
		for _, k := range v {
			c.at[k.Index] += k.Value / float32(len(vectors))
		}
	}
	for _, x := range c.at {
		c.square += float64(x) * float64(x)
	}
	return c
}
