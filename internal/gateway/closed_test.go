package gateway_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/gateway"
	"bartizan/internal/wire"
)

// allEngines are the engines, the unknown one first.
func allEngines(t *testing.T) (all []wire.Engine) {
	t.Helper()
	for _, name := range wire.EngineNames() {
		e, ok := wire.ParseEngine(name)
		if !ok {
			t.Fatalf("no engine %s", name)
		}
		all = append(all, e)
	}
	return all
}

// pathOf is a path of the route.
func pathOf(r *wire.Route) string {
	return strings.NewReplacer("{model}", "m", "{id}", "1").Replace(r.Path)
}

// served reports whether an engine's routes of this method and path are open by default.
func served(e wire.Engine, r *wire.Route) bool {
	return slices.ContainsFunc(wire.Lookup(r.Method, pathOf(r)).Routes, func(r *wire.Route) bool {
		return r.Engines.Has(e) && r.ByDefault()
	})
}

// call asks for a route.
func (b behind) call(t *testing.T, r *wire.Route, key string) (*http.Response, string) {
	t.Helper()
	body := ""
	if r.Method == http.MethodPost {
		body = `{"model":"m","text":"x","content":"x","inputs":"x","prompt":"x"}`
	}
	request, err := http.NewRequestWithContext(t.Context(), r.Method, b.url+pathOf(r), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	return b.do(t, request)
}

// talkative answers everything, and tells.
var talkative = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "secret_total 1\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"secret":1,"tokens":[1]}`)
})

// What tells about a server, or changes it, is closed for everybody and at every engine,
// and so is what only other engines have: 404 as the provider says it, and the upstream
// hears of nothing.
func TestClosedByDefault(t *testing.T) {
	t.Parallel()
	for _, e := range allEngines(t) {
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			b := behindHandler(t, e, talkative, deployment{})
			closed := 0
			for _, r := range wire.Routes() {
				if served(e, r) {
					continue
				}
				closed++
				response, body := b.call(t, r, "key-partner")
				if response.StatusCode != http.StatusNotFound {
					t.Errorf("%s %s: status %d, %s; want 404", r.Method, r.Path, response.StatusCode, body)
				}
				if !r.Engines.Has(e) || r.Method == http.MethodHead {
					continue
				}
				_, kind, want := r.Dialect.Error(wire.ErrorBody{Kind: wire.ErrorUnknownRoute, RequestID: response.Header.Get("X-Request-Id")})
				if got := response.Header.Get("Content-Type"); got != kind || body != string(want) {
					t.Errorf("%s: %s %s; want %s %s", r.Name, got, body, kind, want)
				}
			}
			if seen := b.spy.seen(); closed < 100 || len(seen) != 0 {
				t.Errorf("the upstream saw %d of %d closed requests, the first %v; want none", len(seen), closed, seen)
			}
		})
	}
}

// What an operator opens passes as it comes for a partner, and without what no table names
// for the others.
func TestOpenedRoutesPass(t *testing.T) {
	t.Parallel()
	for _, e := range allEngines(t) {
		t.Run(e.String(), func(t *testing.T) {
			t.Parallel()
			var closed []*wire.Route
			var names []string
			for _, r := range wire.Routes() {
				if r.Engines.Has(e) && !served(e, r) {
					closed, names = append(closed, r), append(names, r.Name)
				}
			}
			b := behindHandler(t, e, talkative, deployment{change: []func(*gateway.Options){func(o *gateway.Options) { o.Open = names }}})
			for i, r := range closed {
				response, body := b.call(t, r, "key-partner")
				seen := b.spy.seen()
				if response.StatusCode != http.StatusOK || len(seen) != i+1 || seen[i].Method != r.Method || seen[i].URL.Path != pathOf(r) {
					t.Fatalf("%s: status %d, %s, the upstream saw %d requests; want 200 and its own", r.Name, response.StatusCode, body, len(seen))
				}
				if r.Method == http.MethodHead {
					continue
				}
				text := r.Path == "/metrics"
				if !strings.Contains(body, "secret") || strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") != text {
					t.Errorf("%s: %s %s; want the upstream's answer as it came", r.Name, response.Header.Get("Content-Type"), body)
				}
			}
			for _, r := range closed {
				if response, body := b.call(t, r, "key-public"); strings.Contains(body, "secret") {
					t.Errorf("%s at public: %d %s; want nothing that no table names", r.Name, response.StatusCode, body)
				}
			}
		})
	}
}

// Who may turn text into ids is for the profile to say.
func TestTokenizeFollowsTheProfile(t *testing.T) {
	t.Parallel()
	for _, e := range allEngines(t) {
		b := behindHandler(t, e, talkative, deployment{})
		for _, r := range wire.Routes() {
			if !r.Tokenizes || !r.Engines.Has(e) {
				continue
			}
			for _, tier := range allTiers {
				before := len(b.spy.seen())
				response, body := b.call(t, r, "key-"+string(tier))
				after := len(b.spy.seen())
				if may := shippedProfile(t, tier).Tokenize; may {
					if response.StatusCode != http.StatusOK || after != before+1 || !strings.Contains(body, "tokens") {
						t.Errorf("%s %s at %s: %d %s; want the tokens", e, r.Name, tier, response.StatusCode, body)
					}
				} else if response.StatusCode != http.StatusNotFound || after != before {
					t.Errorf("%s %s at %s: %d %s, %d requests reached the upstream; want 404 and none", e, r.Name, tier, response.StatusCode, body, after-before)
				}
			}
		}
	}
}

// Of an engine that is not known, what everybody has who speaks the OpenAI dialect is
// open, and nothing else.
func TestUnknownEngineServesTheDialect(t *testing.T) {
	t.Parallel()
	var open []string
	for _, r := range wire.Routes() {
		if served(wire.EngineAuto, r) && r.Engines.Has(wire.EngineAuto) {
			open = append(open, r.Name)
		}
	}
	want := []string{
		"openai.chat", "openai.completions", "openai.embeddings", "openai.models", "openai.model", "anthropic.messages",
		"openai.responses", "openai.moderations",
	}
	if diff := cmp.Diff(want, open); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
}

// A path that only other engines have is not there under any method; one that is served
// names its methods.
func TestMethodsOfAPath(t *testing.T) {
	t.Parallel()
	b := behindHandler(t, wire.EngineOllama, talkative, deployment{})
	for path, allow := range map[string]string{"/api/chat": "POST", "/v1/models": "GET", "/completion": "", "/v2/models/m/infer": ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, b.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer key-partner")
		response, body := b.do(t, request)
		status := http.StatusNotFound
		if allow != "" {
			status = http.StatusMethodNotAllowed
		}
		if response.StatusCode != status || response.Header.Get("Allow") != allow {
			t.Errorf("PUT %s: %d, Allow %q, %s; want %d, %q", path, response.StatusCode, response.Header.Get("Allow"), body, status, allow)
		}
	}
	if x := b.lastExchange(t, 4); x.Tier != bartizan.TierPartner || len(b.spy.seen()) != 0 {
		t.Errorf("record %+v, %d requests upstream; want the account's, and none", x, len(b.spy.seen()))
	}
}
