package baseline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"bartizan"
	"bartizan/internal/stat"
)

// The constants of the count of near pairs.
const (
	pairLimit    = 50   // more pairs alarm
	pairQuantile = .001 // of the distances of benign pairs is near
	pairSamples  = 100_000
	// fewQuantile is the share of benign windows with fewer pairs than the two-sided
	// form takes, and fewWindows how many are drawn to find it.
	fewQuantile = .005
	fewWindows  = 1000
	fewPool     = 1500 // prompts that windows are drawn from at most
)

// fewLengths are the numbers of queries at which the two-sided form looks whether
// the pairs are too few.
func fewLengths() [2]int { return [2]int{100, 200} }

// Pairs returns the detector of SEAT in two forms. In the one-sided form an account
// alarms when more than 50 pairs of its prompts are nearer to each other than all but
// 0.1 % of benign pairs. In the two-sided form it also alarms when its first 100 or 200
// prompts have fewer near pairs than 99.5 % of windows of that length drawn from the
// pool of benign prompts.
func Pairs(space *Space, calibration []Account, r *rand.Rand) (oneSided, twoSided Detector) {
	pool := space.all(calibration)
	near := nearProduct(pool, r)
	says := fmt.Sprintf("near is below %.3f, more than %d pairs, from %d prompts", distance(near), pairLimit, len(pool))
	oneSided = Detector{
		Name: "SEAT pairs", Calibrated: says,
		Open: func(string) Judge { return &pairs{space: space, near: near} },
	}
	few := map[int]int{}
	var limits strings.Builder
	graph := nearPairs(sample(pool, fewPool, r), near)
	for _, n := range fewLengths() {
		if len(graph) >= 2*n {
			few[n] = fewPairs(graph, n, r)
			fmt.Fprintf(&limits, "; fewer than %d in %d", few[n], n)
		}
	}
	twoSided = Detector{
		Name: "SEAT pairs, two-sided", Calibrated: says + limits.String(),
		Open: func(string) Judge { return &pairs{space: space, near: near, few: few} },
	}
	return oneSided, twoSided
}

// sample returns at most n of the vectors, in random order.
func sample(pool []Vector, n int, r *rand.Rand) []Vector {
	order := r.Perm(len(pool))
	out := make([]Vector, min(n, len(pool)))
	for i := range out {
		out[i] = pool[order[i]]
	}
	return out
}

// nearPairs lists for each vector the earlier ones that are near.
func nearPairs(vectors []Vector, near float64) [][]int {
	var seen index
	out := make([][]int, len(vectors))
	for i, v := range vectors {
		for k, dot := range seen.products(v) {
			if float64(dot) > near {
				out[i] = append(out[i], k)
			}
		}
		seen.add(v)
	}
	return out
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

// fewPairs returns the number of near pairs that 99.5 % of random windows reach.
func fewPairs(graph [][]int, n int, r *rand.Rand) int {
	counts := make([]float64, fewWindows)
	for i := range counts {
		window := r.Perm(len(graph))[:n]
		in := make([]bool, len(graph))
		for _, at := range window {
			in[at] = true
		}
		for _, at := range window {
			for _, other := range graph[at] {
				if in[other] {
					counts[i]++
				}
			}
		}
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
