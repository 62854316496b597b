package modelserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"bartizan/internal/modelserver"
)

func decode(tb testing.TB, body string) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		tb.Fatalf("decode %s: %v", body, err)
	}
	return v
}

var tagged = regexp.MustCompile(`(?s)^<think>\n(.+)\n</think>\n\n(.*)$`)

// TestThoughts asks for the same thought in every form of the chat API: it is one and
// the same text, and the answer behind it too.
func TestThoughts(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Seed: 1})
	body := `{"model":"%s","messages":[{"role":"user","content":"` + question + `"}],"seed":6,"max_tokens":60%s}`
	plain, thinking := "bartizan-small", "bartizan-small-thinking"
	whole := document(t, ts, "/v1/chat/completions", fmt.Sprintf(body, thinking, ""))
	found := tagged.FindStringSubmatch(text(t, whole, "choices.0.message.content"))
	if found == nil || number(t, whole, "usage.completion_tokens_details.reasoning_tokens") < 1 {
		t.Fatalf("no thought in %v", whole)
	}
	thought, said := found[1], found[2]
	for name, form := range map[string]struct{ model, extra, thought, said string }{
		"a field":          {plain, `,"separate_reasoning":true`, "message.reasoning_content", "message.content"},
		"a field, by vLLM": {thinking, `,"include_reasoning":true`, "message.reasoning_content", "message.content"},
		"parts":            {plain, `,"prompt_mode":"reasoning"`, "message.content.0.thinking.0.text", "message.content.1.text"},
	} {
		c := at(t, document(t, ts, "/v1/chat/completions", fmt.Sprintf(body, form.model, form.extra)), "choices.0")
		if text(t, c, form.thought) != thought || text(t, c, form.said) != said {
			t.Errorf("%s: %v; want the thought %q and the answer %q", name, c, thought, said)
		}
	}
	hidden := document(t, ts, "/v1/chat/completions", fmt.Sprintf(body, thinking, `,"include_reasoning":false`))
	if text(t, hidden, "choices.0.message.content") != said || number(t, hidden, "usage.completion_tokens") != number(t, whole, "usage.completion_tokens") {
		t.Errorf("hidden: %v; want %q and the same cost", hidden, said)
	}
	streamed := map[string]string{}
	for name, extra := range map[string]string{"tags": "", "field": `,"include_reasoning":true`, "parts": `,"prompt_mode":"reasoning"`, "hidden": `,"include_reasoning":false`} {
		for _, p := range parts(t, ts, "/v1/chat/completions", fmt.Sprintf(body, thinking, extra+`,"stream":true`)) {
			delta := at(t, p, "choices.0.delta")
			streamed[name+" thought"] += text(t, delta, "reasoning_content")
			if content, ok := at(t, delta, "content").([]any); ok {
				streamed[name+" thought"] += text(t, content, "0.thinking.0.text")
			}
			streamed[name] += text(t, delta, "content")
		}
	}
	want := map[string]string{
		"tags": "<think>\n" + thought + "\n</think>\n\n" + said, "tags thought": "", "field": said, "field thought": thought,
		"parts": said, "parts thought": thought, "hidden": said, "hidden thought": "",
	}
	for name, text := range want {
		if streamed[name] != text {
			t.Errorf("streamed %s: %q; want %q", name, streamed[name], text)
		}
	}
}

// TestThoughtIsTheModels holds the numbers of a thought and of the answer after it
// against the model, which is asked with the thought for the answer.
func TestThoughtIsTheModels(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{EngineFields: true}})
	v := document(t, ts, "/v1/chat/completions", `{"model":"bartizan-small","messages":[{"role":"user","content":"`+question+
		`"}],"seed":8,"max_tokens":24,"separate_reasoning":true,"logprobs":true,"return_token_ids":true}`)
	thought := text(t, v, "choices.0.message.reasoning_content")
	ids, scores := list(t, v, "choices.0.token_ids"), list(t, v, "choices.0.logprobs.content")
	split := int(number(t, v, "usage.completion_tokens_details.reasoning_tokens"))
	if len(ids) != len(scores) || split < 1 || split >= len(ids) {
		t.Fatalf("%d ids, %d scores, %d of the thought", len(ids), len(scores), split)
	}
	var tokens []told
	for i := range ids {
		tokens = append(tokens, told{id: int(number(t, ids[i], "")), logprob: number(t, scores[i], "logprob")})
	}
	check(t, question, nil, tokens[:split])
	check(t, question+"\n\n"+thought, nil, tokens[split:])
}

// TestThoughtsOfEngines reads thoughts in the other shapes.
func TestThoughtsOfEngines(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Seed: 1})
	said := `"messages":[{"role":"user","content":"` + question + `"}]`
	for name, c := range map[string]struct{ path, body, thought, said string }{
		"ollama":          {"/api/chat", `{"model":"bartizan-small",` + said + `,"think":true,"stream":false,"options":{"num_predict":30}}`, "message.thinking", "message.content"},
		"ollama, by name": {"/api/generate", `{"model":"bartizan-small-thinking","prompt":"` + question + `","stream":false,"options":{"num_predict":30}}`, "thinking", "response"},
		"cohere":          {"/v2/chat", `{"model":"bartizan-small",` + said + `,"thinking":{"type":"enabled"},"max_tokens":30}`, "message.content.0.thinking", "message.content.1.text"},
		"gemini": {
			"/v1beta/models/bartizan-small:generateContent", `{"contents":[{"parts":[{"text":"` + question + `"}]}],"generationConfig":{"maxOutputTokens":30,"thinkingConfig":{"includeThoughts":true,"thinkingBudget":20}}}`,
			"candidates.0.content.parts.0.text", "candidates.0.content.parts.1.text",
		},
	} {
		v := document(t, ts, c.path, c.body)
		if text(t, v, c.thought) == "" || text(t, v, c.said) == "" {
			t.Errorf("%s: %v; want a thought and an answer", name, v)
		}
	}
	quiet := document(t, ts, "/v1beta/models/bartizan-small-thinking:generateContent", `{"contents":[{"parts":[{"text":"`+question+`"}]}],"generationConfig":{"maxOutputTokens":30}}`)
	if n := number(t, quiet, "usageMetadata.thoughtsTokenCount"); n < 1 || len(list(t, quiet, "candidates.0.content.parts")) != 1 {
		t.Errorf("unasked: %v; want thoughts counted and not shown", quiet)
	}
}

// TestErrorShapes refuses an unknown model in the words of each API.
func TestErrorShapes(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Seed: 1})
	for path, c := range map[string]struct {
		body, message, kind, want string
		status                    int
	}{
		"/v1/responses":                         {`{"model":"nobody","input":"x"}`, "error.message", "error.code", "model_not_found", 404},
		"/v1/messages":                          {`{"model":"nobody","max_tokens":1,"messages":[]}`, "error.message", "error.type", "not_found_error", 404},
		"/v1beta/models/nobody:generateContent": {`{}`, "error.message", "error.status", "NOT_FOUND", 404},
		"/v2/chat":                              {`{"model":"nobody"}`, "message", "", "", 404},
		"/api/chat":                             {`{"model":"nobody"}`, "error", "", "", 404},
		"/v2/models/nobody/infer":               {`{}`, "error", "", "", 404},
		"/v1/models/nobody:predict":             {`{}`, "error", "", "", 404},
		"/models/nobody":                        {`{}`, "error", "", "", 404},
		"/generate":                             {`{"inputs":""}`, "error", "error_type", "validation", 400},
		"/completion":                           {`{"prompt":"x","n_probs":-1}`, "error.message", "error.type", "invalid_request_error", 400},
		"/predict":                              {`{}`, "error", "error_type", "validation", 400},
	} {
		status, out := post(t, ts, path, c.body)
		v := decode(t, string(out))
		if status != c.status || text(t, v, c.message) == "" || (c.kind != "" && text(t, v, c.kind) != c.want) {
			t.Errorf("POST %s = %d %s; want %d %s", path, status, out, c.status, c.want)
		}
	}
	for _, body := range []string{
		`{"inputs":[]}`, `{"inputs":[{"name":"text","shape":[2],"datatype":"BYTES","data":["x"]}]}`,
		`{"inputs":[{"name":"text","shape":[1],"datatype":"FP32","data":[1]}]}`,
		`{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["x"]}],"outputs":[{"name":"gradients"}]}`,
		`{"inputs":[{"name":"text","shape":[2000000000,2000000000,-1],"datatype":"BYTES","data":["x"]}]}`,
	} {
		if status, out := post(t, ts, "/v2/models/bartizan-small/infer", body); status != http.StatusBadRequest || !strings.Contains(string(out), "error") {
			t.Errorf("infer %s = %d %s; want 400", body, status, out)
		}
	}
}
