package evaluate

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"bartizan/internal/detect/baseline"
	"bartizan/internal/stat"
)

// nullShare is how many times cheaper a permuted exchange is than a judged one: only
// the detectors of this project see it.
const nullShare = 5

// NullRow says how often evidence crossed a bound although there was nothing to find.
type NullRow struct {
	Detector string `json:"detector"`
	Stratum  string `json:"stratum"`
	// Alpha is the bound on the share of streams whose e-value ever reaches 1/Alpha.
	Alpha   float64 `json:"alpha"`
	Streams int     `json:"streams"`
	Crossed int     `json:"crossed"`
	Share   float64 `json:"share"`
	// Lower is the lower Clopper-Pearson bound of the share at 99.9 %; the bound is
	// broken when it lies above Alpha.
	Lower float64 `json:"lower_999"`
	Holds bool    `json:"holds"`
}

func alphas() []float64 { return []float64{.1, .05, .01, .001} }

// NullTest judges each stream permutations times with its prompts and its pauses in
// random order, and counts how often the evidence of a detector, which must be an
// e-value, ever reaches 1/alpha. Streams of a stratum are counted together, and all
// under "all".
func NullTest(ctx context.Context, d baseline.Detector, streams []*Stream, permutations int, seed uint64, done func(exchanges int)) ([]NullRow, error) {
	tops := make([]float64, len(streams)*permutations)
	err := each(ctx, len(tops), func(i int) error {
		s := streams[i/permutations]
		tops[i] = judge(d, permuted(s, i%permutations, seed)).highest
		if done != nil {
			done(len(s.Exchanges))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	groups := map[string][]float64{}
	for i, top := range tops {
		s := streams[i/permutations]
		groups["all"] = append(groups["all"], top)
		if s.Stratum != "" {
			groups[s.Stratum] = append(groups[s.Stratum], top)
		}
	}
	var rows []NullRow
	for _, stratum := range slices.Sorted(maps.Keys(groups)) {
		for _, alpha := range alphas() {
			crossed := 0
			for _, top := range groups[stratum] {
				if top >= -math.Log10(alpha) {
					crossed++
				}
			}
			n := len(groups[stratum])
			lower := stat.ClopperPearsonLower(crossed, n, .999)
			rows = append(rows, NullRow{
				Detector: d.Name, Stratum: stratum, Alpha: alpha, Streams: n, Crossed: crossed,
				Share: float64(crossed) / float64(n), Lower: lower, Holds: lower <= alpha,
			})
		}
	}
	return rows, nil
}

// permuted returns the stream with its prompts and its pauses in random order.
func permuted(s *Stream, i int, seed uint64) *Stream {
	r := seeded(seed, fmt.Sprintf("permuted %s %d", s.Account, i))
	n := len(s.Exchanges)
	prompts, pauses := r.Perm(n), r.Perm(max(0, n-1))
	out := *s
	out.Exchanges = make(baseline.Account, n)
	for k, x := range s.Exchanges {
		moved := *s.Exchanges[prompts[k]]
		moved.At = s.Exchanges[0].At
		if k > 0 {
			moved.At = out.Exchanges[k-1].At.Add(s.Exchanges[pauses[k-1]+1].At.Sub(s.Exchanges[pauses[k-1]].At))
		}
		moved.EndAt = moved.At.Add(s.Exchanges[prompts[k]].Duration())
		moved.ID = x.ID
		out.Exchanges[k] = &moved
	}
	return &out
}

// nullTest permutes the benign accounts.
func nullTest(ctx context.Context, streams []*Stream, o Options, t *ticker) ([]NullRow, error) {
	var rows []NullRow
	for _, d := range o.Own {
		if !d.Evidence || o.Profile.Permutations == 0 || len(streams) == 0 {
			continue
		}
		all, err := NullTest(ctx, d, streams, o.Profile.Permutations, o.Seed, func(n int) { t.part("null test", n, nullShare) })
		if err != nil {
			return nil, err
		}
		rows = append(rows, all...)
	}
	return rows, nil
}

// part counts n pieces of work that are share times smaller than one.
func (t *ticker) part(phase string, n, share int) { t.add(phase, max(1, n/share)) }
