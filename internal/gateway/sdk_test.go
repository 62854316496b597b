package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"

	"bartizan/docs"
	"bartizan/internal/modelserver"
)

// realModel is trained once for all tests; it is read-only.
var realModel = sync.OnceValues(func() (*modelserver.Model, error) { return modelserver.Train(docs.Corpus()) })

// sdk puts a gateway in front of a real model with every bad habit, and returns the
// official client with the key of a tier.
func sdk(t *testing.T, key string) (*fixture, openai.Client) {
	t.Helper()
	model, err := realModel()
	if err != nil {
		t.Fatal(err)
	}
	habits, err := modelserver.ParseHabits("all")
	if err != nil {
		t.Fatal(err)
	}
	f := setup(t, modelserver.NewServer(model, modelserver.Options{Seed: 1, Habits: habits}))
	return f, openai.NewClient(option.WithBaseURL(f.url+"/v1/"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

var (
	question = openai.ChatCompletionNewParams{
		Model: modelserver.DefaultName, MaxTokens: openai.Int(12),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage("What is a tier?")},
	}
	weather = openai.ChatCompletionToolParam{Function: openai.FunctionDefinitionParam{
		Name: "weather", Parameters: openai.FunctionParameters{
			"type": "object", "required": []string{"city"},
			"properties": map[string]any{"city": map[string]any{"type": "string"}},
		},
	}}
)

// tiers are the ends of the scale: what works at both works between them.
func tiers(t *testing.T, test func(t *testing.T, f *fixture, client openai.Client)) {
	for _, tier := range []string{"public", "partner"} {
		t.Run(tier, func(t *testing.T) {
			t.Parallel()
			f, client := sdk(t, "key-"+tier)
			test(t, f, client)
		})
	}
}

func TestSDKChat(t *testing.T) {
	t.Parallel()
	tiers(t, func(t *testing.T, _ *fixture, client openai.Client) {
		answer, err := client.Chat.Completions.New(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Choices) != 1 || answer.Choices[0].Message.Content == "" || answer.Usage.CompletionTokens == 0 {
			t.Errorf("answer = %s; want a choice with text, and usage", answer.RawJSON())
		}
	})
}

func TestSDKStreamWithUsage(t *testing.T) {
	t.Parallel()
	tiers(t, func(t *testing.T, _ *fixture, client openai.Client) {
		params := question
		params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		defer stream.Close()
		var sum openai.ChatCompletionAccumulator
		for stream.Next() {
			sum.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if len(sum.Choices) != 1 || sum.Choices[0].Message.Content == "" || sum.Usage.CompletionTokens == 0 {
			t.Errorf("stream = %+v; want text and usage", sum.ChatCompletion)
		}
	})
}

func TestSDKTools(t *testing.T) {
	t.Parallel()
	tiers(t, func(t *testing.T, _ *fixture, client openai.Client) {
		params := question
		params.MaxTokens = openai.Int(200)
		params.Tools = []openai.ChatCompletionToolParam{weather}
		params.ToolChoice = openai.ChatCompletionToolChoiceOptionParamOfChatCompletionNamedToolChoice(
			openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "weather"})
		answer, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		calls := answer.Choices[0].Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "weather" || !json.Valid([]byte(calls[0].Function.Arguments)) {
			t.Errorf("answer = %s; want a call of weather", answer.RawJSON())
		}
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		defer stream.Close()
		var sum openai.ChatCompletionAccumulator
		for stream.Next() {
			sum.AddChunk(stream.Current())
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if calls := sum.Choices[0].Message.ToolCalls; len(calls) != 1 || !json.Valid([]byte(calls[0].Function.Arguments)) {
			t.Errorf("stream = %+v; want a call of weather", sum.ChatCompletion)
		}
	})
}

func TestSDKOtherRoutes(t *testing.T) {
	t.Parallel()
	tiers(t, func(t *testing.T, _ *fixture, client openai.Client) {
		embedding, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
			Model: modelserver.DefaultName, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a tier", "a ledger"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(embedding.Data) != 2 || len(embedding.Data[0].Embedding) != modelserver.EmbeddingDimensions {
			t.Errorf("%d embeddings of %d numbers; want 2 of %d", len(embedding.Data), len(embedding.Data[0].Embedding), modelserver.EmbeddingDimensions)
		}
		completion, err := client.Completions.New(t.Context(), openai.CompletionNewParams{
			Model: modelserver.DefaultName, MaxTokens: openai.Int(5), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("The gateway")},
		})
		if err != nil || completion.Choices[0].Text == "" {
			t.Errorf("completion = %v, %v; want text", completion, err)
		}
		models, err := client.Models.List(t.Context())
		if err != nil || len(models.Data) == 0 {
			t.Errorf("models = %v, %v; want one", models, err)
		}
		if one, err := client.Models.Get(t.Context(), modelserver.DefaultName); err != nil || one.ID != modelserver.DefaultName {
			t.Errorf("model = %v, %v; want %s", one, err, modelserver.DefaultName)
		}
	})
}

func TestSDKErrors(t *testing.T) {
	t.Parallel()
	f, good := sdk(t, "key-public")
	status := func(err error) int {
		if fault, ok := errors.AsType[*openai.Error](err); ok && fault.Message != "" {
			return fault.StatusCode
		}
		t.Errorf("error = %v; want one of the client's own kind with a message", err)
		return 0
	}
	stranger := openai.NewClient(option.WithBaseURL(f.url+"/v1/"), option.WithAPIKey("nobody"), option.WithMaxRetries(0))
	if _, err := stranger.Chat.Completions.New(t.Context(), question); status(err) != http.StatusUnauthorized {
		t.Errorf("wrong key: %v; want 401", err)
	}
	bad := question
	bad.N = openai.Int(-3)
	if _, err := good.Chat.Completions.New(t.Context(), bad); status(err) != http.StatusBadRequest {
		t.Errorf("negative n: %v; want 400", err)
	}
	if _, err := good.Moderations.New(t.Context(), openai.ModerationNewParams{
		Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("x")},
	}); status(err) != http.StatusNotFound {
		t.Errorf("closed route: %v; want 404", err)
	}
	for range 25 {
		_, err := good.Chat.Completions.New(t.Context(), question)
		if err == nil {
			continue
		}
		fault, ok := errors.AsType[*openai.Error](err)
		if !ok || fault.StatusCode != http.StatusTooManyRequests || fault.Response.Header.Get("Retry-After") == "" {
			t.Errorf("over the limit: %v; want 429 with Retry-After", err)
		}
		return
	}
	t.Error("25 requests passed a limit of 20 a minute")
}

// A server with every bad habit discloses nothing of them at public, whole or
// streamed, asked or not.
func TestBadHabitsStayBehindTheGateway(t *testing.T) {
	t.Parallel()
	f, _ := sdk(t, "key-public")
	leaks := []string{
		`"logprob":`, `"top_logprobs":[{`, "token_ids", "prompt_logprobs", "timings", "metrics", "fp_", "kv_transfer",
		"cached_tokens", "acceptance", `"tokens":[`,
	}
	for name, body := range map[string]string{
		"chat":               chat,
		"chat, asking":       `{"model":"bartizan-small","max_tokens":8,"logprobs":true,"top_logprobs":20,"messages":[{"role":"user","content":"What is a tier?"}]}`,
		"stream":             `{"model":"bartizan-small","max_tokens":8,"stream":true,"messages":[{"role":"user","content":"What is a tier?"}]}`,
		"stream, asking":     `{"model":"bartizan-small","max_tokens":8,"stream":true,"logprobs":true,"top_logprobs":5,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"What is a tier?"}]}`,
		"completion, legacy": `{"model":"bartizan-small","max_tokens":8,"logprobs":5,"echo":true,"prompt":"The gateway"}`,
	} {
		path := "/v1/chat/completions"
		if strings.Contains(name, "legacy") {
			path = "/v1/completions"
		}
		body = strings.Replace(body, `"model":"m"`, `"model":"bartizan-small"`, 1)
		response, got := f.post(t, path, "key-public", body)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, %s", name, response.StatusCode, got)
		}
		for _, leak := range leaks {
			if strings.Contains(got, leak) {
				t.Errorf("%s: the answer carries %s: %s", name, leak, got)
			}
		}
	}
	for _, record := range f.waitRecords(t, 5) {
		if record.Exchange.Disclosure.Values != 0 {
			t.Errorf("record = %+v; want no value disclosed", record.Exchange)
		}
	}
}
