package gateway_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/policy"
	"bartizan/internal/wire"
)

// scorer is one way to have texts scored.
type scorer struct {
	engine wire.Engine
	path   string
	// body asks for scores of the texts, which are JSON strings.
	body func(texts ...string) string
	// rows are the scores in an answer, by input and class.
	rows func(answer any) [][]json.Number
	// lone is set where a score stands alone.
	lone bool
}

func list(texts []string) string { return "[" + strings.Join(texts, ",") + "]" }

// under reads a list under a key, and the scores in each of its elements.
func under(key string, scores func(v any) []json.Number) func(any) [][]json.Number {
	return func(answer any) (rows [][]json.Number) {
		object, _ := answer.(map[string]any)
		elements, _ := object[key].([]any)
		for _, element := range elements {
			rows = append(rows, scores(element))
		}
		return rows
	}
}

// numbersIn are all numbers in v but those under "index" and "num_classes".
func numbersIn(v any) (all []json.Number) {
	switch v := v.(type) {
	case json.Number:
		return []json.Number{v}
	case []any:
		for _, item := range v {
			all = append(all, numbersIn(item)...)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			if key != "index" && key != "num_classes" {
				all = append(all, numbersIn(v[key])...)
			}
		}
	}
	return all
}

// probabilities are the rows of the tensor of that name.
func probabilities(answer any) (rows [][]json.Number) {
	object, _ := answer.(map[string]any)
	outputs, _ := object["outputs"].([]any)
	for _, output := range outputs {
		tensor, _ := output.(map[string]any)
		if tensor["name"] != "probabilities" {
			continue
		}
		if all := numbersIn(tensor["data"]); len(all) > 0 {
			shape := numbersIn(tensor["shape"])
			width, err := shape[len(shape)-1].Int64()
			if err != nil || width < 1 {
				return nil
			}
			for row := range slices.Chunk(all, int(width)) {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

var scorers = map[string]scorer{
	"classify": {
		engine: wire.EngineVLLM, path: "/classify", rows: under("data", numbersIn),
		body: func(texts ...string) string { return `{"model":"bartizan-small","input":` + list(texts) + `}` },
	},
	"rerank": {
		engine: wire.EngineVLLM, path: "/rerank", lone: true, rows: under("results", numbersIn),
		body: func(texts ...string) string {
			return `{"model":"bartizan-small","query":"what is a tier","documents":` + list(texts) + `}`
		},
	},
	"score": {
		engine: wire.EngineVLLM, path: "/score", lone: true, rows: under("data", numbersIn),
		body: func(texts ...string) string {
			return `{"model":"bartizan-small","text_1":"what is a tier","text_2":` + list(texts) + `}`
		},
	},
	"moderations": {
		engine: wire.EngineOpenAI, path: "/v1/moderations", rows: under("results", numbersIn),
		body: func(texts ...string) string { return `{"input":` + list(texts) + `}` },
	},
	"open inference": {
		engine: wire.EngineTriton, path: "/v2/models/bartizan-small/infer", rows: probabilities,
		body: func(texts ...string) string {
			return fmt.Sprintf(`{"inputs":[{"name":"text","shape":[%d],"datatype":"BYTES","data":%s}],"outputs":[{"name":"probabilities"}]}`, len(texts), list(texts))
		},
	},
	"tensorflow": {
		engine: wire.EngineTFServing, path: "/v1/models/bartizan-small:predict", rows: under("predictions", numbersIn),
		body: func(texts ...string) string { return `{"instances":` + list(texts) + `}` },
	},
	"tensorflow, classify": {
		engine: wire.EngineTFServing, path: "/v1/models/bartizan-small:classify", rows: under("results", numbersIn),
		body: func(texts ...string) string {
			examples := make([]string, len(texts))
			for i, text := range texts {
				examples[i] = `{"text":` + text + `}`
			}
			return `{"examples":` + list(examples) + `}`
		},
	},
}

// score asks for scores of the texts and returns them by input.
func (s *scorer) score(t *testing.T, b behind, tier bartizan.Tier, texts ...string) [][]json.Number {
	t.Helper()
	answer := b.ask(t, s.path, tier, s.body(texts...))
	return s.rows(decoded(t, answer)[0])
}

// The record counts the scores that the client got, where each is told by itself.
func TestScoresAreCounted(t *testing.T) {
	t.Parallel()
	for name, s := range scorers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := behindEngine(t, s.engine, deployment{})
			rows := s.score(t, b, bartizan.TierPartner, `"a tier"`, `"a key"`)
			numbers := slices.Concat(rows...)
			if len(rows) != 2 || len(numbers) < 2 {
				t.Fatalf("scores %v; want those of two texts", rows)
			}
			p := shippedProfile(t, bartizan.TierPartner)
			for _, n := range numbers {
				if !onScoreGrid(&p.Scores, n) {
					t.Errorf("%s is finer than the profile's %d decimals", n, p.Scores.Decimals)
				}
			}
			if d := b.lastExchange(t, 1).Disclosure; d.Values != int64(len(numbers)) {
				t.Errorf("the record says %+v; the client got %d numbers", d, len(numbers))
			}
		})
	}
}

// noisy is a policy under which all tiers but the public have the same profile, with noise
// in its scores.
func noisy(t *testing.T) *policy.Spec {
	t.Helper()
	spec := roomy()
	profile := shippedProfile(t, bartizan.TierTrusted)
	profile.Name, profile.Scores = "noisy", coarsen.Scores{Mode: coarsen.ScoresFull, Decimals: 3, Noise: 0.03}
	profile.LinearScores = profile.Scores
	for name, tier := range spec.Tiers {
		if name != bartizan.TierPublic {
			tier.Coarsen = profile
			spec.Tiers[name] = tier
		}
	}
	return spec
}

// spellings say the same text.
var spellings = []string{`"a tier is sold"`, `"A Tier is SOLD"`, `"a  tier\tis\nsold"`, `" a tier is sold "`, `"\u0061 tier is sold"`}

// companions stand beside it in a batch.
var companions = []string{`"a key"`, `"the ledger"`, `"a limit is low"`, `"who knows"`}

// Whoever asks, however often, alone or among others, in whatever spelling: the noise in
// the scores of a text is the same, and the mean of many answers is as wrong as one.
func TestNoiseDoesNotAverageOut(t *testing.T) {
	t.Parallel()
	accounts := []bartizan.Tier{bartizan.TierStandard, bartizan.TierTrusted, bartizan.TierPartner}
	for name, s := range scorers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := behindEngine(t, s.engine, deployment{spec: noisy(t)})
			truth := s.score(t, behindEngine(t, s.engine, deployment{}), bartizan.TierPartner, spellings[0])
			var first []json.Number
			sums := make([]float64, len(truth[0]))
			const repeats = 200
			for i := range repeats {
				texts, at := []string{spellings[i%len(spellings)]}, 0
				if i%2 == 1 {
					at = i / 2 % 3
					texts = slices.Insert(slices.Clone(companions[i%2:i%2+i%3+1]), min(at, i%3+1), texts[0])
					at = slices.Index(texts, spellings[i%len(spellings)])
				}
				rows := s.rowOf(t, b, accounts[i%len(accounts)], at, texts)
				if first == nil {
					first = rows
				}
				if diff := cmp.Diff(first, rows); diff != "" {
					t.Fatalf("repeat %d, number %d of %v, differs (-first +this):\n%s", i, at, texts, diff)
				}
				for k, n := range rows {
					f, err := n.Float64()
					if err != nil {
						t.Fatal(err)
					}
					sums[k] += f
				}
			}
			furthest := 0.0
			for k, n := range truth[0] {
				f, err := n.Float64()
				if err != nil {
					t.Fatal(err)
				}
				furthest = max(furthest, math.Abs(sums[k]/repeats-f))
			}
			if furthest < 0.003 {
				t.Errorf("the mean of %d answers is within %v of the truth; want it as far away as one answer is", repeats, furthest)
			}
		})
	}
}

// rowOf asks for all texts and returns the scores of the one at a place.
func (s *scorer) rowOf(t *testing.T, b behind, tier bartizan.Tier, at int, texts []string) []json.Number {
	t.Helper()
	answer := decoded(t, b.ask(t, s.path, tier, s.body(texts...)))[0]
	object, _ := answer.(map[string]any)
	if results, ok := object["results"].([]any); ok && s.path == "/rerank" { // in order of relevance
		for _, result := range results {
			if entry, _ := result.(map[string]any); entry["index"] == json.Number(strconv.Itoa(at)) {
				return numbersIn(entry["relevance_score"])
			}
		}
	}
	rows := s.rows(answer)
	if len(rows) != len(texts) {
		t.Fatalf("%d rows for %d texts: %v", len(rows), len(texts), answer)
	}
	return rows[at]
}

// A model that was declared linear is told by the profile's rules for linear models, at
// every tier and on every route that scores.
func TestLinearModels(t *testing.T) {
	t.Parallel()
	for name, s := range scorers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := roomy()
			spec.Kinds = []policy.KindSpec{{Match: "*", Linear: true}}
			declared := behindEngine(t, s.engine, deployment{spec: spec})
			for i, tier := range allTiers {
				p := shippedProfile(t, tier)
				for _, n := range slices.Concat(s.score(t, declared, tier, `"a tier is sold"`, `"a key"`)...) {
					if s.lone && p.LinearScores.Mode == coarsen.ScoresLabel {
						continue // told in buckets, as nothing else is there
					}
					if n != "0" && n != "1" && !onScoreGrid(&p.LinearScores, n) {
						t.Errorf("%s: %s is told of a linear model", tier, n)
					}
				}
				d := declared.lastExchange(t, i+1).Disclosure
				if told := p.LinearScores.Tells(); told != (d.Values > 0) {
					t.Errorf("%s: %d values of a linear model are told; may be: %v", tier, d.Values, told)
				}
			}
		})
	}
}
