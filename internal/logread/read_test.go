package logread_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"bartizan"
	"bartizan/internal/logread"
)

func read(t testing.TB, log string, o logread.Options) ([]*bartizan.Exchange, logread.Stats, error) {
	t.Helper()
	var out []*bartizan.Exchange
	stats, err := logread.Read(t.Context(), strings.NewReader(log), o, func(x *bartizan.Exchange) error {
		out = append(out, x)
		return nil
	})
	return out, stats, err
}

func own(t testing.TB) string {
	t.Helper()
	at := time.Date(2025, 3, 3, 9, 0, 0, 5, time.UTC)
	x := &bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: "x1", At: at, EndAt: at.Add(time.Second), Account: "acme",
		Route: "openai.chat", Model: "m", Status: 200, Outcome: bartizan.OutcomeAnswered,
		Decision: bartizan.Decision{Action: bartizan.ActionAllow}, Text: &bartizan.Text{Prompt: "hi", Turns: 1},
	}
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOwnFormat(t *testing.T) {
	t.Parallel()
	line := own(t)
	got, stats, err := read(t, line+"\n\n  \n"+line, logread.Options{})
	if err != nil || len(got) != 2 || stats.Format != logread.FormatBartizan || stats.Lines != 2 || stats.Bad != 0 {
		t.Fatalf("Read = %d exchanges, %+v, %v; want 2 of the bartizan format", len(got), stats, err)
	}
	back, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(line, string(back)); diff != "" {
		t.Errorf("an exchange changed on the way (-written +read):\n%s", diff)
	}
}

// What each shape of line becomes.
func TestOpenAIShapes(t *testing.T) {
	t.Parallel()
	const chat = `"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"one"},{"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{}}]}]`
	half := 0.5
	at := func(ns int) time.Time { return time.Date(2025, 1, 24, 9, 20, 46, ns, time.UTC) }
	text := &bartizan.Text{System: "Be kind.", Prompt: "two", Turns: 2, Answer: "yes"}
	for name, c := range map[string]struct {
		line string
		want bartizan.Exchange
	}{
		"envelope": {
			`{"id":"r1","account":"acme","timestamp":"2025-01-24T09:20:46.25Z","latency_ms":1500,"request":{"model":"m",` + chat +
				`,"stream":true,"max_tokens":64,"n":2,"logprobs":true,"top_logprobs":5,"temperature":0.5,"logit_bias":{"1":2},"tools":[{}]},` +
				`"response":{"choices":[{"message":{"content":"yes"}}],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}}`,
			bartizan.Exchange{
				ID: "r1", Account: "acme", At: at(25e7), EndAt: at(25e7).Add(1500 * time.Millisecond), Route: "openai.chat", Model: "m",
				Asked: bartizan.Asked{Stream: true, MaxTokens: 64, N: 2, Logprobs: true, TopLogprobs: 5, Temperature: &half, LogitBias: 1, Tools: 1, Inputs: 1},
				Text:  text, Status: 200, Outcome: bartizan.OutcomeAnswered, Usage: bartizan.Usage{InputTokens: 7, OutputTokens: 3, CachedTokens: 2},
			},
		},
		"bare body": {
			`{"model":"m","user":"u7","created":1737710446,` + chat + `,"choices":[{"message":{"content":"yes"}}]}`,
			bartizan.Exchange{
				ID: "log:000000000001", Account: "u7", At: at(0), EndAt: at(0), Route: "openai.chat", Model: "m",
				Asked: bartizan.Asked{Inputs: 1}, Text: text, Status: 200, Outcome: bartizan.OutcomeAnswered,
			},
		},
		"batch input": {
			`{"custom_id":"c1","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":["p","q"],"metadata":{"account":"deep"}}}`,
			bartizan.Exchange{
				ID: "c1", Account: "deep", Route: "openai.completions", Model: "m", Asked: bartizan.Asked{Inputs: 2},
				Text: &bartizan.Text{Prompt: "p\nq", Turns: 1}, Status: 200, Outcome: bartizan.OutcomeAnswered,
			},
		},
		"batch output": {
			`{"custom_id":"c1","response":{"status_code":429,"body":{"created":1737710446,"model":"m","choices":[]}},"error":null}`,
			bartizan.Exchange{
				ID: "c1", Account: "unknown", At: at(0), EndAt: at(0), Route: "openai.chat", Model: "m",
				Status: 429, Outcome: bartizan.OutcomeRefused,
			},
		},
		"answer as text": {
			`{"key":"k1","start_time":1737710446.5,"end_time":"1737710448","request":{"model":"m","messages":"two"},"response":"yes","status":"failure"}`,
			bartizan.Exchange{
				ID: "log:000000000001", Account: "k1", At: at(5e8), EndAt: at(0).Add(2 * time.Second), Route: "openai.chat", Model: "m",
				Asked: bartizan.Asked{Inputs: 1}, Text: &bartizan.Text{Prompt: "two", Turns: 1, Answer: "yes"}, Status: 500, Outcome: bartizan.OutcomeFailed,
			},
		},
		"embeddings of tokens": {
			`{"metadata":{"user_id":42},"time":"2025-01-24 09:20:46.000001","request":{"model":"text-embedding-3","input":[[1,2],[3]]},"response":{"data":[]}}`,
			bartizan.Exchange{
				ID: "log:000000000001", Account: "42", At: at(1e3), EndAt: at(1e3), Route: "openai.embeddings", Model: "text-embedding-3",
				Asked: bartizan.Asked{Inputs: 2}, Status: 200, Outcome: bartizan.OutcomeAnswered,
			},
		},
		"secret key": {
			`{"api_key":"sk-verysecret","prompt":"p"}`,
			bartizan.Exchange{
				ID: "log:000000000001", Account: "key-c43bc6b0c0e0d4c7", Route: "openai.completions", Asked: bartizan.Asked{Inputs: 1},
				Text: &bartizan.Text{Prompt: "p", Turns: 1}, Status: 200, Outcome: bartizan.OutcomeAnswered,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, stats, err := read(t, c.line, logread.Options{})
			if err != nil || len(got) != 1 {
				t.Fatalf("Read = %d exchanges, %+v, %v; want one", len(got), stats, err)
			}
			c.want.Schema = bartizan.ExchangeSchema
			if name == "secret key" {
				if strings.Contains(got[0].Account, "secret") || !strings.HasPrefix(got[0].Account, "key-") {
					t.Errorf("account %q discloses the key", got[0].Account)
				}
				c.want.Account = got[0].Account
			}
			if diff := cmp.Diff(&c.want, got[0]); diff != "" {
				t.Errorf("exchange differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	want := time.Date(2025, 1, 24, 9, 20, 46, 847371000, time.UTC)
	for value, exact := range map[string]time.Duration{
		`1737710446.847371`: 0, `1737710446847.371`: 0, `1737710446847371`: 0, `1737710446847371000`: 0,
		`"1737710446.847371"`: 0, `"2025-01-24 09:20:46.847371"`: 0, `"2025-01-24T09:20:46.847371"`: 0,
		`"2025-01-24T10:20:46.847371+01:00"`: 0, `1.737710446847371e9`: time.Millisecond,
	} {
		got, _, err := read(t, `{"prompt":"p","time":`+value+`}`, logread.Options{})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", value, err)
		}
		if d := got[0].At.Sub(want).Abs(); d > exact {
			t.Errorf("time %s = %s; want %s", value, got[0].At, want)
		}
	}
	for _, value := range []string{`null`, `0`, `-5`, `"yesterday"`, `1e300`, `{}`, `true`, `99999999999999999999999999`, `"NaN"`, `12`} {
		got, stats, err := read(t, `{"prompt":"p","time":`+value+`}`, logread.Options{})
		if err != nil || len(got) != 1 || !got[0].At.IsZero() || stats.Untimed != 1 {
			t.Errorf("time %s: %d exchanges, %+v, %v; want one without a time", value, len(got), stats, err)
		}
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	good := own(t)
	log := strings.Join([]string{
		good, `{"schema":`, `[1]`, `"x"`, `null`, `{"prompt":"p"}`, "\xff\xfe", strings.Repeat("y", 5000),
		strings.Replace(good, `"answered"`, `"eaten"`, 1), strings.Replace(good, `"status":200`, `"status":1e999`, 1), good,
	}, "\n")
	got, stats, err := read(t, log, logread.Options{MaxLine: 4000, MaxFaults: 8})
	if err != nil || len(got) != 2 || stats.Bad != 9 || stats.Lines != 11 || len(stats.Faults) != 8 {
		t.Fatalf("Read = %d exchanges, %+v, %v; want 2, 9 bad of 11, 8 listed", len(got), stats, err)
	}
	want := []logread.Fault{
		{2, "not JSON"},
		{3, "not a JSON object"},
		{4, "not a JSON object"},
		{5, "not a JSON object"},
		{6, "schema is not bartizan.exchange/1"},
		{7, "not valid UTF-8"},
		{8, "longer than 4000 bytes"},
		{9, `outcome is "eaten", want answered, refused, failed or aborted`},
	}
	if diff := cmp.Diff(want, stats.Faults); diff != "" {
		t.Errorf("faults differ (-want +got):\n%s", diff)
	}

	_, stats, err = read(t, log, logread.Options{Strict: true})
	if !errors.Is(err, logread.ErrBadLine) || !strings.Contains(err.Error(), "line 2") || stats.Exchanges != 1 {
		t.Errorf("strict reading: %+v, %v; want ErrBadLine at line 2 after one exchange", stats, err)
	}
}

func TestReasonsRepeatNoText(t *testing.T) {
	t.Parallel()
	const canary = "canary-7c1f"
	log := `{"prompt":"` + canary + `",` + "\n" + `{"note":"` + canary + `"}` + "\n" + canary
	_, stats, err := read(t, log, logread.Options{})
	if err != nil || stats.Bad != 3 || strings.Contains(fmt.Sprint(stats), canary) {
		t.Errorf("Read = %+v, %v; want 3 faults without the text", stats, err)
	}
}

func gzipped(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, s string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll([]byte(s), nil)
}

func TestCompression(t *testing.T) {
	t.Parallel()
	log := strings.Repeat(own(t)+"\n", 50)
	for name, packed := range map[string][]byte{
		"plain": []byte(log), "gzip": gzipped(t, log), "zstd": zstded(t, log),
		"byte order mark": []byte("\xef\xbb\xbf" + log), "carriage returns": []byte(strings.ReplaceAll(log, "\n", "\r\n")),
	} {
		stats, err := logread.Read(t.Context(), bytes.NewReader(packed), logread.Options{}, func(*bartizan.Exchange) error { return nil })
		if err != nil || stats.Exchanges != 50 || stats.Bad != 0 {
			t.Errorf("%s: %+v, %v; want 50 exchanges", name, stats, err)
		}
	}
	packed := gzipped(t, log)
	_, err := logread.Read(t.Context(), bytes.NewReader(packed[:len(packed)-20]), logread.Options{}, func(*bartizan.Exchange) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut gzip file: %v; want io.ErrUnexpectedEOF", err)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	line := own(t) + "\n"
	log := strings.Repeat(line, 10)
	for name, c := range map[string]struct {
		log  []byte
		max  int64
		want error
	}{
		"just fits":  {gzipped(t, log), int64(len(log)), nil},
		"one over":   {gzipped(t, log), int64(len(log)) - 1, logread.ErrTooLarge},
		"a bomb":     {gzipped(t, strings.Repeat("\n", 32<<20)), 1 << 20, logread.ErrTooLarge},
		"a zst bomb": {zstded(t, strings.Repeat("\n", 32<<20)), 1 << 20, logread.ErrTooLarge},
	} {
		stats, err := logread.Read(t.Context(), bytes.NewReader(c.log), logread.Options{MaxBytes: c.max}, func(*bartizan.Exchange) error { return nil })
		if !errors.Is(err, c.want) || stats.Bytes > c.max {
			t.Errorf("%s: %d bytes, %v; want %v within %d", name, stats.Bytes, err, c.want, c.max)
		}
	}
	if stats, err := logread.Read(t.Context(), strings.NewReader(""), logread.Options{}, nil); err != nil || stats.Lines != 0 {
		t.Errorf("an empty file: %+v, %v; want nothing", stats, err)
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	line := own(t) + "\n"
	stop := errors.New("enough")
	n := 0
	stats, err := logread.Read(t.Context(), strings.NewReader(strings.Repeat(line, 5)), logread.Options{}, func(*bartizan.Exchange) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 3 || stats.Exchanges != 3 {
		t.Errorf("Read = %+v, %v after %d; want the caller's error after 3", stats, err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := logread.Read(ctx, strings.NewReader(line), logread.Options{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled reading: %v; want context.Canceled", err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	if err := os.WriteFile(path, []byte(`{"prompt":"p"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var id string
	stats, err := logread.Open(t.Context(), path, logread.Options{}, func(x *bartizan.Exchange) error { id = x.ID; return nil })
	if err != nil || stats.Unknown != 1 || id != "calls.jsonl:000000000001" {
		t.Errorf("Open = %+v, %v, id %q; want one exchange named after the file", stats, err, id)
	}
	if _, err := logread.Open(t.Context(), path+".gone", logread.Options{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of a missing file: %v; want os.ErrNotExist", err)
	}
}
