package guard_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/coarsen"
	"bartizan/internal/guard"
	"bartizan/internal/wire"
)

// narrow peeks and narrows.
func narrow(t testing.TB, routeName string, p *coarsen.Profile, body string) (map[string]any, guard.Narrowed) {
	t.Helper()
	r := route(t, routeName)
	req, err := r.Peek([]byte(body))
	if err != nil {
		t.Fatalf("Peek(%s): %v", body, err)
	}
	got, reason, err := guard.NarrowRequest(r, p, req, guard.Cap{Most: 512}, nil, []byte(body))
	if err != nil || reason != nil {
		t.Fatalf("NarrowRequest(%s): %v, %v", body, reason, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(got.Body, &doc); err != nil {
		t.Fatalf("NarrowRequest(%s) = %s: %v", body, got.Body, err)
	}
	return doc, got
}

const every = `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":20,"n":128,"seed":7,
	"logit_bias":{"1":50,"2":-100},"logprob_token_ids":[1],"allowed_token_ids":[4],"bad_words":["a"],"prompt_logprobs":5,"return_token_ids":true,
	"custom_logit_processor":"x","store":true,"prediction":{"type":"content","content":"x"},"kv_transfer_params":{"a":1},"watermarking":false,
	"priority":1,"max_tokens":99999,"best_of":128,"user":"u","metadata":{"a":"b"},"tools":[{"type":"function","function":{"name":"f"}}],
	"response_format":{"type":"json_object"},"stream":true}`

func TestNarrowRequest(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		profile, route, body string
		want                 map[string]any // of the keys named here; nil is absent
		adjusted             []string
	}{
		"public": {
			"public", "openai.chat", every,
			map[string]any{
				"logprobs": nil, "top_logprobs": nil, "n": 1.0, "best_of": 1.0, "seed": nil, "logit_bias": nil, "logprob_token_ids": nil,
				"allowed_token_ids": nil, "bad_words": nil, "prompt_logprobs": nil, "return_token_ids": nil, "custom_logit_processor": nil,
				"store": nil, "prediction": nil, "kv_transfer_params": nil, "watermarking": nil, "priority": nil, "max_tokens": 512.0,
				"user": "u", "stream_options": map[string]any{"include_usage": true},
				"response_format": map[string]any{"type": "json_object"},
			},
			[]string{
				"logprobs", "top_logprobs", "n", "seed", "logit_bias", "logprob_token_ids", "allowed_token_ids", "bad_words",
				"prompt_logprobs", "return_token_ids", "custom_logit_processor", "store", "prediction", "kv_transfer_params",
				"priority", "max_tokens", "best_of",
			},
		},
		"standard": {
			"standard", "openai.chat", every,
			map[string]any{
				"logprobs": true, "top_logprobs": 20.0, "n": 4.0, "seed": nil, "logit_bias": nil, "allowed_token_ids": nil,
				"logprob_token_ids": nil, "prediction": nil,
			},
			[]string{
				"n", "seed", "logit_bias", "logprob_token_ids", "allowed_token_ids", "bad_words", "prompt_logprobs",
				"return_token_ids", "custom_logit_processor", "store", "prediction", "kv_transfer_params", "priority",
				"max_tokens", "best_of", "top_logprobs",
			},
		},
		"standard bias without logprobs": {
			"standard", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"logit_bias":{"1":50,"2":-5}}`,
			map[string]any{"logit_bias": map[string]any{"1": 10.0, "2": -5.0}, "logprobs": nil, "max_tokens": nil},
			[]string{"logit_bias"},
		},
		"trusted": {
			"trusted", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":5,"seed":3,"prediction":{"type":"content","content":"x"}}`,
			map[string]any{"logprobs": true, "top_logprobs": 20.0, "seed": 3.0, "prediction": map[string]any{"type": "content", "content": "x"}},
			nil,
		},
		"trusted grammar": {
			"trusted", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":5,"guided_regex":"a+"}`,
			map[string]any{"logprobs": nil, "top_logprobs": nil, "guided_regex": "a+"},
			[]string{"logprobs", "top_logprobs"},
		},
		"schema without logprobs": {
			"public", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s"}}}`,
			map[string]any{"response_format": map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "s"}}},
			nil,
		},
		"partner, one or the other": {
			"partner", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":20,"logit_bias":{"1":50}}`,
			map[string]any{"logprobs": nil, "top_logprobs": nil, "logit_bias": map[string]any{"1": 50.0}},
			[]string{"logprobs", "top_logprobs"},
		},
		"partner": {
			"partner", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":20,"return_token_ids":true,"store":true,"zz":1}`,
			map[string]any{"logprobs": true, "top_logprobs": 20.0, "return_token_ids": true, "store": true, "zz": nil},
			[]string{"zz"},
		},
		"top alone": {
			"partner", "openai.chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":false,"top_logprobs":20}`,
			map[string]any{"logprobs": false, "top_logprobs": nil},
			[]string{"top_logprobs"},
		},
		"completion": {
			"trusted", "openai.completions", `{"model":"m","prompt":"x","logprobs":2,"echo":true}`,
			map[string]any{"logprobs": 5.0, "echo": nil, "max_tokens": nil},
			[]string{"echo"},
		},
		"completion for the public": {
			"public", "openai.completions", `{"model":"m","prompt":"x","logprobs":2,"echo":true}`,
			map[string]any{"logprobs": nil, "echo": true},
			[]string{"logprobs"},
		},
		"completion at standard": {
			"standard", "openai.completions", `{"model":"m","prompt":"x","logprobs":2}`,
			map[string]any{"logprobs": 5.0},
			[]string{"logprobs"},
		},
		"embeddings": {
			"public", "openai.embeddings", `{"model":"m","input":"x","dimensions":64,"encoding_format":"base64"}`,
			map[string]any{"dimensions": nil, "encoding_format": "base64", "max_tokens": nil},
			[]string{"dimensions"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, got := narrow(t, c.route, profile(t, c.profile), c.body)
			for key, want := range c.want {
				if diff := cmp.Diff(want, doc[key]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", key, diff)
				}
			}
			if diff := cmp.Diff(c.adjusted, got.Adjusted); diff != "" {
				t.Errorf("adjusted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNarrowRequestRefusesUnknown(t *testing.T) {
	t.Parallel()
	r := route(t, "openai.chat")
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"zz":1}`)
	req, err := r.Peek(body)
	if err != nil {
		t.Fatal(err)
	}
	got, reason, err := guard.NarrowRequest(r, profile(t, "public"), req, guard.Cap{Most: 512}, nil, body)
	fault, ok := errors.AsType[*wire.RequestError](err)
	if !ok || fault.Param != "zz" || reason == nil || reason.Code != "bad_request" || len(got.Body) != 0 {
		t.Errorf("NarrowRequest = %q, %+v, %v; want a refusal that names zz", got.Body, reason, err)
	}
}

// TestOfficialRequestsPass: what official clients send works on the strictest profile.
func TestOfficialRequestsPass(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","messages":[{"role":"user","content":"x"}],"audio":{"voice":"v","format":"mp3"},"frequency_penalty":0,"presence_penalty":0,
		"max_completion_tokens":10,"metadata":{"a":"b"},"modalities":["text"],"n":1,"parallel_tool_calls":true,"prompt_cache_key":"k","reasoning_effort":"low",
		"response_format":{"type":"text"},"safety_identifier":"s","seed":1,"service_tier":"auto","stop":["a"],"store":false,"stream":true,
		"stream_options":{"include_usage":true,"include_obfuscation":false},"temperature":1,"tool_choice":"auto","tools":[],"top_p":1,"user":"u",
		"verbosity":"low","web_search_options":{},"function_call":"none","functions":[],"prediction":null,"logit_bias":null,"logprobs":null,"top_logprobs":null}`
	_, got := narrow(t, "openai.chat", profile(t, "public"), body)
	if diff := cmp.Diff([]string{"seed"}, got.Adjusted); diff != "" {
		t.Errorf("adjusted (-want +got):\n%s", diff)
	}
}

// FuzzNarrow: for every profile, what passes comes out as JSON within the profile.
func FuzzNarrow(f *testing.F) {
	f.Add([]byte(every))
	f.Add([]byte(`{"model":"m","prompt":["x"],"logprobs":5,"echo":true,"n":null,"\u006eew":1}`))
	f.Add([]byte(`{"model":"m","input":[[1,2]],"dimensions":3}`))
	never := []string{"logprob_token_ids", "custom_logit_processor", "watermarking", "prompt_logprobs", "kv_transfer_params", "logits_processors"}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, r := range wire.Routes() {
			req, err := r.Peek(body)
			if err != nil || r.Class == wire.ClassMetadata || r.Closed() {
				continue
			}
			for _, name := range profileNames {
				p := profile(t, name)
				got, reason, err := guard.NarrowRequest(r, p, req, guard.Cap{Most: 512}, nil, body)
				if reason != nil {
					if p.UnknownRequest != coarsen.UnknownReject || len(req.Unknown) == 0 {
						t.Fatalf("%s %s refused %q: %v", r.Name, name, body, err)
					}
					continue
				}
				var doc map[string]any
				if err := json.Unmarshal(got.Body, &doc); err != nil {
					t.Fatalf("%s %s: %q became %q: %v", r.Name, name, body, got.Body, err)
				}
				for key, value := range doc {
					number, _ := value.(float64)
					switch {
					case value != nil && slices.Contains(never, key), !r.KnowsOption(key),
						key == "n" && number > float64(p.Choices()),
						key == "logit_bias" && (p.LogitBias.Entries == 0 || doc["logprobs"] == true),
						r.Class == wire.ClassGenerate && (key == "max_tokens" || key == "max_completion_tokens") && number > 512,
						key == "logprobs" && r.Name == "openai.chat" && value == true && !p.Logprobs.Allow:
						t.Fatalf("%s %s: %q became %q, which has %s: %v", r.Name, name, body, got.Body, key, value)
					}
				}
			}
		}
	})
}
