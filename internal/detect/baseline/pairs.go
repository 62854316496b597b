package baseline

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"bartizan"
	"bartizan/internal/stat"
)

// The constants of the count of near pairs.
const (
	pairLimit    = 50   // more pairs alarm
	pairQuantile = .001 // of the distances of benign pairs is near
	pairSamples  = 200_000
	// fewQuantile is the share of benign windows with fewer pairs than the two-sided
	// form takes, and fewWindows how many are drawn to find it.
	fewQuantile = .005
	fewWindows  = 200
)

// fewLengths are the numbers of queries at which the two-sided form looks whether
// the pairs are too few.
func fewLengths() [2]int { return [2]int{100, 200} }

// Pairs returns the detector of SEAT: an account alarms when more than 50 pairs of its
// prompts are nearer to each other than all but 0.1 % of benign pairs. With twoSided
// it also alarms when the first 100 or 200 prompts have fewer near pairs than
// 99.5 % of windows of that length drawn from the pool of benign prompts.
func Pairs(space *Space, calibration []Account, twoSided bool, r *rand.Rand) Detector {
	pool := space.all(calibration)
	near := nearProduct(pool, r)
	d := Detector{
		Name:       "SEAT pairs",
		Calibrated: fmt.Sprintf("near is below %.3f, more than %d pairs, from %d prompts", distance(near), pairLimit, len(pool)),
	}
	few := map[int]int{}
	if twoSided {
		d.Name = "SEAT pairs, two-sided"
		for _, n := range fewLengths() {
			if len(pool) >= 2*n {
				few[n] = fewPairs(pool, near, n, r)
				d.Calibrated += fmt.Sprintf("; fewer than %d in %d", few[n], n)
			}
		}
	}
	d.Open = func(string) Judge { return &pairs{space: space, near: near, few: few} }
	return d
}

// nearProduct returns the inner product above which a pair is near.
func nearProduct(pool []Vector, r *rand.Rand) float64 {
	if len(pool) < 2 {
		return 1
	}
	products := make([]float64, pairSamples)
	for i := range products {
		a, b := r.IntN(len(pool)), r.IntN(len(pool)-1)
		if b >= a {
			b++
		}
		products[i] = -pool[a].Dot(pool[b]) // ascending as distances are
	}
	slices.Sort(products)
	return -stat.Quantile(products, pairQuantile)
}

// fewPairs returns the number of near pairs that 99.5 % of benign windows reach.
func fewPairs(pool []Vector, near float64, n int, r *rand.Rand) int {
	counts := make([]float64, fewWindows)
	for i := range counts {
		p := pairs{near: near}
		for _, at := range r.Perm(len(pool))[:n] {
			p.take(pool[at])
		}
		counts[i] = float64(p.count)
	}
	slices.Sort(counts)
	return int(stat.Quantile(counts, fewQuantile))
}

type pairs struct {
	space   *Space
	near    float64
	few     map[int]int
	seen    index
	count   int
	alarmed bool
}

func (p *pairs) take(v Vector) {
	for _, dot := range p.seen.products(v) {
		if float64(dot) > p.near {
			p.count++
		}
	}
	p.seen.add(v)
}

func (p *pairs) See(x *bartizan.Exchange) (float64, bartizan.Verdict) {
	v := p.space.Of(x)
	if p.alarmed || len(v) == 0 {
		return 0, decide(p.alarmed)
	}
	p.take(v)
	least, watched := p.few[p.seen.n]
	p.alarmed = p.count > pairLimit || watched && p.count < least
	return 0, decide(p.alarmed)
}
