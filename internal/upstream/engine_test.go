package upstream_test

import (
	"maps"
	"net/http"
	"testing"

	"bartizan/internal/upstream"
)

// Each engine gets its key where it looks for it and nowhere else, and the client's own
// credentials never.
func TestKeyOfEngine(t *testing.T) {
	t.Parallel()
	places := []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key"}
	for name, tt := range map[string]struct {
		engine, header string
		client         http.Header
		place, value   string
		version        string
	}{
		"any":                {"auto", "", nil, "Authorization", "Bearer " + upstreamKey, ""},
		"vllm":               {"vllm", "", nil, "Authorization", "Bearer " + upstreamKey, ""},
		"azure":              {"openai", "api-key", nil, "Api-Key", upstreamKey, ""},
		"gemini":             {"gemini", "", nil, "X-Goog-Api-Key", upstreamKey, ""},
		"anthropic":          {"anthropic", "", nil, "X-Api-Key", upstreamKey, "2023-06-01"},
		"anthropic, newer":   {"anthropic", "", http.Header{"Anthropic-Version": {"2030-01-01"}}, "X-Api-Key", upstreamKey, "2030-01-01"},
		"anthropic, proxied": {"anthropic", "ocp-apim-subscription-key", nil, "Ocp-Apim-Subscription-Key", upstreamKey, "2023-06-01"},
		"version for others": {"vllm", "", http.Header{"Anthropic-Version": {"2030-01-01"}}, "Authorization", "Bearer " + upstreamKey, "2030-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got http.Header
			c, to := server(t, upstream.Options{}, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
			to.KeyHeader = tt.header
			engine := to.For(tt.engine)
			h := http.Header{}
			for _, place := range places {
				h.Set(place, clientKey)
			}
			maps.Copy(h, tt.client)
			ask(t, c, &engine, "", h, "{}")
			for _, place := range places {
				want := ""
				if place == tt.place {
					want = tt.value
				}
				if got.Get(place) != want {
					t.Errorf("%s is %q; want %q", place, got.Get(place), want)
				}
			}
			if got.Get("Anthropic-Version") != tt.version {
				t.Errorf("Anthropic-Version is %q; want %q", got.Get("Anthropic-Version"), tt.version)
			}
		})
	}
}
