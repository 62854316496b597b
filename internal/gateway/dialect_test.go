package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bartizan"
	"bartizan/internal/wire"
)

// A key in the query of a Gemini request is the customer's: it opens the gateway and goes
// no further, and neither does anything else in the query but what the API is for.
func TestQueryKeyStaysHere(t *testing.T) {
	t.Parallel()
	const secret = "key-partner"
	b := behindEngine(t, wire.EngineGemini, deployment{})
	body := `{` + contents + `,"generationConfig":{"maxOutputTokens":4}}`
	for query, want := range map[string]string{
		"?key=" + secret:                             "",
		"?alt=sse&key=" + secret:                     "alt=sse",
		"?key=" + secret + "&alt=sse&%24alt=x":       "alt=sse",
		"?alt=media&key=" + secret:                   "",
		"?alt=proto&alt=sse&key=" + secret:           "",
		"?key=" + secret + "&access_token=" + secret: "",
	} {
		before := len(b.spy.seen())
		response, answer := b.post(t, "/v1beta/models/bartizan-small:streamGenerateContent"+query, "", body)
		if response.StatusCode != http.StatusOK || !strings.Contains(answer, `"text"`) {
			t.Errorf("%s: %d %s; want an answer", query, response.StatusCode, answer)
			continue
		}
		seen := b.spy.seen()[before]
		if seen.URL.RawQuery != want {
			t.Errorf("%s: the upstream got %q; want %q", query, seen.URL.RawQuery, want)
		}
		if all := fmt.Sprint(seen.URL, seen.Header); strings.Contains(all, secret) {
			t.Errorf("%s: the upstream got the customer's key: %s", query, all)
		}
		if kind := response.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/event-stream") != (want != "") {
			t.Errorf("%s: the answer is %s", query, kind)
		}
	}
	for _, record := range b.waitRecords(t, 6) {
		if text, _ := json.Marshal(record.Exchange); strings.Contains(string(text), secret) || record.Exchange.Account != string(bartizan.TierPartner) {
			t.Errorf("record %s; want the partner's, without the key", text)
		}
	}
	if strings.Contains(b.log.String(), secret) {
		t.Error("the log holds the key")
	}
	if response, _ := b.post(t, "/v1beta/models/bartizan-small:generateContent?key=nobody", "", body); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("an unknown key in the query: %d; want 401", response.StatusCode)
	}
}

// errorShape reads an error as a dialect writes it and returns its message; "" is for
// another shape.
func errorShape(d wire.Dialect, status int, body string) string {
	var v map[string]any
	if json.Unmarshal([]byte(body), &v) != nil {
		return ""
	}
	inner, _ := v["error"].(map[string]any)
	text := func(v any) string { s, _ := v.(string); return s }
	switch d {
	case wire.DialectOpenAI:
		if _, has := inner["param"]; !has || text(inner["type"]) == "" {
			return ""
		}
		return text(inner["message"])
	case wire.DialectAnthropic:
		if v["type"] != "error" || text(inner["type"]) == "" {
			return ""
		}
		return text(inner["message"])
	case wire.DialectGoogle:
		if inner["code"] != float64(status) || text(inner["status"]) == "" {
			return ""
		}
		return text(inner["message"])
	case wire.DialectPlain:
		return text(v["error"])
	case wire.DialectTyped:
		if text(v["error_type"]) == "" {
			return ""
		}
		return text(v["error"])
	case wire.DialectMessage:
		return text(v["message"])
	default:
		return ""
	}
}

// one request of each dialect, and where it goes.
var dialects = map[wire.Dialect]struct {
	engine     wire.Engine
	path, good string
	bad        string // its cap on the answer is no number
}{
	wire.DialectOpenAI:    {wire.EngineVLLM, "/v1/chat/completions", `{"model":"m",` + asChat + `}`, `{"model":"m","max_tokens":"x",` + asChat + `}`},
	wire.DialectAnthropic: {wire.EngineAnthropic, "/v1/messages", `{"model":"m","max_tokens":9,` + asChat + `}`, `{"model":"m","max_tokens":"x",` + asChat + `}`},
	wire.DialectGoogle:    {wire.EngineGemini, "/v1beta/models/m:generateContent", `{` + contents + `}`, `{` + contents + `,"generationConfig":{"maxOutputTokens":"x"}}`},
	wire.DialectPlain:     {wire.EngineOllama, "/api/chat", `{"model":"m",` + asChat + `}`, `{"model":"m","options":{"num_predict":"x"},` + asChat + `}`},
	wire.DialectTyped:     {wire.EngineTGI, "/generate", `{"inputs":"a"}`, `{"inputs":"a","parameters":{"max_new_tokens":"x"}}`},
	wire.DialectMessage:   {wire.EngineCohere, "/v2/chat", `{"model":"m",` + asChat + `}`, `{"model":"m","max_tokens":"x",` + asChat + `}`},
}

// Every dialect's errors are in its provider's shape, whoever is at fault, and none tells
// what the upstream says of itself.
func TestErrorsOfEveryDialect(t *testing.T) {
	t.Parallel()
	refuses := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"message":"Token id 99999 is out of the vocabulary of 50257 in /srv/models/m","type":"x","code":400},"message":"/srv/models/m","detail":"50257"}`)
		})
	}
	garbage := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "/srv/models/m has a vocabulary of 50257")
	})
	gone := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for d, request := range dialects {
		for name, tt := range map[string]struct {
			upstream http.Handler
			key      string
			bad      bool
			repeats  int
			status   []int
		}{
			"bad request":    {gone, "key-standard", true, 1, []int{400, 422}},
			"no key":         {gone, "", false, 1, []int{401}},
			"suspended":      {gone, "key-suspended", false, 1, []int{403}},
			"refused":        {refuses(400), "key-standard", false, 1, []int{400, 422}},
			"not found":      {refuses(404), "key-standard", false, 1, []int{404}},
			"limit":          {refuses(400), "key-public", false, 3, []int{429}},
			"gone":           {gone, "key-standard", false, 1, []int{502}},
			"broken":         {refuses(500), "key-standard", false, 1, []int{500}},
			"upstream's key": {refuses(401), "key-standard", false, 1, []int{502}},
			"garbage":        {garbage, "key-standard", false, 1, []int{502}},
		} {
			t.Run(fmt.Sprintf("%s, %s", request.engine, name), func(t *testing.T) {
				t.Parallel()
				b := behindHandler(t, request.engine, tt.upstream, deployment{spec: narrow(bartizan.TierPublic, 1)})
				body := request.good
				if tt.bad {
					body = request.bad
				}
				var response *http.Response
				var answer string
				for range tt.repeats {
					response, answer = b.post(t, request.path, tt.key, body)
				}
				if !slices.Contains(tt.status, response.StatusCode) {
					t.Errorf("status %d, %s; want %v", response.StatusCode, answer, tt.status)
				}
				if errorShape(d, response.StatusCode, answer) == "" || response.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s; want an error in the provider's shape", response.Header.Get("Content-Type"), answer)
				}
				for _, secret := range upstreamSecrets {
					if strings.Contains(answer, secret) || strings.Contains(fmt.Sprint(response.Header), secret) {
						t.Errorf("%s %v tells %q", answer, response.Header, secret)
					}
				}
				if tt.status[0] == 429 && response.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			})
		}
	}
}
