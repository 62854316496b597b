package modelserver

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// maxReward bounds the logit that negative penalties add up to, so that weights stay
// finite.
const maxReward = 500

// sampling says how a token is drawn from a distribution.
type sampling struct {
	temperature float64 // 0 takes the most probable token
	topP        float64
	topK        int // draws among the most probable tokens only; 0 is all
	bias        []bias
	presence    float64
	frequency   float64
}

// bias is added to the logit of a token before the draw.
type bias struct {
	token token
	value float64
}

// sampler draws tokens. It belongs to one choice of one answer.
type sampler struct {
	sampling

	rng     *rand.Rand
	used    map[token]int // tokens drawn so far, when a penalty asks for them
	weights []float64
	order   []token
	kept    int // tokens of order that were drawn among; 0 is all
}

func newSampler(s sampling, rng *rand.Rand, vocabulary int) *sampler {
	out := &sampler{sampling: s, rng: rng, weights: make([]float64, vocabulary)}
	if s.presence != 0 || s.frequency != 0 {
		out.used = map[token]int{}
	}
	return out
}

// draw returns a token. The distribution itself is not changed: bias, penalties,
// temperature and cut-off act on a copy.
func (s *sampler) draw(probabilities []float64) token {
	w := s.weights
	copy(w, probabilities)
	for _, b := range s.bias {
		w[b.token] *= math.Exp(b.value)
	}
	for t, n := range s.used {
		w[t] *= math.Exp(min(-s.presence-s.frequency*float64(n), maxReward))
	}
	best := heaviest(w)
	if w[best] == 0 { // every token is ruled out: the bias cannot be kept
		copy(w, probabilities)
		best = heaviest(w)
	}
	drawn := best
	s.order, s.kept = append(s.order[:0], best), 1
	if s.temperature > 0 && s.topP > 0 {
		s.sharpen(w[best])
		drawn = s.pick()
	}
	if s.used != nil {
		s.used[drawn]++
	}
	return drawn
}

// heaviest is the token of most weight.
func heaviest(weights []float64) token {
	best := token(0)
	for i := range weights {
		if weights[i] > weights[best] {
			best = token(i)
		}
	}
	return best
}

// sharpen applies the temperature; the largest weight becomes one.
func (s *sampler) sharpen(largest float64) {
	for i := range s.weights {
		s.weights[i] /= largest
		if s.temperature != 1 {
			s.weights[i] = math.Pow(s.weights[i], 1/s.temperature)
		}
	}
}

// pick draws in proportion to the weights, among the fewest tokens that hold the
// share topP of the mass.
func (s *sampler) pick() token {
	total := 0.0
	for _, w := range s.weights {
		total += w
	}
	if s.topP >= 1 && s.topK == 0 {
		s.kept = 0
		u := s.rng.Float64() * total
		last := token(0)
		for i, w := range s.weights {
			if w == 0 {
				continue
			}
			last = token(i)
			if u -= w; u < 0 {
				break
			}
		}
		return last
	}
	total = s.rank(total)
	kept, n := 0.0, 0
	for n < len(s.order) && (kept < s.topP*total || s.topP >= 1) {
		kept += s.weights[s.order[n]]
		n++
	}
	s.kept = max(n, 1)
	u := s.rng.Float64() * kept
	for _, t := range s.order[:n] {
		if u -= s.weights[t]; u < 0 {
			return t
		}
	}
	return s.order[max(n-1, 0)]
}

// rank orders the tokens that may be drawn by weight and returns the mass that topP
// is a share of: all of it, or that of the topK tokens.
func (s *sampler) rank(total float64) float64 {
	s.order = s.order[:0]
	if s.topK > 0 {
		mass := 0.0
		for _, t := range largest(s.weights, s.topK) {
			s.order = append(s.order, t)
			mass += s.weights[t]
		}
		return mass
	}
	// Tokens below this weight hold less than 1-topP together, so none of them is
	// among the fewest.
	least := (1 - s.topP) * total / float64(len(s.weights))
	for i, w := range s.weights {
		if w >= least {
			s.order = append(s.order, token(i))
		}
	}
	slices.SortFunc(s.order, func(a, b token) int {
		return cmp.Or(cmp.Compare(s.weights[b], s.weights[a]), cmp.Compare(a, b))
	})
	return total
}

// chances is the distribution that the last token was drawn from.
func (s *sampler) chances() []float64 {
	out := make([]float64, len(s.weights))
	if s.kept == 0 {
		copy(out, s.weights)
	}
	for _, t := range s.order[:s.kept] {
		out[t] = s.weights[t]
	}
	total := 0.0
	for _, w := range out {
		total += w
	}
	for i := range out {
		out[i] /= total
	}
	return out
}

// scored is a token and its natural log-probability.
type scored struct {
	token   token
	logprob float64
	rank    int
}

// top returns the k most probable tokens, most probable first. Tokens without
// probability are left out.
func top(probabilities []float64, k int) []scored {
	order := largest(probabilities, k)
	out := make([]scored, 0, len(order))
	for i, t := range order {
		if probabilities[t] > 0 {
			out = append(out, scored{t, math.Log(probabilities[t]), i + 1})
		}
	}
	return out
}

// largest returns the k tokens of most weight in their order, ties by the token.
func largest(probabilities []float64, k int) []token {
	k = min(k, len(probabilities))
	if k <= 0 {
		return nil
	}
	order := make([]token, 0, k+1)
	less := func(a, b token) int {
		return cmp.Or(cmp.Compare(probabilities[b], probabilities[a]), cmp.Compare(a, b))
	}
	if k > 64 {
		order = order[:0]
		for i := range probabilities {
			order = append(order, token(i))
		}
		slices.SortFunc(order, less)
		order = order[:k]
	} else {
		for i := range probabilities {
			t := token(i)
			if len(order) == k && less(order[k-1], t) < 0 {
				continue
			}
			at, _ := slices.BinarySearchFunc(order, t, less)
			order = slices.Insert(order, at, t)
			order = order[:min(len(order), k)]
		}
	}
	return order
}

// rankOf is the place of a token among all, from one.
func rankOf(probabilities []float64, t token) int {
	rank := 1
	for i, p := range probabilities {
		if p > probabilities[t] || (p == probabilities[t] && i < int(t)) {
			rank++
		}
	}
	return rank
}
