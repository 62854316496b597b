package modelserver_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bartizan/internal/modelserver"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func messagesSDK(ts *httptest.Server) anthropic.Client {
	return anthropic.NewClient(option.WithBaseURL(ts.URL), option.WithAPIKey("unused"), option.WithHTTPClient(ts.Client()), option.WithMaxRetries(0))
}

func messageParams(budget int64) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{
		Model: modelserver.DefaultName, MaxTokens: 2000, System: []anthropic.TextBlockParam{{Text: "Be brief."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(question))},
	}
	if budget > 0 {
		p.Thinking = anthropic.ThinkingConfigParamOfEnabled(budget)
	}
	return p
}

// streamMessage collects a stream with the official client and returns the names of
// its events, each run of equal ones once.
func streamMessage(t *testing.T, client *anthropic.Client, p anthropic.MessageNewParams) (anthropic.Message, []string) {
	t.Helper()
	events := client.Messages.NewStreaming(t.Context(), p)
	var all anthropic.Message
	var names []string
	for events.Next() {
		event := events.Current()
		if err := all.Accumulate(event); err != nil {
			t.Fatalf("the SDK refuses the event %s: %v", event.RawJSON(), err)
		}
		names = append(names, event.Type)
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	return all, slices.Compact(names)
}

func TestSDKMessages(t *testing.T) {
	t.Parallel()
	// The seed makes the thought and the answer of equal bodies equal; the body of a
	// stream differs, so that its parts are only held against themselves.
	client := messagesSDK(start(t, modelserver.Options{Seed: 3}))
	for _, budget := range []int64{0, 1024} {
		p := messageParams(budget)
		whole, err := client.Messages.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		streamed, names := streamMessage(t, &client, p)
		for kind, m := range map[string]anthropic.Message{"whole": *whole, "stream": streamed} {
			blocks := 1
			if budget > 0 {
				blocks = 2
			}
			if len(m.Content) != blocks || m.StopReason != anthropic.StopReasonEndTurn || m.Usage.InputTokens == 0 || m.Usage.OutputTokens < 2 {
				t.Fatalf("%s with budget %d: %d blocks, stop %q, usage %+v", kind, budget, len(m.Content), m.StopReason, m.Usage)
			}
			said := m.Content[blocks-1].AsText().Text
			tokens := len(model(t).Encode(said))
			if budget > 0 {
				thought := m.Content[0].AsThinking()
				if thought.Thinking == "" || thought.Signature == "" {
					t.Errorf("%s: thought %q, signature %q", kind, thought.Thinking, thought.Signature)
				}
				tokens += len(model(t).Encode(thought.Thinking))
			}
			if said == "" || int64(tokens) > m.Usage.OutputTokens {
				t.Errorf("%s with budget %d: %d output tokens for a text of %d", kind, budget, m.Usage.OutputTokens, tokens)
			}
		}
		want := []string{"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"}
		names = slices.DeleteFunc(names, func(name string) bool { return name == "ping" })
		if budget > 0 {
			want = slices.Concat(want[:4], want[1:])
		}
		if !slices.Equal(names, want) {
			t.Errorf("events %v; want %v", names, want)
		}
	}
}

// TestThinkingSignature sends a thought back as it was, and then changed.
func TestThinkingSignature(t *testing.T) {
	t.Parallel()
	client := messagesSDK(start(t, modelserver.Options{Seed: 1}))
	p := messageParams(1024)
	first, err := client.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	thought := first.Content[0].AsThinking()
	for changed, signed := range map[string]string{thought.Thinking: thought.Signature, thought.Thinking + "!": thought.Signature, "other": "c2ln"} {
		next := p
		next.Messages = append(slices.Clone(p.Messages),
			anthropic.NewAssistantMessage(anthropic.NewThinkingBlock(signed, changed), anthropic.NewTextBlock("A limit.")),
			anthropic.NewUserMessage(anthropic.NewTextBlock("And a key?")))
		_, err := client.Messages.New(t.Context(), next)
		api, refused := errors.AsType[*anthropic.Error](err)
		if changed == thought.Thinking {
			if err != nil {
				t.Errorf("a true thought is refused: %v", err)
			}
			continue
		}
		if !refused || api.StatusCode != http.StatusBadRequest || !strings.Contains(api.RawJSON(), "signature") {
			t.Errorf("the thought %q with the signature %q: %v; want 400", changed, signed, err)
		}
	}
}

func TestThinkingOmitted(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Seed: 1})
	body := `{"model":"bartizan-small","max_tokens":1500,"thinking":{"type":"enabled","budget_tokens":1024,"display":"omitted"},"messages":[{"role":"user","content":"` + question + `"}]%s}`
	v := document(t, ts, "/v1/messages", strings.Replace(body, "%s", "", 1))
	if text(t, v, "content.0.type") != "thinking" || text(t, v, "content.0.thinking") != "" || text(t, v, "content.0.signature") == "" || number(t, v, "usage.output_tokens_details.thinking_tokens") < 1 {
		t.Errorf("omitted thought: %v", v)
	}
	for _, p := range parts(t, ts, "/v1/messages", strings.Replace(body, "%s", `,"stream":true`, 1)) {
		if text(t, p, "type") == "content_block_delta" && text(t, p, "delta.type") == "thinking_delta" {
			t.Errorf("an omitted thought is streamed: %v", p)
		}
	}
}

func TestSDKMessageStops(t *testing.T) {
	t.Parallel()
	client := messagesSDK(start(t, modelserver.Options{Seed: 1}))
	p := messageParams(0)
	p.Temperature = anthropic.Float(0)
	full, err := client.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	said := full.Content[0].Text
	word := strings.Fields(said)[2]
	p.StopSequences = []string{word}
	cut, err := client.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if want, _, _ := strings.Cut(said, word); cut.Content[0].Text != want || cut.StopReason != anthropic.StopReasonStopSequence || cut.StopSequence != word {
		t.Errorf("stopped at %q: %q (%s, %q); want %q", word, cut.Content[0].Text, cut.StopReason, cut.StopSequence, want)
	}
	p.StopSequences, p.MaxTokens = nil, 2
	short, err := client.Messages.New(t.Context(), p)
	if err != nil || short.StopReason != anthropic.StopReasonMaxTokens || short.Usage.OutputTokens != 2 {
		t.Errorf("with a cap of 2 tokens: %v, %s, %+v", err, short.StopReason, short.Usage)
	}
	count, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{
		Model: modelserver.DefaultName, Messages: p.Messages,
		System: anthropic.MessageCountTokensParamsSystemUnion{OfTextBlockArray: p.System},
	})
	if err != nil || count.InputTokens != full.Usage.InputTokens {
		t.Errorf("counted %v, %v; the answer was charged %d", count, err, full.Usage.InputTokens)
	}
}

func TestSDKMessageErrors(t *testing.T) {
	t.Parallel()
	client := messagesSDK(start(t, modelserver.Options{Seed: 1}))
	for name, c := range map[string]struct {
		change func(*anthropic.MessageNewParams)
		status int
		kind   string
	}{
		"model":    {func(p *anthropic.MessageNewParams) { p.Model = "nobody" }, http.StatusNotFound, "not_found_error"},
		"tokens":   {func(p *anthropic.MessageNewParams) { p.MaxTokens = 0 }, http.StatusBadRequest, "invalid_request_error"},
		"budget":   {func(p *anthropic.MessageNewParams) { p.Thinking = anthropic.ThinkingConfigParamOfEnabled(9) }, http.StatusBadRequest, "invalid_request_error"},
		"messages": {func(p *anthropic.MessageNewParams) { p.Messages = nil }, http.StatusBadRequest, "invalid_request_error"},
	} {
		p := messageParams(0)
		c.change(&p)
		_, err := client.Messages.New(t.Context(), p)
		api, ok := errors.AsType[*anthropic.Error](err)
		if !ok || api.StatusCode != c.status || !strings.Contains(api.RawJSON(), `"`+c.kind+`"`) {
			t.Errorf("%s: error = %v; want %d %s", name, err, c.status, c.kind)
		}
	}
}
