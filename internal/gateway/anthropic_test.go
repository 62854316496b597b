package gateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"

	"bartizan"
)

// messages is a small upstream that speaks the shape of Anthropic's messages, thinks
// aloud, calls a tool, and tells more than it is asked.
type messages struct {
	mu   sync.Mutex
	seen map[string]any // the last request's body
	fail int            // the status of the next answer, if not 0
	cut  bool           // break the next stream off
}

const (
	messageHead = `"id":"msg_1","type":"message","role":"assistant","model":"m","stop_sequence":null,"engine":"0.9-tp2"`
	messageEnd  = `"output_tokens":40,"output_tokens_details":{"thinking_tokens":12}`
	messageIn   = `"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"service_tier":"standard"`
)

func (m *messages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	m.seen = nil
	if r.URL.Path != "/v1/messages" || json.Unmarshal(body, &m.seen) != nil {
		http.Error(w, "no such page", http.StatusNotFound)
		return
	}
	if m.fail != 0 {
		w.WriteHeader(m.fail)
		_, _ = io.WriteString(w, `{"type":"error","error":{"type":"api_error","message":"/srv/models/m is gone"},"request_id":"req_upstream"}`)
		m.fail = 0
		return
	}
	if m.seen["stream"] != true {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{`+messageHead+`,"content":[{"type":"thinking","thinking":"Let me see.","signature":"c2ln"},{"type":"text","text":"A turret."},`+
			`{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bern","cost":1}}],"stop_reason":"tool_use","usage":{`+messageIn+`,`+messageEnd+`}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	event := func(name, rest string) {
		_, _ = io.WriteString(w, "event: "+name+"\ndata: {\"type\":\""+name+"\""+rest+"}\n\n")
		_ = http.NewResponseController(w).Flush()
	}
	delta := func(index, delta string) {
		event("content_block_delta", `,"index":`+index+`,"delta":{"type":`+delta+`}`)
	}
	event("message_start", `,"message":{`+messageHead+`,"content":[],"stop_reason":null,"usage":{`+messageIn+`,"output_tokens":1}}`)
	event("content_block_start", `,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}`)
	event("ping", "")
	delta("0", `"thinking_delta","thinking":"Let me "`)
	delta("0", `"thinking_delta","thinking":"see."`)
	delta("0", `"signature_delta","signature":"c2ln"`)
	event("content_block_stop", `,"index":0`)
	event("content_block_start", `,"index":1,"content_block":{"type":"text","text":""}`)
	delta("1", `"text_delta","text":"A tur"`)
	if m.cut {
		m.cut = false
		panic(http.ErrAbortHandler)
	}
	delta("1", `"text_delta","text":"ret."`)
	event("content_block_stop", `,"index":1`)
	event("content_block_start", `,"index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}`)
	delta("2", `"input_json_delta","partial_json":"{\"city\":\"Bern\","`)
	delta("2", `"input_json_delta","partial_json":"\"cost\":1}"`)
	event("content_block_stop", `,"index":2`)
	event("message_delta", `,"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{`+messageEnd+`}`)
	event("message_stop", "")
}

// requested returns the last request's body.
func (m *messages) requested() map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

func (m *messages) next(fail int, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.cut = fail, cut
}

// anthropicSDK puts a gateway in front of such an upstream and returns the official
// client, which sends its key in a header of its own.
func anthropicSDK(t *testing.T, key string) (*messages, *fixture, anthropic.Client) {
	t.Helper()
	m := &messages{}
	f := setup(t, m)
	return m, f, anthropic.NewClient(option.WithBaseURL(f.url), option.WithAPIKey(key), option.WithMaxRetries(0))
}

var ask = anthropic.MessageNewParams{
	Model: "m", MaxTokens: 200, System: []anthropic.TextBlockParam{{Text: "Be brief."}},
	Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("What is a bartizan?"))},
	Tools: []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
		Name: "weather", InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]any{"type": "string"}}},
	}}},
}

// saw is what a client sees of a message.
type saw struct {
	Thinking, Signature, Text, Tool, Input string
	In, Out                                int64
	Stop                                   anthropic.StopReason
}

func sawOf(m anthropic.Message) saw {
	s := saw{In: m.Usage.InputTokens, Out: m.Usage.OutputTokens, Stop: m.StopReason}
	for _, b := range m.Content {
		switch b := b.AsAny().(type) {
		case anthropic.ThinkingBlock:
			s.Thinking, s.Signature = s.Thinking+b.Thinking, s.Signature+b.Signature
		case anthropic.TextBlock:
			s.Text += b.Text
		case anthropic.ToolUseBlock:
			s.Tool, s.Input = b.Name, string(b.Input)
		}
	}
	return s
}

// The official client gets the message, whole and streamed, and the thinking only at
// the tier that may see it; the record tells what it cost.
func TestAnthropicSDK(t *testing.T) {
	t.Parallel()
	open := saw{
		Thinking: "Let me see.", Signature: "c2ln", Text: "A turret.", Tool: "weather", Input: `{"city":"Bern","cost":1}`,
		In: 25, Out: 40, Stop: anthropic.StopReasonToolUse,
	}
	closed := open
	closed.Thinking, closed.Signature = "", ""
	for tier, want := range map[string]saw{"public": closed, "partner": open} {
		for _, streamed := range []bool{false, true} {
			name := tier + ", whole"
			if streamed {
				name = tier + ", streamed"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				upstream, f, client := anthropicSDK(t, "key-"+tier)
				var got anthropic.Message
				if streamed {
					stream := client.Messages.NewStreaming(t.Context(), ask)
					defer stream.Close()
					for stream.Next() {
						if err := got.Accumulate(stream.Current()); err != nil {
							t.Fatal(err)
						}
					}
					if err := stream.Err(); err != nil {
						t.Fatal(err)
					}
				} else {
					answer, err := client.Messages.New(t.Context(), ask)
					if err != nil {
						t.Fatal(err)
					}
					got = *answer
				}
				if diff := cmp.Diff(want, sawOf(got)); diff != "" {
					t.Errorf("message (-want +got):\n%s", diff)
				}
				if !streamed && tier == "public" && strings.Contains(got.RawJSON(), "tp2") {
					t.Errorf("the engine's name reached the public: %s", got.RawJSON())
				}
				if seen := upstream.requested(); seen["stream_options"] != nil || seen["max_tokens"] != 200.0 || seen["system"] == nil {
					t.Errorf("the upstream saw %v; want the client's own request", seen)
				}
				x := f.waitRecords(t, 1)[0].Exchange
				usage := bartizan.Usage{InputTokens: 35, OutputTokens: 40, CachedTokens: 10, ReasoningTokens: 12}
				if x.Route != "anthropic.messages" || x.Outcome != bartizan.OutcomeAnswered || x.Usage != usage || x.Asked.Tools != 1 {
					t.Errorf("record = %+v; want an answered message with usage %+v", x, usage)
				}
				told := int64(40)
				if tier == "public" {
					told -= 12
				}
				if x.Disclosure.Tokens != told {
					t.Errorf("disclosed %d tokens; want %d", x.Disclosure.Tokens, told)
				}
				if x.Text == nil || x.Text.Prompt != "What is a bartizan?" || x.Text.System != "Be brief." {
					t.Errorf("text = %+v; want prompt and system", x.Text)
				}
			})
		}
	}
}

// What a client sends back of thinking that it did not see passes, and a cap beyond
// the tier's is lowered together with the budget for thinking.
func TestAnthropicSDKNarrowing(t *testing.T) {
	t.Parallel()
	upstream, f, client := anthropicSDK(t, "key-partner")
	params := ask
	params.MaxTokens = 1 << 20
	params.Thinking = anthropic.ThinkingConfigParamOfEnabled(1 << 19)
	params.Messages = append(params.Messages[:1:1], anthropic.NewAssistantMessage(anthropic.NewThinkingBlock("", ""), anthropic.NewTextBlock("A turret.")),
		anthropic.NewUserMessage(anthropic.NewTextBlock("Why?")))
	var response *http.Response
	if _, err := client.Messages.New(t.Context(), params, option.WithResponseInto(&response), option.WithRequestTimeout(time.Minute)); err != nil {
		t.Fatal(err)
	}
	seen := upstream.requested()
	most, _ := seen["max_tokens"].(float64)
	thinking, _ := seen["thinking"].(map[string]any)
	budget, _ := thinking["budget_tokens"].(float64)
	if most <= 0 || most >= 1<<20 || (budget != most-1 && thinking["type"] != "disabled") {
		t.Errorf("the upstream was asked for %v tokens with %v; want less than the client's, and a budget below", most, thinking)
	}
	if got := response.Header.Get("X-Bartizan-Adjusted"); !strings.Contains(got, "max_tokens") || !strings.Contains(got, "thinking") {
		t.Errorf("X-Bartizan-Adjusted = %q; want max_tokens and thinking", got)
	}
	reset, err := time.Parse(time.RFC3339, response.Header.Get("Anthropic-Ratelimit-Requests-Reset"))
	if err != nil || time.Until(reset) > 2*time.Minute || response.Header.Get("Anthropic-Ratelimit-Tokens-Limit") == "" || response.Header.Get("X-Ratelimit-Limit-Requests") != "" {
		t.Errorf("headers = %v; want Anthropic's own for what is left", response.Header)
	}
	f.waitRecords(t, 1)
}

// anthropicErrorType returns the status and the type of an error of the client.
func anthropicErrorType(t *testing.T, err error) (status int, kind, message string) {
	t.Helper()
	fault, ok := errors.AsType[*anthropic.Error](err)
	if !ok {
		t.Fatalf("error = %v; want one of the client's own kind", err)
	}
	var body struct {
		Type  string
		Error struct{ Type, Message string }
	}
	if err := json.Unmarshal([]byte(fault.RawJSON()), &body); err != nil || body.Type != "error" {
		t.Fatalf("error body = %s, %v; want one of Anthropic's shape", fault.RawJSON(), err)
	}
	return fault.StatusCode, body.Error.Type, body.Error.Message
}

func TestAnthropicSDKErrors(t *testing.T) {
	t.Parallel()
	upstream, f, client := anthropicSDK(t, "key-public")
	check := func(name string, err error, status int, kind string) {
		t.Helper()
		if gotStatus, gotKind, message := anthropicErrorType(t, err); gotStatus != status || gotKind != kind || message == "" || strings.Contains(message, "srv") {
			t.Errorf("%s: %d %s %q; want %d %s", name, gotStatus, gotKind, message, status, kind)
		}
	}
	stranger := anthropic.NewClient(option.WithBaseURL(f.url), option.WithAPIKey("nobody"), option.WithMaxRetries(0))
	_, err := stranger.Messages.New(t.Context(), ask)
	check("wrong key", err, 401, "authentication_error")
	suspended := anthropic.NewClient(option.WithBaseURL(f.url), option.WithAuthToken("key-suspended"), option.WithMaxRetries(0))
	_, err = suspended.Messages.New(t.Context(), ask)
	check("suspended, with a bearer token", err, 403, "permission_error")
	bad := ask
	bad.MaxTokens = -1
	_, err = client.Messages.New(t.Context(), bad)
	check("negative cap", err, 400, "invalid_request_error")
	upstream.next(529, false)
	_, err = client.Messages.New(t.Context(), ask)
	check("upstream overloaded", err, 529, "overloaded_error")
	upstream.next(500, false)
	_, err = client.Messages.New(t.Context(), ask)
	check("upstream broken", err, 500, "api_error")
	upstream.next(0, true)
	stream := client.Messages.NewStreaming(t.Context(), ask)
	for stream.Next() {
	}
	if err := stream.Err(); err == nil || strings.Contains(err.Error(), "srv") {
		t.Errorf("a stream that breaks off: %v; want an error", err)
	}
	for range 25 {
		if _, err = client.Messages.New(t.Context(), ask); err != nil {
			break
		}
	}
	check("over the limit", err, 429, "rate_limit_error")
	if _, _, message := anthropicErrorType(t, err); !strings.Contains(message, "per minute") {
		t.Errorf("over the limit: %q; want the limit named", message)
	}
}

// A stream that breaks off is charged by what was sent: the count with which it began
// says nothing of that.
func TestAnthropicCutStreamIsEstimated(t *testing.T) {
	t.Parallel()
	upstream, f, client := anthropicSDK(t, "key-partner")
	upstream.next(0, true)
	stream := client.Messages.NewStreaming(t.Context(), ask)
	for stream.Next() {
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeFailed || !x.Usage.Estimated || x.Usage.OutputTokens < 4 {
		t.Errorf("outcome %s, usage %+v; want a failure and an estimate of what was sent", x.Outcome, x.Usage)
	}
}
