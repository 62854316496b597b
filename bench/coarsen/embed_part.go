package main

import (
	"context"
	"fmt"
	"slices"

	"bartizan/internal/coarsen"
)

type vectorDefence struct {
	name    string
	profile coarsen.Profile
}

func vectorDefences() []vectorDefence {
	var list []vectorDefence
	add := func(e coarsen.Embeddings, name string) {
		list = append(list, vectorDefence{name, coarsen.Profile{Embeddings: e}})
	}
	for _, tier := range []string{"partner", "trusted", "standard", "public"} {
		p, _ := coarsen.Shipped(tier)
		e := p.Embeddings
		name := e.Grid.String()
		if e.Grid == coarsen.GridDecimals {
			name = fmt.Sprintf("%d decimals", e.Decimals)
		}
		add(e, name+" ["+tier+"]")
	}
	add(coarsen.Embeddings{Grid: coarsen.GridDecimals, Decimals: 2}, "2 decimals")
	for _, dims := range []int{64, 32, 16} {
		add(coarsen.Embeddings{Grid: coarsen.GridInt8, Dims: dims}, fmt.Sprintf("int8, %d of %d dimensions", dims, embedDims))
	}
	return list
}

// tellVectors returns what the engine tells of exact vectors, as float32 answers.
func (d *vectorDefence) tellVectors(exact [][]float64) [][]float64 {
	out := make([][]float64, len(exact))
	for i, v := range exact {
		told := d.profile.Vector(slices.Clone(v))
		for j, f := range told {
			told[j] = float64(float32(f))
		}
		out[i] = told
	}
	return out
}

func embedPart(o options) plan {
	sizes, documents, questions := []int{12, 25, 50, 100, 200, 400, 800, 1600}, 1000, 150
	if o.smoke {
		sizes, documents, questions = []int{50, 100}, 100, 10
	}
	defences := vectorDefences()
	c := newCampaign(sizes, o.seeds)
	kept := make([][]float64, len(defences))
	for i := range kept {
		kept[i] = make([]float64, o.seeds)
	}
	var p plan
	for seed := range o.seeds {
		for _, a := range embedAttacks() {
			p.jobs = append(p.jobs, job{fmt.Sprintf("embed %s, seed %d", a.name, seed), 2, func(ctx context.Context) error {
				return a.copyEmbedder(ctx, c, defences, o.at(seed), seed, documents, questions)
			}})
		}
		p.jobs = append(p.jobs, job{fmt.Sprintf("embed honest, seed %d", seed), 0.5, func(context.Context) error {
			w := newRetrieval(o.at(seed), documents, questions)
			for i := range defences {
				kept[i][seed] = recall(nearest(defences[i].tellVectors(w.tests), defences[i].tellVectors(w.docs)), w.truth)
			}
			return nil
		}})
	}
	p.tables = func() []table { return embedTables(c, defences, kept, documents) }
	return p
}

// retrieval is a victim and what its exact vectors find.
type retrieval struct {
	*embedder
	docInputs, testInputs [][]float64
	docs, tests           [][]float64
	truth                 [][]int
}

func newRetrieval(seed uint64, documents, questions int) *retrieval {
	w := &retrieval{embedder: newEmbedder(seed)}
	w.docInputs, w.testInputs = w.draw(seed, documents, forTest), w.draw(seed, questions, forAdaptive)
	w.docs, w.tests = w.embed(w.docInputs), w.embed(w.testInputs)
	w.truth = nearest(w.tests, w.docs)
	return w
}

// embedAttack is a kind of student: a ridge regression on features of the input.
type embedAttack struct {
	name    string
	penalty float64
	random  bool // features of a random layer of its own beside the inputs
}

func embedAttacks() []embedAttack {
	return []embedAttack{
		{"linear", 0.01, false},
		{"random features", 0.1, true},
		{"more penalty", 2, true},
		{"heavy penalty", 30, true},
	}
}

func (a embedAttack) features(seed uint64, inputs [][]float64) [][]float64 {
	if !a.random {
		return inputs
	}
	layer := normal(source(seed, forStudent), embedFeatures*(embedInputs+1), embedBend)
	out := make([][]float64, len(inputs))
	for i, x := range inputs {
		out[i] = append(features(layer, x), x...)
	}
	return out
}

// copyEmbedder copies one embedder from what each defence tells, and compares what the
// copy finds with what the exact vectors find.
func (a embedAttack) copyEmbedder(ctx context.Context, c *campaign, defences []vectorDefence, at uint64, seed, documents, questions int) error {
	w := newRetrieval(at, documents, questions)
	asked := w.draw(at, c.sizes[len(c.sizes)-1], forQueries)
	exact := w.embed(asked)
	f, fDocs, fTests := a.features(at, asked), a.features(at, w.docInputs), a.features(at, w.testInputs)
	curves := make([][]float64, len(defences))
	for _, n := range c.sizes {
		r := newRidge(f[:n], a.penalty)
		for i := range defences {
			if err := ctx.Err(); err != nil {
				return err
			}
			weights := r.solve(f[:n], defences[i].tellVectors(exact[:n]))
			curves[i] = append(curves[i], recall(nearest(apply(weights, fTests), apply(weights, fDocs)), w.truth))
		}
	}
	for i := range defences {
		c.put(defences[i].name, a.name, seed, curves[i])
	}
	return nil
}

func embedTables(c *campaign, defences []vectorDefence, kept [][]float64, documents int) []table {
	names := make([]string, len(defences))
	honest := table{
		Name: "E3", Title: fmt.Sprintf("what honest callers lose: recall@%d of the told vectors against the exact ones, in %%", neighbours),
		Columns: []string{"recall"},
	}
	for i := range defences {
		names[i] = defences[i].name
		honest.Rows = append(honest.Rows, row{names[i], []cell{estimateCell(kept[i])}})
	}
	var attacks []string
	for _, a := range embedAttacks() {
		attacks = append(attacks, a.name)
	}
	return []table{
		c.agreement("E1", fmt.Sprintf("embedder of %d dimensions: recall@%d of a copy's neighbours among %d documents in %%, by texts asked, best attack",
			embedDims, neighbours, documents), names, attacks, []string{
			"best of ridge regressions: l on the inputs, r on random features beside them, m and h the same with more penalty",
		}),
		c.factors("E2", "texts against those of full vectors, best attack", names, attacks, []float64{50, 70}, []string{
			"geometric mean of the seeds' factors (95 % interval); > is a lower bound",
		}),
		honest,
	}
}
