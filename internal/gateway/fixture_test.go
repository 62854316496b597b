package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/counters"
	"bartizan/internal/evidence"
	"bartizan/internal/gateway"
	"bartizan/internal/guard"
	"bartizan/internal/policy"
	"bartizan/internal/upstream"
)

// canaryKey and canaryPrompt must stand in no log, error, header or record.
const (
	canaryKey    = "bz_canary_5up3rs3cr3tk3y"
	canaryPrompt = "canary-prompt-7e1d the heron waits"
	upstreamKey  = "upstream-secret-c0ffee"
)

// directory knows keys by heart.
type directory map[string]bartizan.Account

func (d directory) Lookup(key string) (bartizan.Account, bartizan.Key, error) {
	a, ok := d[key]
	if !ok {
		return bartizan.Account{}, bartizan.Key{}, bartizan.ErrUnknownKey
	}
	return a, bartizan.Key{ID: "k-" + a.ID, Account: a.ID}, nil
}

// sink keeps what it is given.
type sink struct {
	mu      sync.Mutex
	records []gateway.Record
	closed  bool
}

func (s *sink) Admit() bool { return !s.closed }

func (s *sink) Record(_ context.Context, r gateway.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, r)
}

func (s *sink) all() []gateway.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]gateway.Record(nil), s.records...)
}

// fixture is a gateway in front of an upstream.
type fixture struct {
	url      string
	sink     *sink
	counters *counters.Memory
	gateway  *gateway.Gateway
	log      *journal
	policy   *policy.Policy
}

// setup puts a gateway in front of h, with one account of each shipped tier whose
// key is the tier's name, and one with the canary key.
func setup(t testing.TB, h http.Handler, change ...func(*gateway.Options)) *fixture {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return deploy(t, server.URL, deployment{change: change})
}

// deployment is what a test may vary; the zero value is the shipped policy and a
// sink that keeps everything.
type deployment struct {
	change []func(*gateway.Options)
	spec   *policy.Spec
	sink   gateway.Sink
	guard  guard.Options
}

func deploy(t testing.TB, upstreamURL string, d deployment) *fixture {
	t.Helper()
	if d.spec == nil {
		shipped := policy.Default()
		d.spec = &shipped
	}
	rules, err := policy.Compile(*d.spec)
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(upstreamURL)
	if err != nil {
		t.Fatal(err)
	}
	people := directory{canaryKey: {ID: "canary", Tier: bartizan.TierPartner}}
	for _, tier := range []bartizan.Tier{bartizan.TierPublic, bartizan.TierStandard, bartizan.TierTrusted, bartizan.TierPartner} {
		people["key-"+string(tier)] = bartizan.Account{ID: string(tier), Tier: tier}
	}
	people["key-suspended"] = bartizan.Account{ID: "suspended", Tier: bartizan.TierStandard, Level: bartizan.LevelSuspended}
	people["key-restricted"] = bartizan.Account{ID: "restricted", Tier: bartizan.TierPartner, Level: bartizan.LevelRestricted}
	f := &fixture{sink: &sink{}, counters: counters.NewMemory(), log: &journal{}, policy: rules}
	options := gateway.Options{Default: &upstream.Target{Name: "test", URL: base, Key: upstreamKey}}
	for _, c := range d.change {
		c(&options)
	}
	if d.sink == nil {
		d.sink = f.sink
	}
	client := upstream.New(upstream.Options{ConnectTimeout: 2 * time.Second})
	t.Cleanup(client.Close)
	log := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.gateway = gateway.New(options, people, guard.New(rules, f.counters, d.guard), client,
		evidence.NewKeys([]byte("test")), d.sink, log)
	server := httptest.NewUnstartedServer(f.gateway)
	server.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelInfo)
	server.Start()
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// waitRecords waits until n records are there: a record follows its answer.
func (f *fixture) waitRecords(t testing.TB, n int) []gateway.Record {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got := f.sink.all(); len(got) >= n {
			return got
		}
	}
	t.Fatalf("%d records; want %d", len(f.sink.all()), n)
	return nil
}

// post sends a body with a key.
func (f *fixture) post(t testing.TB, path, key, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return f.do(t, request)
}

func (f *fixture) do(t testing.TB, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

const chat = `{"model":"m","max_tokens":16,"messages":[{"role":"user","content":"hello"}]}`

// answer is a canned upstream.
func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

const completion = `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi there"},"logprobs":{"content":[{"token":"hi","logprob":-0.5,"bytes":null,"top_logprobs":[]}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7},"system_fingerprint":"fp_1"}`
