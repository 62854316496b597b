package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/gateway"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// clerk is a desk that remembers.
type clerk struct {
	mu    sync.Mutex
	cases map[string]bartizan.Case
}

func (d *clerk) OpenLimitCase(_ context.Context, account string, r bartizan.LimitRequest, _ string, at time.Time) (bartizan.Case, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, there := d.cases[account]
	c = bartizan.Case{ID: "case-of-" + account, Kind: bartizan.CaseLimit, Account: account, Status: bartizan.CaseOpen, OpenedAt: at, Request: &r, Events: c.Events}
	d.cases[account] = c
	return c, !there, nil
}

func (d *clerk) Current(_ context.Context, account string) (*bartizan.Case, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.cases[account]; ok {
		return &c, nil
	}
	return nil, nil //nolint:nilnil // no case is an answer
}

func (f *fixture) get(t *testing.T, path, key string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	return f.do(t, request)
}

// start serves h until the test ends.
func start(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func withDesk(d *clerk) func(*gateway.Options) {
	return func(o *gateway.Options) { o.Desk = d }
}

const wish = `{"wanted":[{"dimension":"tokens","window":"day","amount":9000000}],"use_case":"nightly summaries","expected_pattern":"at 2 am"}`

func TestCustomerSeesItsLimits(t *testing.T) {
	t.Parallel()
	d := &clerk{cases: map[string]bartizan.Case{}}
	f := setup(t, answer(completion), withDesk(d))
	response, body := f.get(t, "/v1/limits", "key-standard")
	var got struct {
		Schema  string
		Account string
		Limits  []struct {
			bartizan.Bound
			Of        string
			Remaining int64
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %s: %v", response.StatusCode, body, err)
	}
	if got.Schema != "bartizan.limits/1" || got.Account != "standard" || len(got.Limits) != 6 {
		t.Errorf("limits = %+v; want the six of the tier", got)
	}
	first := got.Limits[0]
	if first.Dimension != "requests" || first.Window != "minute" || first.Amount != 60 || first.Remaining != 59 || first.Of != "account" {
		t.Errorf("first limit = %+v; want 59 of 60 requests per minute", first)
	}
	if len(f.sink.all()) != 0 {
		t.Error("a look at one's limits left a record of an exchange")
	}
}

// What is suspected of an account is told by no word.
func TestLimitsDoNotDiscloseSuspicion(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion), withDesk(&clerk{cases: map[string]bartizan.Case{}}))
	_, body := f.get(t, "/v1/limits", "key-restricted")
	for _, word := range []string{"restrict", "watch", "level", "suspic", "detect"} {
		if strings.Contains(strings.ReplaceAll(strings.ToLower(body), `"account":"restricted"`, ""), word) {
			t.Errorf("the answer says %q: %s", word, body)
		}
	}
}

func TestCustomerAsksForMore(t *testing.T) {
	t.Parallel()
	d := &clerk{cases: map[string]bartizan.Case{}}
	f := setup(t, answer(completion), withDesk(d))
	for i, status := range []int{http.StatusAccepted, http.StatusOK} {
		response, body := f.post(t, "/v1/limit-requests", "key-standard", wish)
		if response.StatusCode != status || !strings.Contains(body, "case-of-standard") {
			t.Errorf("wish %d: status %d, %s; want %d and the case", i+1, response.StatusCode, body, status)
		}
	}
	if r := d.cases["standard"].Request; r == nil || r.Source != bartizan.SourceCustomer || r.UseCase != "nightly summaries" || r.Wanted[0].Amount != 9_000_000 {
		t.Errorf("request = %+v", r)
	}
	c := d.cases["standard"]
	c.Status, c.Events = bartizan.CaseWaiting, []bartizan.CaseEvent{{Act: bartizan.ActAsked, Why: "How many languages?"}}
	d.cases["standard"] = c
	if _, body := f.get(t, "/v1/limits", "key-standard"); !strings.Contains(body, "How many languages?") {
		t.Errorf("the question is not in %s", body)
	}
}

func TestBadWishes(t *testing.T) {
	t.Parallel()
	d := &clerk{cases: map[string]bartizan.Case{}}
	f := setup(t, answer(completion), withDesk(d))
	for body, says := range map[string]string{
		"hello":                        "wanted",
		`{"wanted":[],"use_case":"x"}`: "0 limits",
		`{"wanted":[{"dimension":"apples","window":"day","amount":1}],"use_case":"x"}`:                                  "apples",
		`{"wanted":[{"dimension":"tokens","window":"week","amount":1}],"use_case":"x"}`:                                 "week",
		`{"wanted":[{"dimension":"tokens","window":"day","amount":0}],"use_case":"x"}`:                                  "positive",
		`{"wanted":[{"dimension":"cost","window":"day","amount":5}],"use_case":"x"}`:                                    "no limit on cost per day",
		`{"wanted":[{"dimension":"tokens","window":"day","amount":5}]}`:                                                 "use_case",
		`{"wanted":[{"dimension":"tokens","window":"day","amount":5}],"use_case":"` + strings.Repeat("x", 5_000) + `"}`: "4000",
		`{"wanted":[{"dimension":"tokens","window":"day","amount":5}],"use_case":"x","level":"normal"}`:                 "wanted",
		`{"x":"` + strings.Repeat("x", 70_000) + `"}`:                                                                   "65536",
	} {
		response, got := f.post(t, "/v1/limit-requests", "key-trusted", body)
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(got, says) {
			t.Errorf("%.80s: status %d, %s; want 400 that says %q", body, response.StatusCode, got, says)
		}
	}
	if len(d.cases) != 0 {
		t.Errorf("bad wishes opened cases: %v", d.cases)
	}
	if response, _ := f.get(t, "/v1/limit-requests", "key-standard"); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d; want 405", response.StatusCode)
	}
	if response, _ := f.post(t, "/v1/limit-requests", "nobody", wish); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger: status %d; want 401", response.StatusCode)
	}
}

// A case that a customer changed again and again takes no more.
func TestACaseTakesOnlySoMuch(t *testing.T) {
	t.Parallel()
	full := bartizan.Case{ID: "case-of-standard", Status: bartizan.CaseOpen, Events: make([]bartizan.CaseEvent, 50)}
	d := &clerk{cases: map[string]bartizan.Case{"standard": full}}
	f := setup(t, answer(completion), withDesk(d))
	response, body := f.post(t, "/v1/limit-requests", "key-standard", wish)
	if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, "case-of-standard") || d.cases["standard"].Request != nil {
		t.Errorf("status %d, %s; want 400 that names the case, which stays as it is", response.StatusCode, body)
	}
}

// Questions to the desk count as requests: nobody floods it.
func TestWishesAreLimited(t *testing.T) {
	t.Parallel()
	f := setup(t, answer(completion), withDesk(&clerk{cases: map[string]bartizan.Case{}}))
	refused := 0
	for range 30 {
		if response, body := f.get(t, "/v1/limits", "key-public"); response.StatusCode == http.StatusTooManyRequests {
			refused++
			if !strings.Contains(body, "POST /v1/limit-requests") {
				t.Errorf("the refusal does not say how to ask for more: %s", body)
			}
		}
	}
	if refused != 10 {
		t.Errorf("%d of 30 refused; want 10 at 20 per minute", refused)
	}
}

// The headers of the IETF's draft are there when they are switched on.
func TestIETFHeaders(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		f := setup(t, answer(completion), func(o *gateway.Options) { o.IETF = on })
		response, _ := f.post(t, "/v1/chat/completions", "key-standard", chat)
		if has := response.Header.Get("RateLimit-Policy") != "" && response.Header.Get("RateLimit") != ""; has != on {
			t.Errorf("switched %t: RateLimit-Policy %q, RateLimit %q", on, response.Header.Get("RateLimit-Policy"), response.Header.Get("RateLimit"))
		}
	}
}

// A limit that only watches refuses nothing, and what it would have refused is recorded.
func TestShadowLimitRefusesNothing(t *testing.T) {
	t.Parallel()
	spec := policy.Default()
	spec.Shadow = true
	f := deploy(t, start(t, answer(completion)), deployment{spec: &spec})
	for range 25 {
		if response, body := f.post(t, "/v1/chat/completions", "key-public", chat); response.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %s; want 200 from a shadow limit", response.StatusCode, body)
		}
	}
	f.waitRecords(t, 25)
	shadowed := 0
	for _, r := range f.sink.all() {
		for _, reason := range r.Exchange.Decision.Reasons {
			if reason.Code == "shadow_limit" {
				shadowed++
			}
		}
	}
	if shadowed != 5 {
		t.Errorf("%d of 25 would have been refused; want 5 at 20 per minute", shadowed)
	}
}

// Beyond the budget of numbers answers come without them, and nothing is refused.
func TestNumbersBeyondTheBudgetAreLeftOut(t *testing.T) {
	t.Parallel()
	spec := policy.Default()
	tier := spec.Tiers[bartizan.TierPartner]
	for i := range tier.Limits {
		if tier.Limits[i].Dimension == ratelimit.Values {
			tier.Limits[i].Amount = 1
		}
	}
	var asked []bool
	var mu sync.Mutex
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		mu.Lock()
		asked = append(asked, body["logprobs"] == true)
		mu.Unlock()
		answer(completion).ServeHTTP(w, r)
	})
	f := deploy(t, start(t, upstream), deployment{spec: &spec})
	for range 2 {
		response, body := f.post(t, "/v1/chat/completions", "key-partner",
			`{"model":"m","max_tokens":20,"logprobs":true,"messages":[{"role":"user","content":"x"}]}`)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %s; want 200", response.StatusCode, body)
		}
		if got := response.Header.Get("X-Bartizan-Adjusted"); !strings.Contains(got, "logprobs") {
			t.Errorf("adjusted = %q; want it to name logprobs", got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, numbers := range asked {
		if numbers {
			t.Error("the upstream was asked for log-probabilities beyond the budget")
		}
	}
}
