package modelserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"bartizan/internal/modelserver"

	"github.com/google/go-cmp/cmp"
)

// start serves the shared model until the test ends.
func start(tb testing.TB, o modelserver.Options) *httptest.Server {
	tb.Helper()
	ts := httptest.NewServer(modelserver.NewServer(model(tb), o))
	tb.Cleanup(ts.Close)
	return ts
}

// post sends a JSON body and returns the status and the answer.
func post(tb testing.TB, ts *httptest.Server, path, body string) (int, []byte) {
	tb.Helper()
	resp, err := ts.Client().Post(ts.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		tb.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatalf("read the answer of POST %s: %v", path, err)
	}
	return resp.StatusCode, out
}

// ask posts a body, wants 200 and decodes the answer.
func ask(tb testing.TB, ts *httptest.Server, path, body string) answer {
	tb.Helper()
	status, out := post(tb, ts, path, body)
	if status != http.StatusOK {
		tb.Fatalf("POST %s %s = %d %s", path, body, status, out)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		tb.Fatalf("decode %s: %v", out, err)
	}
	return a
}

// stream posts a body and returns its events; the last must be the end mark.
func stream(tb testing.TB, ts *httptest.Server, path, body string) []answer {
	tb.Helper()
	status, out := post(tb, ts, path, body)
	if status != http.StatusOK {
		tb.Fatalf("POST %s %s = %d %s", path, body, status, out)
	}
	var events []answer
	lines := strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n")
	if last := lines[len(lines)-1]; last != "data: [DONE]" {
		tb.Fatalf("the stream ends with %q", last)
	}
	for _, line := range lines[:len(lines)-1] {
		var a answer
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &a); err != nil {
			tb.Fatalf("decode event %q: %v", line, err)
		}
		events = append(events, a)
	}
	return events
}

type answer struct {
	Object  string `json:"object"`
	Choices []struct {
		Index   int    `json:"index"`
		Text    string `json:"text"`
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		Logprobs *struct {
			Content []struct {
				score

				Top []score `json:"top_logprobs"`
			} `json:"content"`
			Tokens  []string             `json:"tokens"`
			Scores  []*float64           `json:"token_logprobs"`
			Top     []map[string]float64 `json:"top_logprobs"`
			Offsets []int                `json:"text_offset"`
		} `json:"logprobs"`
		Finish string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	} `json:"usage"`
}

type score struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

const hello = `"model":"bartizan-small","messages":[{"role":"user","content":"Why are limits so low?"}]`

func TestStreamEqualsWhole(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	for seed := range 8 {
		for _, extra := range []string{``, `,"n":3`, `,"stop":["the","a cus"]`, `,"temperature":2`, `,"top_p":0.5,"logprobs":true,"top_logprobs":2`, `,"temperature":0,"frequency_penalty":1`} {
			body := fmt.Sprintf(`{%s,"seed":%d,"max_tokens":60%s`, hello, seed, extra)
			whole := ask(t, ts, "/v1/chat/completions", body+"}")
			texts, finishes, tokens := make([]string, len(whole.Choices)), make([]string, len(whole.Choices)), make([]int, len(whole.Choices))
			for _, e := range stream(t, ts, "/v1/chat/completions", body+`,"stream":true}`) {
				c := e.Choices[0]
				texts[c.Index] += c.Delta.Content
				finishes[c.Index] += c.Finish
				if c.Logprobs != nil {
					tokens[c.Index] += len(c.Logprobs.Content)
				}
			}
			for i, c := range whole.Choices {
				if c.Message.Content != texts[i] || c.Finish != finishes[i] {
					t.Errorf("%s choice %d: whole %q (%s), streamed %q (%s)", body, i, c.Message.Content, c.Finish, texts[i], finishes[i])
				}
				if c.Logprobs != nil && len(c.Logprobs.Content) != tokens[i] {
					t.Errorf("%s choice %d: %d tokens scored in the whole answer, %d in the stream", body, i, len(c.Logprobs.Content), tokens[i])
				}
			}
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	body := `{` + hello + `,"temperature":0,"max_tokens":60%s}`
	full := ask(t, ts, "/v1/chat/completions", fmt.Sprintf(body, ``)).Choices[0].Message.Content
	words := strings.Fields(full)
	stop := words[4] + " " + words[5][:1] // ends inside a token
	cut := ask(t, ts, "/v1/chat/completions", fmt.Sprintf(body, fmt.Sprintf(`,"stop":%q`, stop))).Choices[0]
	if want, _, _ := strings.Cut(full, stop); cut.Message.Content != want || cut.Finish != "stop" {
		t.Errorf("with stop %q the answer is %q (%s); want %q (stop)", stop, cut.Message.Content, cut.Finish, want)
	}
	short := ask(t, ts, "/v1/chat/completions", `{`+hello+`,"temperature":0,"max_completion_tokens":3}`)
	if c := short.Choices[0]; c.Finish != "length" || short.Usage.Completion != 3 {
		t.Errorf("with a cap of 3 tokens: finish %q, %d tokens; want length, 3", c.Finish, short.Usage.Completion)
	}
}

func TestCompletionEcho(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	a := ask(t, ts, "/v1/completions", `{"model":"bartizan-small","prompt":["A limit is","The key"],"max_tokens":2,"echo":true,"logprobs":2,"seed":3,"n":2,"best_of":3}`)
	if len(a.Choices) != 4 {
		t.Fatalf("%d choices; want two for each of two prompts", len(a.Choices))
	}
	for i, c := range a.Choices {
		prompt := []string{"A limit is", "The key"}[i/2]
		if c.Index != i || !strings.HasPrefix(c.Text, prompt) {
			t.Errorf("choice %d has index %d and text %q", i, c.Index, c.Text)
		}
		lp := c.Logprobs
		if n := len(lp.Tokens); n != len(lp.Scores) || n != len(lp.Top) || n != len(lp.Offsets) {
			t.Fatalf("choice %d: lists of different lengths", i)
		}
		if lp.Scores[0] != nil || lp.Top[0] != nil {
			t.Errorf("choice %d: the first token has a log-probability", i)
		}
		if got := strings.Join(lp.Tokens, ""); got != c.Text {
			t.Errorf("choice %d: tokens say %q, text %q", i, got, c.Text)
		}
		for k, offset := range lp.Offsets {
			if !strings.HasPrefix(c.Text[offset:], lp.Tokens[k]) {
				t.Errorf("choice %d: token %d is not at offset %d", i, k, offset)
			}
		}
	}
	scored := ask(t, ts, "/v1/completions", `{"model":"bartizan-small","prompt":"A limit is","max_tokens":0,"echo":true,"logprobs":0}`).Choices[0]
	if scored.Text != "A limit is" || scored.Logprobs.Top != nil || scored.Finish != "length" {
		t.Errorf("scoring a prompt gave %q, alternatives %v, finish %q", scored.Text, scored.Logprobs.Top, scored.Finish)
	}
}

func TestTokenPrompts(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	ids, err := json.Marshal(model(t).Encode("A limit is"))
	if err != nil {
		t.Fatal(err)
	}
	rest := `,"model":"bartizan-small","max_tokens":12,"seed":5}`
	byText := ask(t, ts, "/v1/completions", `{"prompt":"A limit is"`+rest)
	byIDs := ask(t, ts, "/v1/completions", `{"prompt":`+string(ids)+rest)
	byList := ask(t, ts, "/v1/completions", `{"prompt":[`+string(ids)+`]`+rest)
	if byText.Choices[0].Text != byList.Choices[0].Text || byText.Choices[0].Text != byIDs.Choices[0].Text {
		t.Errorf("three forms of one prompt gave %q, %q, %q", byText.Choices[0].Text, byIDs.Choices[0].Text, byList.Choices[0].Text)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	body := `{` + hello + `,"max_tokens":9,"seed":2,"n":2,"logit_bias":{"256":-100}`
	whole := ask(t, ts, "/v1/chat/completions", body+`}`)
	if u := whole.Usage; u == nil || u.Completion != 18 || u.Prompt < 8 || u.Total != u.Prompt+u.Completion {
		t.Errorf("usage = %+v; want 18 completion tokens and a sum", u)
	}
	quiet := stream(t, ts, "/v1/chat/completions", body+`,"stream":true}`)
	for _, e := range quiet {
		if e.Usage != nil || len(e.Choices) != 1 {
			t.Errorf("an event of a stream without usage has usage %v and %d choices", e.Usage, len(e.Choices))
		}
	}
	counted := stream(t, ts, "/v1/chat/completions", body+`,"stream":true,"stream_options":{"include_usage":true}}`)
	last := counted[len(counted)-1]
	if len(last.Choices) != 0 || last.Usage == nil {
		t.Fatalf("the last event is %+v; want usage and no choices", last)
	}
	if diff := cmp.Diff(whole.Usage, last.Usage); diff != "" {
		t.Errorf("usage of whole and stream differ:\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{MaxBody: 1 << 16})
	chat, completions, embeddings := "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
	tests := map[string]struct {
		path, body string
		status     int
		param      string
		code       string
	}{
		"no JSON":             {chat, `{`, 400, "", ""},
		"wrong type":          {chat, `{"model":5}`, 400, "model", ""},
		"wrong nested type":   {chat, `{` + hello + `,"temperature":"hot"}`, 400, "temperature", ""},
		"unknown model":       {chat, `{"model":"gpt-9","messages":[]}`, 404, "model", "model_not_found"},
		"no model":            {chat, `{"messages":[]}`, 400, "model", ""},
		"no messages":         {chat, `{"model":"bartizan-small"}`, 400, "messages", ""},
		"odd role":            {chat, `{"model":"bartizan-small","messages":[{"role":"king","content":"x"}]}`, 400, "messages[0].role", ""},
		"image":               {chat, `{"model":"bartizan-small","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, 400, "messages", ""},
		"hot":                 {chat, `{` + hello + `,"temperature":2.5}`, 400, "temperature", ""},
		"top_p":               {chat, `{` + hello + `,"top_p":-1}`, 400, "top_p", ""},
		"n":                   {chat, `{` + hello + `,"n":129}`, 400, "n", ""},
		"huge number":         {chat, `{` + hello + `,"max_tokens":1e99}`, 400, "max_tokens", ""},
		"too long":            {chat, `{` + hello + `,"max_tokens":100000}`, 400, "max_tokens", "context_length_exceeded"},
		"zero tokens":         {chat, `{` + hello + `,"max_completion_tokens":0}`, 400, "max_completion_tokens", ""},
		"stop":                {chat, `{` + hello + `,"stop":7}`, 400, "stop", ""},
		"too many stops":      {chat, `{` + hello + `,"stop":["a","b","c","d","e"]}`, 400, "stop", ""},
		"alternatives alone":  {chat, `{` + hello + `,"top_logprobs":3}`, 400, "top_logprobs", ""},
		"many alternatives":   {chat, `{` + hello + `,"logprobs":true,"top_logprobs":21}`, 400, "top_logprobs", ""},
		"bias out of range":   {chat, `{` + hello + `,"logit_bias":{"1":101}}`, 400, "logit_bias", ""},
		"bias of no token":    {chat, `{` + hello + `,"logit_bias":{"999999":1}}`, 400, "logit_bias", ""},
		"bias of a word":      {chat, `{` + hello + `,"logit_bias":{"the":1}}`, 400, "logit_bias", ""},
		"options, no stream":  {chat, `{` + hello + `,"stream_options":{"include_usage":true}}`, 400, "stream_options", ""},
		"choice without tool": {chat, `{` + hello + `,"tool_choice":"required"}`, 400, "tool_choice", ""},
		"prompt":              {completions, `{"model":"bartizan-small","prompt":{}}`, 400, "", ""},
		"prompt ids":          {completions, `{"model":"bartizan-small","prompt":[999999]}`, 400, "prompt", ""},
		"legacy alternatives": {completions, `{"model":"bartizan-small","prompt":"x","logprobs":6}`, 400, "logprobs", ""},
		"best_of":             {completions, `{"model":"bartizan-small","prompt":"x","n":3,"best_of":2}`, 400, "best_of", ""},
		"best_of streamed":    {completions, `{"model":"bartizan-small","prompt":"x","best_of":2,"stream":true}`, 400, "best_of", ""},
		"no input":            {embeddings, `{"model":"bartizan-small"}`, 400, "input", ""},
		"empty input":         {embeddings, `{"model":"bartizan-small","input":["x",""]}`, 400, "input", ""},
		"dimensions":          {embeddings, `{"model":"bartizan-small","input":"x","dimensions":257}`, 400, "dimensions", ""},
		"format":              {embeddings, `{"model":"bartizan-small","input":"x","encoding_format":"hex"}`, 400, "encoding_format", ""},
		"too large":           {chat, `{"model":"` + strings.Repeat("x", 1<<17) + `"}`, 413, "", "request_too_large"},
		"unknown path":        {"/v1/Chat/completions", `{}`, 404, "", "unknown_url"},
		"wrong method":        {"/v1/models", `{}`, 405, "", "method_not_allowed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, out := post(t, ts, tt.path, tt.body)
			var got struct {
				Error struct {
					Message string  `json:"message"`
					Type    string  `json:"type"`
					Param   *string `json:"param"`
					Code    *string `json:"code"`
				} `json:"error"`
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("the error is no JSON: %s", out)
			}
			deref := func(p *string) string {
				if p == nil {
					return ""
				}
				return *p
			}
			e := got.Error
			if status != tt.status || deref(e.Param) != tt.param || deref(e.Code) != tt.code || e.Message == "" || e.Type != "invalid_request_error" {
				t.Errorf("got %d %s; want %d, param %q, code %q", status, out, tt.status, tt.param, tt.code)
			}
			size := strconv.Itoa(model(t).VocabularySize())
			if bytes.Contains(out, []byte(size)) || bytes.Contains(out, []byte("/srv")) {
				t.Errorf("a well-behaved error tells too much: %s", out)
			}
		})
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	ask(t, ts, "/v1/chat/completions", `{`+hello+`,"max_tokens":1,"store":true,"prompt_logprobs":5,"logprob_token_ids":[1],"n":null,"stop":null,"tools":null}`)
}

func TestGetRoutes(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Name: "org/tiny"})
	for path, want := range map[string]string{
		"/health":             `"ok"`,
		"/v1/models":          `"org/tiny"`,
		"/v1/models/org/tiny": `"org/tiny"`,
		"/v1/models/other":    `"model_not_found"`,
	} {
		resp, err := ts.Client().Get(ts.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Contains(body, []byte(want)) {
			t.Errorf("GET %s = %s, %v; want %s in it", path, body, err, want)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	server := modelserver.NewServer(model(b), modelserver.Options{Seed: 1})
	for name, extra := range map[string]string{
		"plain": ``, "temperature": `,"temperature":0.7`, "top_p": `,"top_p":0.9`, "logprobs": `,"logprobs":true,"top_logprobs":20`,
	} {
		b.Run(name, func(b *testing.B) {
			const tokens = 256
			body := fmt.Sprintf(`{%s,"max_tokens":%d,"logit_bias":{"256":-100}%s}`, hello, tokens, extra)
			for b.Loop() {
				w := httptest.NewRecorder()
				server.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
				if w.Code != http.StatusOK {
					b.Fatalf("status %d: %s", w.Code, w.Body)
				}
			}
			b.ReportMetric(float64(tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
