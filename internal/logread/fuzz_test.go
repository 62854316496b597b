package logread_test

import (
	"bytes"
	"testing"

	"bartizan"
	"bartizan/internal/logread"
)

// fuzzFormat reads b and checks what holds for any input.
func fuzzFormat(t *testing.T, b []byte, o logread.Options) {
	t.Helper()
	o.MaxLine, o.MaxBytes = 1<<16, 1<<20
	n := int64(0)
	stats, err := logread.Read(t.Context(), bytes.NewReader(b), o, func(x *bartizan.Exchange) error {
		n++
		if x.ID == "" || x.Account == "" || x.EndAt.Before(x.At) || x.Usage.InputTokens < 0 || x.Asked.Inputs < 0 || x.Status < 0 {
			t.Errorf("unsound exchange %+v", x)
		}
		return nil
	})
	if stats.Exchanges != n {
		t.Errorf("%d exchanges counted, %d handed on", stats.Exchanges, n)
	}
	several := stats.Format == logread.FormatOTLP // of which a line may hold any number
	if err == nil && !several && stats.Lines != stats.Bad+stats.Exchanges+stats.Passed {
		t.Errorf("counts do not add up: %+v", stats)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"request":{"messages":[{"role":"user","content":[{"text":1}]}]},"response":"{","time":1e18,"status":"x"}`))
	f.Add([]byte(own(f) + "\n{}"))
	f.Add([]byte("[" + own(f) + ",\n{\"prompt\":1}]"))
	f.Add([]byte("{\n\"prompt\":\"p\"\n}"))
	f.Add(gzipped(f, `{"prompt":[],"input":[{}],"latency":-1}`))
	f.Add(zstded(f, "[[[\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFormat(t, b, logread.Options{}) })
}

func FuzzOpenAI(f *testing.F) {
	f.Add([]byte(`{"custom_id":"c","response":{"status_code":429,"body":{"choices":[{"text":"x"}],"usage":{"prompt_tokens":-5}}},"body":{"prompt":["a"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFormat(t, b, logread.Options{Format: logread.FormatOpenAI}) })
}

func FuzzOwn(f *testing.F) {
	f.Add([]byte(own(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzFormat(t, b, logread.Options{Format: logread.FormatBartizan, Account: "peer.network"})
	})
}

func FuzzLiteLLM(f *testing.F) {
	f.Add([]byte(`{"call_type":"aembedding","startTime":1,"endTime":"x","completionStartTime":2e9,"stream":true,"metadata":{"user_api_key_hash":5},"messages":{"messages":[{"role":"user"}]},"response":"{}","request_tags":["User-Agent: a",1],"error_information":{"error_code":-1}}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFormat(t, b, logread.Options{Format: logread.FormatLiteLLM}) })
}

func FuzzOTLP(f *testing.F) {
	f.Add([]byte(`{"resourceSpans":[{"resource":{"attributes":[{"key":"user.id","value":{"kvlistValue":{"values":[{"key":"a"}]}}}]},"scopeSpans":[{"spans":[{"startTimeUnixNano":"5","endTimeUnixNano":-1,"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.input.messages","value":{"stringValue":"[{"}},{"key":"gen_ai.request.temperature","value":{"intValue":"x"}}],"events":[{"name":"gen_ai.choice","attributes":[{"key":"message","value":{"arrayValue":{"values":[{}]}}}]}]}]}]}],"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{}}}]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFormat(t, b, logread.Options{Format: logread.FormatOTLP}) })
}

func FuzzAccess(f *testing.F) {
	f.Add([]byte(`{"start_time":"2025-01-24T09:20:46Z","duration":1e300,"method":"POST","path":"/v1/embeddings?","response_code":0,"x_forwarded_for":"::1%eth0,"}`))
	f.Add([]byte(`{"time_local":"24/Jan/2025:10:20:47 +0100","request":"POST / HTTP/1","status":"","request_time":"-1"}`))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzFormat(t, b, logread.Options{Format: logread.FormatAccess}) })
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetFile(f, rows(5), 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzFormat(t, b, logread.Options{Columns: map[string]string{"prompt": "question"}})
	})
}
