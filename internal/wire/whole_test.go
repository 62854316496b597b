package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/wire"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		route, body string
		want        wire.Whole
	}{
		"chat": {
			"openai.chat", `{"model":"m","messages":[
				{"role":"system","content":"Be \"kind\"."},
				{"role":"user","name":"Ann","content":[{"type":"text","text":"What is \u00e4?"},{"type":"image_url","image_url":{"url":"data:x"}}]},
				{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"look","arguments":"{\"a\":1}"}}]},
				{"role":"tool","content":"seen"}],
				"tools":[{"type":"function"}],"user":"u","stop":["end"],"response_format":{"type":"json_object"}}`,
			wire.Whole{
				Pieces: []string{
					"system", `Be "kind".`, "user", "Ann", "What is ä?", "assistant", "t1", "look", `{"a":1}`, "tool", "seen",
					`[{"type":"function"}]`,
				},
				Messages: 4, Names: 1,
			},
		},
		"prompts":            {"openai.completions", `{"model":"m","prompt":["one","two"],"suffix":"end"}`, wire.Whole{Pieces: []string{"one", "two"}}},
		"token ids":          {"openai.completions", `{"model":"m","prompt":[1,2,3]}`, wire.Whole{IDs: 3}},
		"lists of token ids": {"openai.embeddings", `{"model":"m","input":[[1,2],[3,4,5]]}`, wire.Whole{IDs: 5}},
		"system beside": {
			"anthropic.messages", `{"model":"m","max_tokens":1,"system":[{"type":"text","text":"Be brief."}],"messages":[{"role":"user","content":[
				{"type":"document","source":{"type":"text","data":"A page."}},{"type":"document","source":{"type":"base64","data":"AAAA"}},
				{"type":"tool_use","id":"t","name":"n","input":{"q":"x"}}]}]}`,
			wire.Whole{Pieces: []string{"Be brief.", "user", "A page.", "t", "n", `{"q":"x"}`}, Messages: 1},
		},
		"not JSON": {"openai.chat", `[`, wire.Whole{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := route(t, c.route)
			got, ok := r.Whole([]byte(c.body))
			if diff := cmp.Diff(c.want, got); diff != "" || !ok {
				t.Errorf("Whole(), %t (-want +got):\n%s", ok, diff)
			}
			req, err := r.Peek([]byte(c.body))
			if err != nil {
				return
			}
			// What is gathered is what was measured, but for the roles.
			bytes := 4 * got.IDs
			for _, piece := range got.Pieces {
				switch piece {
				case "system", "user", "assistant", "tool":
				default:
					bytes += len(piece)
				}
			}
			if bytes != req.TextBytes {
				t.Errorf("%d bytes are gathered; Peek measures %d", bytes, req.TextBytes)
			}
		})
	}
}

// On every route that has text, what is gathered is what Peek measures.
func TestWholeIsWhatPeekMeasures(t *testing.T) {
	t.Parallel()
	read := 0
	for _, r := range wire.Routes() {
		for _, body := range []string{
			`{"model":"m","messages":[{"role":"user","content":"xyz"}]}`, `{"model":"m","prompt":"xyz"}`, `{"model":"m","input":"xyz"}`,
			`{"inputs":"xyz"}`, `{"text":"xyz"}`, `{"text_input":"xyz"}`, `{"prompt":"xyz"}`, `{"contents":[{"role":"user","parts":[{"text":"xyz"}]}],"systemInstruction":{"parts":[{"text":"be"}]}}`,
			`{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"xyz"}]}],"instructions":"be"}`,
			`{"model":"m","query":"q","documents":["a","b"]}`, `{"model":"m","texts":["a","b"],"input_type":"x"}`, `{"model":"m","prompt":"xyz","system":"be"}`,
			`{"instances":[{"text":"abc"}]}`, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"xyz"}],"system":"be"}`,
			`{"model":"m","prompt":[1,2]}`, `{"model":"m","input":[1,2]}`, `{"input_ids":[1,2]}`,
		} {
			req, err := r.Peek([]byte(body))
			if err != nil || len(req.Unknown) > 0 || req.TextBytes == 0 {
				continue
			}
			read++
			w, ok := r.Whole([]byte(body))
			n := 4 * w.IDs
			for _, p := range w.Pieces {
				if p != "user" { // a role
					n += len(p)
				}
			}
			if n != req.TextBytes || !ok {
				t.Errorf("%s: Whole(%s) = %q and %d ids, %d bytes; Peek measures %d", r.Name, body, w.Pieces, w.IDs, n, req.TextBytes)
			}
		}
	}
	if read < 25 {
		t.Errorf("%d requests were read; want 25 at least", read)
	}
}

func TestWholeIsBounded(t *testing.T) {
	t.Parallel()
	r := route(t, "openai.completions")
	for size, want := range map[int]bool{4 << 20: true, 4<<20 + 1: false} {
		body := fmt.Sprintf(`{"model":"m","prompt":["a",%q]}`, strings.Repeat("x", size-1))
		if got, ok := r.Whole([]byte(body)); ok != want || !ok && len(got.Pieces) != 1 {
			t.Errorf("Whole() of %d bytes = %t with %d pieces; want %t", size, ok, len(got.Pieces), want)
		}
	}
}
