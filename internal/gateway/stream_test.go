package gateway_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bartizan"
	"bartizan/internal/gateway"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) {
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	}))
}

func chunk(text string) string {
	return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"` +
		text + `"},"finish_reason":null}]}` + "\n\n"
}

const streamChat = `{"model":"m","stream":true,"max_tokens":64,"messages":[{"role":"user","content":"hello"}]}`

// open starts a stream and returns its answer, unread.
func (f *fixture) open(ctx context.Context, t *testing.T, key, body string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// Each event reaches the client before the upstream sends the next.
func TestStreamIsNotBuffered(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w)
		for i := range 5 {
			_, _ = io.WriteString(w, chunk(fmt.Sprint("word", i)))
			_ = flush.Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	response := f.open(t.Context(), t, "key-partner", streamChat)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 5 {
		want := fmt.Sprint("word", i)
		for lines.Scan() && lines.Text() == "" {
		}
		if !strings.Contains(lines.Text(), want) {
			t.Fatalf("line %q; want %q", lines.Text(), want)
		}
		next <- struct{}{}
	}
	done := false
	for lines.Scan() {
		done = done || lines.Text() == "data: [DONE]"
	}
	if !done {
		t.Error("the stream ends without [DONE]")
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeAnswered || !x.Usage.Estimated || x.Usage.OutputTokens == 0 || x.FirstAt.IsZero() {
		t.Errorf("record = %+v; want an answered stream whose tokens were counted by us", x)
	}
}

// The upstream learns within 100 ms that the client has left.
func TestClientGoneStopsTheUpstream(t *testing.T) {
	t.Parallel()
	gone := make(chan time.Time, 1)
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunk("one"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- time.Now()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	response := f.open(ctx, t, "key-partner", streamChat)
	defer response.Body.Close()
	if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	left := time.Now()
	cancel()
	select {
	case at := <-gone:
		if d := at.Sub(left); d > abortWithin {
			t.Errorf("upstream cancelled after %v; want at most %v", d, abortWithin)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("upstream was never cancelled")
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeAborted || x.Usage.OutputTokens == 0 {
		t.Errorf("outcome %s, usage %+v; want aborted and charged for what was sent", x.Outcome, x.Usage)
	}
}

// A stream that breaks off must not look whole: an error event, then a broken connection.
func TestUpstreamDiesInsideAStream(t *testing.T) {
	t.Parallel()
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunk("one"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	response := f.open(t.Context(), t, "key-partner", streamChat)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		t.Error("the stream ended properly; want a broken connection")
	}
	if !strings.Contains(string(body), "one") || !strings.Contains(string(body), `data: {"error"`) || strings.Contains(string(body), "[DONE]") {
		t.Errorf("stream %q; want the event, then an error event", body)
	}
	if x := f.waitRecords(t, 1)[0].Exchange; x.Outcome != bartizan.OutcomeFailed {
		t.Errorf("outcome %s; want failed", x.Outcome)
	}
}

func TestSilentUpstreamEndsAStream(t *testing.T) {
	t.Parallel()
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunk("one"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), func(o *gateway.Options) { o.IdleTimeout = 50 * time.Millisecond })
	response := f.open(t.Context(), t, "key-partner", streamChat)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil || !strings.Contains(string(body), `data: {"error"`) {
		t.Errorf("stream %q, %v; want an error event and a broken connection", body, err)
	}
}

// What the upstream says when it is broken stays with it.
func TestBrokenUpstreamsAreWithheld(t *testing.T) {
	t.Parallel()
	const leak = "/srv/models/secret-70b"
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zeros := make([]byte, 1<<20)
		for range 64 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
		_ = z.Close()
	}
	tests := map[string]struct {
		upstream http.HandlerFunc
		status   int
	}{
		"not JSON":      {answer("<html>" + leak), 502},
		"cut JSON":      {answer(completion[:60]), 502},
		"500 with path": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Traceback: "+leak, 500) }, 500},
		"401":           {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad key "+leak, http.StatusUnauthorized) }, 502},
		"redirect": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://internal"+leak)
			w.WriteHeader(302)
		}, 502},
		"unknown encoding": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "x-secret")
			answer(completion)(w, r)
		}, 502},
		"gzip bomb": {bomb, 502},
		"stream unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, chunk("one"))
		}, 502},
		"dies in a body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, completion)
			panic(http.ErrAbortHandler)
		}, 502},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, tt.upstream, func(o *gateway.Options) { o.MaxAnswer = 1 << 20 })
			response, body := f.post(t, "/v1/chat/completions", "key-standard", chat)
			if response.StatusCode != tt.status || !strings.Contains(body, `"error"`) {
				t.Errorf("status %d, body %q; want %d and an error", response.StatusCode, body, tt.status)
			}
			if strings.Contains(body, leak) || response.Header.Get("Location") != "" {
				t.Errorf("body %q, headers %v; want nothing of the upstream", body, response.Header)
			}
		})
	}
}

func TestUpstreamAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	f := deploy(t, "http://"+address, deployment{})
	response, body := f.post(t, "/v1/chat/completions", "key-standard", chat)
	if response.StatusCode != http.StatusBadGateway || strings.Contains(body, address) {
		t.Errorf("status %d, body %s; want 502 without the address", response.StatusCode, body)
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if x.Outcome != bartizan.OutcomeFailed || x.Usage.InputTokens != 0 {
		t.Errorf("record %+v; want failed, nothing charged", x)
	}
}

// A client that sends half a body and then nothing is let go.
func TestSlowAndHalfClosedClients(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion), func(o *gateway.Options) { o.BodyTimeout = 100 * time.Millisecond })
	for name, end := range map[string]func(*net.TCPConn) error{
		"slow": func(*net.TCPConn) error { return nil }, "half-closed": (*net.TCPConn).CloseWrite,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-standard\r\nContent-Length: 500\r\n\r\n{\"model\"")
			tcp, ok := conn.(*net.TCPConn)
			if !ok {
				t.Fatal("no TCP connection")
			}
			if err := end(tcp); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			reply, err := io.ReadAll(conn)
			if errors.Is(err, context.DeadlineExceeded) || (len(reply) > 0 && !strings.Contains(string(reply), " 400 ")) {
				t.Errorf("reply %q, %v; want 400 or a closed connection in time", reply, err)
			}
		})
	}
}
