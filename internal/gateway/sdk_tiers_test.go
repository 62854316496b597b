package gateway_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
	"github.com/openai/openai-go/responses"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/modelserver"
	"bartizan/internal/wire"
)

// heard is what a client hears in an answer.
type heard struct {
	Text    string
	Numbers []json.Number
}

// openAI is the official client with the key of a tier.
func (b behind) openAI(tier bartizan.Tier) openai.Client {
	return openai.NewClient(option.WithBaseURL(b.url+"/v1/"), option.WithAPIKey("key-"+string(tier)), option.WithMaxRetries(0))
}

// everyTier runs the test for each shipped tier, in front of one model.
func everyTier(t *testing.T, e wire.Engine, test func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile)) {
	t.Helper()
	b := behindEngine(t, e, deployment{})
	for _, tier := range allTiers {
		t.Run(string(tier), func(t *testing.T) {
			t.Parallel()
			test(t, b, tier, shippedProfile(t, tier))
		})
	}
}

// checkLogprobs holds log-probabilities against what the profile tells of five
// alternatives that were asked for: all on its grid, of each token its own, and no more
// alternatives than it allows.
func checkLogprobs(t *testing.T, p *coarsen.Profile, what string, tokens, alternatives []json.Number, most int) {
	t.Helper()
	if told := len(tokens) > 0; told != p.Logprobs.Allow {
		t.Errorf("%s: %d log-probabilities; allowed %v", what, len(tokens), p.Logprobs.Allow)
	}
	if got := len(alternatives); (got > 0) != (p.Logprobs.TopK > 0) || got > len(tokens)*min(most, p.Logprobs.TopK) {
		t.Errorf("%s: %d alternatives for %d tokens; the profile allows %d for each", what, got, len(tokens), p.Logprobs.TopK)
	}
	for _, n := range slices.Concat(tokens, alternatives) {
		if fault := offGrid(p, n); fault != "" {
			t.Errorf("%s: %s", what, fault)
		}
	}
	if p.Logprobs.Allow && len(released(tokens)) == 0 {
		t.Errorf("%s: every one of %d log-probabilities is withheld", what, len(tokens))
	}
}

func raw(s string) json.Number { return json.Number(s) }

func TestSDKChatAtEveryTier(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineOpenAI, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := b.openAI(tier)
		params := question
		params.Temperature, params.Logprobs, params.TopLogprobs = openai.Float(0), openai.Bool(true), openai.Int(5)
		whole, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		var want, got heard
		var own, tops []json.Number
		want.Text = whole.Choices[0].Message.Content
		for _, token := range whole.Choices[0].Logprobs.Content {
			own = append(own, raw(token.JSON.Logprob.Raw()))
			want.Numbers = append(want.Numbers, raw(token.JSON.Logprob.Raw()))
			for _, top := range token.TopLogprobs {
				tops = append(tops, raw(top.JSON.Logprob.Raw()))
				want.Numbers = append(want.Numbers, raw(top.JSON.Logprob.Raw()))
			}
		}
		checkLogprobs(t, &p, "chat", own, tops, 5)
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		for stream.Next() {
			for _, choice := range stream.Current().Choices {
				got.Text += choice.Delta.Content
				for _, token := range choice.Logprobs.Content {
					got.Numbers = append(got.Numbers, raw(token.JSON.Logprob.Raw()))
					for _, top := range token.TopLogprobs {
						got.Numbers = append(got.Numbers, raw(top.JSON.Logprob.Raw()))
					}
				}
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); want.Text == "" || diff != "" {
			t.Errorf("whole and stream (-whole +stream):\n%s", diff)
		}
	})
}

func TestSDKCompletionsAtEveryTier(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineOpenAI, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := b.openAI(tier)
		params := openai.CompletionNewParams{
			Model: modelserver.DefaultName, MaxTokens: openai.Int(8), Temperature: openai.Float(0), Logprobs: openai.Int(4),
			Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("A tier is")},
		}
		whole, err := client.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		choice := whole.Choices[0]
		own, tops := legacyNumbers(t, choice.Logprobs.RawJSON())
		checkLogprobs(t, &p, "completion", own, tops, 4)
		var text strings.Builder
		var told []json.Number
		stream := client.Completions.NewStreaming(t.Context(), params)
		for stream.Next() {
			for _, choice := range stream.Current().Choices {
				text.WriteString(choice.Text)
				numbers, _ := legacyNumbers(t, choice.Logprobs.RawJSON())
				told = append(told, numbers...)
			}
		}
		if err := stream.Err(); err != nil || text.String() != choice.Text || choice.Text == "" || !slices.Equal(told, own) {
			t.Errorf("stream = %q %v, %v; want %q %v", text.String(), told, err, choice.Text, own)
		}
	})
}

// legacyNumbers reads the parallel arrays of a completion.
func legacyNumbers(t *testing.T, logprobs string) (own, tops []json.Number) {
	t.Helper()
	if logprobs == "" || logprobs == "null" {
		return nil, nil
	}
	var arrays struct {
		Own  []json.Number            `json:"token_logprobs"`
		Tops []map[string]json.Number `json:"top_logprobs"`
	}
	if err := json.Unmarshal([]byte(logprobs), &arrays); err != nil {
		t.Fatalf("%v in %s", err, logprobs)
	}
	for _, top := range arrays.Tops {
		for _, n := range top {
			tops = append(tops, n)
		}
	}
	return arrays.Own, tops
}

func TestSDKResponsesAtEveryTier(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineOpenAI, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := b.openAI(tier)
		params := responses.ResponseNewParams{
			Model: modelserver.DefaultName, MaxOutputTokens: openai.Int(12), Temperature: openai.Float(0),
			Input:   responses.ResponseNewParamsInputUnion{OfString: openai.String("What is a tier?")},
			Include: []responses.ResponseIncludable{"message.output_text.logprobs"},
		}
		more := option.WithJSONSet("top_logprobs", 5)
		whole, err := client.Responses.New(t.Context(), params, more)
		if err != nil {
			t.Fatal(err)
		}
		text, own, tops := responseText(whole)
		checkLogprobs(t, &p, "response", own, tops, 5)
		if text == "" || whole.Usage.OutputTokens == 0 || whole.Usage.InputTokens == 0 {
			t.Errorf("response = %s; want text and usage", whole.RawJSON())
		}
		stream := client.Responses.NewStreaming(t.Context(), params, more)
		var last *responses.Response
		pieces := ""
		for stream.Next() {
			switch e := stream.Current().AsAny().(type) {
			case responses.ResponseTextDeltaEvent:
				pieces += e.Delta
			case responses.ResponseCompletedEvent:
				last = &e.Response
			case responses.ResponseIncompleteEvent:
				last = &e.Response
			}
		}
		if err := stream.Err(); err != nil || last == nil {
			t.Fatalf("stream: %v, last %v", err, last)
		}
		lastText, lastOwn, lastTops := responseText(last)
		if pieces != text || lastText != text || !slices.Equal(lastOwn, own) || !slices.Equal(lastTops, tops) {
			t.Errorf("stream = %q, then %q %v %v; want %q %v %v", pieces, lastText, lastOwn, lastTops, text, own, tops)
		}
	})
}

// responseText is the text of a response with its numbers.
func responseText(r *responses.Response) (text string, own, tops []json.Number) {
	for _, item := range r.Output {
		for _, part := range item.AsMessage().Content {
			for _, token := range part.AsOutputText().Logprobs {
				own = append(own, raw(token.JSON.Logprob.Raw()))
				for _, top := range token.TopLogprobs {
					tops = append(tops, raw(top.JSON.Logprob.Raw()))
				}
			}
		}
	}
	return r.OutputText(), own, tops
}

func TestSDKEmbeddingsAtEveryTier(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineOpenAI, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := b.openAI(tier)
		answer, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
			Model: modelserver.DefaultName, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a tier", "a ledger"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		model, err := realModel()
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{"a tier", "a ledger"} {
			got := answer.Data[i].Embedding
			full := make([]float64, 0, len(got))
			for _, f := range model.Embed(text, modelserver.EmbeddingDimensions) {
				full = append(full, float64(f))
			}
			want, exact := full, p.Embeddings.Grid == coarsen.GridFull
			if !exact {
				want = p.Vector(slices.Clone(full))
			}
			if len(got) != len(want) {
				t.Fatalf("%d numbers; want %d", len(got), len(want))
			}
			norm, moved := 0.0, false
			for k := range got {
				norm += got[k] * got[k]
				moved = moved || math.Abs(got[k]-full[k]) > 1e-7
				if math.Abs(got[k]-want[k]) > 1e-6 {
					t.Fatalf("number %d of %q is %v; want %v", k, text, got[k], want[k])
				}
			}
			if math.Abs(norm-1) > 0.02 || moved == exact {
				t.Errorf("norm %v, coarser than the model's: %v", norm, moved)
			}
		}
	})
}

func TestSDKModerationsAtEveryTier(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineOpenAI, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := b.openAI(tier)
		answer, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{
			Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"a tier", "the ledger keeps records"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Results) != 2 {
			t.Fatalf("%d results; want 2", len(answer.Results))
		}
		for _, result := range answer.Results {
			var scores map[string]json.Number
			if err := json.Unmarshal([]byte(result.CategoryScores.RawJSON()), &scores); err != nil {
				t.Fatalf("%v in %s", err, result.RawJSON())
			}
			want := map[coarsen.Mode]int{coarsen.ScoresLabel: 0, coarsen.ScoresBucket: 13, coarsen.ScoresTopK: 3, coarsen.ScoresFull: 13}[p.Scores.Mode]
			if len(scores) != want {
				t.Errorf("%d scores of %s; want %d", len(scores), result.CategoryScores.RawJSON(), want)
			}
			for name, n := range scores {
				f, err := n.Float64()
				if err != nil || f < 0 || f > 1 || !onScoreGrid(&p.Scores, n) {
					t.Errorf("%s is %s, which %s does not tell", name, n, tier)
				}
			}
			if result.Flagged != strings.Contains(result.Categories.RawJSON(), "true") {
				t.Errorf("flagged = %v; categories %s", result.Flagged, result.Categories.RawJSON())
			}
		}
	})
}

// onScoreGrid reports whether the rules tell such a score.
func onScoreGrid(rules *coarsen.Scores, n json.Number) bool {
	switch rules.Mode {
	case coarsen.ScoresBucket:
		return slices.Contains([]json.Number{"0.25", "0.625", "0.825", "0.95"}, n)
	case coarsen.ScoresTopK, coarsen.ScoresFull:
		_, decimals, _ := strings.Cut(n.String(), ".")
		return len(decimals) <= rules.Decimals
	default:
		return n == "1" || n == "0" // a label
	}
}
