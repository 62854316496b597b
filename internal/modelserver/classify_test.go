package modelserver_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bartizan/internal/modelserver"
)

const sample = "Every account has a limit of requests per minute."

func numbers(tb testing.TB, v any, path string) []float64 {
	tb.Helper()
	var out []float64
	for _, x := range list(tb, v, path) {
		out = append(out, number(tb, x, ""))
	}
	return out
}

// byLabel reads a list of labels with scores in the model's order.
func byLabel(tb testing.TB, v any, path, label, score string) []float64 {
	tb.Helper()
	labels := model(tb).Labels()
	out := make([]float64, len(labels))
	last := math.Inf(1)
	for _, entry := range list(tb, v, path) {
		i := slices.Index(labels, text(tb, entry, label))
		if i < 0 {
			tb.Fatalf("unknown label in %v", entry)
		}
		out[i] = number(tb, entry, score)
		if label == "label" && out[i] > last {
			tb.Errorf("labels are not in the order of their scores: %v", entry)
		}
		last = out[i]
	}
	return out
}

func TestClassifierIsReal(t *testing.T) {
	t.Parallel()
	m := model(t)
	labels := m.Labels()
	if sorted := slices.Compact(slices.Sorted(slices.Values(labels))); len(sorted) != len(labels) || len(labels) < 3 {
		t.Fatalf("labels %v; want several, all different", labels)
	}
	p, logits := m.Classify(sample), m.Logits(sample)
	sum := 0.0
	for i := range p {
		sum += p[i]
		if want := math.Exp(logits[i]-logits[0]) * p[0]; math.Abs(p[i]-want) > 1e-12 {
			t.Errorf("probability %d is %v; its logits say %v", i, p[i], want)
		}
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the probabilities sum to %v", sum)
	}
	if slices.Equal(p, m.Classify("A watermark is a mark in the text of an answer.")) {
		t.Error("two texts have the same probabilities")
	}
	// Texts of one word each: the classifier is more sure of them than of nothing.
	if top := slices.Max(m.Classify(sample)); top < 1.5/float64(len(labels)) {
		t.Errorf("the best of %d classes has %v", len(labels), top)
	}
	tiny, err := modelserver.Train("One short text.\n\nAnother one here.")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(tiny.Labels()); n != 2 || len(tiny.Classify("text")) != 2 || len(tiny.Topics("text")) != 2 {
		t.Errorf("a text of two paragraphs has %d topics; want 2", n)
	}
}

// TestClassifierShapes holds the numbers of every shape against the classifier.
func TestClassifierShapes(t *testing.T) {
	t.Parallel()
	m := model(t)
	probabilities, logits := m.Classify(sample), m.Logits(sample)
	sigmoids := make([]float64, len(logits))
	for i, x := range logits {
		sigmoids[i] = 1 / (1 + math.Exp(-x))
	}
	labelled := func(path string) func(testing.TB, any) []float64 {
		return func(tb testing.TB, v any) []float64 { return byLabel(tb, v, path, "label", "score") }
	}
	plain := func(path string) func(testing.TB, any) []float64 {
		return func(tb testing.TB, v any) []float64 { return numbers(tb, v, path) }
	}
	tests := map[string]struct {
		path, body string
		read       func(testing.TB, any) []float64
		want       []float64
	}{
		"vllm":                {"/classify", `{"model":"bartizan-small","input":"%s"}`, plain("data.0.probs"), probabilities},
		"vllm logits":         {"/classify", `{"input":["x","%s"],"use_activation":false}`, plain("data.1.probs"), logits},
		"vllm pooling":        {"/pooling", `{"input":"%s","task":"classify"}`, plain("data.0.data"), probabilities},
		"vllm pooling logits": {"/pooling", `{"input":"%s","task":"classify","use_activation":false}`, plain("data.0.data"), logits},
		"hugging face":        {"/models/bartizan-small", `{"inputs":"%s"}`, labelled("0"), probabilities},
		"hugging face root":   {"/", `{"inputs":["x","%s"]}`, labelled("1"), probabilities},
		"hugging face raw":    {"/", `{"inputs":"%s","parameters":{"function_to_apply":"none"}}`, labelled("0"), logits},
		"hugging face single": {"/", `{"inputs":"%s","parameters":{"function_to_apply":"sigmoid"}}`, labelled("0"), sigmoids},
		"tei":                 {"/predict", `{"inputs":"%s"}`, labelled(""), probabilities},
		"tei raw":             {"/predict", `{"inputs":[["%s"]],"raw_scores":true}`, labelled("0"), logits},
		"kserve":              {"/v2/models/bartizan-small/infer", `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["%s"]}],"outputs":[{"name":"probabilities"}]}`, plain("outputs.0.data"), probabilities},
		"kserve all":          {"/v2/models/bartizan-small/versions/1/infer", `{"inputs":[{"name":"text","shape":[1,1],"datatype":"BYTES","data":[["%s"]]}]}`, plain("outputs.1.data"), logits},
		"tensorflow":          {"/v1/models/bartizan-small:predict", `{"instances":["%s"]}`, plain("predictions.0"), probabilities},
		"tensorflow logits":   {"/v1/models/bartizan-small/versions/1:predict", `{"signature_name":"logits","instances":[{"text":"%s"}]}`, plain("predictions.0"), logits},
		"tensorflow columns":  {"/v1/models/bartizan-small:predict", `{"inputs":{"text":["%s"]}}`, plain("outputs.0"), probabilities},
		"tensorflow classify": {"/v1/models/bartizan-small:classify", `{"examples":[{"text":"%s"}]}`, func(tb testing.TB, v any) []float64 {
			return byLabel(tb, v, "results.0", "0", "1")
		}, probabilities},
		"mistral": {"/v1/classifications", `{"model":"bartizan-small","input":["%s"]}`, func(tb testing.TB, v any) []float64 {
			var out []float64
			for _, label := range m.Labels() {
				out = append(out, number(tb, at(tb, v, "results.0.topic.scores"), label))
			}
			return out
		}, probabilities},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tt.read(t, document(t, start(t, modelserver.Options{}), tt.path, fmt.Sprintf(tt.body, sample)))
			if len(got) != len(tt.want) {
				t.Fatalf("%d numbers; want %d", len(got), len(tt.want))
			}
			for i := range got {
				if math.Abs(got[i]-tt.want[i]) > 1e-6 { // a tensor has 32 bits
					t.Errorf("number %d is %v; want %v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestClassificationExtension(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	v := document(t, ts, "/v2/models/bartizan-small/infer", `{"id":"42","inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":["`+sample+`","a key"]}],`+
		`"outputs":[{"name":"probabilities","parameters":{"classification":3}},{"name":"embedding"}]}`)
	data := list(t, v, "outputs.0.data")
	if text(t, v, "id") != "42" || text(t, v, "outputs.0.datatype") != "BYTES" || len(data) != 6 || number(t, v, "outputs.0.shape.1") != 3 {
		t.Fatalf("answer %v", at(t, v, "outputs.0"))
	}
	p := m.Classify(sample)
	best := slices.Index(p, slices.Max(p))
	if want := fmt.Sprintf("%f:%d:%s", p[best], best, m.Labels()[best]); data[0] != want {
		t.Errorf("the first class is %v; want %s", data[0], want)
	}
	vector := numbers(t, v, "outputs.1.data")
	for d, want := range m.Embed("a key", modelserver.EmbeddingDimensions) {
		if got := vector[modelserver.EmbeddingDimensions+d]; float32(got) != want {
			t.Errorf("number %d of the second vector is %v; want %v", d, got, want)
		}
	}
}

func TestTopK(t *testing.T) {
	t.Parallel()
	v := document(t, start(t, modelserver.Options{}), "/", `{"inputs":"`+sample+`","parameters":{"top_k":2}}`)
	p := model(t).Classify(sample)
	if got := list(t, v, "0"); len(got) != 2 || number(t, got[0], "score") != slices.Max(p) {
		t.Errorf("the best two are %v; want %v first", got, slices.Max(p))
	}
}

func TestModerations(t *testing.T) {
	t.Parallel()
	v := document(t, start(t, modelserver.Options{}), "/v1/moderations", `{"input":[{"type":"text","text":"`+sample+`"}]}`)
	topics := model(t).Topics(sample)
	scores, ok := at(t, v, "results.0.category_scores").(map[string]any)
	if !ok || len(scores) != 13 {
		t.Fatalf("scores %v; want 13", scores)
	}
	flagged, sum := false, 0.0
	for category, score := range scores {
		got := number(t, score, "")
		sum += got
		flagged = flagged || got > 0.5
		if !slices.Contains(topics, got) {
			t.Errorf("%s has %v, which is no topic's score", category, got)
		}
		if at(t, at(t, v, "results.0.categories"), category) != (got > 0.5) {
			t.Errorf("%s with score %v has the flag %v", category, got, at(t, at(t, v, "results.0.categories"), category))
		}
	}
	if at(t, v, "results.0.flagged") != flagged || math.Abs(sum-1) < 1e-9 {
		t.Errorf("flagged %v, sum of the scores %v; they are independent", at(t, v, "results.0.flagged"), sum)
	}
}

func TestRerank(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	documents := []string{"letters to a museum", "the keys of a watermark", "limits of accounts"}
	query := "How many requests may an account send before it meets its limits?"
	want := func(i int) float64 { return (1 + m.Similarity(query, documents[i])) / 2 }
	list3 := `["` + strings.Join(documents, `","`) + `"]`
	for path, c := range map[string]struct{ body, results, score string }{
		"/v2/rerank":                     {`{"model":"bartizan-small","query":"` + query + `","documents":` + list3 + `}`, "results", "relevance_score"},
		"/v1/rerank":                     {`{"model":"bartizan-small","query":"` + query + `","documents":` + list3 + `,"return_documents":true}`, "results", "relevance_score"},
		"/rerank":                        {`{"query":"` + query + `","documents":` + list3 + `}`, "results", "relevance_score"},
		"/rerank?text-embeddings=shapes": {`{"query":"` + query + `","texts":` + list3 + `}`, "", "score"},
	} {
		results := list(t, document(t, ts, path, c.body), c.results)
		last := 1.0
		for _, r := range results {
			score := number(t, r, c.score)
			if score > last || math.Abs(score-want(int(number(t, r, "index")))) > 1e-12 {
				t.Errorf("POST %s: %v after %v; want %v", path, r, last, want(int(number(t, r, "index"))))
			}
			last = score
		}
		if len(results) != 3 || number(t, results[0], "index") != 2 {
			t.Errorf("POST %s: %v; want three, the one on limits first", path, results)
		}
	}
	scores := document(t, ts, "/score", `{"text_1":"`+query+`","text_2":`+list3+`}`)
	for i := range documents {
		if got := number(t, scores, fmt.Sprintf("data.%d.score", i)); math.Abs(got-want(i)) > 1e-12 {
			t.Errorf("score %d is %v; want %v", i, got, want(i))
		}
	}
	if best := list(t, document(t, ts, "/v2/rerank", `{"model":"bartizan-small","query":"x","documents":`+list3+`,"top_n":2}`), "results"); len(best) != 2 {
		t.Errorf("top_n of 2 gave %d", len(best))
	}
}

// TestEmbeddingSizes cuts a vector: what is left has the old directions and length one.
func TestEmbeddingSizes(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	full := numbers(t, document(t, ts, "/v1/embeddings", `{"model":"bartizan-small","input":"`+sample+`"}`), "data.0.embedding")
	for _, n := range []int{1, 16, 255, 256} {
		cut := numbers(t, document(t, ts, "/v1/embeddings", fmt.Sprintf(`{"model":"bartizan-small","input":"%s","dimensions":%d,"encoding_format":"float"}`, sample, n)), "data.0.embedding")
		size, norm := 0.0, 0.0
		for i := range n {
			size += full[i] * full[i]
			norm += cut[i] * cut[i]
		}
		for i := range n {
			if math.Abs(cut[i]-full[i]/math.Sqrt(size)) > 1e-6 {
				t.Errorf("number %d of %d is %v; want %v", i, n, cut[i], full[i]/math.Sqrt(size))
			}
		}
		if len(cut) != n || math.Abs(norm-1) > 1e-6 {
			t.Errorf("%d numbers of length %v; want %d of length 1", len(cut), norm, n)
		}
	}
	many := `["` + strings.Repeat(`x","`, 2048) + `x"]`
	if status, out := post(t, ts, "/v1/embeddings", `{"model":"bartizan-small","input":`+many+`}`); status != http.StatusBadRequest {
		t.Errorf("2049 inputs: %d %.200s; want 400", status, out)
	}
	raw := list(t, document(t, ts, "/pooling", `{"input":"`+sample+`","task":"token_embed"}`), "data.0.data")
	if want := len(model(t).Encode(sample)); len(raw) != want || len(list(t, raw[0], "")) != modelserver.EmbeddingDimensions {
		t.Errorf("%d vectors of tokens; want %d", len(raw), want)
	}
}

func TestTokenizers(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	ids := m.Encode(sample)
	for body, where := range map[string]struct{ list, id string }{
		`{"model":"bartizan-small","prompt":"` + sample + `","return_token_strs":true}`: {"tokens", ""},
		`{"content":"` + sample + `"}`:                    {"tokens", ""},
		`{"content":"` + sample + `","with_pieces":true}`: {"tokens", "id"},
		`{"inputs":"` + sample + `"}`:                     {"", "id"},
	} {
		var got []int
		for _, entry := range list(t, document(t, ts, "/tokenize", body), where.list) {
			got = append(got, int(number(t, entry, where.id)))
		}
		if !slices.Equal(got, ids) {
			t.Errorf("POST /tokenize %s = %v; want %v", body, got, ids)
		}
	}
	back := strings.ReplaceAll(fmt.Sprint(ids), " ", ",")
	if got := text(t, document(t, ts, "/detokenize", `{"model":"bartizan-small","tokens":`+back+`}`), "prompt"); got != sample {
		t.Errorf("vLLM's detokenize says %q", got)
	}
	if got := text(t, document(t, ts, "/detokenize", `{"tokens":`+back+`}`), "content"); got != sample {
		t.Errorf("llama.cpp's detokenize says %q", got)
	}
}

// TestAbout reads what a proxy should keep closed.
func TestAbout(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Engine: modelserver.EngineEvery})
	ask(t, ts, "/v1/chat/completions", `{`+hello+`,"max_tokens":7,"logit_bias":{"256":-100}}`)
	for path, want := range map[string]string{
		"/metrics":                         `vllm:generation_tokens_total{engine="0",model_name="bartizan-small"} 7`,
		"/version":                         `"version"`,
		"/info":                            `"model_sha"`,
		"/props":                           `"/srv/models/bartizan-small/`,
		"/slots":                           `"n_ctx"`,
		"/get_model_info":                  fmt.Sprintf(`"vocab_size":%d`, model(t).VocabularySize()),
		"/v2":                              `"classification"`,
		"/v2/models/bartizan-small":        `"probabilities"`,
		"/v2/models/bartizan-small/config": `"labels.txt"`,
		"/v2/models/bartizan-small/stats":  `"inference_count"`,
		"/v2/models/bartizan-small/ready":  `true`,
		"/api/tags":                        `"bartizan-small:latest"`,
		"/api/version":                     `"version"`,
	} {
		resp, err := ts.Client().Get(ts.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("GET %s = %d %s, %v; want %s in it", path, resp.StatusCode, body, err, want)
		}
	}
}

// TestEnginePages asks each server for the pages of all engines: it has its own, and a
// server that names no engine has none, so that nobody takes it for one.
func TestEnginePages(t *testing.T) {
	t.Parallel()
	pages := map[string]modelserver.Engine{
		"/metrics": modelserver.EngineVLLM, "/version": modelserver.EngineVLLM, "/info": modelserver.EngineTGI,
		"/props": modelserver.EngineLlamaCpp, "/slots": modelserver.EngineLlamaCpp, "/get_model_info": modelserver.EngineSGLang,
		"/api/version": modelserver.EngineOllama, "/api/tags": modelserver.EngineOllama,
		"/v2": modelserver.EngineTriton, "/v2/models/bartizan-small/config": modelserver.EngineTriton, "/v2/models/bartizan-small/stats": modelserver.EngineTriton,
	}
	owners := map[modelserver.Engine]string{
		"": "bartizan", modelserver.EngineVLLM: "vllm", modelserver.EngineSGLang: "sglang", modelserver.EngineLlamaCpp: "llamacpp",
		modelserver.EngineTGI: modelserver.DefaultName, modelserver.EngineOllama: "library", modelserver.EngineTriton: modelserver.DefaultName,
	}
	get := func(ts *httptest.Server, path string) (int, string) {
		resp, err := ts.Client().Get(ts.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for engine, owner := range owners {
		ts := start(t, modelserver.Options{Engine: engine})
		for path, of := range pages {
			want := http.StatusNotFound
			if of == engine {
				want = http.StatusOK
			}
			if status, body := get(ts, path); status != want {
				t.Errorf("engine %q: GET %s = %d %s; want %d", engine, path, status, body, want)
			}
		}
		if _, body := get(ts, "/v1/models"); !strings.Contains(body, `"owned_by":"`+owner+`"`) {
			t.Errorf("engine %q: the models are %s; want the owner %s", engine, body, owner)
		}
	}
}
