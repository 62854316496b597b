package modelserver_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"bartizan/internal/modelserver"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/packages/param"
	"github.com/openai/openai-go/responses"
	"github.com/openai/openai-go/shared"
)

func responseParams(name string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: name, Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(question)},
		MaxOutputTokens: param.NewOpt[int64](40),
		Include:         []responses.ResponseIncludable{"message.output_text.logprobs", responses.ResponseIncludableReasoningEncryptedContent},
	}
}

// messageOf is the text part of a response, with its log-probabilities.
func messageOf(t *testing.T, r *responses.Response) responses.ResponseOutputText {
	t.Helper()
	last := r.Output[len(r.Output)-1].AsMessage()
	if len(last.Content) != 1 {
		t.Fatalf("output %s", r.RawJSON())
	}
	return last.Content[0].AsOutputText()
}

func TestSDKResponses(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{Seed: 1}))
	p := responseParams(modelserver.DefaultName)
	got, err := client.Responses.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	part := messageOf(t, got)
	var names strings.Builder
	var tokens []told
	for _, score := range part.Logprobs {
		names.WriteString(score.Token)
		tokens = append(tokens, told{id: oneToken(t, score.Token), logprob: score.Logprob})
	}
	if names.String() != part.Text || part.Text == "" || got.OutputText() != part.Text || got.Usage.OutputTokens < int64(len(tokens)) || got.Usage.InputTokens == 0 {
		t.Errorf("answer %s", got.RawJSON())
	}
	check(t, question, nil, tokens)
}

// oneToken is the id of a text that is one token, or -1.
func oneToken(tb testing.TB, token string) int {
	tb.Helper()
	if ids := model(tb).Encode(token); len(ids) == 1 {
		return ids[0]
	}
	return -1
}

func TestSDKResponsesStream(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{Seed: 1}))
	for name, thinks := range map[string]bool{modelserver.DefaultName: false, modelserver.DefaultName + "-thinking": true} {
		p := responseParams(name)
		if thinks {
			p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortLow, Summary: shared.ReasoningSummaryDetailed}
		}
		events := client.Responses.NewStreaming(t.Context(), p)
		said, thought, summary, scored, n := "", "", "", 0, int64(0)
		var last *responses.Response
		var kinds []string
		for events.Next() {
			e := events.Current()
			if e.SequenceNumber != n {
				t.Fatalf("event %d has the number %d", n, e.SequenceNumber)
			}
			n++
			kinds = append(kinds, e.Type)
			switch e.Type {
			case "response.output_text.delta":
				said += e.AsResponseOutputTextDelta().Delta
				scored += strings.Count(e.RawJSON(), `"top_logprobs":`)
			case "response.reasoning_text.delta":
				thought += text(t, decode(t, e.RawJSON()), "delta")
			case "response.reasoning_summary_text.delta":
				summary += text(t, decode(t, e.RawJSON()), "delta")
			case "response.completed", "response.incomplete":
				final := e.Response
				last = &final
			}
		}
		if err := events.Err(); err != nil || last == nil {
			t.Fatalf("%v after %v", err, kinds)
		}
		part := messageOf(t, last)
		if part.Text != said || said == "" || scored != len(part.Logprobs) {
			t.Errorf("%s: streamed %q with %d scores; the end says %q with %d", name, said, scored, part.Text, len(part.Logprobs))
		}
		if thinks != (len(last.Output) == 2) || thinks != (last.Usage.OutputTokensDetails.ReasoningTokens > 0) {
			t.Fatalf("%s: %s", name, last.RawJSON())
		}
		if thinks {
			item := last.Output[0].AsReasoning()
			if thought == "" || summary != thought || len(item.Summary) != 1 || item.Summary[0].Text != summary || item.EncryptedContent == "" {
				t.Errorf("thought %q, summary %q, item %s", thought, summary, item.RawJSON())
			}
		}
		if kinds = slices.Compact(kinds); kinds[0] != "response.created" || !slices.Contains(kinds, "response.output_item.done") {
			t.Errorf("%s: events %v", name, kinds)
		}
	}
}

func TestSDKModerations(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{Seed: 1}))
	got, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{
		Model: modelserver.DefaultName, Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"x", sample}},
	})
	if err != nil || len(got.Results) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	topics, scores := model(t).Topics(sample), got.Results[1].CategoryScores
	if scores.Harassment != topics[0] || math.Abs(scores.Hate-topics[2%len(topics)]) > 1e-12 || scores.ViolenceGraphic != topics[12%len(topics)] {
		t.Errorf("scores %s; topics %v", scores.RawJSON(), topics)
	}
}
