package wire_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/wire"
)

// messageStream and messageWhole are one invented message in both framings, with
// thinking, text and a call of a tool.
const messageStream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"s\u00e4e."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2lnbmF0dXJl"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"A turret"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":", \"hung\"."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\":\"Bern\","}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"cost\":1}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":40,"output_tokens_details":{"thinking_tokens":12}}}

event: message_stop
data: {"type":"message_stop"}

`

const messageWhole = `{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"Let me s\u00e4e.","signature":"c2lnbmF0dXJl"},{"type":"text","text":"A turret, \"hung\"."},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bern","cost":1}}],"model":"m","stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":40,"output_tokens_details":{"thinking_tokens":12},"service_tier":"standard"}}`

// rewriteStream sends a stream through a rewriter as the gateway does.
func rewriteStream(t testing.TB, rw *wire.Rewriter, r *wire.Route, stream io.Reader) string {
	t.Helper()
	reader := wire.NewEventReader(stream)
	var out []byte
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return string(out)
		}
		if err != nil {
			t.Fatal(err)
		}
		data, changed, err := rw.Rewrite(nil, ev.Data)
		switch {
		case err != nil:
			t.Fatal(err)
		case changed:
			out = r.AppendEvent(out, ev, data, false)
		default:
			out = append(out, ev.Raw...)
		}
	}
}

// withoutThinking is what a client may see that may not see thinking.
func withoutThinking(stream string) string {
	return strings.NewReplacer(`"thinking":"Let me "`, `"thinking":""`, `"thinking":"s\u00e4e."`, `"thinking":""`,
		`"signature":"c2lnbmF0dXJl"`, `"signature":""`, `"thinking":"Let me s\u00e4e."`, `"thinking":""`,
		`,"output_tokens_details":{"thinking_tokens":12}`, ``, `,"cache_creation_input_tokens":0,"cache_read_input_tokens":10`, ``).Replace(stream)
}

// A message says and costs the same, whole and streamed, wherever the stream is cut.
func TestMessagesWholeAndStreamed(t *testing.T) {
	t.Parallel()
	r := route(t, "anthropic.messages")
	facts := wire.Facts{
		Usage:     bartizan.Usage{InputTokens: 35, OutputTokens: 40, CachedTokens: 10, ReasoningTokens: 12},
		HasUsage:  true,
		TextBytes: len("Let me säe.") + len(`A turret, "hung".`) + len("weather") + len(`{"city":"Bern","cost":1}`),
	}
	whole := r.Rewriter(allowList())
	body, _, err := whole.Rewrite(nil, []byte(messageWhole))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(withoutThinking(messageWhole), string(body)); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(facts, whole.Facts); diff != "" {
		t.Errorf("facts of the whole message (-want +got):\n%s", diff)
	}
	want := withoutThinking(messageStream)
	for at := range len(messageStream) + 1 {
		rw := r.Rewriter(allowList())
		got := rewriteStream(t, rw, r, io.MultiReader(strings.NewReader(messageStream[:at]), strings.NewReader(messageStream[at:])))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", at, diff)
		}
		if diff := cmp.Diff(facts, rw.Facts); diff != "" {
			t.Fatalf("facts when cut at %d (-want +got):\n%s", at, diff)
		}
	}
}

// A stream that breaks off has no usage to go by: what its beginning tells would be
// too little.
func TestMessagesCutStreamHasNoUsage(t *testing.T) {
	t.Parallel()
	r := route(t, "anthropic.messages")
	begun, _, _ := strings.Cut(messageStream, "event: message_delta")
	rw := r.Rewriter(allowList())
	rewriteStream(t, rw, r, strings.NewReader(begun))
	if rw.Facts.HasUsage || rw.Facts.TextBytes == 0 {
		t.Errorf("facts = %+v; want text and no usage", rw.Facts)
	}
}

// slowMessage rewrites a message by the standard decoder.
func slowMessage(v any) any {
	keep := func(m map[string]any, names string) map[string]any {
		out := map[string]any{}
		for name := range strings.FieldsSeq(names) {
			if value, there := m[name]; there {
				out[name] = value
			}
		}
		return out
	}
	block := func(v any) any {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		out := keep(m, "type text id name input tool_use_id thinking signature data partial_json stop_reason stop_sequence")
		for _, secret := range []string{"thinking", "signature", "data"} {
			if out[secret] != nil {
				out[secret] = ""
			}
		}
		return out
	}
	var message func(v any) any
	message = func(v any) any {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		out := keep(m, "id type role model stop_reason stop_sequence content usage index message content_block delta")
		if list, ok := out["content"].([]any); ok {
			blocks := make([]any, len(list))
			for i, b := range list {
				blocks[i] = block(b)
			}
			out["content"] = blocks
		}
		if usage, ok := out["usage"].(map[string]any); ok {
			out["usage"] = keep(usage, "input_tokens output_tokens service_tier")
		}
		if inner, there := out["message"]; there {
			out["message"] = message(inner)
		}
		for _, name := range []string{"content_block", "delta"} {
			if inner, there := out[name]; there {
				out[name] = block(inner)
			}
		}
		return out
	}
	return message(v)
}

// The spans give what the standard decoder gives, for every piece of a message.
func TestMessagesAgainstDecoder(t *testing.T) {
	t.Parallel()
	docs := []string{
		messageWhole,
		`{"id":"x","zz":{"logprobs":1},"content":[{"type":"text","text":"a","logprobs":[1]},{"type":"redacted_thinking","data":"x"},7,null],"usage":{"input_tokens":1,"inference_geo":"eu"}}`,
		`{"type":"message_start","message":{"content":[{"type":"thinking","thinking":"x","extra":1}],"usage":null,"provider":"x"}}`,
	}
	for line := range strings.Lines(messageStream) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			docs = append(docs, data)
		}
	}
	for _, doc := range docs {
		var in, got any
		if err := json.Unmarshal([]byte(doc), &in); err != nil {
			t.Fatal(err)
		}
		out, changed, err := route(t, "anthropic.messages").Rewriter(allowList()).Rewrite(nil, []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if !changed {
			out = []byte(doc)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if diff := cmp.Diff(slowMessage(in), got); diff != "" {
			t.Errorf("%s (-decoder +spans):\n%s", doc, diff)
		}
	}
}
