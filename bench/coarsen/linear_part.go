package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bartizan/internal/coarsen"
)

// The attacks on a linear model. Their first letters stand in the table.
const (
	attackSolve      = "equations"
	attackFit        = "fit"
	attackFitWide    = "fit, wide prior"
	attackConsistent = "grid"
	attackLabels     = "labels"
	attackChosen     = "chosen inputs"
	attackChosenGrid = "chosen inputs, grid"
)

func linearDefences() []defence {
	return withShipped([]defence{
		{name: "exact floats", exact: true},
		newDefence("5 decimals", full(5)),
		newDefence("3 decimals", full(3)),
		newDefence("2 decimals", full(2)),
		newDefence("1 decimal", full(1)),
		newDefence("top 1, 2 decimals", coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 1, Decimals: 2}),
		newDefence("4 buckets", coarsen.Scores{Mode: coarsen.ScoresBucket, Edges: coarsen.DefaultEdges()}),
		newDefence("label", coarsen.Scores{}),
	}, true)
}

func linearPart(o options) plan {
	sizes := []int{16, 24, 31, 62, 105, 155, 310, 620, 1550, 3100}
	tests := 4000
	if o.smoke {
		sizes, tests = []int{31, 62}, 200
	}
	defences := linearDefences()
	c := newCampaign(sizes, o.seeds)
	certainty := make([]float64, o.seeds)
	var p plan
	for seed := range o.seeds {
		at := o.at(seed)
		for i := range defences {
			d := &defences[i]
			p.jobs = append(p.jobs, job{fmt.Sprintf("linear, %s, seed %d", d.name, seed), 0.5, func(ctx context.Context) error {
				return attackLinear(ctx, c, d, namesOf(defences), at, seed, tests)
			}})
			p.jobs = append(p.jobs, job{fmt.Sprintf("linear chosen, %s, seed %d", d.name, seed), 0.4, func(ctx context.Context) error {
				return attackChosenInputs(ctx, c, d, at, seed, tests)
			}})
		}
		p.jobs = append(p.jobs, job{fmt.Sprintf("linear victim, seed %d", seed), 0.1, func(context.Context) error {
			certainty[seed] = newLinearVictim(at).certainty(linearInput(at, tests, forTest))
			return nil
		}})
	}
	p.tables = func() []table { return linearTables(c, defences, certainty) }
	return p
}

// certainty is the mean score of the label.
func (m linearModel) certainty(inputs [][]float64) float64 {
	sum := 0.0
	var q [linearClasses]float64
	for _, x := range inputs {
		m.logits(q[:], x)
		softmax(q[:])
		sum += slices.Max(q[:])
	}
	return sum / float64(len(inputs))
}

// attackLinear copies one victim from random inputs, by every attack. What labels alone
// give is put down for the other defences too.
func attackLinear(ctx context.Context, c *campaign, d *defence, others []string, at uint64, seed, tests int) error {
	victim, test := newLinearVictim(at), linearInput(at, tests, forTest)
	inputs := linearInput(at, c.sizes[len(c.sizes)-1], forQueries)
	lessons := make([]lesson, len(inputs))
	for i, x := range inputs {
		lessons[i] = victim.ask(d, x, i)
	}
	curves := map[string][]float64{}
	for _, n := range c.sizes {
		if err := ctx.Err(); err != nil {
			return err
		}
		told := lessons[:n]
		solved, ok := solveEquations(told, d.width())
		if ok {
			curves[attackSolve] = append(curves[attackSolve], victim.agreement(solved, test))
		}
		strong := fit(nil, told, 1)
		curves[attackFit] = append(curves[attackFit], victim.agreement(strong, test))
		wide := fit(strong, told, 0.01)
		curves[attackFitWide] = append(curves[attackFitWide], victim.agreement(wide, test))
		if d.exact {
			continue
		}
		start := strong
		if ok {
			start = solved
		}
		grid := consistent(start, told, max(d.width(), 0.01))
		curves[attackConsistent] = append(curves[attackConsistent], victim.agreement(grid, test))
	}
	for attack, curve := range curves {
		c.put(d.name, attack, seed, curve)
	}
	if d.profile.Scores.Mode == coarsen.ScoresLabel && !d.exact {
		for _, name := range others { // the label is told by every defence
			c.put(name, attackLabels, seed, curves[attackFit])
		}
	}
	return nil
}

// attackChosenInputs asks what the copy is least sure of (adaptive retraining, Tramèr
// et al. 2016): it begins with random inputs, and then takes those of a pool whose two
// greatest scores are nearest to each other.
func attackChosenInputs(ctx context.Context, c *campaign, d *defence, at uint64, seed, tests int) error {
	const pool = 12 // candidates for each question
	victim, test := newLinearVictim(at), linearInput(at, tests, forTest)
	inputs := linearInput(at, c.sizes[0], forQueries)
	var lessons []lesson
	var plain, grid []float64
	var m linearModel
	for round := 0; ; round++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, x := range inputs {
			lessons = append(lessons, victim.ask(d, x, len(lessons)))
		}
		m = fit(m, lessons, 1)
		if len(lessons) == c.sizes[len(plain)] {
			plain = append(plain, victim.agreement(m, test))
			if !d.exact {
				grid = append(grid, victim.agreement(consistent(m, lessons, max(d.width(), 0.01)), test))
			}
			if len(plain) == len(c.sizes) {
				break
			}
		}
		n := min(max(8, len(lessons)/5), c.sizes[len(plain)]-len(lessons))
		candidates := linearInput(at, pool*n, forAdaptive, round)
		margins := make(map[*float64]float64, len(candidates))
		for _, x := range candidates {
			margins[&x[0]] = m.margin(x)
		}
		slices.SortFunc(candidates, func(a, b []float64) int { return cmp.Compare(margins[&a[0]], margins[&b[0]]) })
		inputs = candidates[:n]
	}
	c.put(d.name, attackChosen, seed, plain)
	if !d.exact {
		c.put(d.name, attackChosenGrid, seed, grid)
	}
	return nil
}

// margin is the distance between the two greatest logits.
func (m linearModel) margin(x []float64) float64 {
	var z [linearClasses]float64
	m.logits(z[:], x)
	slices.Sort(z[:])
	return z[linearClasses-1] - z[linearClasses-2]
}

func linearTables(c *campaign, defences []defence, certainty []float64) []table {
	names := namesOf(defences)
	attacks := []string{attackSolve, attackFit, attackFitWide, attackConsistent, attackLabels, attackChosen, attackChosenGrid}
	return []table{
		c.agreement("B1", "softmax regression, 30 inputs, 5 classes, 124 unknowns: agreement in % by queries, best attack", names, attacks, []string{
			"best of: e equations, f fit by cross-entropy, g a model that the grid of the answers allows, l fit to labels, c chosen inputs",
			"score of the victim's label in the mean: " + newEstimate(certainty).String(),
			"brackets name the shipped tiers with this rule; linear is for models declared linear",
		}),
		c.factors("B2", "queries against those of exact floats, best attack", names, attacks, []float64{90, 95}, []string{
			"geometric mean of the seeds' factors (95 % interval); > is a lower bound",
		}),
		c.factors("B3", "the same for an attacker who asks random inputs only", names, attacks[:5], []float64{90, 95}, nil),
	}
}
