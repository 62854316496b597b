package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A key is taken from each place where providers' clients put it, and reaches the
// upstream from none of them.
func TestKeyPlaces(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var all strings.Builder
		_ = r.Header.Write(&all)
		seen <- r.URL.String() + "\n" + all.String() + string(body)
		answer(completion)(w, r)
	}))
	for name, place := range map[string]func(r *http.Request){
		"bearer":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+canaryKey) },
		"bearer, small":  func(r *http.Request) { r.Header.Set("Authorization", "bearer "+canaryKey) },
		"x-api-key":      func(r *http.Request) { r.Header.Set("X-Api-Key", canaryKey) },
		"x-goog-api-key": func(r *http.Request) { r.Header.Set("X-Goog-Api-Key", canaryKey) },
		"query":          func(r *http.Request) { r.URL.RawQuery = "key=" + canaryKey },
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/chat/completions", strings.NewReader(chat))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Cookie", "session="+canaryKey)
		place(request)
		if response, body := f.do(t, request); response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, %s; want 200", name, response.StatusCode, body)
			continue
		}
		if got := <-seen; strings.Contains(got, canaryKey) || !strings.Contains(got, upstreamKey) {
			t.Errorf("%s: the upstream got %q; want its own key and not the client's", name, got)
		}
	}
}
