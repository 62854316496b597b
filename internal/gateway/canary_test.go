package gateway_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bartizan/internal/detect"
	"bartizan/internal/evidence"
	"bartizan/internal/gateway"
	"bartizan/internal/ledger"
)

// A key, a prompt and the upstream's key appear in no log line, error, header, counter
// or byte of the ledger, whatever happens to the request.
func TestCanariesAppearNowhere(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	keys := evidence.NewKeys([]byte("test"))
	book, err := ledger.Open(folder, ledger.Options{Salt: keys.Salt})
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	log := slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
	recorder := gateway.NewRecorder(gateway.RecorderOptions{}, book, detect.NewExtractor([]byte("features")), keys, log)
	recorded := make(chan error, 1)
	go func() { recorded <- recorder.Run() }()
	server := newMoody(t)
	f := deploy(t, server, deployment{sink: recorder})

	var seen strings.Builder
	ask := func(mood, change string) {
		body := `{"model":"` + mood + `","max_tokens":16,` + change + `"messages":[{"role":"user","content":"` + canaryPrompt + `"}]}`
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/chat/completions?key="+canaryKey, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return // a broken connection says nothing
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		fmt.Fprintf(&seen, "%s %v %s\n", response.Status, response.Header, text)
	}
	for _, mood := range []string{"good", "garbage", "500", "401", "panic", "cut"} {
		ask(mood, "")
		ask(mood, `"stream":true,`)
	}
	ask("good", `"n":-1,`)
	ask("good", `"n":"`+canaryPrompt+`",`)
	ask("good", `"`+canaryPrompt+`":1,`)
	ctx, leave := context.WithCancel(t.Context())
	response := f.open(ctx, t, canaryKey, strings.Replace(streamChat, "hello", canaryPrompt, 1))
	leave()
	_ = response.Body.Close()
	for end := time.Now().Add(5 * time.Second); f.gateway.Stats().InFlight.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	recorder.Close()
	if err := <-recorded; err != nil {
		t.Error(err)
	}
	if err := book.Close(); err != nil {
		t.Error(err)
	}
	if recorder.Written() < 12 {
		t.Errorf("%d records written; want one for each request", recorder.Written())
	}
	places := map[string]string{
		"log": j.String() + f.log.String(), "answers": seen.String(), "counters": fmt.Sprintf("%+v %+v", f.gateway.Stats().Accounts(), recorder.Lost()),
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		places["ledger "+d.Name()] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range places {
		for name, canary := range map[string]string{"key": canaryKey, "prompt": canaryPrompt, "upstream key": upstreamKey} {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds the %s: …%s…", place, name, around(text, canary))
			}
		}
	}
}

func around(text, what string) string {
	i := strings.Index(text, what)
	return text[max(0, i-80):min(len(text), i+len(what)+20)]
}

// newMoody starts an upstream that behaves as the model's name says, and quotes the
// request in its errors as real servers do.
func newMoody(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		quoted := fmt.Sprintf("%s %s", r.Header, body)
		switch text := string(body); {
		case strings.Contains(text, `"garbage"`):
			answer("<html>oops")(w, r) // a partner's profile lets it pass unread
		case strings.Contains(text, `"500"`):
			http.Error(w, quoted, http.StatusInternalServerError)
		case strings.Contains(text, `"401"`):
			http.Error(w, quoted, http.StatusUnauthorized)
		case strings.Contains(text, `"panic"`):
			panic(http.ErrAbortHandler)
		case strings.Contains(text, `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, chunk("one"))
			_ = http.NewResponseController(w).Flush()
			if strings.Contains(text, `"cut"`) {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
		case strings.Contains(text, `"cut"`):
			answer(completion[:50])(w, r)
		default:
			answer(completion)(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}
