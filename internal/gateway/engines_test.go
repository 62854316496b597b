package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/gateway"
	"bartizan/internal/modelserver"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/upstream"
	"bartizan/internal/wire"
)

// allTiers are the shipped tiers, strictest first.
var allTiers = []bartizan.Tier{bartizan.TierPublic, bartizan.TierStandard, bartizan.TierTrusted, bartizan.TierPartner}

// shippedProfile is the profile of a shipped tier.
func shippedProfile(t testing.TB, tier bartizan.Tier) coarsen.Profile {
	t.Helper()
	p, ok := coarsen.Shipped(string(tier))
	if !ok {
		t.Fatalf("no profile %s", tier)
	}
	return p
}

// roomy is the shipped policy with limits that no test reaches.
func roomy() *policy.Spec {
	spec := policy.Default()
	for name, tier := range spec.Tiers {
		tier.Limits = ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: 1 << 40}}
		spec.Tiers[name] = tier
	}
	return &spec
}

// narrow is the shipped policy with a limit of requests per minute in one tier.
func narrow(tier bartizan.Tier, perMinute int64) *policy.Spec {
	spec := roomy()
	rules := spec.Tiers[tier]
	rules.Limits = ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: perMinute}}
	spec.Tiers[tier] = rules
	return spec
}

// spy keeps the requests that reach what is behind it.
type spy struct {
	http.Handler

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests, s.bodies = append(s.requests, r.Clone(r.Context())), append(s.bodies, string(body))
	s.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.Handler.ServeHTTP(w, r)
}

// seen are the requests so far.
func (s *spy) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// behind is a gateway that takes what is behind it for one engine.
type behind struct {
	*fixture
	spy *spy
}

// behindEngine puts a gateway in front of the real model with every bad habit, which it
// takes for the engine. No limit is reached, unless the deployment says so.
func behindEngine(t testing.TB, e wire.Engine, d deployment) behind {
	t.Helper()
	model, err := realModel()
	if err != nil {
		t.Fatal(err)
	}
	habits, err := modelserver.ParseHabits("all")
	if err != nil {
		t.Fatal(err)
	}
	return behindHandler(t, e, modelserver.NewServer(model, modelserver.Options{Seed: 1, Habits: habits}), d)
}

// behindHandler is behindEngine with something else behind the gateway.
func behindHandler(t testing.TB, e wire.Engine, h http.Handler, d deployment) behind {
	t.Helper()
	s := &spy{Handler: h}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	if d.spec == nil {
		d.spec = roomy()
	}
	d.change = append(d.change, func(o *gateway.Options) {
		o.Engine = func(*upstream.Target) wire.Engine { return e }
	})
	return behind{fixture: deploy(t, server.URL, d), spy: s}
}

// ask posts a body and wants 200.
func (b behind) ask(t testing.TB, path string, tier bartizan.Tier, body string) string {
	t.Helper()
	response, got := b.post(t, path, "key-"+string(tier), body)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("POST %s at %s: %d %s; body %s", path, tier, response.StatusCode, got, body)
	}
	return got
}

// lastExchange is the record of the newest of n exchanges.
func (f *fixture) lastExchange(t testing.TB, n int) *bartizan.Exchange {
	t.Helper()
	return f.waitRecords(t, n)[n-1].Exchange
}

// decoded are the JSON documents of an answer in whatever framing, numbers as written.
func decoded(t testing.TB, answer string) (all []any) {
	t.Helper()
	var text strings.Builder
	for line := range strings.SplitSeq(answer, "\n") {
		if strings.HasPrefix(line, "event:") || strings.HasPrefix(line, ":") || strings.TrimSpace(line) == "data: [DONE]" {
			continue
		}
		text.WriteString(strings.TrimPrefix(line, "data:") + "\n")
	}
	d := json.NewDecoder(strings.NewReader(text.String()))
	d.UseNumber()
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %q", err, answer)
		}
		if list, ok := v.([]any); ok {
			all = append(all, list...)
		} else {
			all = append(all, v)
		}
	}
	return all
}

// logprobNumbers are the log-probabilities under v, as they are written and wherever they
// stand: numbers somewhere under a key that speaks of probabilities, but ids and places.
func logprobNumbers(v any) (all []json.Number) {
	var walk func(v any, within bool)
	walk = func(v any, within bool) {
		switch v := v.(type) {
		case json.Number:
			if within {
				all = append(all, v)
			}
		case []any:
			for _, item := range v {
				walk(item, within)
			}
		case map[string]any:
			for key, item := range v {
				name := strings.ReplaceAll(strings.ToLower(key), "_", "")
				switch {
				case name == "bytes", name == "id", name == "tokenid", name == "tokenids", name == "textoffset":
				case name == "toplogprobs" && isNumber(item): // of a request that is told again
				default:
					walk(item, within || strings.Contains(name, "prob") || name == "toptokens")
				}
			}
		}
	}
	walk(v, false)
	return all
}

func isNumber(v any) bool { _, ok := v.(json.Number); return ok }

// released are those of the numbers that are not the constant for a withheld one.
func released(numbers []json.Number) (told []json.Number) {
	for _, n := range numbers {
		if f, err := n.Float64(); err != nil || f != bartizan.LogprobWithheld {
			told = append(told, n)
		}
	}
	return told
}

// offGrid says what is wrong with a log-probability that the profile tells; nothing is "".
func offGrid(p *coarsen.Profile, n json.Number) string {
	f, err := n.Float64()
	steps := f / p.Logprobs.Step
	switch {
	case err != nil:
		return err.Error()
	case f == bartizan.LogprobWithheld:
		return ""
	case math.Abs(steps-math.Round(steps)) > 1e-6:
		return n.String() + " is not a multiple of " + strconv.FormatFloat(p.Logprobs.Step, 'g', -1, 64)
	case f > 0 || f < math.Log(p.Logprobs.Floor):
		return n.String() + " is out of range"
	case len(n) > len("-9.25") || n == "-0" || strings.ContainsAny(n.String(), "eE"):
		return n.String() + " has digits to spare"
	default:
		return ""
	}
}
