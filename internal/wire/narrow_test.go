package wire_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/wire"
)

func TestNarrow(t *testing.T) {
	t.Parallel()
	const messages = `"messages":[{"role":"user","content":"x"}]`
	cases := map[string]struct {
		route, body string
		n           wire.Narrowing
		want        string
		adjusted    []string
	}{
		"nothing to do": {
			"openai.chat", ` {"model":"m", ` + messages + `}`, wire.Narrowing{}, ` {"model":"m", ` + messages + `}`, nil,
		},
		"no cap is added": {
			"openai.chat", `{"model":"m",` + messages + `}`,
			wire.Narrowing{MaxOutput: 9},
			`{"model":"m",` + messages + `}`, nil,
		},
		"cap lowered": {
			"openai.chat", `{"model":"m","max_completion_tokens": 10,` + messages + `}`,
			wire.Narrowing{MaxOutput: 9},
			`{"model":"m","max_completion_tokens": 9,` + messages + `}`,
			[]string{"max_completion_tokens"},
		},
		"cap kept": {
			"openai.chat", `{"model":"m","max_tokens":9,` + messages + `}`,
			wire.Narrowing{MaxOutput: 9},
			`{"model":"m","max_tokens":9,` + messages + `}`, nil,
		},
		"null caps": {
			"openai.chat", `{"model":"m","max_tokens":null,"max_completion_tokens":null,` + messages + `}`,
			wire.Narrowing{MaxOutput: 9},
			`{"model":"m","max_tokens":null,"max_completion_tokens":null,` + messages + `}`, nil,
		},
		"cap added": {
			"openai.chat", `{"model":"m",` + messages + `}`,
			wire.Narrowing{MaxOutput: 9, AddMaxOutput: true},
			`{"model":"m",` + messages + `,"max_tokens":9}`, nil,
		},
		"cap added in place of null": {
			"openai.chat", `{"max_tokens":null,"max_completion_tokens":null,` + messages + `,"model":"m"}`,
			wire.Narrowing{MaxOutput: 9, AddMaxOutput: true},
			`{"max_tokens":9,"max_completion_tokens":null,` + messages + `,"model":"m"}`, nil,
		},
		"cap added to a completion": {
			"openai.completions", `{"model":"m","prompt":"x"}`,
			wire.Narrowing{MaxOutput: 9, AddMaxOutput: true},
			`{"model":"m","prompt":"x","max_tokens":9}`, nil,
		},
		"no cap added to the client's": {
			"openai.chat", `{"model":"m","max_completion_tokens":5,` + messages + `}`,
			wire.Narrowing{MaxOutput: 9, AddMaxOutput: true},
			`{"model":"m","max_completion_tokens":5,` + messages + `}`, nil,
		},
		"cap in place of a number that means none": {
			"ollama.generate", `{"model":"m","prompt":"x","options":{"num_predict":-1}}`,
			wire.Narrowing{MaxOutput: 9, AddMaxOutput: true},
			`{"model":"m","prompt":"x","options":{"num_predict":9}}`,
			[]string{"options.num_predict"},
		},
		"no cap where answers have none": {
			"openai.embeddings", `{"model":"m","input":"x"}`,
			wire.Narrowing{MaxOutput: 9, AddMaxOutput: true},
			`{"model":"m","input":"x"}`, nil,
		},
		"first removed": {
			"openai.chat", `{"seed":1, "model":"m",` + messages + `}`,
			wire.Narrowing{Remove: wire.Set(wire.OptionSeed)},
			`{"model":"m",` + messages + `}`,
			[]string{"seed"},
		},
		"first two removed": {
			"openai.chat", `{"seed":1,"store":true,"model":"m",` + messages + `}`,
			wire.Narrowing{Remove: wire.Set(wire.OptionSeed, wire.OptionStore)},
			`{"model":"m",` + messages + `}`,
			[]string{"seed", "store"},
		},
		"last removed": {
			"openai.chat", `{"model":"m",` + messages + `, "seed":1 }`,
			wire.Narrowing{Remove: wire.Set(wire.OptionSeed)},
			`{"model":"m",` + messages + ` }`,
			[]string{"seed"},
		},
		"not asked, not named": {
			"openai.chat", `{"model":"m","priority":null,` + messages + `}`,
			wire.Narrowing{Remove: wire.Set(wire.OptionPriority)},
			`{"model":"m",` + messages + `}`, nil,
		},
		"what is not to be kept": {
			"openai.chat", `{"model":"m","store":false,` + messages + `}`,
			wire.Narrowing{Remove: wire.Set(wire.OptionStore)},
			`{"model":"m","store":false,` + messages + `}`, nil,
		},
		"a group that is null has the cap": {
			"sglang.generate", `{"sampling_params":null,"text":"x"}`,
			wire.Narrowing{MaxOutput: 7, AddMaxOutput: true},
			`{"sampling_params":{"max_new_tokens":7},"text":"x"}`, nil,
		},
		"a group of the other spelling has the cap": {
			"gemini.generate", `{"contents":[{"parts":[]}],"generation_config":{"topK":1}}`,
			wire.Narrowing{MaxOutput: 7, AddMaxOutput: true},
			`{"contents":[{"parts":[]}],"generation_config":{"topK":1,"maxOutputTokens":7}}`, nil,
		},
		"lists beside the prompts": {
			"sglang.generate", `{"text":["a","b","c"],"rid":["1","2","3"],"image_data":["x"]}`,
			wire.Narrowing{MaxInputs: 2},
			`{"text":["a","b"],"rid":["1","2"],"image_data":["x"]}`,
			[]string{"text"},
		},
		"escaped key removed": {
			"openai.chat", `{"model":"m","se\u0065d":1,` + messages + `}`,
			wire.Narrowing{Remove: wire.Set(wire.OptionSeed)},
			`{"model":"m",` + messages + `}`,
			[]string{"seed"},
		},
		"choices": {
			"openai.chat", `{"model":"m","n":5,"best_of":2,` + messages + `}`,
			wire.Narrowing{MaxChoices: 4, MaxBest: 4},
			`{"model":"m","n":4,"best_of":2,` + messages + `}`,
			[]string{"n"},
		},
		"alternatives": {
			"openai.chat", `{"model":"m","logprobs":true,"top_logprobs":2,` + messages + `}`,
			wire.Narrowing{Alternatives: 20},
			`{"model":"m","logprobs":true,"top_logprobs":20,` + messages + `}`, nil,
		},
		"alternatives added": {
			"openai.chat", `{"model":"m","logprobs":true,` + messages + `}`,
			wire.Narrowing{Alternatives: 20},
			`{"model":"m","logprobs":true,` + messages + `,"top_logprobs":20}`, nil,
		},
		"alternatives of a completion": {
			"openai.completions", `{"model":"m","prompt":"x","logprobs":1}`,
			wire.Narrowing{Alternatives: 5},
			`{"model":"m","prompt":"x","logprobs":5}`, nil,
		},
		"bias": {
			"openai.chat", `{"model":"m","logit_bias":{"1":50,"2":-3,"3":-99,"4":1},` + messages + `}`,
			wire.Narrowing{BiasEntries: 3, BiasLimit: 10},
			`{"model":"m","logit_bias":{"1":10,"2":-3,"3":-10},` + messages + `}`,
			[]string{"logit_bias"},
		},
		"bias of bools": {
			"openai.chat", `{"model":"m","logit_bias":{"1":false,"2":2},` + messages + `}`,
			wire.Narrowing{BiasEntries: 3, BiasLimit: 10},
			`{"model":"m","logit_bias":{"2":2},` + messages + `}`,
			[]string{"logit_bias"},
		},
		"bias of pairs": {
			"openai.chat", `{"model":"m","logit_bias":[[1,5]],` + messages + `}`,
			wire.Narrowing{BiasEntries: 3, BiasLimit: 10},
			`{"model":"m","logit_bias":{},` + messages + `}`,
			[]string{"logit_bias"},
		},
		"bias in order": {
			"openai.chat", `{"model":"m","logit_bias":{"1": 5},` + messages + `}`,
			wire.Narrowing{BiasEntries: 3, BiasLimit: 10},
			`{"model":"m","logit_bias":{"1": 5},` + messages + `}`, nil,
		},
		"unknown": {
			"openai.chat", `{"model":"m","zz":{"a":[1]},` + messages + `}`,
			wire.Narrowing{DropUnknown: true},
			`{"model":"m",` + messages + `}`,
			[]string{"zz"},
		},
		"usage": {
			"openai.chat", `{"model":"m","stream":true,` + messages + `}`,
			wire.Narrowing{AddUsage: true},
			`{"model":"m","stream":true,` + messages + `,"stream_options":{"include_usage":true}}`, nil,
		},
		"usage among options": {
			"openai.chat", `{"model":"m","stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false,"continuous_usage_stats":true},` + messages + `}`,
			wire.Narrowing{AddUsage: true},
			`{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},` + messages + `}`, nil,
		},
		"usage of a null": {
			"openai.chat", `{"model":"m","stream":true,"stream_options":null,` + messages + `}`,
			wire.Narrowing{AddUsage: true},
			`{"model":"m","stream":true,"stream_options":{"include_usage":true},` + messages + `}`, nil,
		},
		"cap of messages": {
			"anthropic.messages", `{"model":"m","max_tokens":4096,"stream":true,"mcp_servers":[],` + messages + `}`,
			wire.Narrowing{MaxOutput: 9, AddUsage: true, DropUnknown: true},
			`{"model":"m","max_tokens":9,"stream":true,` + messages + `}`,
			[]string{"max_tokens", "mcp_servers"},
		},
		"thinking that has room": {
			"anthropic.messages", `{"model":"m","max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":2047},` + messages + `}`,
			wire.Narrowing{MaxOutput: 2048},
			`{"model":"m","max_tokens":2048,"thinking":{"type":"enabled","budget_tokens":2047},` + messages + `}`,
			[]string{"max_tokens"},
		},
		"thinking that has less room": {
			"anthropic.messages", `{"thinking":{"budget_tokens": 2048 ,"type":"enabled"},"model":"m","max_tokens":4096,` + messages + `}`,
			wire.Narrowing{MaxOutput: 2048},
			`{"thinking":{"budget_tokens": 2047 ,"type":"enabled"},"model":"m","max_tokens":2048,` + messages + `}`,
			[]string{"thinking", "max_tokens"},
		},
		"thinking that has no room": {
			"anthropic.messages", `{"model":"m","max_tokens":4096,"thinking":{"type":"enabled","budget_tokens":1024},` + messages + `}`,
			wire.Narrowing{MaxOutput: 1024},
			`{"model":"m","max_tokens":1024,"thinking":{"type":"disabled"},` + messages + `}`,
			[]string{"max_tokens", "thinking"},
		},
		"thinking under the client's own cap": {
			"anthropic.messages", `{"model":"m","max_tokens":1000,"thinking":{"type":"enabled","budget_tokens":2000},` + messages + `}`,
			wire.Narrowing{MaxOutput: 2048},
			`{"model":"m","max_tokens":1000,"thinking":{"type":"enabled","budget_tokens":2000},` + messages + `}`, nil,
		},
		"thinking without a budget": {
			"anthropic.messages", `{"model":"m","max_tokens":4096,"thinking":{"type":"adaptive"},` + messages + `}`,
			wire.Narrowing{MaxOutput: 2048},
			`{"model":"m","max_tokens":2048,"thinking":{"type":"adaptive"},` + messages + `}`,
			[]string{"max_tokens"},
		},
		"no usage without a stream": {
			"openai.chat", `{"model":"m",` + messages + `}`,
			wire.Narrowing{AddUsage: true},
			`{"model":"m",` + messages + `}`, nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := route(t, c.route)
			req, err := r.Peek([]byte(c.body))
			if err != nil {
				t.Fatalf("Peek: %v", err)
			}
			got, adjusted, err := r.Narrow([]byte("kept:"), []byte(c.body), req, c.n)
			if err != nil {
				t.Fatalf("Narrow: %v", err)
			}
			if string(got) != "kept:"+c.want {
				t.Errorf("Narrow = %s\nwant %s", got, c.want)
			}
			if diff := cmp.Diff(c.adjusted, adjusted); diff != "" {
				t.Errorf("adjusted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNarrowRefusesGarbage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "[]", `{"model":`, `{"a" 1}`} {
		if got, _, err := route(t, "openai.chat").Narrow(nil, []byte(body), wire.Request{}, wire.Narrowing{}); err == nil {
			t.Errorf("Narrow(%q) = %q; want an error", body, got)
		}
	}
}

// FuzzNarrow: whatever passes Peek comes out as JSON without the removed options,
// without unknown keys, and within the caps.
func FuzzNarrow(f *testing.F) {
	for _, body := range requests {
		f.Add([]byte(body))
	}
	narrowing := wire.Narrowing{
		MaxOutput: 100, MaxChoices: 1, MaxBest: 1, AddUsage: true, DropUnknown: true,
		Remove: wire.Set(wire.OptionLogprobs, wire.OptionTopLogprobs, wire.OptionLogitBias, wire.OptionTargetIDs,
			wire.OptionTokenIDs, wire.OptionPromptScores, wire.OptionSeed, wire.OptionInternal, wire.OptionCode),
	}
	forbidden := []string{
		"logprobs", "top_logprobs", "logit_bias", "logprob_token_ids", "token_ids_logprob", "return_token_ids",
		"prompt_logprobs", "seed", "kv_transfer_params", "custom_logit_processor", "unknown_field",
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, r := range wire.Routes() {
			req, err := r.Peek(body)
			if err != nil || r.Class == wire.ClassMetadata || r.Closed() {
				continue
			}
			out, _, err := r.Narrow(nil, body, req, narrowing)
			if err != nil {
				t.Fatalf("%s: Narrow(%q): %v", r.Name, body, err)
			}
			var got map[string]any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%s: Narrow(%q) = %q: %v", r.Name, body, out, err)
			}
			for key, value := range got {
				if slices.Contains(forbidden, key) || !r.KnowsOption(key) {
					t.Fatalf("%s: Narrow(%q) left %s", r.Name, body, key)
				}
				if number, ok := value.(float64); ok && r.Class == wire.ClassGenerate && (key == "n" && number > 1 || key == "max_tokens" && number > 100) {
					t.Fatalf("%s: Narrow(%q) left %s at %v", r.Name, body, key, number)
				}
			}
			if again, err := r.Peek(out); err != nil || again.Model != req.Model {
				t.Fatalf("%s: the narrowed %q is refused: %v", r.Name, out, err)
			}
		}
	})
}
