package gateway_test

import (
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/modelserver"
	"bartizan/internal/wire"
)

// The official client gets the real model's message, whole and streamed, at every tier:
// with its thinking where a summary may be seen if the provider is one that sums up, and
// only where all of it may be seen if a server of open models tells it as it is.
func TestAnthropicSDKAtEveryTier(t *testing.T) {
	t.Parallel()
	for _, e := range []wire.Engine{wire.EngineAnthropic, wire.EngineVLLM} {
		for _, thinks := range []bool{false, true} {
			t.Run(e.String()+map[bool]string{true: ", thinking"}[thinks], func(t *testing.T) {
				t.Parallel()
				everyTier(t, e, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
					client := anthropic.NewClient(option.WithBaseURL(b.url), option.WithAPIKey("key-"+string(tier)), option.WithMaxRetries(0))
					params := anthropic.MessageNewParams{
						Model: modelserver.DefaultName, MaxTokens: 40, Temperature: anthropic.Float(0),
						System:   []anthropic.TextBlockParam{{Text: "Be brief."}},
						Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("What is a tier?"))},
					}
					if thinks {
						params.MaxTokens, params.Temperature = 1100, anthropic.Float(1)
						params.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
					}
					whole, err := client.Messages.New(t.Context(), params)
					if err != nil {
						t.Fatal(err)
					}
					var streamed anthropic.Message
					stream := client.Messages.NewStreaming(t.Context(), params)
					for stream.Next() {
						if err := streamed.Accumulate(stream.Current()); err != nil {
							t.Fatal(err)
						}
					}
					if err := stream.Err(); err != nil {
						t.Fatal(err)
					}
					shown := thinks && (p.Reasoning == coarsen.ReasoningRaw || p.Reasoning == coarsen.ReasoningSummary && e == wire.EngineAnthropic)
					for way, got := range map[string]saw{"whole": sawOf(*whole), "streamed": sawOf(streamed)} {
						if got.Text == "" || got.In == 0 || got.Out == 0 || (got.Thinking != "") != shown || (got.Signature != "") != shown {
							t.Errorf("%s: %+v; want text and usage, and thinking: %v", way, got, shown)
						}
					}
					if thinks {
						return // the bodies differ, and so what is thought
					}
					if diff := cmp.Diff(sawOf(*whole), sawOf(streamed)); diff != "" {
						t.Errorf("whole and streamed (-whole +streamed):\n%s", diff)
					}
				})
			})
		}
	}
}
