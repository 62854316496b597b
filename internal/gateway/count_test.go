package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/guard"
	"bartizan/internal/ratelimit"
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
				// Role, word, three for the message and three before the answer.
				input, output := int64(8), int64(7)
				if !known {
					input, output = 2, 9 // 5 and 31 bytes by 3.5, rounded up
				}
				if u.InputTokens != input || u.OutputTokens != output || !u.Estimated {
					t.Errorf("usage = %+v; want %d and %d tokens, estimated", u, input, output)
				}
			})
		}
	}
}

// The whole prompt is counted, and what was reserved by an estimate is replaced by it: a
// prompt that looks short, or long, cannot hide what it costs.
func TestMissingUsageCountsThePrompt(t *testing.T) {
	t.Parallel()
	const silent = `{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"so"},"finish_reason":"stop"}]}`
	const silentText = `{"id":"x","object":"text_completion","model":"m","choices":[{"index":0,"text":"so","finish_reason":"stop"}]}`
	for name, tt := range map[string]struct {
		path, body, answer string
		want               int64
	}{
		"all roles and tools": {
			"/v1/chat/completions", `{"model":"m","messages":[{"role":"system","content":"be very brief"},{"role":"user","name":"Ann","content":[{"type":"text","text":"a b c"}]}],"tools":[{"type": "function"}]}`, silent,
			1 + 3 + 1 + 1 + 3 + 2 + 2*3 + 1 + 3,
		},
		"many short words": {"/v1/completions", `{"model":"m","prompt":["` + strings.Repeat("a ", 500) + `","b"]}`, silentText, 501},
		"token ids":        {"/v1/completions", `{"model":"m","prompt":[` + strings.Repeat("7,", 99) + `7]}`, silentText, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := deploy(t, start(t, answer(tt.answer)), deployment{guard: guard.Options{Counter: func(string) guard.Counter { return words }}})
			f.post(t, tt.path, "key-standard", tt.body)
			u := f.waitRecords(t, 1)[0].Exchange.Usage
			if u.InputTokens != tt.want || u.OutputTokens != 1 || !u.Estimated {
				t.Errorf("usage = %+v; want %d tokens of prompt and 1 of answer, estimated", u, tt.want)
			}
			account := bartizan.Account{ID: "standard", Tier: bartizan.TierStandard}
			left, err := f.counters.Peek(t.Context(), time.Now(), f.scopes(t, &account), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range left {
				if l := s.Limit; l.Dimension == ratelimit.Tokens && l.Window == ratelimit.Day && l.Amount-s.Remaining != tt.want+1 {
					t.Errorf("%d tokens are charged today; want %d", l.Amount-s.Remaining, tt.want+1)
				}
			}
		})
	}
}

// scopes are what limits the account.
func (f *fixture) scopes(t testing.TB, account *bartizan.Account) []ratelimit.Scope {
	t.Helper()
	rules, ok := f.policy.Rules(account.Tier, account.Level)
	if !ok {
		t.Fatalf("no rules of %s", account.Tier)
	}
	return []ratelimit.Scope{{Nest: ratelimit.OfAccount, Name: account.ID, Limits: rules.Limits}}
}
