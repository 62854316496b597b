package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/gateway"
	"bartizan/internal/ratelimit"
)

func TestAnswerIsPassedNarrowedAndRecorded(t *testing.T) {
	t.Parallel()
	var seen http.Header
	f := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		w.Header().Set("Server", "engine/9")
		answer(completion)(w, r)
	}))
	response, body := f.post(t, "/v1/chat/completions", canaryKey,
		`{"model":"m","max_tokens":16,"messages":[{"role":"user","content":"`+canaryPrompt+`"}]}`)
	if response.StatusCode != http.StatusOK || !strings.Contains(body, "hi there") {
		t.Fatalf("status %d, body %s; want the answer", response.StatusCode, body)
	}
	if strings.Contains(body, "-0.5") {
		t.Errorf("body %s; want no log-probability that nobody asked for", body)
	}
	if got := seen.Get("Authorization"); got != "Bearer "+upstreamKey {
		t.Errorf("upstream got Authorization %q; want its own key", got)
	}
	if response.Header.Get("Server") != "" || response.Header.Get("X-Request-Id") == "" {
		t.Errorf("headers %v; want an id and no server", response.Header)
	}
	x := f.waitRecords(t, 1)[0].Exchange
	if err := x.Validate(); err != nil {
		t.Errorf("record: %v", err)
	}
	if x.Account != "canary" || x.Outcome != bartizan.OutcomeAnswered || x.Usage.OutputTokens != 2 || x.Usage.InputTokens != 5 {
		t.Errorf("record = %+v; want account canary, answered, 5 and 2 tokens", x)
	}
	if x.Text == nil || x.Text.Prompt != canaryPrompt {
		t.Errorf("text = %+v; want the prompt on its way to extraction", x.Text)
	}
	for where, text := range map[string]string{"answer": body, "log": f.log.String()} {
		for _, secret := range []string{canaryKey, upstreamKey} {
			if strings.Contains(text, secret) {
				t.Errorf("%s contains a key", where)
			}
		}
	}
	if strings.Contains(f.log.String(), canaryPrompt) {
		t.Error("log contains the prompt")
	}
}

func TestRefusalsInTheProvidersShape(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion), func(o *gateway.Options) { o.MaxBody = 1000 })
	tests := map[string]struct {
		method, path, key, body, encoding string
		status                            int
		says                              string
	}{
		"no key":            {"POST", "/v1/chat/completions", "", chat, "", 401, ""},
		"wrong key":         {"POST", "/v1/chat/completions", "nope", chat, "", 401, ""},
		"unknown, no key":   {"POST", "/v1/nothing", "", chat, "", 401, ""},
		"unknown route":     {"POST", "/v1/nothing", "key-partner", chat, "", 404, ""},
		"alias":             {"POST", "/v1//chat/completions", "key-partner", chat, "", 404, ""},
		"letter case":       {"POST", "/V1/chat/completions", "key-partner", chat, "", 404, ""},
		"trailing slash":    {"POST", "/v1/chat/completions/", "key-partner", chat, "", 404, ""},
		"dots":              {"POST", "/v1/x/../chat/completions", "key-partner", chat, "", 404, ""},
		"wrong method":      {"GET", "/v1/chat/completions", "key-partner", "", "", 405, ""},
		"suspended":         {"POST", "/v1/chat/completions", "key-suspended", chat, "", 403, ""},
		"not JSON":          {"POST", "/v1/chat/completions", "key-partner", "hello", "", 400, ""},
		"cut JSON":          {"POST", "/v1/chat/completions", "key-partner", chat[:20], "", 400, ""},
		"array":             {"POST", "/v1/chat/completions", "key-partner", "[1]", "", 400, ""},
		"empty":             {"POST", "/v1/chat/completions", "key-partner", "", "", 400, ""},
		"wrong type":        {"POST", "/v1/chat/completions", "key-partner", `{"model":7,"messages":[]}`, "", 400, "model"},
		"huge number":       {"POST", "/v1/chat/completions", "key-partner", `{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1e400}`, "", 400, "max_tokens"},
		"duplicate key":     {"POST", "/v1/chat/completions", "key-partner", `{"model":"m","messages":[{"role":"user","content":"x"}],"n":1,"n":50}`, "", 400, "n"},
		"invalid UTF-8":     {"POST", "/v1/chat/completions", "key-partner", "{\"model\":\"m\xff\",\"messages\":[]}", "", 400, ""},
		"too large":         {"POST", "/v1/chat/completions", "key-partner", chat + strings.Repeat(" ", 1000), "", 413, "1000"},
		"encoded":           {"POST", "/v1/chat/completions", "key-partner", chat, "gzip", 415, "Content-Encoding"},
		"unknown on public": {"POST", "/v1/chat/completions", "key-public", `{"model":"m","messages":[{"role":"user","content":"x"}],"zz_extra":1}`, "", 400, "zz_extra"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), tt.method, f.url, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			request.URL.Path = tt.path
			request.Header.Set("Content-Type", "application/json")
			if tt.key != "" {
				request.Header.Set("Authorization", "Bearer "+tt.key)
			}
			if tt.encoding != "" {
				request.Header.Set("Content-Encoding", tt.encoding)
			}
			response, body := f.do(t, request)
			if response.StatusCode != tt.status {
				t.Fatalf("status %d, body %s; want %d", response.StatusCode, body, tt.status)
			}
			var shape struct {
				Error struct {
					Message, Type string
				}
			}
			if err := json.Unmarshal([]byte(body), &shape); err != nil || shape.Error.Message == "" || shape.Error.Type == "" {
				t.Errorf("body %s; want an error with message and type", body)
			}
			if !strings.Contains(body, tt.says) {
				t.Errorf("body %s; want it to name %q", body, tt.says)
			}
		})
	}
}

// A refused request costs nothing: every counter is as it was.
func TestRefusalLeavesCounters(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion))
	rules, _ := f.policy.Rules(bartizan.TierPublic, bartizan.LevelNormal)
	before, err := f.counters.Peek(t.Context(), time.Now(), []ratelimit.Scope{{Name: "public", Limits: rules.Limits}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"garbage", `{"model":"m","messages":[],"zz":1}`, `{"model":"m","n":-1,"messages":[]}`} {
		if response, _ := f.post(t, "/v1/chat/completions", "key-public", body); response.StatusCode != http.StatusBadRequest {
			t.Fatalf("%s: status %d; want 400", body, response.StatusCode)
		}
	}
	after, err := f.counters.Peek(t.Context(), time.Now(), []ratelimit.Scope{{Name: "public", Limits: rules.Limits}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before {
		if before[i].Remaining != after[i].Remaining {
			t.Errorf("%v: %d left; want %d as before", before[i].Limit, after[i].Remaining, before[i].Remaining)
		}
	}
}

// However many requests come at once, no more pass than the limit says: 60 a minute
// for a standard account.
func TestLimitIsExactUnderParallelRequests(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion), func(o *gateway.Options) {
		at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return at } // no refill while the test runs
	})
	const parallel = 1000
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200, MaxConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	var mu sync.Mutex
	statuses := make(map[int]int)
	var limited http.Header
	for range parallel {
		group.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/chat/completions", strings.NewReader(chat))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Authorization", "Bearer key-standard")
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[response.StatusCode]++
			if response.StatusCode == http.StatusTooManyRequests {
				limited = response.Header
			}
		})
	}
	group.Wait()
	if statuses[200] != 60 || statuses[429] != parallel-60 {
		t.Errorf("statuses = %v; want exactly 60 answered and %d refused", statuses, parallel-60)
	}
	if limited.Get("Retry-After") == "" || limited.Get("X-Ratelimit-Limit-Requests") != "60" ||
		limited.Get("X-Ratelimit-Remaining-Requests") != "0" || limited.Get("X-Ratelimit-Reset-Requests") == "" {
		t.Errorf("headers of a refusal = %v; want Retry-After and the standing of the limit", limited)
	}
	records := f.waitRecords(t, parallel)
	refused := 0
	for _, r := range records {
		if r.Exchange.Outcome == bartizan.OutcomeRefused {
			refused++
		}
	}
	if len(records) != parallel || refused != parallel-60 {
		t.Errorf("%d records, %d of refusals; want %d and %d", len(records), refused, parallel, parallel-60)
	}
}

// What an answer really cost replaces the reservation.
func TestSettlementReplacesTheReservation(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion))
	rules, _ := f.policy.Rules(bartizan.TierStandard, bartizan.LevelNormal)
	f.post(t, "/v1/chat/completions", "key-standard", `{"model":"m","max_tokens":5000,"messages":[{"role":"user","content":"hello"}]}`)
	f.waitRecords(t, 1)
	standing, err := f.counters.Peek(t.Context(), time.Now(), []ratelimit.Scope{{Name: "standard", Limits: rules.Limits}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range standing {
		if s.Limit.Dimension == ratelimit.Tokens && s.Limit.Window == ratelimit.Day && s.Limit.Amount-s.Remaining != 7 {
			t.Errorf("%d tokens charged to the day; want the 7 that were reported", s.Limit.Amount-s.Remaining)
		}
	}
}
