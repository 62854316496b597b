package guard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/guard"
	"bartizan/internal/wire"
)

// shapeStream sends a stream through a shaper as the gateway does.
func shapeStream(t testing.TB, shaper *guard.Shaper, r io.Reader) (string, error) {
	t.Helper()
	reader := wire.NewEventReader(r)
	var out []byte
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return string(out), nil
		}
		if err != nil {
			return string(out), err
		}
		if out, err = shaper.Event(out, ev); err != nil {
			return string(out), err
		}
	}
}

// part is one token of an answer: its text and its entry of log-probabilities.
type part struct{ text, entry string }

var parts = []part{
	{"a0", `{"token":"a0","logprob":-0.512345,"bytes":[97,48],"top_logprobs":` + alternatives(20, "") + `}`},
	{"a7", `{"token":"a7","logprob":-1.422345,"bytes":[97,55],"top_logprobs":` + alternatives(20, "") + `}`},
	{"zz", `{"token":"zz","logprob":-3.9,"bytes":[122,122],"top_logprobs":` + alternatives(20, `{"token":"zz","logprob":-3.9,"bytes":[122,122]}`) + `}`},
	{"a1", `{"token":"a1","logprob":-0.64,"bytes":[97,49],"top_logprobs":` + alternatives(20, "") + `}`},
}

const streamUsage = `{"prompt_tokens":21,"completion_tokens":4,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":16}}`

// wholeAnswer and streamedAnswer are the same chat answer in both framings.
func wholeAnswer() string {
	texts, entries := make([]string, len(parts)), make([]string, len(parts))
	for i, p := range parts {
		texts[i], entries[i] = p.text, p.entry
	}
	return `{"id":"s","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Join(texts, "") +
		`"},"logprobs":{"content":[` + strings.Join(entries, ",") + `],"refusal":null},"finish_reason":"stop","token_ids":[1]}],"usage":` + streamUsage +
		`,"system_fingerprint":"fp"}`
}

func streamedAnswer(end string) string {
	frame := func(choices, usage string) string {
		return `data: {"id":"s","object":"chat.completion.chunk","created":1,"model":"m","choices":[` + choices +
			`],"usage":` + usage + `,"system_fingerprint":"fp"}` + end + end
	}
	var out strings.Builder
	out.WriteString(": OPEN ROUTER 0.5" + end + end)
	out.WriteString(frame(`{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}`, "null"))
	for _, p := range parts {
		out.WriteString(frame(`{"index":0,"delta":{"content":"`+p.text+`"},"logprobs":{"content":[`+p.entry+
			`],"refusal":null},"finish_reason":null,"token_ids":[1]}`, "null"))
	}
	out.WriteString(frame(`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}`, "null"))
	out.WriteString(frame("", streamUsage) + "data: [DONE]" + end + end)
	return out.String()
}

// told is what a client learns of an answer.
type told struct {
	Text     string
	Logprobs []any
	Usage    any
	Other    map[string]any
}

func (l *told) take(t testing.TB, doc, message string) {
	t.Helper()
	var v struct {
		Choices []map[string]any `json:"choices"`
		Usage   any              `json:"usage"`
	}
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	if v.Usage != nil {
		l.Usage = v.Usage
	}
	for _, choice := range v.Choices {
		m, _ := choice[message].(map[string]any)
		text, _ := m["content"].(string)
		l.Text += text
		if lists, ok := choice["logprobs"].(map[string]any); ok {
			entries, _ := lists["content"].([]any)
			l.Logprobs = append(l.Logprobs, entries...)
		}
		for _, key := range []string{"token_ids", "reasoning"} {
			if value, there := choice[key]; there {
				if l.Other == nil {
					l.Other = map[string]any{}
				}
				l.Other[key] = value
			}
		}
	}
}

// TestStreamTellsTheSame: the same answer, whole and streamed, tells the client the
// same and is counted the same, for every profile, request and line ending.
func TestStreamTellsTheSame(t *testing.T) {
	t.Parallel()
	for _, name := range profileNames {
		for ask, req := range asks {
			for _, end := range []string{"\n", "\r\n", "\r"} {
				t.Run(fmt.Sprintf("%s %s %q", name, ask, end), func(t *testing.T) {
					t.Parallel()
					r, p := route(t, "openai.chat"), profile(t, name)
					whole := guard.NewShaper(r, p, req)
					body, err := whole.Body(nil, []byte(wholeAnswer()))
					if err != nil {
						t.Fatal(err)
					}
					streamed := req
					streamed.Asked.Stream, streamed.IncludeUsage = true, true
					shaper := guard.NewShaper(r, p, streamed)
					stream, err := shapeStream(t, shaper, strings.NewReader(streamedAnswer(end)))
					if err != nil {
						t.Fatal(err)
					}
					var want, got told
					want.take(t, string(body), "message")
					reader := wire.NewEventReader(strings.NewReader(stream))
					for {
						ev, err := reader.Next()
						if errors.Is(err, io.EOF) {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
						if len(ev.Data) > 0 && !ev.Done {
							got.take(t, string(ev.Data), "delta")
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("told (-whole +streamed):\n%s", diff)
					}
					if diff := cmp.Diff(whole.Disclosure(), shaper.Disclosure()); diff != "" {
						t.Errorf("disclosed (-whole +streamed):\n%s", diff)
					}
					if whole.OutputBytes() != shaper.OutputBytes() {
						t.Errorf("%d bytes whole, %d streamed", whole.OutputBytes(), shaper.OutputBytes())
					}
				})
			}
		}
	}
}

// TestStreamSplits: wherever the stream is cut, the client gets the same bytes.
func TestStreamSplits(t *testing.T) {
	t.Parallel()
	req := asks["top 3"]
	req.Asked.Stream = true
	for _, end := range []string{"\n", "\r\n", "\r"} {
		stream := streamedAnswer(end)
		want := ""
		for at := 0; at <= len(stream); at += 7 {
			shaper := guard.NewShaper(route(t, "openai.chat"), profile(t, "trusted"), req)
			got, err := shapeStream(t, shaper, io.MultiReader(strings.NewReader(stream[:at]), strings.NewReader(stream[at:])))
			if err != nil {
				t.Fatal(err)
			}
			if at == 0 {
				want = got
			}
			if got != want {
				t.Fatalf("line end %q, cut at %d: got %q\nwant %q", end, at, got, want)
			}
		}
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	const delta = `{"choices":[{"index":0,"delta":{"content":"x"}}]}`
	cases := map[string]struct {
		profile string
		usage   bool // the client asked for it
		in, out string
	}{
		"as it came":              {"public", false, "data: " + delta + "\r\n\r\n", "data: " + delta + "\r\n\r\n"},
		"done":                    {"public", false, "data: [DONE]\n\n", "data: [DONE]\n\n"},
		"usage only":              {"public", false, `data: {"id":"1","choices":[],"usage":{"completion_tokens":5}}` + "\n\n", ""},
		"usage without choices":   {"public", false, `data: {"usage":{"completion_tokens":5}}` + "\n\n", ""},
		"usage with a choice":     {"partner", false, `data: {"choices":[{"index":0}],"usage":{"completion_tokens":5}}` + "\n\n", `data: {"choices":[{"index":0}]}` + "\n\n"},
		"usage of null":           {"partner", false, `data: {"choices":[{"index":0}],"usage":null}` + "\n\n", `data: {"choices":[{"index":0}]}` + "\n\n"},
		"usage asked for":         {"public", true, `data: {"choices":[],"usage":{"completion_tokens":5}}` + "\n\n", `data: {"choices":[],"usage":{"completion_tokens":5}}` + "\n\n"},
		"null usage asked for":    {"public", true, `data: {"choices":[{"index":0}],"usage":null}` + "\n\n", `data: {"choices":[{"index":0}],"usage":null}` + "\n\n"},
		"filter results":          {"public", false, `data: {"choices":[],"prompt_filter_results":[{"x":1}]}` + "\n\n", `data: {"choices":[],"prompt_filter_results":[{"x":1}]}` + "\n\n"},
		"comment":                 {"public", false, ": logprob=-0.5\n\n", ":\n\n"},
		"comment for a partner":   {"partner", false, ": note\n\n", ": note\n\n"},
		"fields":                  {"public", false, "id: 7\nevent: x\ndata: " + delta + "\n\n", "data: " + delta + "\n\n"},
		"fields for a partner":    {"partner", false, "id: 7\ndata: " + delta + "\n\n", "id: 7\ndata: " + delta + "\n\n"},
		"many lines":              {"public", false, "data: {\"choices\":[\ndata: ],\ndata: \"zz\":1}\n\n", "data: {\"choices\":[ ]}\n\n"},
		"many lines, nothing new": {"public", false, "data: {\"choices\":[\ndata: ]}\n\n", "data: {\"choices\":[\ndata: ]}\n\n"},
		"many lines and a field":  {"public", false, "id: 1\ndata: {\"choices\":[\ndata: ]}\n\n", "data: {\"choices\":[ ]}\n\n"},
		"upstream's error":        {"partner", false, "data: {\"error\":{\"message\":\"/srv gone\"}}\n\n", `data: {"error":{"message":"The model server had an error.","type":"server_error","param":null,"code":"upstream_error"}}` + "\n\n"},
		"no data of ours":         {"public", false, " data: {\"logprob\":1}\n\n", ":\n\n"},
		"another's name":          {"public", false, "event: ping\ndata: " + delta + "\n\n", "data: " + delta + "\n\n"},
		"byte order mark":         {"public", false, "\ufeffdata: {\"zz\":1}\n\n", "\ufeffdata: {}\n\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := wire.Request{Asked: bartizan.Asked{Stream: true}, IncludeUsage: c.usage}
			got, err := shapeStream(t, guard.NewShaper(route(t, "openai.chat"), profile(t, c.profile), req), strings.NewReader(c.in))
			if err != nil || got != c.out {
				t.Errorf("Event = %q, %v; want %q", got, err, c.out)
			}
		})
	}
}

// Messages name their events, and clients go by the names.
func TestEventOfMessages(t *testing.T) {
	t.Parallel()
	const thinking, gone = `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}`
	const failed = "event: error\ndata: " + `{"type":"error","error":{"type":"api_error","message":"The model server had an error."}}` + "\n\n"
	cases := map[string]struct{ profile, in, out string }{
		"as it came":            {"public", "event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n", "event: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\n"},
		"thinking":              {"public", "event: content_block_delta\ndata: " + thinking + "\n\n", "event: content_block_delta\ndata: " + gone + "\n\n"},
		"thinking of a partner": {"partner", "event: content_block_delta\ndata: " + thinking + "\n\n", "event: content_block_delta\ndata: " + thinking + "\n\n"},
		"usage stays":           {"public", "event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n", "event: message_delta\ndata: {\"usage\":{\"output_tokens\":5}}\n\n"},
		"more fields":           {"public", "id: 7\nevent: ping\n: fp_1\ndata: {}\n\n", "event: ping\ndata: {}\n\n"},
		"unknown name":          {"public", "event: fp_1\ndata: {}\n\n", "data: {}\n\n"},
		"upstream's error":      {"public", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"x\",\"message\":\"/srv gone\"}}\n\n", failed},
		"error without a name":  {"partner", "id: 7\ndata: {\"error\":{\"message\":\"/srv gone\"}}\n\n", failed},
		"end":                   {"public", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
		"end that tells":        {"public", "event: message_stop\ndata: {\"type\":\"message_stop\",\"metrics\":{\"ms\":1}}\n\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := wire.Request{Asked: bartizan.Asked{Stream: true}, IncludeUsage: true}
			got, err := shapeStream(t, guard.NewShaper(route(t, "anthropic.messages"), profile(t, c.profile), req), strings.NewReader(c.in))
			if err != nil || got != c.out {
				t.Errorf("Event = %q, %v; want %q", got, err, c.out)
			}
		})
	}
}

// TestOtherFraming: a server that streams what was not to be streamed, or the other
// way round, tells no more.
func TestOtherFraming(t *testing.T) {
	t.Parallel()
	r, p := route(t, "openai.chat"), profile(t, "public")
	body, err := guard.NewShaper(r, p, wire.Request{Asked: bartizan.Asked{Stream: true}}).Body(nil, []byte(wholeAnswer()))
	if err != nil {
		t.Fatal(err)
	}
	var whole told
	whole.take(t, string(body), "message")
	if want := "a0a7zza1"; whole.Text != want || whole.Logprobs != nil || whole.Usage == nil || whole.Other != nil {
		t.Errorf("a whole answer to a stream request tells %+v; want the text %q and usage", whole, want)
	}
	stream, err := shapeStream(t, guard.NewShaper(r, p, wire.Request{}), strings.NewReader(streamedAnswer("\n")))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stream, `"a7"`) || strings.Contains(stream, `"logprob"`) || strings.Contains(stream, "token_ids") {
		t.Errorf("a stream to a plain request tells %s", stream)
	}
}

func TestEventFailsClosed(t *testing.T) {
	t.Parallel()
	req := wire.Request{Asked: bartizan.Asked{Stream: true}}
	for _, name := range profileNames {
		for _, data := range []string{"hello", `{"choices":[`, `[1]`, "{\"id\":\"x\ny\"}", `{"choices":[]}{}`} {
			in := "data: " + strings.ReplaceAll(data, "\n", "\ndata: ") + "\n\n"
			p := profile(t, name)
			got, err := shapeStream(t, guard.NewShaper(route(t, "openai.chat"), p, req), strings.NewReader(in))
			if p.PassUnread && (err != nil || got != in) {
				t.Errorf("%s: Event(%q) = %q, %v; want it passed", name, in, got, err)
			}
			if !p.PassUnread && got != "" && !errors.Is(err, guard.ErrWithheld) {
				t.Errorf("%s: Event(%q) = %q, %v; want ErrWithheld", name, in, got, err)
			}
		}
	}
}

func TestUsageFromStream(t *testing.T) {
	t.Parallel()
	req := wire.Request{Asked: bartizan.Asked{Stream: true}}
	shaper := guard.NewShaper(route(t, "openai.chat"), profile(t, "public"), req)
	if _, ok := shaper.Usage(); ok {
		t.Error("usage before any event")
	}
	out, err := shapeStream(t, shaper, strings.NewReader(streamedAnswer("\n")))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "usage") || strings.Contains(out, "logprob\"") || strings.Contains(out, "fp") {
		t.Errorf("the stream tells too much: %s", out)
	}
	got, ok := shaper.Usage()
	if want := (bartizan.Usage{InputTokens: 21, OutputTokens: 4, CachedTokens: 16}); !ok || got != want {
		t.Errorf("Usage = %+v, %v; want %+v", got, ok, want)
	}
	if want := (bartizan.Disclosure{Tokens: 4}); shaper.Disclosure() != want {
		t.Errorf("Disclosure = %+v; want %+v", shaper.Disclosure(), want)
	}
}
