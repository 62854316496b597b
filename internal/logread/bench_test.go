package logread_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/logread"
)

func benchmarkLog(b *testing.B, line string, o logread.Options) {
	b.Helper()
	log := strings.Repeat(line+"\n", 400)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		stats, err := logread.Read(b.Context(), strings.NewReader(log), o, func(*bartizan.Exchange) error { return nil })
		if err != nil || stats.Bad > 0 || stats.Exchanges != 400 {
			b.Fatalf("%+v, %v", stats, err)
		}
	}
}

func benchmarkMessages() string {
	return `[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"` + strings.Repeat("some words\\nhere ", 60) + `"}]`
}

func benchmarkAnswer() string {
	return `{"choices":[{"message":{"content":"` + strings.Repeat("an answer ", 60) + `"}}],"usage":{"prompt_tokens":9,"completion_tokens":8}}`
}

func BenchmarkOpenAI(b *testing.B) {
	benchmarkLog(b, `{"account":"acme","timestamp":1737710446.5,"request":{"model":"m","messages":`+benchmarkMessages()+`},"response":`+benchmarkAnswer()+`}`, logread.Options{})
}

func BenchmarkLiteLLM(b *testing.B) {
	benchmarkLog(b, `{"id":"c","trace_id":"t","call_type":"acompletion","status":"success","startTime":1737710446.5,"endTime":1737710447.5,"completionStartTime":1737710447.5,`+
		`"response_cost":0.1,"total_tokens":3,"prompt_tokens":1,"completion_tokens":2,"model":"m","model_group":"m","api_base":"https://api.example.com","custom_llm_provider":"openai",`+
		`"model_map_information":{"model_map_key":"m","model_map_value":{`+strings.Repeat(`"input_cost_per_token":0.00001,`, 30)+`"x":1}},`+
		`"metadata":{"user_api_key_hash":"h","user_api_key_alias":"a","user_api_key_team_id":null},"request_tags":["User-Agent: x","User-Agent: x/1"],`+
		`"messages":`+benchmarkMessages()+`,"response":`+benchmarkAnswer()+`,"model_parameters":{"temperature":1},"hidden_params":{}}`, logread.Options{})
}

func BenchmarkOwn(b *testing.B) {
	var x bartizan.Exchange
	if err := json.Unmarshal([]byte(own(b)), &x); err != nil {
		b.Fatal(err)
	}
	x.EndAt = x.At.Add(time.Second)
	x.Text = &bartizan.Text{Prompt: strings.Repeat("some words\nhere ", 60), Turns: 1, Answer: strings.Repeat("an answer ", 60)}
	line, err := json.Marshal(x)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkLog(b, string(line), logread.Options{})
}

func BenchmarkOTLP(b *testing.B) {
	messages, err := json.Marshal(strings.ReplaceAll(benchmarkMessages(), `"content":"`, `"parts":[{"type":"text","content":"`))
	if err != nil {
		b.Fatal(err)
	}
	text := strings.ReplaceAll(string(messages), `\"}`, `\"}]}`)
	benchmarkLog(b, `{"resourceSpans":[{"resource":{"attributes":[{"key":"user.id","value":{"stringValue":"u"}}]},"scopeSpans":[{"spans":[{"traceId":"a","spanId":"b","name":"chat","startTimeUnixNano":"1737710446000000000",`+
		`"endTimeUnixNano":"1737710447000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.input.messages","value":{"stringValue":`+text+`}}]}]}]}]}`, logread.Options{})
}

func BenchmarkAccess(b *testing.B) {
	benchmarkLog(b, `{"start_time":"2025-01-24T09:20:46Z","method":"POST","path":"/v1/chat/completions","response_code":200,"duration":1500,"consumer":"acme","request_id":"r","user_agent":"x"}`, logread.Options{})
}

func BenchmarkParquet(b *testing.B) {
	file := parquetFile(b, rows(20_000), 20_000)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, _, err := readAll(b, file, logread.Options{Columns: mapping()}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
