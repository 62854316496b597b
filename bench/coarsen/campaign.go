package main

import (
	"fmt"
	"strconv"
	"sync"
)

// campaign gathers what attacks on defences reach: agreement with the victim, in
// percent, by seed and number of queries.
type campaign struct {
	sizes []int
	seeds int

	mu   sync.Mutex
	runs map[string]map[string][][]float64 // defence, attack, seed, size
}

func newCampaign(sizes []int, seeds int) *campaign {
	return &campaign{sizes: sizes, seeds: seeds, runs: map[string]map[string][][]float64{}}
}

// put keeps the curve of one seed.
func (c *campaign) put(defence, attack string, seed int, curve []float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs[defence] == nil {
		c.runs[defence] = map[string][][]float64{}
	}
	if c.runs[defence][attack] == nil {
		c.runs[defence][attack] = make([][]float64, c.seeds)
	}
	c.runs[defence][attack][seed] = curve
}

// best returns, for each size, the attack whose mean over the seeds is the greatest,
// out of those listed, and the curves of the attacker who always takes that one.
func (c *campaign) best(defence string, attacks []string) (chosen []string, curves [][]float64) {
	chosen = make([]string, len(c.sizes))
	curves = make([][]float64, c.seeds)
	for seed := range curves {
		curves[seed] = make([]float64, len(c.sizes))
	}
	for at := range c.sizes {
		most := -1.0
		for _, attack := range attacks {
			runs, ok := c.runs[defence][attack]
			if !ok {
				continue
			}
			if mean := newEstimate(column(runs, at)).Mean; mean > most {
				most, chosen[at] = mean, attack
				for seed := range curves {
					curves[seed][at] = runs[seed][at]
				}
			}
		}
	}
	return chosen, curves
}

func column(runs [][]float64, at int) []float64 {
	values := make([]float64, len(runs))
	for seed, curve := range runs {
		values[seed] = curve[at]
	}
	return values
}

// agreement is the table of the best attack by defence and size.
func (c *campaign) agreement(name, title string, defences, attacks, notes []string) table {
	t := table{Name: name, Title: title, Notes: notes}
	for _, size := range c.sizes {
		t.Columns = append(t.Columns, strconv.Itoa(size))
	}
	for _, defence := range defences {
		chosen, curves := c.best(defence, attacks)
		r := row{Name: defence}
		for at := range c.sizes {
			made := estimateCell(column(curves, at))
			made.Attack = chosen[at]
			made.Text += " " + initial(chosen[at])
			r.Cells = append(r.Cells, made)
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

func initial(attack string) string {
	if attack == "" {
		return "-"
	}
	return attack[:1]
}

// factors is the table of the queries that targets take, against the first defence.
func (c *campaign) factors(name, title string, defences, attacks []string, targets []float64, notes []string) table {
	t := table{Name: name, Title: title, Notes: notes}
	_, reference := c.best(defences[0], attacks)
	for _, target := range targets {
		t.Columns = append(t.Columns, fmt.Sprintf("to reach %v %%", target))
	}
	for _, defence := range defences {
		chosen, curves := c.best(defence, attacks)
		r := row{Name: defence}
		for _, target := range targets {
			f, ok := newFactor(c.sizes, reference, curves, target)
			if !ok {
				r.Cells = append(r.Cells, cell{Text: "the reference does not get there"})
				continue
			}
			r.Cells = append(r.Cells, cell{Text: f.String(), Factor: &f, Attack: chosen[len(chosen)-1]})
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}
