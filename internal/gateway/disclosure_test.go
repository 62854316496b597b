package gateway_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/wire"
)

// alias is one way to ask for the same words and their log-probabilities: of six tokens,
// with three alternatives each.
type alias struct {
	engine               wire.Engine
	path, stream         string // stream is the path of the stream, if it has its own
	body, whole, asEvent string // body has %s, where one of the others goes
	// silent is set where the API has no log-probabilities.
	silent bool
	// tells returns the events of a stream that tell something for the first time; nil is
	// for all.
	tells func(events []any) []any
}

const (
	asChat   = `"messages":[{"role":"user","content":"What is a tier?"}]`
	contents = `"contents":[{"role":"user","parts":[{"text":"What is a tier?"}]}]`
)

// chats put the question to the model as a chat, and openings have it go on with a text.
var (
	chats = map[string]alias{
		"chat": {
			engine: wire.EngineOpenAI, path: "/v1/chat/completions", asEvent: `"stream":true,"stream_options":{"include_usage":true},`,
			body: `{%s"model":"bartizan-small","max_tokens":6,"temperature":0,"logprobs":true,"top_logprobs":3,` + asChat + `}`,
		},
		"responses": {
			engine: wire.EngineOpenAI, path: "/v1/responses", asEvent: `"stream":true,`, tells: ofType("response.output_text.delta"),
			body: `{%s"model":"bartizan-small","max_output_tokens":6,"temperature":0,"include":["message.output_text.logprobs"],"top_logprobs":3,"input":"What is a tier?"}`,
		},
		"messages": {
			engine: wire.EngineAnthropic, path: "/v1/messages", asEvent: `"stream":true,`, silent: true,
			body: `{%s"model":"bartizan-small","max_tokens":6,"temperature":0,` + asChat + `}`,
		},
		"gemini": {
			engine: wire.EngineGemini, path: "/v1beta/models/bartizan-small:generateContent",
			stream: "/v1beta/models/bartizan-small:streamGenerateContent?alt=sse",
			body:   `{%s` + contents + `,"generationConfig":{"maxOutputTokens":6,"temperature":0,"responseLogprobs":true,"logprobs":3}}`,
		},
		"gemini, array and snake case": {
			engine: wire.EngineGemini, path: "/v1beta/models/bartizan-small:generateContent",
			stream: "/v1beta/models/bartizan-small:streamGenerateContent",
			body:   `{%s` + contents + `,"generation_config":{"max_output_tokens":6,"temperature":0,"response_logprobs":true,"logprobs":3}}`,
		},
		"ollama": {
			engine: wire.EngineOllama, path: "/api/chat", whole: `"stream":false,`,
			body: `{%s"model":"bartizan-small","logprobs":true,"top_logprobs":3,"options":{"num_predict":6,"temperature":0},` + asChat + `}`,
		},
		"ollama's generate": {
			engine: wire.EngineOllama, path: "/api/generate", whole: `"stream":false,`,
			body: `{%s"model":"bartizan-small","logprobs":true,"top_logprobs":3,"options":{"num_predict":6,"temperature":0},"prompt":"What is a tier?"}`,
		},
		"ollama as openai": {
			engine: wire.EngineOllama, path: "/v1/chat/completions", asEvent: `"stream":true,`,
			body: `{%s"model":"bartizan-small","max_tokens":6,"temperature":0,"logprobs":true,"top_logprobs":3,` + asChat + `}`,
		},
	}
	openings = map[string]alias{
		"completions": {
			engine: wire.EngineOpenAI, path: "/v1/completions", asEvent: `"stream":true,`,
			body: `{%s"model":"bartizan-small","max_tokens":6,"temperature":0,"logprobs":3,"prompt":"A tier is"}`,
		},
		"llama.cpp": {
			engine: wire.EngineLlamaCpp, path: "/completion", asEvent: `"stream":true,`,
			body: `{%s"n_predict":6,"temperature":0,"n_probs":3,"prompt":"A tier is"}`,
		},
		"llama.cpp's other path": {
			engine: wire.EngineLlamaCpp, path: "/completions", asEvent: `"stream":true,`,
			body: `{%s"n_predict":6,"temperature":0,"n_probs":3,"prompt":"A tier is"}`,
		},
		"tgi": {
			engine: wire.EngineTGI, path: "/generate", stream: "/generate_stream",
			body: `{%s"inputs":"A tier is","parameters":{"max_new_tokens":6,"details":true,"top_n_tokens":3}}`,
		},
		"sglang": {
			engine: wire.EngineSGLang, path: "/generate", asEvent: `"stream":true,`, tells: lastOnly,
			body: `{%s"text":"A tier is","return_logprob":true,"top_logprobs_num":3,"sampling_params":{"max_new_tokens":6,"temperature":0}}`,
		},
	}
)

// ofType keeps the events of a type.
func ofType(kind string) func([]any) []any {
	return func(events []any) []any {
		return slices.DeleteFunc(slices.Clone(events), func(v any) bool {
			object, _ := v.(map[string]any)
			return object["type"] != kind
		})
	}
}

// lastOnly is for streams whose events tell all from the beginning.
func lastOnly(events []any) []any { return events[max(0, len(events)-1):] }

// The same question by any alias, whole or streamed, tells the same numbers and as many
// tokens at each tier, and the record counts exactly the numbers that the client got, each
// of them once.
func TestDisclosureIsTheSameByEveryAlias(t *testing.T) {
	t.Parallel()
	for group, aliases := range map[string]map[string]alias{"chat": chats, "opening": openings} {
		for _, tier := range allTiers {
			t.Run(group+", "+string(tier), func(t *testing.T) {
				t.Parallel()
				p := shippedProfile(t, tier)
				var first []json.Number
				heard := false
				for name, a := range aliases {
					for _, streamed := range []bool{false, true} {
						numbers, d := a.ask(t, tier, streamed)
						for _, n := range numbers {
							if fault := offGrid(&p, n); fault != "" {
								t.Errorf("%s, streamed %v: %s", name, streamed, fault)
							}
						}
						told := released(numbers)
						if d.Values != int64(len(told)) || d.Tokens != 6 {
							t.Errorf("%s, streamed %v: the record says %+v; the client got %d numbers for 6 tokens", name, streamed, d, len(told))
						}
						if most := 6 * (1 + min(3, p.Logprobs.TopK)); len(told) > most || (!p.Logprobs.Allow && len(told) > 0) {
							t.Errorf("%s, streamed %v: %d numbers; the tier allows %d", name, streamed, len(told), most)
						}
						if a.silent {
							continue
						}
						slices.Sort(told)
						if !heard {
							first, heard = told, true
						}
						if diff := cmp.Diff(first, told); diff != "" {
							t.Errorf("%s, streamed %v: other numbers than another alias (-other +this):\n%s", name, streamed, diff)
						}
					}
				}
				if p.Logprobs.Allow && len(first) < 6 {
					t.Errorf("%d numbers; want some for each of 6 tokens", len(first))
				}
			})
		}
	}
}

// ask asks once, behind a gateway of its own, and returns the numbers in the answer, each
// once, and what the record says of it.
func (a *alias) ask(t *testing.T, tier bartizan.Tier, streamed bool) ([]json.Number, bartizan.Disclosure) {
	t.Helper()
	b := behindEngine(t, a.engine, deployment{})
	path, way := a.path, a.whole
	if streamed {
		way = a.asEvent
		if a.stream != "" {
			path = a.stream
		}
	}
	answer := b.ask(t, path, tier, strings.Replace(a.body, "%s", way, 1))
	events := decoded(t, answer)
	if streamed && len(events) < 2 {
		t.Fatalf("%s: %d events; want a stream", path, len(events))
	}
	if streamed && a.tells != nil {
		events = a.tells(events)
	}
	var numbers []json.Number
	for _, event := range events {
		numbers = append(numbers, logprobNumbers(event)...)
	}
	return numbers, b.lastExchange(t, 1).Disclosure
}
