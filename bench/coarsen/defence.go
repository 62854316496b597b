package main

import (
	"encoding/binary"
	"math"
	"strings"

	"bartizan/internal/coarsen"
)

// defence is one way to tell the scores of a classifier. The zero Scores with exact set
// are those of no defence at all: every digit, past the engine.
type defence struct {
	name    string
	exact   bool
	profile coarsen.Profile
}

func newDefence(name string, s coarsen.Scores) defence {
	return defence{name: name, profile: coarsen.Profile{Name: name, Scores: s}}
}

// full tells all scores with so many decimals.
func full(decimals int) coarsen.Scores {
	return coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: decimals}
}

// withShipped names the shipped tiers behind the rules that are theirs, and adds the
// rules of tiers that are not in the list; with linear also those for models declared
// linear.
func withShipped(list []defence, linear bool) []defence {
	users := map[coarsen.Scores][]string{}
	var order []coarsen.Scores
	use := func(s coarsen.Scores, who string) {
		if users[s] == nil {
			order = append(order, s)
		}
		users[s] = append(users[s], who)
	}
	for _, name := range []string{"public", "standard", "trusted", "partner"} {
		p, _ := coarsen.Shipped(name)
		use(p.Scores, name)
		if linear {
			use(p.LinearScores, name+" linear")
		}
	}
	for _, s := range order {
		known := false
		for _, d := range list {
			known = known || !d.exact && d.profile.Scores == s
		}
		if !known {
			list = append(list, newDefence(s.String(), s))
		}
	}
	for i := range list {
		if who := users[list[i].profile.Scores]; !list[i].exact && len(who) > 0 {
			list[i].name += " [" + strings.Join(who, ", ") + "]"
		}
	}
	return list
}

// tell replaces the scores of exclusive classes by what the engine tells of them. input
// tells one input from another; the noise follows from it, as from a MAC of the input.
func (d *defence) tell(scores []float64, input int) coarsen.Count {
	if d.exact {
		return coarsen.Count(len(scores))
	}
	var seed [32]byte
	seed[0] = 1                                            // never all zero, which means none
	binary.LittleEndian.PutUint64(seed[8:], uint64(input)) //nolint:gosec // a number that tells inputs apart
	return d.profile.ScoresOf(coarsen.ScoreInput{Values: scores, Kind: coarsen.Exclusive, Seed: seed})
}

// width is how far a told score may be from the true one to either side, where it was
// only rounded.
func (d *defence) width() float64 {
	if d.exact || d.profile.Scores.Mode < coarsen.ScoresTopK {
		return 0
	}
	return 0.5 * math.Pow10(-d.profile.Scores.Decimals)
}

// bounds is where the true score may lie that was told as v.
func (d *defence) bounds(v float64) (low, high float64) {
	if d.exact {
		return v, v
	}
	switch s := d.profile.Scores; s.Mode {
	case coarsen.ScoresLabel:
		return 0, 1
	case coarsen.ScoresBucket:
		low, high = 0, 1
		for _, at := range s.Edges.At[:s.Edges.N] {
			if v < at {
				return low, at
			}
			low = at
		}
		return low, high
	default:
		return max(0, v-d.width()), min(1, v+d.width())
	}
}

func softmax(z []float64) {
	most, sum := math.Inf(-1), 0.0
	for _, v := range z {
		most = max(most, v)
	}
	for i, v := range z {
		z[i] = math.Exp(v - most)
		sum += z[i]
	}
	for i := range z {
		z[i] /= sum
	}
}

// argmax is the first of the greatest; NaN counts for nothing.
func argmax(v []float64) int {
	at, most := -1, math.Inf(-1)
	for i, f := range v {
		if f > most {
			at, most = i, f
		}
	}
	return at
}

// target turns an answer into what a student may learn from: a share for each class,
// NaN for those that were withheld, and what is left for those together. Told shares
// that add up to more than one, or to another sum than one where nothing was withheld,
// are scaled to one.
func target(told []float64) (rest float64) {
	sum, withheld := 0.0, false
	for _, p := range told {
		if math.IsNaN(p) {
			withheld = true
		} else {
			sum += p
		}
	}
	if withheld && sum <= 1 {
		return 1 - sum
	}
	for i := range told {
		told[i] /= sum
	}
	return 0
}

func namesOf(defences []defence) []string {
	names := make([]string, len(defences))
	for i := range defences {
		names[i] = defences[i].name
	}
	return names
}
