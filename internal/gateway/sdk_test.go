package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"

	"bartizan"
	"bartizan/docs"
	"bartizan/internal/modelserver"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
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
	if _, err := good.Batches.List(t.Context(), openai.BatchListParams{}); status(err) != http.StatusNotFound {
		t.Errorf("closed route: %v; want 404", err)
	}
	unknown := question
	unknown.Model = "nobody"
	if _, err := good.Chat.Completions.New(t.Context(), unknown); status(err) != http.StatusNotFound {
		t.Errorf("unknown model: %v; want 404", err)
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
		if ok && (fault.Type != "requests" || fault.Code != "rate_limit_exceeded" || !strings.Contains(fault.Message, "limit 20 per minute")) {
			t.Errorf("over the limit: %s; want one of requests that names the limit of 20 per minute", fault.RawJSON())
		}
		return
	}
	t.Error("25 requests passed a limit of 20 a minute")
}

// A client that is told to wait waits as long as it was told, and then gets through.
func TestSDKHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	spec := policy.Default()
	standard := spec.Tiers[bartizan.TierStandard]
	standard.Limits = ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 60, Burst: 1}}
	spec.Tiers[bartizan.TierStandard] = standard
	server := httptest.NewServer(answer(completion))
	t.Cleanup(server.Close)
	f := deploy(t, server.URL, deployment{spec: &spec})
	client := openai.NewClient(option.WithBaseURL(f.url+"/v1/"), option.WithAPIKey("key-standard"), option.WithMaxRetries(1))
	for range 2 {
		if _, err := client.Chat.Completions.New(t.Context(), question); err != nil {
			t.Fatal(err)
		}
	}
	var outcomes []bartizan.Outcome
	records := f.waitRecords(t, 3)
	for _, r := range records {
		outcomes = append(outcomes, r.Exchange.Outcome)
	}
	if d := cmp.Diff([]bartizan.Outcome{bartizan.OutcomeAnswered, bartizan.OutcomeRefused, bartizan.OutcomeAnswered}, outcomes); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
	if waited := records[2].Exchange.At.Sub(records[1].Exchange.At); waited < time.Second || waited > 5*time.Second {
		t.Errorf("the client came back after %v; want the second that it was told to wait", waited)
	}
}

// plainKeys are all that a public answer may hold, at any depth.
const plainKeys = " id object created model choices index finish_reason logprobs usage prompt_tokens completion_tokens total_tokens " +
	"message delta role content refusal tool_calls type function name arguments text data embedding owned_by max_model_len " +
	"error code param "

// oddKeys returns the keys of v that are not plain, and those of log-probabilities
// that are not null.
func oddKeys(v any) (odd []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if !strings.Contains(plainKeys, " "+key+" ") || (key == "logprobs" && value != nil) {
				odd = append(odd, key)
			}
			odd = append(odd, oddKeys(value)...)
		}
	case []any:
		for _, value := range v {
			odd = append(odd, oddKeys(value)...)
		}
	}
	return odd
}

// documents are the JSON documents of an answer, whole or streamed.
func documents(t *testing.T, answer string) (all []any) {
	t.Helper()
	lines := []string{answer}
	if strings.HasPrefix(answer, "data:") {
		lines = strings.Split(answer, "\n")
	}
	for _, line := range lines {
		line = strings.TrimSpace(strings.TrimPrefix(line, "data:"))
		if line == "" || line == "[DONE]" {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// A server with every bad habit discloses nothing of them at public, whole or
// streamed, asked or not, in answers or in errors.
func TestBadHabitsStayBehindTheGateway(t *testing.T) {
	t.Parallel()
	const head, talk = `{"model":"bartizan-small","max_tokens":8,`, `"messages":[{"role":"user","content":"What is a tier?"}]}`
	f, _ := sdk(t, "key-public")
	tests := map[string]struct {
		path, body string
		status     int
	}{
		"chat":               {"/v1/chat/completions", head + talk, 200},
		"chat, asking":       {"/v1/chat/completions", head + `"logprobs":true,"top_logprobs":20,"n":3,"seed":4,"logit_bias":{"5":100},"prompt_logprobs":5,"return_token_ids":true,` + talk, 200},
		"stream":             {"/v1/chat/completions", head + `"stream":true,` + talk, 200},
		"stream, asking":     {"/v1/chat/completions", head + `"stream":true,"logprobs":true,"top_logprobs":5,"stream_options":{"include_usage":true},"logprob_token_ids":[1,2],` + talk, 200},
		"completion":         {"/v1/completions", head + `"logprobs":5,"echo":true,"best_of":4,"prompt":"The gateway"}`, 200},
		"completion, asking": {"/v1/completions", head + `"logprobs":-1,"stream":true,"prompt":"The gateway"}`, 400},
		"embedding":          {"/v1/embeddings", `{"model":"bartizan-small","input":"a tier"}`, 200},
		"no such model":      {"/v1/chat/completions", `{"model":"nobody",` + talk, 404},
		"bad bias":           {"/v1/chat/completions", head + `"stop":[1,2,3,4,5,6],` + talk, 400},
	}
	for name, tt := range tests {
		response, got := f.post(t, tt.path, "key-public", tt.body)
		if response.StatusCode != tt.status {
			t.Errorf("%s: status %d, %s; want %d", name, response.StatusCode, got, tt.status)
		}
		if odd := oddKeys(documents(t, got)); len(odd) > 0 {
			t.Errorf("%s: the answer carries %v: %s", name, odd, got)
		}
		if strings.Contains(got, "/srv/models") || strings.Contains(got, "ocabulary") {
			t.Errorf("%s: the answer tells of the server: %s", name, got)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/v1/models", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer key-public")
	if _, got := f.do(t, request); len(oddKeys(documents(t, got))) > 0 || strings.Contains(got, "/srv/models") {
		t.Errorf("models: %s; want no path", got)
	}
	for _, record := range f.waitRecords(t, len(tests)+1) {
		if record.Exchange.Disclosure.Values != 0 {
			t.Errorf("record = %+v; want no value disclosed", record.Exchange)
		}
	}
}

// The same server tells a partner log-probabilities that were asked for, and says what
// it took away.
func TestPartnerGetsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	tiers(t, func(t *testing.T, f *fixture, client openai.Client) {
		params := question
		params.Logprobs, params.TopLogprobs = openai.Bool(true), openai.Int(5)
		var response *http.Response
		answer, err := client.Chat.Completions.New(t.Context(), params, option.WithResponseInto(&response))
		if err != nil {
			t.Fatal(err)
		}
		told := len(answer.Choices[0].Logprobs.Content)
		x := f.waitRecords(t, 1)[0].Exchange
		if (x.Tier == bartizan.TierPartner) != (told > 0) || (told > 0) != (x.Disclosure.Values > 0) {
			t.Errorf("%s: %d log-probabilities, %d values recorded; want both at partner, neither at public", x.Tier, told, x.Disclosure.Values)
		}
		if adjusted := response.Header.Get("X-Bartizan-Adjusted"); x.Tier == bartizan.TierPublic && !strings.Contains(adjusted, "logprobs") {
			t.Errorf("X-Bartizan-Adjusted = %q; want it to name logprobs", adjusted)
		}
	})
}
