package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/gateway"
)

// dial opens a bare connection to the gateway and sends a request with key-partner.
func (f *fixture) dial(t *testing.T, body string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-partner\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T; want a TCP connection", conn)
	}
	return tcp
}

// Wherever an exchange stands when the client leaves, the upstream hears of it within
// 100 ms.
func TestClientGoneBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	head := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
	}
	for name, tt := range map[string]struct {
		begin func(http.ResponseWriter)
		leave func(*net.TCPConn) error
	}{
		"before the head":     {func(http.ResponseWriter) {}, (*net.TCPConn).Close},
		"within the body":     {head, (*net.TCPConn).Close},
		"half-closed":         {func(http.ResponseWriter) {}, (*net.TCPConn).CloseWrite},
		"half-closed in body": {head, (*net.TCPConn).CloseWrite},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, gone := make(chan struct{}), make(chan time.Time, 1)
			f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tt.begin(w)
				close(begun)
				<-r.Context().Done()
				gone <- time.Now()
			}))
			conn := f.dial(t, chat)
			<-begun
			left := time.Now()
			if err := tt.leave(conn); err != nil {
				t.Fatal(err)
			}
			if d := (<-gone).Sub(left); d > abortWithin {
				t.Errorf("upstream cancelled after %v; want at most 100ms", d)
			}
			if x := f.waitRecords(t, 1)[0].Exchange; x.Outcome != bartizan.OutcomeAborted || x.Usage.OutputTokens != 0 {
				t.Errorf("outcome %s, usage %+v; want aborted, nothing generated", x.Outcome, x.Usage)
			}
			// One who still listens must not read an empty answer as a good one.
			if reply, _ := io.ReadAll(conn); len(reply) > 0 {
				t.Errorf("reply %q; want a closed connection", reply)
			}
		})
	}
}

// A client that does not read is let go, and what it did not read does not pile up.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	event := chunk(strings.Repeat("word ", 2000))
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, event); err != nil {
				return
			}
		}
	}), func(o *gateway.Options) { o.WriteTimeout = 200 * time.Millisecond })
	conn := f.dial(t, streamChat)
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the upstream still sends to a client that does not read")
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeAborted || x.Usage.OutputTokens == 0 {
		t.Errorf("outcome %s, usage %+v; want aborted and charged for what was sent", x.Outcome, x.Usage)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if rest, _ := io.ReadAll(conn); bytes.HasSuffix(rest, []byte("0\r\n\r\n")) {
		t.Error("the stream ended properly; want a broken connection")
	}
}

// A steady but slow stream outlives the write timeout: it bounds one write only.
func TestSlowStreamIsNotCut(t *testing.T) {
	t.Parallel()
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 12 {
			_, _ = io.WriteString(w, chunk("word"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(30 * time.Millisecond)
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}), func(o *gateway.Options) { o.WriteTimeout = 100 * time.Millisecond })
	response := f.open(t.Context(), t, "key-partner", streamChat)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || strings.Count(string(body), "word") != 12 || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Errorf("stream %q, %v; want 12 words and the end", body, err)
	}
}

// An upstream that breaks before the first event is answered as an error, not as a
// stream; one that breaks later ends the stream with an error event and a broken
// connection. Neither costs the caller tokens that it did not get.
func TestBrokenStreams(t *testing.T) {
	t.Parallel()
	stall := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	die := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	send := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	for name, tt := range map[string]struct {
		then   http.HandlerFunc
		status int
	}{
		"dies":            {die, http.StatusBadGateway},
		"falls silent":    {stall, http.StatusGatewayTimeout},
		"garbage":         {send("data: {\"secret\n\n"), http.StatusBadGateway},
		"too long":        {send("data: " + strings.Repeat("secret ", 200_000) + "\n\n"), http.StatusBadGateway},
		"line never ends": {send("data: " + strings.Repeat("secret ", 200_000)), http.StatusBadGateway},
		"cut event":       {send(`data: {"secret":`), http.StatusBadGateway},
	} {
		for first, events := range map[string]string{"at once": "", "later": chunk("one")} {
			t.Run(name+" "+first, func(t *testing.T) {
				t.Parallel()
				f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, events)
					_ = http.NewResponseController(w).Flush()
					tt.then(w, r)
				}), func(o *gateway.Options) { o.IdleTimeout = 100 * time.Millisecond })
				response := f.open(t.Context(), t, "key-standard", streamChat)
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if strings.Contains(string(body), "secret") || !strings.Contains(string(body), `{"error":{`) {
					t.Errorf("body %.300q; want an error and nothing of the fault", body)
				}
				x := f.waitRecords(t, 1)[0].Exchange
				if events == "" {
					if response.StatusCode != tt.status || err != nil || x.Usage.InputTokens+x.Usage.OutputTokens != 0 || x.Disclosure.Tokens != 0 {
						t.Errorf("status %d, %v, record %+v; want %d and nothing charged", response.StatusCode, err, x, tt.status)
					}
					return
				}
				if response.StatusCode != http.StatusOK || err == nil || x.Outcome != bartizan.OutcomeFailed || x.Usage.OutputTokens == 0 {
					t.Errorf("status %d, %v, record %+v; want a stream that breaks, charged for what was sent", response.StatusCode, err, x)
				}
			})
		}
	}
}

// A whole answer that stops coming is given up, and so is an error's body.
func TestSilentUpstream(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"answer": 200, "error": 500, "refusal": 400} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Length", "1000")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"id":`)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}), func(o *gateway.Options) { o.IdleTimeout = 50 * time.Millisecond })
			want := status
			if status == http.StatusOK {
				want = http.StatusGatewayTimeout
			}
			if response, body := f.post(t, "/v1/chat/completions", "key-standard", chat); response.StatusCode != want || !strings.Contains(body, `{"error":{`) {
				t.Errorf("status %d, body %s; want %d", response.StatusCode, body, want)
			}
		})
	}
}

// What is withheld is recorded as refused and costs no tokens.
func TestWithheldCostsNoTokens(t *testing.T) {
	t.Parallel()
	f := setup(t, answer("<html>"))
	f.post(t, "/v1/chat/completions", "key-standard", chat)
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeRefused || x.Decision.Action != bartizan.ActionDeny || x.Decision.Reasons[0].Code != "withheld" {
		t.Errorf("record %+v; want it refused as withheld", x)
	}
	if x.Usage != (bartizan.Usage{}) || x.Disclosure != (bartizan.Disclosure{}) || f.gateway.Stats().Withheld.Load() != 1 {
		t.Errorf("usage %+v, disclosure %+v; want none, counted once", x.Usage, x.Disclosure)
	}
}

// Compressed answers, which nobody asked for, are shaped like others.
func TestCompressedAnswersAreShaped(t *testing.T) {
	t.Parallel()
	leaky := strings.Replace(chunk("one"), `"finish_reason"`, `"logprobs":{"content":[{"token":"one","logprob":-0.7}]},"finish_reason"`, 1)
	for name, tt := range map[string]struct{ ask, media, answer string }{
		"whole":  {chat, "application/json", completion},
		"stream": {streamChat, "text/event-stream", leaky + "data: [DONE]\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan string, 1)
			f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.Header.Get("Accept-Encoding")
				w.Header().Set("Content-Type", tt.media)
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				_, _ = io.WriteString(z, tt.answer)
				_ = z.Close()
			}))
			response, body := f.post(t, "/v1/chat/completions", "key-public", tt.ask)
			if response.StatusCode != http.StatusOK || response.Header.Get("Content-Encoding") != "" || !strings.Contains(body, `"content":"`) {
				t.Errorf("status %d, headers %v, body %q; want the plain answer", response.StatusCode, response.Header, body)
			}
			if strings.Contains(body, `"logprob":`) {
				t.Errorf("body %s; want no log-probability", body)
			}
			if got := <-asked; got != "identity" {
				t.Errorf("upstream was asked for %q; want identity", got)
			}
		})
	}
}

// Bombs and endless answers are given up before they take memory. The test runs
// alone: it measures what the process allocates.
func TestMemoryIsBounded(t *testing.T) { //nolint:paralleltest // measures allocations of the whole process
	const limit, sent = 1 << 20, 64 << 20
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range sent >> 20 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	block := bytes.Repeat([]byte(" "), 64<<10)
	flood := func(w http.ResponseWriter, _ *http.Request) {
		for range sent / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		},
		"endless answer": flood,
		"endless event": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			flood(w, r)
		},
		"endless error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			flood(w, r)
		},
	} {
		f := setup(t, h, func(o *gateway.Options) { o.MaxAnswer, o.MaxBody = limit, limit })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		response, body := f.post(t, "/v1/chat/completions", "key-standard", streamChat)
		runtime.ReadMemStats(&after)
		if response.StatusCode < 500 || !strings.Contains(body, `{"error":{`) {
			t.Errorf("%s: status %d, body %.200q; want an error", name, response.StatusCode, body)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16*limit {
			t.Errorf("%s: %d bytes allocated over a bound of %d; want a small multiple", name, took, limit)
		}
	}
	// A request that announces more than it may is refused unread, one that does not
	// announce it as soon as it is over.
	f := setup(t, answer(completion), func(o *gateway.Options) { o.MaxBody = limit })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, announced := range []int64{1 << 40, -1} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/chat/completions", io.LimitReader(zeros{}, sent))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = announced
		request.Header.Set("Authorization", "Bearer key-standard")
		request.Header.Set("Expect", "100-continue")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // the connection may break while the client still sends
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "1048576") {
			t.Errorf("announced %d: status %d, body %s; want 413 with the limit", announced, response.StatusCode, body)
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16*limit {
		t.Errorf("large requests: %d bytes allocated over a bound of %d; want a small multiple", took, limit)
	}
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A panic is an answer of 500, a log line without request data, and no end of the
// process.
func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion), func(o *gateway.Options) { o.Default = nil })
	response, body := f.post(t, "/v1/chat/completions", canaryKey, strings.Replace(chat, "hello", canaryPrompt, 1))
	if response.StatusCode != http.StatusInternalServerError || !strings.Contains(body, `"server_error"`) {
		t.Errorf("status %d, body %s; want 500 in the provider's shape", response.StatusCode, body)
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeFailed || f.gateway.Stats().Panics.Load() != 1 {
		t.Errorf("outcome %s, %d panics; want failed and 1", x.Outcome, f.gateway.Stats().Panics.Load())
	}
	if log := f.log.String(); !strings.Contains(log, "nil pointer") || strings.Contains(log, canaryKey) || strings.Contains(log, canaryPrompt) {
		t.Errorf("log %q; want what happened and nothing of the request", log)
	}
}

// When records must not be lost and cannot be kept, nothing starts.
func TestClosedSinkRefuses(t *testing.T) {
	t.Parallel()
	closed := &sink{closed: true}
	server := setup(t, answer(completion)) // only for its upstream
	f := deploy(t, server.url, deployment{sink: closed})
	response, body := f.post(t, "/v1/chat/completions", "key-standard", chat)
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `{"error":{`) || len(server.sink.all()) != 0 {
		t.Errorf("status %d, body %s; want 503, and nothing at the upstream", response.StatusCode, body)
	}
}

// A known path under another method says which one it takes.
func TestAllowNamesTheMethod(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion))
	for path, want := range map[string]string{"/v1/models": "GET", "/v1/chat/completions": "POST"} {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, f.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer key-standard")
		if response, _ := f.do(t, request); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != want {
			t.Errorf("DELETE %s: status %d, Allow %q; want 405 and %s", path, response.StatusCode, response.Header.Get("Allow"), want)
		}
	}
}
