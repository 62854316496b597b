package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bartizan/internal/upstream"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const (
	clientKey   = "client-canary-1f0c9a"
	upstreamKey = "upstream-canary-77ab3e"
)

// server starts an upstream and returns it as a target with a client.
func server(t *testing.T, o upstream.Options, handler http.HandlerFunc) (*upstream.Client, *upstream.Target) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return client(t, o), target(t, s.URL)
}

func client(t *testing.T, o upstream.Options) *upstream.Client {
	t.Helper()
	c := upstream.New(o)
	t.Cleanup(c.Close)
	return c
}

func target(t *testing.T, address string) *upstream.Target {
	t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &upstream.Target{Name: "test", URL: base, Key: upstreamKey}
}

// ask must succeed; it returns the whole answer.
func ask(t *testing.T, c *upstream.Client, to *upstream.Target, query string, h http.Header, body string) (*http.Response, string) {
	t.Helper()
	response, err := c.Do(t.Context(), to, http.MethodPost, "/v1/chat/completions", query, h, []byte(body))
	if err != nil {
		t.Fatalf("Do: %v", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return response, string(answer)
}

// TestNothingOfTheClientLeaks: whatever way a client sends its key, and whatever else
// it says of itself, the upstream sees none of it.
func TestNothingOfTheClientLeaks(t *testing.T) {
	t.Parallel()
	var seen atomic.Pointer[string]
	c, to := server(t, upstream.Options{Forward: []string{"authorization", "Cookie", "Proxy-Authorization", "te", "host", "user-agent", "traceparent"}},
		func(_ http.ResponseWriter, r *http.Request) {
			var raw strings.Builder
			fmt.Fprintln(&raw, r.Method, r.RequestURI, r.Host)
			_ = r.Header.Write(&raw)
			body, _ := io.ReadAll(r.Body)
			raw.Write(body)
			text := raw.String()
			seen.Store(&text)
		})
	h := http.Header{
		"Authorization": {"Bearer " + clientKey}, "X-Api-Key": {clientKey}, "X-Goog-Api-Key": {clientKey}, "Api-Key": {clientKey},
		"Cookie": {"session=" + clientKey}, "Proxy-Authorization": {"Basic " + clientKey}, "Proxy-Connection": {clientKey},
		"X-Forwarded-For": {"203.0.113.9-" + clientKey}, "Forwarded": {clientKey}, "X-Real-Ip": {clientKey}, "User-Agent": {clientKey},
		"Openai-Organization": {clientKey}, "Idempotency-Key": {clientKey}, "X-Custom": {clientKey}, "Referer": {clientKey},
		"Connection": {"keep-alive, OpenAI-Beta", "x-request-id"}, "Keep-Alive": {clientKey}, "Te": {clientKey}, "Upgrade": {clientKey},
		"Trailer": {clientKey}, "Transfer-Encoding": {clientKey}, "Expect": {"100-continue"}, "Content-Encoding": {clientKey},
		"Openai-Beta": {clientKey}, "X-Request-Id": {clientKey}, "Accept-Encoding": {"br, gzip"},
		"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Anthropic-Version": {"2023-06-01"}, "Traceparent": {"00-ab"},
	}
	query := "key=" + clientKey + "&api-version=1&API_KEY=" + clientKey + "&api-key=" + clientKey + "&%6bey=" + clientKey +
		"&access_token=" + clientKey + "&x=%2F;token=" + clientKey + "&bad%zz=" + clientKey + "&keys=2"
	ask(t, c, to, query, h, `{"model":"m"}`)
	got := *seen.Load()
	if strings.Contains(got, clientKey) {
		t.Errorf("the client's canary reached the upstream:\n%s", got)
	}
	for _, want := range []string{
		"POST /v1/chat/completions?api-version=1&x=%2F&keys=2 ", "Authorization: Bearer " + upstreamKey, `{"model":"m"}`, "User-Agent: bartizan\r\n",
		"Accept-Encoding: identity\r\n", "Content-Type: application/json\r\n", "Accept: text/event-stream\r\n", "Anthropic-Version: 2023-06-01\r\n", "Traceparent: 00-ab\r\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the upstream did not get %q:\n%s", want, got)
		}
	}
	for _, header := range []string{"\nConnection:", "\nTe:", "\nUpgrade:", "\nX-Forwarded-For:", "\nOpenai-Beta:", "\nX-Request-Id:", "\nExpect:"} {
		if strings.Contains(got, header) {
			t.Errorf("the upstream got a header that was not to travel on, %q:\n%s", header, got)
		}
	}
	if len(h["Connection"]) != 2 || h.Get("Authorization") != "Bearer "+clientKey {
		t.Error("Do changed the client's header")
	}
}

func TestPassedHeaders(t *testing.T) {
	t.Parallel()
	var got atomic.Pointer[http.Header]
	c, to := server(t, upstream.Options{Forward: []string{"x-forwarded-for"}}, func(_ http.ResponseWriter, r *http.Request) {
		got.Store(&r.Header)
	})
	to.KeyHeader = "api-key"
	to.Header = http.Header{"openai-organization": {"ours"}, "Connection": {"close"}, "Openai-Beta": {"operator"}}
	ask(t, c, to, "", http.Header{
		"Openai-Beta": {"client"}, "X-Request-Id": {"r1"}, "X-Forwarded-For": {"203.0.113.9"}, "Authorization": {"Bearer " + clientKey},
	}, "{}")
	h := *got.Load()
	for name, want := range map[string]string{
		"Api-Key": upstreamKey, "Authorization": "", "Openai-Organization": "ours", "Openai-Beta": "operator",
		"X-Request-Id": "r1", "X-Forwarded-For": "203.0.113.9", "Connection": "",
	} {
		if h.Get(name) != want {
			t.Errorf("the upstream got %s: %q; want %q", name, h.Get(name), want)
		}
	}
}

func TestTargetHidesItsKey(t *testing.T) {
	t.Parallel()
	to := target(t, "http://user:"+upstreamKey+"@127.0.0.1:9/v1")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("target", slog.Any("pointer", to), slog.Any("value", *to))
	text := log.String() + fmt.Sprintf("%v %+v %#v %s %v %+v %#v", to, to, to, to, *to, *to, *to)
	if strings.Contains(text, upstreamKey) {
		t.Errorf("printing a target shows its key: %s", text)
	}
	if !strings.Contains(text, "test (http://user:xxxxx@127.0.0.1:9/v1)") {
		t.Errorf("printing a target does not show its name and address: %s", text)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	var uri atomic.Pointer[string]
	c, to := server(t, upstream.Options{}, func(_ http.ResponseWriter, r *http.Request) { uri.Store(&r.RequestURI) })
	root := to.URL.String()
	tests := map[string]struct{ base, path, want string }{
		"plain":               {"", "/v1/models", "/v1/models"},
		"slash":               {"/", "/v1/models", "/v1/models"},
		"prefix":              {"/proxy", "/v1/models", "/proxy/v1/models"},
		"prefix and slash":    {"/proxy/", "/v1/models", "/proxy/v1/models"},
		"version not doubled": {"/v1", "/v1/models", "/v1/models"},
		"version under":       {"/api/v1/", "/v1/models", "/api/v1/models"},
		"other version":       {"/v1", "/v2/models", "/v1/v2/models"},
		"escaped":             {"/v1", "/v1/models/meta%2Fllama%20x", "/v1/models/meta%2Fllama%20x"},
		"two slashes":         {"", "//evil.example/v1", "//evil.example/v1"},
	}
	for name, test := range tests {
		base, err := url.Parse(root + test.base)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Do(t.Context(), &upstream.Target{Name: name, URL: base}, http.MethodGet, test.path, "", nil, nil)
		if err != nil {
			t.Errorf("%s: Do: %v", name, err)
			continue
		}
		response.Body.Close()
		if got := *uri.Load(); got != test.want {
			t.Errorf("%s: %s under %s asked for %s; want %s", name, test.path, test.base, got, test.want)
		}
	}
	for _, path := range []string{"", "v1/models", "/v1/../admin", "/v1/%2e%2e/admin", "/v1/%2E%2e%2fadmin", "/v1/./x", "/v1/%zz"} {
		uri.Store(nil)
		response, err := c.Do(t.Context(), to, http.MethodGet, path, "", nil, nil)
		if err == nil {
			response.Body.Close()
		}
		if err == nil || uri.Load() != nil {
			t.Errorf("Do(%q) = %v; want an error before anything is sent", path, err)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c, to := server(t, upstream.Options{}, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	response, _ := ask(t, c, to, "", nil, "{}")
	if response.StatusCode != http.StatusTemporaryRedirect || asked.Load() != 1 {
		t.Errorf("status %d after %d requests; want the redirect itself after one", response.StatusCode, asked.Load())
	}
}

// TestAbortReachesTheUpstream: the client is gone, and within 100 ms the upstream
// knows, before its answer began and in the middle of it.
func TestAbortReachesTheUpstream(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]bool{"before the answer": false, "in the stream": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, gone := make(chan struct{}), make(chan time.Time, 1)
			c, to := server(t, upstream.Options{}, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				if begin {
					_, _ = io.WriteString(w, "data: 1\n\n")
					_ = http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				gone <- time.Now()
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := make(chan time.Time, 1)
			go func() {
				<-arrived
				left <- time.Now()
				cancel()
			}()
			response, err := c.Do(ctx, to, http.MethodPost, "/", "", nil, []byte("{}"))
			if err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error = %v; want the context's", err)
			}
			if took := (<-gone).Sub(<-left); took > abortWithin {
				t.Errorf("the upstream knew after %v; want at most 100ms", took)
			}
		})
	}
}

func TestCloseEndsTheAnswer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	c, to := server(t, upstream.Options{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	response, err := c.Do(t.Context(), to, http.MethodPost, "/", "", nil, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	<-gone // or the test times out
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for name, to := range map[string]*upstream.Target{
		"refused":      target(t, "http://"+address),
		"no such host": target(t, "http://host.invalid:80"),
		"refused, tls": target(t, "https://"+address),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client(t, upstream.Options{Retries: 1}).Do(t.Context(), to, http.MethodPost, "/", "", nil, []byte("{}"))
			if !errors.Is(err, upstream.ErrConnect) || errors.Is(err, upstream.ErrBroken) || errors.Is(err, upstream.ErrTimeout) {
				t.Errorf("Do = %v; want ErrConnect alone", err)
			}
			if err != nil && (!strings.Contains(err.Error(), "test") || strings.Contains(err.Error(), upstreamKey)) {
				t.Errorf("Do = %v; want the target's name and not its key", err)
			}
		})
	}
	t.Run("tls to who does not speak it", func(t *testing.T) {
		t.Parallel()
		c, to := server(t, upstream.Options{Retries: -1, ConnectTimeout: time.Second}, func(http.ResponseWriter, *http.Request) {
			t.Error("the request arrived")
		})
		to.URL.Scheme = "https"
		if _, err := c.Do(t.Context(), to, http.MethodPost, "/", "", nil, []byte("{}")); !errors.Is(err, upstream.ErrConnect) {
			t.Errorf("Do = %v; want ErrConnect", err)
		}
	})
}

// TestConnectIsRetried: an upstream that is starting is found by the second attempt.
func TestConnectIsRetried(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	started := make(chan *http.Server, 1)
	time.AfterFunc(60*time.Millisecond, func() {
		l, err := net.Listen("tcp", address)
		if err != nil {
			started <- nil
			return
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })}
		started <- s
		_ = s.Serve(l)
	})
	c := client(t, upstream.Options{Retries: 5})
	response, err := c.Do(t.Context(), target(t, "http://"+address), http.MethodPost, "/", "", nil, []byte("the body"))
	s := <-started
	if s == nil {
		t.Skip("another process took the port")
	}
	defer s.Close()
	if err != nil {
		t.Fatalf("Do = %v; want an answer from the server that came up", err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "the body" {
		t.Errorf("the upstream got %q; want the body", body)
	}
}

// TestSentOnce: a server that takes the request and breaks off is not asked again, on
// a new connection or on one that was idle.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c, to := server(t, upstream.Options{Retries: 5}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		if r.URL.Path == "/break" {
			asked.Add(1)
			panic(http.ErrAbortHandler)
		}
	})
	for _, warm := range []bool{false, true} {
		asked.Store(0)
		if warm {
			ask(t, c, to, "", nil, "{}")
		}
		_, err := c.Do(t.Context(), to, http.MethodPost, "/break", "", nil, []byte("{}"))
		if !errors.Is(err, upstream.ErrBroken) || errors.Is(err, upstream.ErrConnect) {
			t.Errorf("warm %v: Do = %v; want ErrBroken", warm, err)
		}
		if got := asked.Load(); got != 1 {
			t.Errorf("warm %v: the upstream was asked %d times; want once", warm, got)
		}
	}
}

// TestIdleConnectionClosed: a server that closed an idle connection is asked on a new
// one, because nothing was sent.
func TestIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 8)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c, to := client(t, upstream.Options{Retries: -1}), target(t, s.URL)
	for i := range 5 {
		_, body := ask(t, c, to, "", nil, "the body")
		if body != "the body" {
			t.Fatalf("round %d: the upstream got %q", i, body)
		}
		s.CloseClientConnections()
		<-closed
		time.Sleep(10 * time.Millisecond) // until the client has seen it too
	}
}

func TestHeaderTimeout(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	c, to := server(t, upstream.Options{HeaderTimeout: time.Hour}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		if r.URL.Path == "/stream" {
			for i := range 5 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				_ = http.NewResponseController(w).Flush()
				time.Sleep(30 * time.Millisecond)
			}
			return
		}
		<-r.Context().Done()
		close(done)
	})
	to.HeaderTimeout = 75 * time.Millisecond
	_, err := c.Do(t.Context(), to, http.MethodPost, "/", "", nil, []byte("{}"))
	if !errors.Is(err, upstream.ErrTimeout) || errors.Is(err, upstream.ErrBroken) {
		t.Errorf("Do = %v; want ErrTimeout", err)
	}
	<-done
	// An answer that has begun may take as long as it likes.
	response, err := c.Do(t.Context(), to, http.MethodPost, "/stream", "", nil, []byte("{}"))
	if err != nil {
		t.Fatalf("Do: %v", err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || strings.Count(string(body), "data:") != 5 {
		t.Errorf("stream = %q, %v; want 5 events", body, err)
	}
}

func TestDeadlineOfTheCaller(t *testing.T) {
	t.Parallel()
	c, to := server(t, upstream.Options{}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, to, http.MethodPost, "/", "", nil, []byte("{}")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, upstream.ErrTimeout) {
		t.Errorf("Do = %v; want the context's error", err)
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"nothing":          "",
		"not http":         "SSH-2.0-OpenSSH_9.2\r\n",
		"endless header":   "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 1<<20),
		"switch protocols": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			t.Cleanup(func() { l.Close(); group.Wait() })
			group.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					buffer := make([]byte, 4096)
					_, _ = conn.Read(buffer)
					_, _ = io.WriteString(conn, raw)
					conn.Close()
				}
			})
			_, err = client(t, upstream.Options{}).Do(t.Context(), target(t, "http://"+l.Addr().String()), http.MethodPost, "/", "", nil, []byte("{}"))
			if !errors.Is(err, upstream.ErrBroken) {
				t.Errorf("Do = %v; want ErrBroken", err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	t.Cleanup(s.Close)
	transport, ok := s.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	c := client(t, upstream.Options{RootCAs: transport.TLSClientConfig.RootCAs})
	if _, body := ask(t, c, target(t, s.URL), "", nil, "{}"); body != "HTTP/1.1" {
		t.Errorf("answer = %q; want HTTP/1.1", body)
	}
	stranger := client(t, upstream.Options{Retries: -1})
	if _, err := stranger.Do(t.Context(), target(t, s.URL), http.MethodPost, "/", "", nil, []byte("{}")); !errors.Is(err, upstream.ErrConnect) {
		t.Errorf("Do to a server of an unknown authority = %v; want ErrConnect", err)
	}
}

func TestClientHeader(t *testing.T) {
	t.Parallel()
	src := http.Header{
		"Content-Type": {"application/json"}, "Cache-Control": {"no-cache"}, "Retry-After": {"7"}, "Server": {"uvicorn"}, "X-Request-Id": {"u1"},
		"Openai-Processing-Ms": {"12"}, "Openai-Organization": {"ours"}, "X-Litellm-Model-Id": {"m"}, "X-Compute-Type": {"gpu"}, "Via": {"1.1 inner"},
		"Set-Cookie": {"a=b"}, "X-Ratelimit-Remaining-Tokens": {"9"}, "Content-Encoding": {"gzip"}, "Content-Length": {"5"}, "Date": {"x"},
		"Transfer-Encoding": {"chunked"}, "X-Envoy-Upstream-Service-Time": {"3"}, "Alt-Svc": {"h3"}, "Access-Control-Allow-Origin": {"*"},
	}
	for status, want := range map[int]string{200: "", 429: "7", 503: "7", 400: ""} {
		got := http.Header{}
		upstream.ClientHeader(got, src, status)
		wantNames := 2
		if want != "" {
			wantNames = 3
		}
		if len(got) != wantNames || got.Get("Retry-After") != want || got.Get("Content-Type") != "application/json" || got.Get("Cache-Control") != "no-cache" {
			t.Errorf("status %d: client sees %v; want content type, cache control and Retry-After %q", status, got, want)
		}
	}
	for _, bad := range []string{"", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "999999", "1.5"} {
		got := http.Header{}
		upstream.ClientHeader(got, http.Header{"Retry-After": {bad}}, http.StatusTooManyRequests)
		if len(got) != 0 {
			t.Errorf("Retry-After %q was passed on as %v", bad, got)
		}
	}
}
