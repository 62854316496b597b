package wire_test

import (
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/wire"
)

// halves tells halves of vectors, and 1 for every score.
type halves struct{}

func (halves) Tokens(list []bartizan.TokenScore, _ int) []bartizan.TokenScore { return list }

func (halves) Vector(v []float64) ([]float64, bool) {
	for i := range v {
		v[i] /= 2
	}
	return v, false
}

func (halves) Scores(v []float64, _ wire.ScoreKind, _ int) {
	for i := range v {
		v[i] = 1
	}
}

func (halves) Fingerprint(string) string { return "fp" }

func (halves) Timing(float64, time.Duration) (float64, bool) { return 0, false }

// TestDeclaredVectors: numbers that a route takes for scores are vectors where the operator
// says so, whatever shape they come in; a number alone is none.
func TestDeclaredVectors(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ route, answer, scores, vectors string }{
		"predictions": {
			"tfserving.predict", `{"predictions":[[2,4],[6,8]]}`, `{"predictions":[[1,1],[1,1]]}`, `{"predictions":[[1,2],[3,4]]}`,
		},
		"named outputs": {
			"tfserving.predict", `{"outputs":{"sentence":[[2,4]],"n":7,"s":"x"}}`, `{"outputs":{"sentence":[[1,1]],"n":1,"s":"x"}}`,
			`{"outputs":{"sentence":[[1,2]],"n":null,"s":"x"}}`,
		},
		"tensor": {
			"triton.infer", `{"outputs":[{"name":"out","datatype":"FP32","shape":[2,2],"data":[2,4,6,8]}]}`,
			`{"outputs":[{"name":"out","datatype":"FP32","shape":[2,2],"data":[1,1,1,1]}]}`,
			`{"outputs":[{"name":"out","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`,
		},
		"tensor that says it is whole": {
			"triton.infer", `{"outputs":[{"name":"out","datatype":"INT32","shape":[1,2],"data":[2.5,4]}]}`,
			`{"outputs":[{"name":"out","datatype":"INT32","shape":[1,2],"data":[1,1]}]}`,
			`{"outputs":[{"name":"out","datatype":"INT32","shape":[1,2],"data":[1.25,2]}]}`,
		},
	}
	for name, c := range cases {
		for _, vectors := range []bool{false, true} {
			plan := wire.Plan{Shaper: halves{}, Vectors: vectors}
			plan.Verbs[bartizan.FieldScores], plan.Verbs[bartizan.FieldEmbedding] = wire.Shape, wire.Shape
			want := c.scores
			if vectors {
				want = c.vectors
			}
			got, changed, err := route(t, c.route).Rewriter(plan).Rewrite(nil, []byte(c.answer))
			if err != nil || !changed || string(got) != want {
				t.Errorf("%s, vectors %v: %s, %v, %v; want %s", name, vectors, got, changed, err, want)
			}
		}
	}
}
