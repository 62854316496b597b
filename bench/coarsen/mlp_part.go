package main

import (
	"context"
	"fmt"
	"math"
	"sync"

	"bartizan/internal/coarsen"
)

const (
	mlpInputs   = 32
	mlpClasses  = 10
	mlpClusters = 6 // of each class
	mlpTeacher  = 96
	mlpStudent  = 64
	mlpDistance = 0.95 // deviation of the clusters' middles; one is that of the points
)

// The attacks on a classifier. Their first letters stand in the table.
const (
	attackTold    = "told"
	attackInvert  = "inverted"
	attackAverage = "averaged"
)

// averaged is how many answers to nearly the same input the averaging attack takes.
const averaged = 4

// jitter moves an input so little that its answer is the same, and so that the noise,
// which is a function of the input, is another.
const jitter = 1e-3

func mlpDefences() []defence {
	perturbed := func(s coarsen.Scores) coarsen.Scores {
		s.Mode, s.Decimals = coarsen.ScoresFull, 3
		return s
	}
	return withShipped([]defence{
		{name: "exact floats", exact: true},
		newDefence("3 decimals", full(3)),
		newDefence("2 decimals", full(2)),
		newDefence("1 decimal", full(1)),
		newDefence("top 3, 2 decimals", coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 3, Decimals: 2}),
		newDefence("4 buckets", coarsen.Scores{Mode: coarsen.ScoresBucket, Edges: coarsen.DefaultEdges()}),
		newDefence("label", coarsen.Scores{}),
		newDefence("noise 0.2, 3 decimals", perturbed(coarsen.Scores{Noise: 0.2})),
		newDefence("reverse sigmoid 1, 0.1, 3 decimals", perturbed(coarsen.Scores{ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 1, Gamma: 0.1}})),
	}, false)
}

// mlpWorld is the victim of one seed and what it is asked.
type mlpWorld struct {
	teacher        *network
	accuracy       float64
	queries, test  []float32
	truth          []int // what the teacher says of test
	middles        []float64
	once           sync.Once
	trainingFailed error
}

// draw returns points of the classes' clusters and their classes.
func (w *mlpWorld) draw(seed uint64, n, purpose int) (x []float32, classes []int) {
	r := source(seed, forTeacher, purpose)
	x, classes = make([]float32, n*mlpInputs), make([]int, n)
	for i := range n {
		classes[i] = r.IntN(mlpClasses)
		middle := w.middles[(classes[i]*mlpClusters+r.IntN(mlpClusters))*mlpInputs:][:mlpInputs]
		for j := range mlpInputs {
			x[i*mlpInputs+j] = float32(middle[j] + r.NormFloat64())
		}
	}
	return x, classes
}

func (w *mlpWorld) make(ctx context.Context, seed uint64, queries, tests, examples int) error {
	w.once.Do(func() {
		w.middles = normal(source(seed, forTeacher), mlpClasses*mlpClusters*mlpInputs, mlpDistance)
		x, classes := w.draw(seed, examples, 1)
		l := lessons{x: x, share: make([]float32, examples*mlpClasses), rest: make([]float32, examples)}
		for i, c := range classes {
			l.share[i*mlpClasses+c] = 1
		}
		r := source(seed, forTeacher, 2)
		w.teacher = newNetwork(mlpInputs, mlpTeacher, mlpClasses, r)
		w.trainingFailed = w.teacher.learn(ctx, l, training{rate: 3e-3, batch: 64, epochs: 12, most: 1 << 20}, r)
		w.queries, _ = w.draw(seed, queries, forQueries)
		var truth []int
		w.test, truth = w.draw(seed, tests, forTest)
		w.truth = w.teacher.labels(w.test)
		w.accuracy = sameShare(w.truth, truth)
	})
	return w.trainingFailed
}

// scores are the teacher's of the examples in x.
func (w *mlpWorld) scores(x []float32) [][]float64 {
	y := w.teacher.forward(x)
	out := make([][]float64, len(y)/mlpClasses)
	for i := range out {
		out[i] = make([]float64, mlpClasses)
		for j, z := range y[i*mlpClasses : (i+1)*mlpClasses] {
			out[i][j] = float64(z)
		}
		softmax(out[i])
	}
	return out
}

// honest is what a defence costs its callers.
type honest struct {
	distance float64 // mean distance of the label's told score to the true one
	values   float64 // numbers told with each answer
}

func mlpPart(o options) plan {
	sizes, tests, examples := []int{100, 300, 600, 1000, 2000, 3000, 6000, 10_000}, 4000, 12_000
	if o.smoke {
		sizes, tests, examples = []int{40, 80}, 200, 400
	}
	defences := mlpDefences()
	c := newCampaign(sizes, o.seeds)
	worlds, costs := make([]mlpWorld, o.seeds), make([][]honest, o.seeds)
	repeats := make([][2][]float64, o.seeds)
	var p plan
	for seed := range o.seeds {
		at, w := o.at(seed), &worlds[seed]
		costs[seed] = make([]honest, len(defences))
		prepare := func(ctx context.Context) error {
			return w.make(ctx, at, sizes[len(sizes)-1], tests, examples)
		}
		for i := range defences {
			d := &defences[i]
			for _, attack := range d.attacks() {
				p.jobs = append(p.jobs, job{fmt.Sprintf("mlp %s, %s, seed %d", attack, d.name, seed), 2, func(ctx context.Context) error {
					if err := prepare(ctx); err != nil {
						return err
					}
					if attack == attackTold {
						costs[seed][i] = w.honest(d)
					}
					return w.copyBy(ctx, c, d, namesOf(defences), attack, at, seed)
				}})
			}
			if d.profile.Scores.Noise > 0 {
				p.jobs = append(p.jobs, job{fmt.Sprintf("mlp repeats, seed %d", seed), 0.2, func(ctx context.Context) error {
					err := prepare(ctx)
					repeats[seed] = w.repeats(d)
					return err
				}})
			}
		}
	}
	p.tables = func() []table { return mlpTables(c, defences, worlds, costs, repeats) }
	return p
}

// attacks are those that are tried beside labels alone.
func (d *defence) attacks() []string {
	switch s := d.profile.Scores; {
	case s.ReverseSigmoid.Beta > 0:
		return []string{attackTold, attackInvert}
	case s.Noise > 0:
		return []string{attackTold, attackAverage}
	default:
		return []string{attackTold}
	}
}

// copyBy trains a student for every number of queries.
func (w *mlpWorld) copyBy(ctx context.Context, c *campaign, d *defence, others []string, attack string, at uint64, seed int) error {
	told := w.told(d, attack, at)
	var curve []float64
	for _, n := range c.sizes {
		if attack == attackAverage {
			n = max(n/averaged, 8)
		}
		part := lessons{x: told.x[:n*mlpInputs], share: told.share[:n*mlpClasses], rest: told.rest[:n]}
		r := source(at, forStudent, n)
		s := newNetwork(mlpInputs, mlpStudent, mlpClasses, r)
		if err := s.learn(ctx, part, training{rate: 4e-3, batch: 32, epochs: 20, least: 600, most: 4000}, r); err != nil {
			return err
		}
		curve = append(curve, sameShare(s.labels(w.test), w.truth))
	}
	c.put(d.name, attack, seed, curve)
	if d.profile.Scores.Mode == coarsen.ScoresLabel && !d.exact {
		for _, name := range others {
			c.put(name, attackLabels, seed, curve) // the label is told by every defence
		}
	}
	return nil
}

// told asks the teacher all queries and reads the answers as the attack does.
func (w *mlpWorld) told(d *defence, attack string, seed uint64) lessons {
	l := lessons{x: w.queries}
	answers := w.scores(w.queries)
	var undo *inverter
	if attack == attackInvert {
		s := d.profile.Scores
		undo = newInverter(s.ReverseSigmoid.Beta, s.ReverseSigmoid.Gamma, s.Decimals)
	}
	for i, scores := range answers {
		switch attack {
		case attackAverage:
			x := w.queries[i*mlpInputs : (i+1)*mlpInputs]
			scores = w.average(d, x, seed, i)
		default:
			d.tell(scores, i)
			if undo != nil {
				undo.invert(scores)
			}
		}
		l.rest = append(l.rest, float32(target(scores)))
		l.share = append(l.share, float32s(scores)...)
	}
	return l
}

// average asks for nearly the same input several times and takes the mean.
func (w *mlpWorld) average(d *defence, x []float32, seed uint64, input int) []float64 {
	r := source(seed, forNoise, input)
	near := make([]float32, 0, averaged*mlpInputs)
	for range averaged {
		for _, v := range x {
			near = append(near, v+float32(jitter*r.NormFloat64()))
		}
	}
	mean := make([]float64, mlpClasses)
	for k, scores := range w.scores(near) {
		d.tell(scores, input*averaged+k)
		axpy(mean, 1.0/averaged, scores)
	}
	return mean
}

// honest measures what callers who trust the score lose.
func (w *mlpWorld) honest(d *defence) honest {
	var h honest
	scores := w.scores(w.test)
	for i, s := range scores {
		at := argmax(s)
		p := s[at]
		h.values += float64(d.tell(s, i)) / float64(len(scores))
		h.distance += math.Abs(s[at]-p) / float64(len(scores))
	}
	return h
}

// repeats returns how far the mean of 1, 4, 16 and 64 answers is from the true score of
// the label: of the same input, and of inputs that are nearly the same.
func (w *mlpWorld) repeats(d *defence) (distance [2][]float64) {
	const inputs = 200
	for _, n := range []int{1, 4, 16, 64} {
		var same, near float64
		for i, scores := range w.scores(w.test[:inputs*mlpInputs]) {
			at := argmax(scores)
			meanSame, meanNear := 0.0, 0.0
			for k := range n {
				again, moved := append([]float64(nil), scores...), append([]float64(nil), scores...)
				d.tell(again, i)
				d.tell(moved, 1000+i*n+k) // the true scores of so near an input are the same
				meanSame += again[at] / float64(n)
				meanNear += moved[at] / float64(n)
			}
			same += math.Abs(meanSame-scores[at]) / inputs
			near += math.Abs(meanNear-scores[at]) / inputs
		}
		distance[0], distance[1] = append(distance[0], same), append(distance[1], near)
	}
	return distance
}

func mlpTables(c *campaign, defences []defence, worlds []mlpWorld, costs [][]honest, repeats [][2][]float64) []table {
	names := namesOf(defences)
	attacks := []string{attackTold, attackInvert, attackAverage, attackLabels}
	var accuracy []float64
	for i := range worlds {
		accuracy = append(accuracy, worlds[i].accuracy)
	}
	naive := c.agreement("D2", "the same against a student who believes what it is told: the defence's flattering side", names, []string{attackTold}, nil)
	cost := table{Name: "D5", Title: "what it costs honest callers", Columns: []string{"label kept", "mean distance of the label's score", "values counted for each answer"}}
	for i, name := range names {
		var distance, values []float64
		for seed := range costs {
			distance, values = append(distance, costs[seed][i].distance), append(values, costs[seed][i].values)
		}
		told := estimateCell(distance)
		if defences[i].profile.Scores.Mode == coarsen.ScoresLabel && !defences[i].exact {
			told = cell{Text: "not told"}
		}
		cost.Rows = append(cost.Rows, row{name, []cell{{Text: "always"}, told, estimateCell(values)}})
	}
	noise := table{
		Name: "D6", Title: "noise 0.2 that is a function of the input: distance of the mean of n answers to the true score of the label",
		Columns: []string{"1", "4", "16", "64"},
	}
	for kind, name := range []string{"the same input again", "inputs moved by 0.001"} {
		r := row{Name: name}
		for n := range noise.Columns {
			var values []float64
			for seed := range repeats {
				values = append(values, repeats[seed][kind][n])
			}
			r.Cells = append(r.Cells, estimateCell(values))
		}
		noise.Rows = append(noise.Rows, r)
	}
	return []table{
		c.agreement("D1", "teacher 32-96-10, student 32-64-10: agreement in % by queries, best attack", names, attacks, []string{
			"best of: t what is told, i reverse sigmoid undone by a table, a mean of 4 answers to nearly the same input, l labels alone",
			"accuracy of the teacher: " + newEstimate(accuracy).String() + " %",
		}),
		naive,
		c.factors("D3", "queries against those of exact floats, best attack", names, attacks, []float64{77, 87}, []string{
			"geometric mean of the seeds' factors (95 % interval); > is a lower bound",
		}),
		c.factors("D4", "the same against a student who believes what it is told", names, []string{attackTold}, []float64{77, 87}, nil),
		cost,
		noise,
	}
}
