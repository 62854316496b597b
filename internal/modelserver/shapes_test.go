package modelserver_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bartizan/internal/modelserver"
)

const (
	question = "What is a limit?"
	opening  = "A limit is"
)

// at walks into a decoded document: keys and places with dots between them.
func at(tb testing.TB, v any, path string) any {
	tb.Helper()
	if path == "" {
		return v
	}
	for key := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(node) {
				tb.Fatalf("no %q of %q in a list of %d", key, path, len(node))
			}
			v = node[i]
		default:
			tb.Fatalf("no %q of %q in %v", key, path, v)
		}
	}
	return v
}

// list is the list at a path; nothing is an empty list.
func list(tb testing.TB, v any, path string) []any {
	tb.Helper()
	found := at(tb, v, path)
	out, ok := found.([]any)
	if !ok && found != nil {
		tb.Fatalf("%q is %v; want a list", path, found)
	}
	return out
}

func number(tb testing.TB, v any, path string) float64 {
	tb.Helper()
	n, ok := at(tb, v, path).(float64)
	if !ok {
		tb.Fatalf("%q is %v; want a number", path, at(tb, v, path))
	}
	return n
}

func text(tb testing.TB, v any, path string) string {
	tb.Helper()
	s, _ := at(tb, v, path).(string)
	return s
}

// document posts a body, wants 200 and decodes the answer.
func document(tb testing.TB, ts *httptest.Server, path, body string) any {
	tb.Helper()
	status, out := post(tb, ts, path, body)
	var v any
	if err := json.Unmarshal(out, &v); status != http.StatusOK || err != nil {
		tb.Fatalf("POST %s %s = %d %s, %v", path, body, status, out, err)
	}
	return v
}

// parts posts a body and decodes the parts of the stream, whatever its form.
func parts(tb testing.TB, ts *httptest.Server, path, body string) []any {
	tb.Helper()
	status, out := post(tb, ts, path, body)
	if status != http.StatusOK {
		tb.Fatalf("POST %s %s = %d %s", path, body, status, out)
	}
	var all []any
	if out[0] == '[' {
		if err := json.Unmarshal(out, &all); err != nil {
			tb.Fatalf("decode %s: %v", out, err)
		}
		return all
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		line = strings.TrimPrefix(line, "data: ")
		if line == "" || line == "[DONE]" || strings.HasPrefix(line, "event: ") {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			tb.Fatalf("decode part %q: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// told is what an answer says about one token.
type told struct {
	id      int
	logprob float64
	others  map[int]float64
}

// form says where a shape keeps its tokens.
type form struct {
	list, id, logprob string // of the tokens
	others            string // list of alternatives inside a token
	texts             bool   // tokens are named by their text
}

// tokens reads the tokens of a document.
func (f form) tokens(tb testing.TB, m *modelserver.Model, v any) []told {
	tb.Helper()
	one := func(entry any) told {
		if f.texts {
			ids := m.Encode(text(tb, entry, f.id))
			if len(ids) != 1 {
				ids = []int{-1}
			}
			return told{id: ids[0], logprob: number(tb, entry, f.logprob)}
		}
		return told{id: int(number(tb, entry, f.id)), logprob: number(tb, entry, f.logprob)}
	}
	var out []told
	for _, entry := range list(tb, v, f.list) {
		t := one(entry)
		t.others = map[int]float64{}
		if f.others != "" {
			for _, other := range list(tb, entry, f.others) {
				o := one(other)
				t.others[o.id] = o.logprob
			}
		}
		out = append(out, t)
	}
	return out
}

// check holds what was told against the model's own distribution.
func check(tb testing.TB, about string, before []int, tokens []told) {
	tb.Helper()
	for i, token := range tokens {
		want := modelserver.Next(model(tb), about, before)
		for id, got := range token.others {
			if id >= 0 && math.Abs(got-want[id]) > 1e-9 {
				tb.Errorf("token %d: alternative %d has log-probability %v; want %v", i, id, got, want[id])
			}
		}
		if token.id < 0 {
			return // a text that is no single token: what follows cannot be looked up
		}
		if math.Abs(token.logprob-want[token.id]) > 1e-9 {
			tb.Errorf("token %d (%d) has log-probability %v; want %v", i, token.id, token.logprob, want[token.id])
		}
		before = append(before, token.id)
	}
}

// generators are the shapes that tell log-probabilities.
var generators = map[string]struct {
	path, stream string // the stream's path, if it has one of its own
	body         string // %s is where the switch of the stream goes
	on           string // that switch
	off          string
	goesOn       bool // the answer goes on after the opening
	form         form
	part         form   // of a stream
	said         string // the text of a document
	saidPart     string
	sums         bool // every part tells the text and tokens so far
}{
	"gemini": {
		path: "/v1beta/models/bartizan-small:generateContent", stream: "/v1beta/models/bartizan-small:streamGenerateContent?alt=sse",
		body: `{"contents":[{"role":"user","parts":[{"text":"` + question + `"}]}],"generationConfig":{"maxOutputTokens":12,"seed":5,"responseLogprobs":true,"logprobs":3}%s}`,
		form: form{list: "candidates.0.logprobsResult.chosenCandidates", id: "tokenId", logprob: "logProbability"},
		said: "candidates.0.content.parts.0.text",
	},
	"gemini array, snake case": {
		path: "/v1beta/models/bartizan-small:generateContent", stream: "/v1beta/models/bartizan-small:streamGenerateContent",
		body: `{"contents":[{"parts":[{"text":"` + question + `"}]}],"generation_config":{"max_output_tokens":12,"seed":5,"response_logprobs":true,"logprobs":3}%s}`,
		form: form{list: "candidates.0.logprobsResult.chosenCandidates", id: "tokenId", logprob: "logProbability"},
		said: "candidates.0.content.parts.0.text",
	},
	"ollama generate": {
		path: "/api/generate", on: `,"stream":true`, off: `,"stream":false`,
		body: `{"model":"bartizan-small","prompt":"` + question + `","logprobs":true,"top_logprobs":3,"options":{"num_predict":12,"seed":5}%s}`,
		form: form{list: "logprobs", id: "token", logprob: "logprob", others: "top_logprobs", texts: true}, said: "response",
	},
	"ollama chat": {
		path: "/api/chat", on: ``, off: `,"stream":false`,
		body: `{"model":"bartizan-small","messages":[{"role":"user","content":"` + question + `"}],"logprobs":true,"top_logprobs":3,"options":{"num_predict":12,"seed":5}%s}`,
		form: form{list: "logprobs", id: "token", logprob: "logprob", others: "top_logprobs", texts: true}, said: "message.content",
	},
	"llama.cpp": {
		path: "/completion", on: `,"stream":true`, goesOn: true,
		body: `{"prompt":"` + opening + `","n_predict":12,"seed":5,"n_probs":25%s}`,
		form: form{list: "completion_probabilities", id: "id", logprob: "logprob", others: "top_logprobs"}, said: "content",
	},
	"tgi": {
		path: "/generate", stream: "/generate_stream", goesOn: true,
		body: `{"inputs":"` + opening + `","parameters":{"max_new_tokens":12,"seed":5,"do_sample":true,"details":true,"top_n_tokens":3}%s}`,
		form: form{list: "details.tokens", id: "id", logprob: "logprob"}, said: "generated_text",
		part: form{list: "", id: "token.id", logprob: "token.logprob"}, saidPart: "token.text",
	},
	"sglang": {
		path: "/generate", on: `,"stream":true`, goesOn: true, sums: true,
		body: `{"text":"` + opening + `","return_logprob":true,"top_logprobs_num":3,"sampling_params":{"max_new_tokens":12,"sampling_seed":5}%s}`,
		form: form{list: "meta_info.output_token_logprobs", id: "1", logprob: "0"}, said: "text",
	},
	"responses": {
		path: "/v1/responses", on: `,"stream":true`,
		body: `{"model":"bartizan-small","input":"` + question + `","temperature":0,"max_output_tokens":12,"include":["message.output_text.logprobs"],"top_logprobs":3%s}`,
		form: form{list: "output.0.content.0.logprobs", id: "token", logprob: "logprob", others: "top_logprobs", texts: true}, said: "output.0.content.0.text",
		part: form{list: "logprobs", id: "token", logprob: "logprob", others: "top_logprobs", texts: true}, saidPart: "delta",
	},
}

// TestShapes holds every number of every shape against the model, and the stream of
// each against its whole answer.
func TestShapes(t *testing.T) {
	t.Parallel()
	for name, g := range generators {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, modelserver.Options{})
			m := model(t)
			about, before := question, []int(nil)
			if g.goesOn {
				about, before = opening, m.Encode(opening)
			}
			whole := document(t, ts, g.path, fmt.Sprintf(g.body, g.off))
			tokens, said := g.form.tokens(t, m, whole), text(t, whole, g.said)
			if len(tokens) < 2 || said == "" {
				t.Fatalf("%d tokens, text %q", len(tokens), said)
			}
			check(t, about, slices.Clone(before), tokens)

			if g.part.id == "" {
				g.part, g.saidPart = g.form, g.said
			}
			if g.stream == "" {
				g.stream = g.path
			}
			var streamed []told
			joined := ""
			for _, p := range parts(t, ts, g.stream, fmt.Sprintf(g.body, g.on)) {
				if g.sums {
					streamed, joined = nil, ""
				}
				switch {
				case g.part.list == "":
					p = []any{p}
					streamed = append(streamed, g.part.tokens(t, m, p)...)
					joined += text(t, p, "0."+g.saidPart)
					continue
				case name == "responses" && text(t, p, "type") != "response.output_text.delta":
					continue
				}
				streamed = append(streamed, g.part.tokens(t, m, p)...)
				joined += text(t, p, g.saidPart)
			}
			if joined != said || len(streamed) != len(tokens) {
				t.Errorf("streamed %q with %d tokens; whole %q with %d", joined, len(streamed), said, len(tokens))
			}
			check(t, about, slices.Clone(before), streamed)
		})
	}
}

func TestGeminiMean(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	v := document(t, ts, "/v1beta/models/bartizan-small:generateContent",
		`{"contents":[{"parts":[{"text":"`+question+`"}]}],"generationConfig":{"maxOutputTokens":9,"candidateCount":2,"responseLogprobs":true,"logprobs":4}}`)
	for i, c := range list(t, v, "candidates") {
		sum, chosen := 0.0, list(t, c, "logprobsResult.chosenCandidates")
		for _, token := range chosen {
			sum += number(t, token, "logProbability")
		}
		if got := number(t, c, "avgLogprobs"); math.Abs(got-sum/float64(len(chosen))) > 1e-9 {
			t.Errorf("candidate %d: mean %v; want %v", i, got, sum/float64(len(chosen)))
		}
		before := []int{}
		for k, place := range list(t, c, "logprobsResult.topCandidates") {
			want := modelserver.Next(model(t), question, before)
			for _, a := range list(t, place, "candidates") {
				if got := number(t, a, "logProbability"); got != want[int(number(t, a, "tokenId"))] {
					t.Errorf("candidate %d, token %d: alternative %v has %v", i, k, a, got)
				}
			}
			before = append(before, int(number(t, chosen[k], "tokenId")))
		}
	}
	quiet := document(t, ts, "/v1beta/models/bartizan-small:generateContent", `{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":3}}`)
	if number(t, quiet, "candidates.0.avgLogprobs") >= 0 || at(t, quiet, "candidates.0.logprobsResult") != nil {
		t.Errorf("unasked: %v; want the mean and nothing else", quiet)
	}
}

// TestCohere reads ids and numbers that come together.
func TestCohere(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	body := `{"model":"bartizan-small","messages":[{"role":"user","content":"` + question + `"}],"seed":4,"max_tokens":12,"logprobs":true%s}`
	whole := document(t, ts, "/v2/chat", fmt.Sprintf(body, ""))
	read := func(chunk any) (out []told) {
		for i, id := range list(t, chunk, "token_ids") {
			out = append(out, told{id: int(number(t, id, "")), logprob: number(t, list(t, chunk, "logprobs")[i], "")})
		}
		return out
	}
	tokens := read(at(t, whole, "logprobs.0"))
	check(t, question, nil, tokens)
	said := text(t, whole, "message.content.0.text")
	joined, streamed, names := "", []told(nil), []string(nil)
	var joinedSb329 strings.Builder
	for _, p := range parts(t, ts, "/v2/chat", fmt.Sprintf(body, `,"stream":true`)) {
		kind := text(t, p, "type")
		if len(names) == 0 || names[len(names)-1] != kind {
			names = append(names, kind)
		}
		if kind == "content-delta" {
			joinedSb329.WriteString(text(t, p, "delta.message.content.text"))
			streamed = append(streamed, read(at(t, p, "logprobs"))...)
		}
	}
	joined += joinedSb329.String()
	if joined != said || said == "" || len(streamed) != len(tokens) {
		t.Errorf("streamed %q with %d tokens; whole %q with %d", joined, len(streamed), said, len(tokens))
	}
	if want := []string{"message-start", "content-start", "content-delta", "content-end", "message-end"}; !slices.Equal(names, want) {
		t.Errorf("events %v; want %v", names, want)
	}
}
