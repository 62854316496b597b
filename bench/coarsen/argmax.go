package main

import (
	"context"
	"fmt"
	"math"

	"bartizan/internal/coarsen"
	"bartizan/internal/stat"
)

// argmaxCase is a kind of scores: a softmax over so many classes, of logits from a
// normal distribution of this deviation.
type argmaxCase struct {
	classes   int
	deviation float64
}

func argmaxCases() []argmaxCase {
	return []argmaxCase{{10, 1}, {10, 3}, {10, 6}, {100, 1}, {100, 3}, {100, 6}}
}

func argmaxDefences() []defence {
	perturbed := func(s coarsen.Scores) coarsen.Scores {
		s.Mode, s.Decimals = coarsen.ScoresFull, 8
		return s
	}
	return []defence{
		newDefence("3 decimals", full(3)),
		newDefence("2 decimals", full(2)),
		newDefence("1 decimal", full(1)),
		newDefence("noise 0.05", perturbed(coarsen.Scores{Noise: 0.05})),
		newDefence("noise 0.2", perturbed(coarsen.Scores{Noise: 0.2})),
		newDefence("reverse sigmoid 1, 0.1", perturbed(coarsen.Scores{ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 1, Gamma: 0.1}})),
		newDefence("reverse sigmoid 0.008, 0.2", perturbed(coarsen.Scores{ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 0.008, Gamma: 0.2}})),
	}
}

// lost counts answers whose label changed, and answers without a single greatest score.
type lost struct{ flips, ties int }

// argmaxPart measures what the guard of the engine is for: how often the same change of
// scores, done plainly, loses the label.
func argmaxPart(o options) plan {
	vectors := 6_000
	if o.smoke {
		vectors = 500
	}
	cases, defences := argmaxCases(), argmaxDefences()
	plainly := make([][][]lost, o.seeds) // seed, defence, case
	guarded := make([][][]lost, o.seeds)
	var p plan
	for seed := range o.seeds {
		p.jobs = append(p.jobs, job{fmt.Sprintf("argmax, seed %d", seed), 2, func(ctx context.Context) error {
			plainly[seed], guarded[seed] = make([][]lost, len(defences)), make([][]lost, len(defences))
			for i := range defences {
				for _, c := range cases {
					if err := ctx.Err(); err != nil {
						return err
					}
					a, b := countLost(&defences[i], c, vectors, o.at(seed))
					plainly[seed][i], guarded[seed][i] = append(plainly[seed][i], a), append(guarded[seed][i], b)
				}
			}
			return nil
		}})
	}
	p.tables = func() []table { return argmaxTables(vectors, defences, cases, plainly, guarded) }
	return p
}

// countLost changes the same vectors plainly and through the engine.
func countLost(d *defence, c argmaxCase, vectors int, seed uint64) (plainly, guarded lost) {
	r := source(seed, forArgmax, c.classes, int(c.deviation))
	noise := source(seed, forNoise, c.classes)
	raw, told := make([]float64, c.classes), make([]float64, c.classes)
	for n := range vectors {
		for i := range raw {
			raw[i] = r.NormFloat64() * c.deviation
		}
		softmax(raw)
		copy(told, raw)
		for i, v := range told {
			told[i] = plain(d.profile.Scores, v, noise.NormFloat64())
		}
		plainly.count(raw, told)
		copy(told, raw)
		d.tell(told, n)
		guarded.count(raw, told)
	}
	return plainly, guarded
}

// plain changes one score as the papers and toolboxes do, without a guard.
func plain(s coarsen.Scores, p, draw float64) float64 {
	if r := s.ReverseSigmoid; r.Beta != 0 {
		q := max(1e-9, min(p, 1-1e-9))
		return p - r.Beta*(1/(1+math.Exp(-r.Gamma*math.Log(q/(1-q))))-0.5)
	}
	if s.Noise != 0 {
		return p + s.Noise*draw
	}
	grid := math.Pow10(s.Decimals)
	return math.Round(p*grid) / grid
}

func (l *lost) count(raw, told []float64) {
	at, greatest := argmax(told), 0
	for _, v := range told {
		if v == told[at] {
			greatest++
		}
	}
	switch {
	case greatest > 1:
		l.ties++
	case at != argmax(raw):
		l.flips++
	}
}

func argmaxTables(vectors int, defences []defence, cases []argmaxCase, plainly, guarded [][][]lost) []table {
	t := table{
		Name:  "A",
		Title: "answers that lose their label without the guard, in percent: changed / no single greatest score",
	}
	sum := lost{}
	for _, c := range cases {
		t.Columns = append(t.Columns, fmt.Sprintf("k=%d T=%v", c.classes, c.deviation))
	}
	for i := range defences {
		r := row{Name: defences[i].name}
		for j := range cases {
			var flips, ties []float64
			for seed := range plainly {
				flips = append(flips, 100*float64(plainly[seed][i][j].flips)/float64(vectors))
				ties = append(ties, 100*float64(plainly[seed][i][j].ties)/float64(vectors))
				sum.flips += guarded[seed][i][j].flips
				sum.ties += guarded[seed][i][j].ties
			}
			made := estimateCell(flips)
			made.Text += " / " + newEstimate(ties).String()
			r.Cells = append(r.Cells, made)
		}
		t.Rows = append(t.Rows, r)
	}
	all := vectors * len(plainly) * len(defences) * len(cases)
	t.Notes = []string{
		fmt.Sprintf("with the guard of the engine: %d changed, %d without a single greatest score, of %d answers", sum.flips, sum.ties, all),
		fmt.Sprintf("that bounds the share that lose their label to %.1e at 95 %% confidence", stat.ClopperPearsonUpper(sum.flips+sum.ties, all, 0.95)),
	}
	return []table{t}
}
