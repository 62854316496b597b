package gateway_test

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"testing"

	"bartizan/internal/coarsen"
	"bartizan/internal/modelserver"
	"bartizan/internal/wire"
)

// embedders are the ways to have a text embedded by the real model.
var embedders = map[string]struct {
	engine     wire.Engine
	path, body string
	at         []any // where the vector lies
}{
	"openai":           {wire.EngineOpenAI, "/v1/embeddings", `{"model":"bartizan-small","input":"a tier"}`, []any{"data", 0, "embedding"}},
	"openai in base64": {wire.EngineOpenAI, "/v1/embeddings", `{"model":"bartizan-small","input":["a tier"],"encoding_format":"base64"}`, []any{"data", 0, "embedding"}},
	"vllm":             {wire.EngineVLLM, "/v1/embeddings", `{"model":"bartizan-small","input":"a tier"}`, []any{"data", 0, "embedding"}},
	"ollama":           {wire.EngineOllama, "/api/embed", `{"model":"bartizan-small","input":"a tier"}`, []any{"embeddings", 0}},
	"ollama's first":   {wire.EngineOllama, "/api/embeddings", `{"model":"bartizan-small","prompt":"a tier"}`, []any{"embedding"}},
	"open inference": {
		wire.EngineTriton, "/v2/models/bartizan-small/infer",
		`{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["a tier"]}],"outputs":[{"name":"embedding"}]}`,
		[]any{"outputs", 0, "data"},
	},
}

// at walks into a decoded document.
func at(t *testing.T, v any, path []any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				t.Fatalf("no element %d of %v", step, path)
			}
			v = list[step]
		}
	}
	return v
}

// vectorOf reads a vector in either of its forms.
func vectorOf(t *testing.T, v any) (vector []float64) {
	t.Helper()
	if text, ok := v.(string); ok {
		packed, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(packed) >= 4; packed = packed[4:] {
			vector = append(vector, float64(math.Float32frombits(binary.LittleEndian.Uint32(packed))))
		}
		return vector
	}
	for _, n := range numbersIn(v) {
		f, err := n.Float64()
		if err != nil {
			t.Fatal(err)
		}
		vector = append(vector, f)
	}
	return vector
}

// A text's vector is as coarse by every alias, and each of its numbers is counted.
func TestVectorsAreTheSameByEveryAlias(t *testing.T) {
	t.Parallel()
	for name, e := range embedders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model, err := realModel()
			if err != nil {
				t.Fatal(err)
			}
			b := behindEngine(t, e.engine, deployment{})
			for i, tier := range allTiers {
				p := shippedProfile(t, tier)
				want := make([]float64, 0, modelserver.EmbeddingDimensions)
				for _, f := range model.Embed("a tier", modelserver.EmbeddingDimensions) {
					want = append(want, float64(f))
				}
				if p.Embeddings.Grid != coarsen.GridFull {
					want = p.Vector(want)
				}
				got := vectorOf(t, at(t, decoded(t, b.ask(t, e.path, tier, e.body))[0], e.at))
				if len(got) != len(want) {
					t.Fatalf("%s: %d numbers; want %d", tier, len(got), len(want))
				}
				for k := range got {
					if math.Abs(got[k]-want[k]) > 1e-7 {
						t.Fatalf("%s: number %d is %v; want %v", tier, k, got[k], want[k])
					}
				}
				if d := b.lastExchange(t, i+1).Disclosure; d.EmbeddingValues != int64(len(got)) || d.Values != 0 {
					t.Errorf("%s: the record says %+v; want %d numbers of a vector and no others", tier, d, len(got))
				}
			}
		})
	}
}
