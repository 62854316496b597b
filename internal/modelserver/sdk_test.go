package modelserver_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bartizan/internal/modelserver"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"
	"github.com/openai/openai-go/packages/param"
	"github.com/openai/openai-go/shared"
)

func sdk(ts *httptest.Server) openai.Client {
	return openai.NewClient(option.WithBaseURL(ts.URL+"/v1"), option.WithAPIKey("unused"), option.WithHTTPClient(ts.Client()), option.WithMaxRetries(0))
}

func chatParams(prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: modelserver.DefaultName, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)},
		Seed: param.NewOpt[int64](7), MaxTokens: param.NewOpt[int64](40),
	}
}

func TestSDKChat(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{}))
	params := chatParams("What is a limit?")
	params.Logprobs, params.TopLogprobs = param.NewOpt(true), param.NewOpt[int64](4)
	got, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Choices[0]
	if c.Message.Content == "" || (c.FinishReason != "stop" && c.FinishReason != "length") || got.Usage.CompletionTokens == 0 {
		t.Errorf("answer %q, finish %q, usage %+v", c.Message.Content, c.FinishReason, got.Usage)
	}
	var joined []byte
	for _, token := range c.Logprobs.Content {
		for _, b := range token.Bytes {
			joined = append(joined, byte(b))
		}
		if len(token.TopLogprobs) != 4 || token.Logprob > 0 {
			t.Errorf("token %q has log-probability %v and %d alternatives", token.Token, token.Logprob, len(token.TopLogprobs))
		}
	}
	if string(joined) != c.Message.Content {
		t.Errorf("the tokens' bytes say %q, the answer %q", joined, c.Message.Content)
	}
}

func TestSDKStreamWithUsage(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{}))
	params := chatParams("What is a limit?")
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: param.NewOpt(true)}
	events := client.Chat.Completions.NewStreaming(t.Context(), params)
	var all openai.ChatCompletionAccumulator
	for events.Next() {
		if !all.AddChunk(events.Current()) {
			t.Fatalf("the SDK refuses the event %s", events.Current().RawJSON())
		}
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := all.Choices[0].Message.Content, whole.Choices[0].Message.Content; got != want {
		t.Errorf("streamed %q, whole %q", got, want)
	}
	if all.Usage.TotalTokens != whole.Usage.TotalTokens || all.Usage.TotalTokens == 0 {
		t.Errorf("usage streamed %+v, whole %+v", all.Usage, whole.Usage)
	}
}

func TestSDKEmbeddings(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{}))
	inputs := []string{"a watermark in marked answers", "the keys of a watermark", "letters to a museum"}
	got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: modelserver.DefaultName, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: inputs},
	})
	if err != nil {
		t.Fatal(err)
	}
	dot := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	v := func(i int) []float64 { return got.Data[i].Embedding }
	if len(got.Data) != 3 || math.Abs(dot(v(0), v(0))-1) > 1e-5 || dot(v(0), v(1)) <= dot(v(0), v(2)) || got.Usage.PromptTokens == 0 {
		t.Errorf("%d vectors, norm %v, near %v, far %v, usage %+v", len(got.Data), dot(v(0), v(0)), dot(v(0), v(1)), dot(v(0), v(2)), got.Usage)
	}
}

func TestEmbeddingEncodings(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	_, out := post(t, ts, "/v1/embeddings", `{"model":"bartizan-small","input":"a key","encoding_format":"base64","dimensions":16}`)
	var packed struct {
		Data []struct{ Embedding string } `json:"data"`
	}
	if err := json.Unmarshal(out, &packed); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(packed.Data[0].Embedding)
	if err != nil {
		t.Fatal(err)
	}
	want := model(t).Embed("a key", 16)
	var got []float32
	for i := 0; i < len(raw); i += 4 {
		got = append(got, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	if !slices.Equal(got, want) {
		t.Errorf("base64 gives %v; want %v", got, want)
	}
}

const weather = `{"type":"object","required":["city","unit","days"],"properties":{
	"city":{"type":"string","minLength":3,"maxLength":30},
	"unit":{"type":"string","enum":["celsius","fahrenheit"]},
	"days":{"type":"integer","minimum":2,"maximum":5},
	"places":{"type":"array","minItems":2,"maxItems":3,"items":{"$ref":"#/$defs/place"}},
	"share":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1},
	"when":{"type":"string","format":"date"},
	"urgent":{"type":"boolean"}},
	"$defs":{"place":{"type":"object","required":["lat"],"properties":{"lat":{"type":"number","minimum":-90,"maximum":90},"near":{"$ref":"#/$defs/place"}}}}}`

func toolParams(t *testing.T) openai.ChatCompletionNewParams {
	t.Helper()
	var schema shared.FunctionParameters
	if err := json.Unmarshal([]byte(weather), &schema); err != nil {
		t.Fatal(err)
	}
	params := chatParams("What is the weather at the museum?")
	params.MaxTokens = param.Opt[int64]{}
	params.Tools = []openai.ChatCompletionToolParam{
		{Function: shared.FunctionDefinitionParam{Name: "other"}},
		{Function: shared.FunctionDefinitionParam{Name: "weather", Parameters: schema}},
	}
	params.ToolChoice = openai.ChatCompletionToolChoiceOptionParamOfChatCompletionNamedToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "weather"})
	return params
}

// checkWeather holds arguments against the schema by hand.
func checkWeather(t *testing.T, arguments string) {
	t.Helper()
	var got struct {
		City   string
		Unit   string
		Days   int
		Share  *float64
		When   string
		Urgent *bool
		Places []struct{ Lat *float64 }
	}
	if err := json.Unmarshal([]byte(arguments), &got); err != nil {
		t.Fatalf("arguments %q: %v", arguments, err)
	}
	if len(got.City) < 3 || len([]rune(got.City)) > 30 || !slices.Contains([]string{"celsius", "fahrenheit"}, got.Unit) || got.Days < 2 || got.Days > 5 ||
		len(got.Places) < 2 || len(got.Places) > 3 || got.Urgent == nil || len(got.When) != 10 || got.Share == nil || *got.Share <= 0 || *got.Share >= 1 {
		t.Errorf("arguments break the schema: %s", arguments)
	}
	for _, p := range got.Places {
		if p.Lat == nil || math.Abs(*p.Lat) > 90 {
			t.Errorf("a place breaks the schema: %s", arguments)
		}
	}
}

func TestSDKTools(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{}))
	params := toolParams(t)
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	c := whole.Choices[0]
	if c.FinishReason != "tool_calls" || len(c.Message.ToolCalls) != 1 || c.Message.ToolCalls[0].Function.Name != "weather" || c.Message.Content != "" {
		t.Fatalf("answer %s", whole.RawJSON())
	}
	arguments := c.Message.ToolCalls[0].Function.Arguments
	checkWeather(t, arguments)

	events := client.Chat.Completions.NewStreaming(t.Context(), params)
	var all openai.ChatCompletionAccumulator
	for events.Next() {
		all.AddChunk(events.Current())
	}
	if err := events.Err(); err != nil {
		t.Fatal(err)
	}
	if got := all.Choices[0].Message.ToolCalls; len(got) != 1 || got[0].Function.Arguments != arguments || got[0].Function.Name != "weather" || all.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("streamed %+v; want the arguments %s", got, arguments)
	}
}

func TestSDKToolRequired(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{}))
	params := toolParams(t)
	params.Tools = params.Tools[1:]
	params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: param.NewOpt("required")}
	for seed := range int64(20) {
		params.Seed = param.NewOpt(seed)
		got, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		checkWeather(t, got.Choices[0].Message.ToolCalls[0].Function.Arguments)
	}
	params.MaxTokens = param.NewOpt[int64](3)
	cut, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil || cut.Choices[0].FinishReason != "length" || cut.Usage.CompletionTokens != 3 {
		t.Errorf("with a cap of 3 tokens: %v, %s", err, cut.RawJSON())
	}
}

// TestBranchingSchema must end although the schema describes a tree without end.
func TestBranchingSchema(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	var names, properties []string
	for name := range strings.SplitSeq("abcdefghij", "") {
		names = append(names, `"`+name+`"`)
		properties = append(properties, `"`+name+`":{"$ref":"#"}`)
	}
	schema := `{"type":"object","required":[` + strings.Join(names, ",") + `],"properties":{` + strings.Join(properties, ",") + `}}`
	status, out := post(t, ts, "/v1/chat/completions", `{`+hello+`,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":`+schema+`}}]}`)
	if status != http.StatusOK || len(out) > 1<<20 {
		t.Errorf("status %d, %d bytes", status, len(out))
	}
}

func TestSDKError(t *testing.T) {
	t.Parallel()
	client := sdk(start(t, modelserver.Options{}))
	params := chatParams("x")
	params.Model = "nobody"
	_, err := client.Chat.Completions.New(t.Context(), params)
	api, ok := errors.AsType[*openai.Error](err)
	if !ok || api.StatusCode != http.StatusNotFound || api.Code != "model_not_found" || api.Param != "model" {
		t.Errorf("error = %v; want the API's own, 404 model_not_found", err)
	}
	models, err := client.Models.List(t.Context())
	if err != nil || len(models.Data) != 1 || models.Data[0].ID != modelserver.DefaultName {
		t.Errorf("models = %+v, %v", models, err)
	}
}
