package main

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bartizan/internal/modelserver"
)

// The admin token shows in one line of the first start and in its own file; a client's
// key, however it is sent, and what the client said show nowhere, not even when the
// model server is away and everything is logged.
func TestSecretsShowNowhere(t *testing.T) {
	t.Parallel()
	const canary = "heliotrope-canary"
	data := t.TempDir()
	p := serveProgram(t, data, modelServer(t, modelserver.Options{}), "--verbose")
	key := newKey(t, data, "acme", "partner")
	token := p.token(t)
	if got := strings.Count(p.errs.String(), token); got != 1 {
		t.Errorf("the first start shows the admin token %d times; want once", got)
	}
	said := p.converse(t, key, canary)
	p.stop(t)
	said += strings.Replace(p.errs.String(), token, "", 1)

	away := serveProgram(t, data, "http://127.0.0.1:1", "--verbose") // nothing listens there
	said += away.converse(t, key, canary)
	away.stop(t)
	said += away.errs.String()
	for what, secret := range map[string]string{"admin token": token, "key": key, "prompt": canary} {
		if i := strings.Index(said, secret); i >= 0 {
			t.Errorf("the %s shows: %q", what, said[max(0, i-200):i])
		}
		for path, content := range files(t, data) {
			if strings.Contains(content, secret) && (secret != token || path != filepath.Join("secrets", "admin")) {
				t.Errorf("the %s stands in %s", what, path)
			}
		}
	}
}

// converse sends good and bad requests with the key in every place that may carry one,
// and returns what the admin plane shows afterwards.
func (p *program) converse(t *testing.T, key, canary string) string {
	t.Helper()
	seen := p.overview(t).Requests
	for _, body := range []string{
		chat(t, canary), chat(t, canary, "stream", true), chat(t, canary, "n", "many"), chat(t, canary)[:90], "[\"" + canary + "\"",
	} {
		for place, put := range map[string]func(r *http.Request){
			"bearer": func(*http.Request) {},
			"header": func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("X-Api-Key", key) },
			"query":  func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "key=" + key },
			"path":   func(r *http.Request) { r.URL.Path += "/" + canary; r.URL.RawQuery = "key=" + key },
			"wrong":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer x"+key) },
		} {
			request := askRequest(t, p.base, key, body)
			put(request)
			got := send(t, request)
			if got.status >= http.StatusInternalServerError && got.status != http.StatusBadGateway && got.status != http.StatusServiceUnavailable {
				t.Errorf("key in %s: status %d: %s", place, got.status, got.body)
			}
			if strings.Contains(got.body, key) {
				t.Errorf("key in %s: status %d repeats the key: %s", place, got.status, got.body)
			}
		}
	}
	within(t, 2*time.Second, "the requests to be counted", func() bool {
		now := p.overview(t).Requests
		return now.Answered+now.Refused+now.Failed+now.Unauthorized > seen.Answered+seen.Refused+seen.Failed+seen.Unauthorized
	})
	var shown strings.Builder
	for _, path := range []string{"/", "/overview", "/metrics", "/admin/v1/overview", "/admin/v1/cases", "/login", "/readyz"} {
		shown.WriteString(p.page(t, path))
	}
	return shown.String()
}

// files reads every file below a folder.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		out[name] = string(content)
		return err
	})
	if err != nil || len(out) < 5 {
		t.Fatalf("read %d files below %s: %v", len(out), root, err)
	}
	return out
}
