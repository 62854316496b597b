package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/cost"
	"bartizan/internal/lab/rank"
	"bartizan/internal/policy"
)

// rankCase is one way to tell log-probabilities. everything is for a route that tells
// the whole vocabulary, which no shipped tier does.
type rankCase struct {
	name    string
	profile coarsen.Profile
	answers int
}

type rankSizes struct {
	vocabulary, hidden int
	deviation          float64
	answers, many      int
}

func rankCases(s rankSizes) []rankCase {
	everything := func(step, floor float64) coarsen.Profile {
		return coarsen.Profile{Logprobs: coarsen.Logprobs{
			Allow: true, TopK: s.vocabulary, NaturalRank: s.vocabulary, Step: step, Floor: floor,
		}}
	}
	var cases []rankCase
	for _, step := range []float64{0, 0.001, 0.01, 0.1, 0.25, 0.5, 1, 2, 4} {
		cases = append(cases, rankCase{fmt.Sprintf("all tokens, step %v", step), everything(step, 0), s.answers})
	}
	cases = append(cases, rankCase{"all tokens, step 4", everything(4, 0), s.many})
	for _, floor := range []float64{1e-5, 1e-4, 1e-3, 1e-2} {
		cases = append(cases, rankCase{fmt.Sprintf("all tokens, floor %v", floor), everything(0, floor), s.many})
	}
	cases = append(cases, rankCase{"all tokens, step 0.25, floor 0.0001", everything(0.25, 1e-4), s.many})
	for _, name := range []string{"partner", "trusted"} {
		p, _ := coarsen.Shipped(name)
		cases = append(cases, rankCase{
			fmt.Sprintf("%s as shipped: top %d, step %v, floor %v", name, p.Logprobs.TopK, p.Logprobs.Step, p.Logprobs.Floor), p, s.many,
		})
	}
	return cases
}

// rankOutcome is what the attacks on one case of one seed said, by attack; 0 is that
// the attack gave no answer.
type rankOutcome struct {
	said     map[string]int
	gap      float64
	told     float64 // numbers of each answer
	entropy  float64
	forced   int // numbers told of forced tokens that are not among the likeliest
	attempts int
}

func lowRankPart(o options) plan {
	s := rankSizes{vocabulary: 2000, hidden: 32, deviation: 2, answers: 160, many: 320}
	if o.smoke {
		s = rankSizes{vocabulary: 200, hidden: 8, deviation: 2, answers: 40, many: 60}
	}
	cases := rankCases(s)
	outcomes := make([][]rankOutcome, len(cases))
	var p plan
	for i, c := range cases {
		outcomes[i] = make([]rankOutcome, o.seeds)
		for seed := range o.seeds {
			weight := 1.0
			if c.profile.Logprobs.Floor > 0 && c.profile.Logprobs.TopK >= s.vocabulary {
				weight = 4 // completion
			}
			p.jobs = append(p.jobs, job{fmt.Sprintf("low rank, %s, seed %d", c.name, seed), weight, func(ctx context.Context) error {
				outcomes[i][seed] = attackRank(ctx, s, c, o.at(seed))
				return ctx.Err()
			}})
		}
	}
	p.tables = func() []table { return append(rankTables(s, cases, outcomes), daysTable()) }
	return p
}

func attackRank(ctx context.Context, s rankSizes, c rankCase, seed uint64) rankOutcome {
	m := newLanguageModel(source(seed, forLowRank), s.vocabulary, s.hidden, s.deviation)
	r := source(seed, forLowRank, forQueries)
	out := rankOutcome{said: map[string]int{}}
	told := make([][]float64, c.answers)
	given := 0
	for i := range told {
		lp, entropy := m.logprobs(r)
		told[i] = m.tell(&c.profile, lp)
		out.entropy += entropy / float64(c.answers)
		for _, v := range told[i] {
			if !math.IsNaN(v) {
				given++
			}
		}
		out.force(&c.profile, m, lp, r)
	}
	out.told = float64(given) / float64(c.answers)
	whole := given == c.answers*s.vocabulary
	seen := told
	if !whole {
		seen = told[:min(len(told), s.answers)] // more do not help against holes, and take long
	}
	values := spectrum(seen)
	out.said["gap"], out.gap = steepest(values)
	if step := c.profile.Logprobs.Step; step > 0 && whole {
		out.said["noise edge"] = aboveNoise(values, step, c.answers, s.vocabulary)
	}
	if whole {
		return out // without holes there is nothing to complete
	}
	if e := rank.Analyse(m.rowsOf(told), source(seed, forLowRank, forAdaptive)); e.Found {
		out.said["block"] = e.Hidden
	}
	tolerance := 0.05 + 1.5*c.profile.Logprobs.Step/math.Sqrt(12)
	if fitsWidth(ctx, told, s.hidden, tolerance, source(seed, forLowRank, forStudent)) {
		out.said["completion"] = s.hidden
	}
	return out
}

// force asks for the log-probability of a token that the caller made the model say.
func (o *rankOutcome) force(p *coarsen.Profile, m *languageModel, lp []float64, r *rand.Rand) {
	if p.Logprobs.TopK >= m.vocabulary {
		return
	}
	sorted := slices.Sorted(slices.Values(lp))
	least := sorted[len(sorted)-20] // of the likeliest twenty
	at := r.IntN(m.vocabulary)
	if lp[at] >= least {
		return
	}
	token := bartizan.TokenScore{Token: m.tokens[at], Logprob: lp[at]}
	for i, v := range lp { // an upstream gives the likeliest, and the said token with them
		if v >= least || i == at {
			token.Top = append(token.Top, bartizan.TokenAlternative{Token: m.tokens[i], Logprob: v})
		}
	}
	out, _ := p.TokensOf(bartizan.Asked{Logprobs: true, TopLogprobs: p.Logprobs.TopK}, []bartizan.TokenScore{token}, 20)
	o.attempts++
	if out[0].Logprob != bartizan.LogprobWithheld {
		o.forced++
	}
}

func rankTables(s rankSizes, cases []rankCase, outcomes [][]rankOutcome) []table {
	attacks := []string{"gap", "noise edge", "block", "completion"}
	var entropy []float64
	forced, attempts := 0, 0
	t := table{
		Name:    "C1",
		Title:   fmt.Sprintf("hidden size %d of a language model with %d tokens: in how many runs it was found", s.hidden, s.vocabulary),
		Columns: []string{"answers", "numbers told of each", "found", "by", "gap"},
	}
	for i, c := range cases {
		var gaps, told []float64
		found := 0
		var by []string
		hits := map[string]int{}
		for _, o := range outcomes[i] {
			gaps, told, entropy = append(gaps, math.Log(o.gap)), append(told, o.told), append(entropy, o.entropy)
			forced, attempts = forced+o.forced, attempts+o.attempts
			right := 0
			for _, a := range attacks {
				if o.said[a] == s.hidden {
					hits[a]++
					right = 1
				}
			}
			found += right
		}
		for _, a := range attacks {
			if hits[a] > 0 {
				by = append(by, fmt.Sprintf("%s %d", a, hits[a]))
			}
		}
		e := newEstimate(gaps)
		t.Rows = append(t.Rows, row{c.name, []cell{
			{Text: strconv.Itoa(c.answers)},
			estimateCell(told),
			{Text: fmt.Sprintf("%d of %d", found, len(outcomes[i]))},
			{Text: strings.Join(by, ", ")},
			{
				Text:     fmt.Sprintf("%s (%s to %s)", digits(math.Exp(e.Mean)), digits(math.Exp(e.Low)), digits(math.Exp(e.High))),
				Estimate: &estimate{math.Exp(e.Mean), math.Exp(e.Low), math.Exp(e.High), e.Runs},
			},
		}})
	}
	t.Notes = []string{
		"found: any of the attacks names the right size. gap is the greatest fall of the singular values, holes filled with the least of the row;",
		"noise edge counts the values that rounding does not explain; block is the attack of the lab on a part without holes;",
		fmt.Sprintf("completion fits the told entries alone, and finds a width that fits where the next smaller does not; only those two were tried. It needs more than %d numbers of an answer", s.hidden+1),
		"entropy of an answer: " + newEstimate(entropy).String() + " nats",
		fmt.Sprintf("shipped tiers: %d of %d tokens outside the likeliest 20, forced by the caller, had their number told", forced, attempts),
	}
	return []table{t}
}

// daysTable is arithmetic, not a measurement: how long the numbers take that known
// attacks need at the least, under the shipped budgets alone.
func daysTable() table {
	t := table{Name: "C2", Title: "days that the numeric budgets of the shipped tiers take by themselves (arithmetic of internal/cost, one account)"}
	targets := append(cost.Targets(), cost.LinearClassifier(linearInputs, linearClasses))
	for _, x := range targets {
		t.Columns = append(t.Columns, fmt.Sprintf("%s: %s values", x.Name, digits(float64(x.Values))))
	}
	rules, err := policy.Compile(policy.Default())
	if err != nil {
		t.Notes = []string{"the shipped policy does not compile: " + err.Error()}
		return t
	}
	for _, tier := range rules.CostTiers(bartizan.LevelNormal, "", nil) {
		only := tier.Only(cost.Values)
		r := row{Name: fmt.Sprintf("%s, %v", tier.Name, only.Limits)}
		for _, x := range targets {
			bill := cost.Reach(only, cost.Attacker{PromptTokens: 100, AnswerTokens: 500}, x)
			text := bill.Duration()
			if !bill.Never {
				text += fmt.Sprintf(" (%s days)", digits(bill.Days))
			}
			r.Cells = append(r.Cells, cell{Text: text})
		}
		t.Rows = append(t.Rows, r)
	}
	t.Notes = []string{"numbers enough in principle, without noise; limits on requests and tokens are left out, so this is the budget's own part"}
	return t
}
