package upstream_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"bartizan/internal/upstream"
	"bartizan/internal/wire"
)

// TestProbe: each engine is told by what it answers on the paths that only it has, as its
// documentation shows them; a server that answers everything with a page is none.
func TestProbe(t *testing.T) {
	t.Parallel()
	models := func(owner string) string { return `{"object":"list","data":[{"id":"m","owned_by":"` + owner + `"}]}` }
	cases := map[string]struct {
		answers map[string]string
		want    wire.Engine
	}{
		"vllm":      {map[string]string{"/v1/models": models("vllm"), "/version": `{"version":"1"}`}, wire.EngineVLLM},
		"sglang":    {map[string]string{"/get_model_info": `{"model_path":"m","is_generation":true}`, "/v1/models": models("sglang")}, wire.EngineSGLang},
		"sglang by": {map[string]string{"/v1/models": models("sglang")}, wire.EngineSGLang},
		"tgi":       {map[string]string{"/info": `{"model_id":"m","max_total_tokens":4096}`, "/v1/models": models("m")}, wire.EngineTGI},
		"llamacpp":  {map[string]string{"/props": `{"default_generation_settings":{}}`, "/v1/models": models("me")}, wire.EngineLlamaCpp},
		"ollama":    {map[string]string{"/api/version": `{"version":"0.1"}`, "/v1/models": models("library")}, wire.EngineOllama},
		"triton":    {map[string]string{"/v2": `{"name":"triton","version":"2"}`}, wire.EngineTriton},
		"openai":    {map[string]string{"/v1/models": models("house")}, wire.EngineOpenAI},
		"nothing":   {nil, wire.EngineAuto},
		"a page":    {map[string]string{"/info": "<html>", "/v1/models": `"x"`, "/v2": `[1]`}, wire.EngineAuto},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer, ok := c.answers[r.URL.Path]
				if !ok {
					http.NotFound(w, r)
					return
				}
				_, _ = io.WriteString(w, answer)
			}))
			defer server.Close()
			base, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			client := upstream.New(upstream.Options{})
			defer client.Close()
			if got := client.Probe(t.Context(), &upstream.Target{Name: "x", URL: base}); got != c.want {
				t.Errorf("Probe = %v; want %v", got, c.want)
			}
		})
	}
}

// TestProber: what was said stands, providers are known by their hosts, and a server that
// comes up late is found.
func TestProber(t *testing.T) {
	t.Parallel()
	var up bool
	gate := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gate <- struct{}{}
		defer func() { <-gate }()
		if r.URL.Path != "/get_model_info" || !up {
			up = true
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"model_path":"m","is_generation":true}`)
	}))
	defer server.Close()
	target := func(raw string) *upstream.Target {
		base, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return &upstream.Target{Name: raw, URL: base}
	}
	late, said, hosted := target(server.URL), target("http://127.0.0.1:1"), target("https://api.anthropic.com")
	client := upstream.New(upstream.Options{Retries: -1})
	defer client.Close()
	p := upstream.NewProber(client, map[*upstream.Target]wire.Engine{
		late: wire.EngineAuto, said: wire.EngineTFServing, hosted: wire.EngineAuto,
	}, slog.New(slog.DiscardHandler))
	if got := p.Engine(late); got != wire.EngineAuto {
		t.Errorf("before it was asked: %v", got)
	}
	done := make(chan struct{})
	go func() { p.Run(t.Context()); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("the late server was not found")
	}
	for tgt, want := range map[*upstream.Target]wire.Engine{
		late: wire.EngineSGLang, said: wire.EngineTFServing, hosted: wire.EngineAnthropic, target("http://x"): wire.EngineAuto,
	} {
		if got := p.Engine(tgt); got != want {
			t.Errorf("%s is %v; want %v", tgt.Name, got, want)
		}
	}
}
