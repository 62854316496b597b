package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bartizan/internal/guard"
)

// words counts words: a tokenizer that a reader can follow.
func words(text string) int { return len(strings.Fields(text)) }

// An answer without usage is counted by the model's own vocabulary, whole or streamed, and
// as far as it came (higress #1826, ai-gateway #1754).
func TestMissingUsageIsCounted(t *testing.T) {
	t.Parallel()
	const said = "the heron waits \\u00e4 for the tide"
	whole := `{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` + said + `"},"finish_reason":"stop"}]}`
	event := func(text string) string {
		return `data: {"id":"x","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"` + text + `"}}]}` + "\n\n"
	}
	stream := func(end string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, event("the her"), event("on waits "), event("\\u00e4 for the tide"), end)
		})
	}
	for name, tt := range map[string]struct {
		upstream http.Handler
		body     string
	}{
		"whole":      {answer(whole), chat},
		"stream":     {stream("data: [DONE]\n\n"), strings.Replace(chat, "{", `{"stream":true,`, 1)},
		"cut stream": {stream(""), strings.Replace(chat, "{", `{"stream":true,`, 1)},
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				t.Parallel()
				f := deploy(t, start(t, tt.upstream), deployment{guard: guard.Options{Counter: func(model string) guard.Counter {
					if known && model == "m" {
						return words
					}
					return nil
				}}})
				f.post(t, "/v1/chat/completions", "key-standard", tt.body)
				u := f.waitRecords(t, 1)[0].Exchange.Usage
				want := int64(7)
				if !known {
					want = 9 // 31 bytes by 3.5, rounded up
				}
				if u.OutputTokens != want || !u.Estimated {
					t.Errorf("usage = %+v; want %d tokens, estimated", u, want)
				}
			})
		}
	}
}
