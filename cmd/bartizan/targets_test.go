package main

import (
	"os"
	"path/filepath"
	"testing"

	"bartizan/internal/config"
)

// An upstream's key goes where the file or its engine says.
func TestTargets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, u := range map[string]config.Upstream{
		"":               {Engine: "auto"},
		"X-Api-Key":      {Engine: "anthropic"},
		"X-Goog-Api-Key": {Engine: "gemini"},
		"api-key":        {Engine: "anthropic", KeyHeader: "api-key"},
	} {
		u.Name, u.URL, u.KeyFile = "main", "http://127.0.0.1:1", file
		routes, fallback, _, err := targets(config.Config{
			Upstreams: []config.Upstream{u}, Models: []config.Model{{Match: "m", Upstream: "main"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if fallback.KeyHeader != want || fallback.Key != "secret" || len(routes) != 1 || routes[0].Target != fallback {
			t.Errorf("targets(%+v) send the key in %q to %d routes; want %q and one", u, fallback.KeyHeader, len(routes), want)
		}
	}
}
