package rank_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/counters"
	"bartizan/internal/evidence"
	"bartizan/internal/gateway"
	"bartizan/internal/guard"
	"bartizan/internal/lab/rank"
	"bartizan/internal/modelserver"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/upstream"
)

const (
	hidden     = 8
	modelSeed  = 1
	attackSeed = 3
)

// victim is a neural model of a known hidden size. Its text is a copy, so that what is
// found does not change with the documentation.
var victim = sync.OnceValues(func() (*modelserver.Model, error) {
	text, err := os.ReadFile("testdata/corpus.txt")
	if err != nil {
		return nil, err
	}
	return modelserver.TrainNeural(string(text), modelserver.Neural{Hidden: hidden, Vocabulary: 512, Epochs: 3, Seed: modelSeed})
})

// open starts the model server with nothing in front of it.
func open(t testing.TB, habits modelserver.Habits) string {
	t.Helper()
	m, err := victim()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(modelserver.NewServer(m, modelserver.Options{Seed: modelSeed, Habits: habits}))
	t.Cleanup(server.Close)
	return server.URL
}

// guarded puts the gateway in front of a server that tells everything. All tiers are
// the shipped ones but for the profile given and the limits: they are lifted, so that
// what is seen is the work of the profile alone.
func guarded(t testing.TB, profile coarsen.Profile) string {
	t.Helper()
	spec := policy.Default()
	tier := spec.Tiers[bartizan.TierPartner]
	tier.Coarsen, tier.Limits = profile, ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 1e9}}
	spec.Tiers[bartizan.TierPartner] = tier
	rules, err := policy.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(open(t, modelserver.Habits{UnboundedLogprobs: true}))
	if err != nil {
		t.Fatal(err)
	}
	client := upstream.New(upstream.Options{})
	t.Cleanup(client.Close)
	g := gateway.New(gateway.Options{Default: &upstream.Target{Name: "victim", URL: base}}, directory{},
		guard.New(rules, counters.NewMemory(), guard.Options{}), client, evidence.NewKeys([]byte("test")), nowhere{}, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return server.URL
}

// directory knows one account.
type directory struct{}

func (directory) Lookup(string) (bartizan.Account, bartizan.Key, error) {
	return bartizan.Account{ID: "attacker", Tier: bartizan.TierPartner}, bartizan.Key{ID: "k", Account: "attacker"}, nil
}

// nowhere keeps no record.
type nowhere struct{}

func (nowhere) Admit() bool                            { return true }
func (nowhere) Record(context.Context, gateway.Record) {}

// attack runs and prints what it found. Seeds: modelSeed, attackSeed.
func attack(t *testing.T, address string, requests int) *rank.Result {
	t.Helper()
	a := rank.Attack{URL: address, Key: "k", Model: modelserver.NeuralName, Requests: requests, Seed: attackSeed}
	got, err := a.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("model seed %d: %v", modelSeed, got)
	for _, trial := range got.Trials {
		e := trial.Estimate
		t.Logf("%s: open %v, %+v, %d x %d, gap %.1f, %s", trial.Channel, trial.Open, trial.Cost, e.Rows, e.Columns, e.Gap, e.Reason)
	}
	if got.Found {
		t.Logf("singular values around it %.3g, noise %.3g", got.Values[got.Hidden-1:min(len(got.Values), got.Hidden+2)], got.Noise)
	}
	return got
}

// shipped returns a profile as it ships.
func shipped(t *testing.T, name string) coarsen.Profile {
	t.Helper()
	p, ok := coarsen.Shipped(name)
	if !ok {
		t.Fatalf("no shipped profile %q", name)
	}
	return p
}

func TestAttackUndefended(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		habits   modelserver.Habits
		channel  rank.Channel
		requests int
	}{
		"chosen ids": {modelserver.Habits{UnboundedLogprobs: true}, rank.Targeted, 20},
		"bias":       {modelserver.Habits{}, rank.Bias, 600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := attack(t, open(t, test.habits), test.requests)
			if !got.Found || got.Hidden != hidden || got.Channel != test.channel {
				t.Errorf("%v; want %d by %s", got, hidden, test.channel)
			}
			if got.Cost.Requests > test.requests || got.Cost.Values < (hidden+1)*(hidden+1) {
				t.Errorf("cost = %+v; want at most %d requests, and at least the values that the width needs", got.Cost, test.requests)
			}
		})
	}
}

// TestAttackGuarded says what the shipped profiles do to the attack on a narrow model.
// The channels where the client chooses the tokens are closed by all of them. The lists
// of the partner's profile are enough all the same: a floor of 1e-4 hides nothing when
// the twenty most likely of 512 tokens are all above it, and a step of 0.01 is too fine.
func TestAttackGuarded(t *testing.T) {
	t.Parallel()
	wide := shipped(t, "partner")
	wide.Logprobs.Floor = 1e-12
	for name, test := range map[string]struct {
		profile coarsen.Profile
		found   bool
	}{
		"partner without floor": {wide, true},
		"partner":               {shipped(t, "partner"), true},
		"trusted":               {shipped(t, "trusted"), false},
		"standard":              {shipped(t, "standard"), false},
		"public":                {shipped(t, "public"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := attack(t, guarded(t, test.profile), 400)
			if got.Found != test.found || test.found && (got.Hidden != hidden || got.Channel != rank.Lists) {
				t.Errorf("%v; want it found: %v", got, test.found)
			}
			for _, trial := range got.Trials {
				if chosen := trial.Channel == rank.Targeted || trial.Channel == rank.Bias; chosen && trial.Open {
					t.Errorf("%s is open through the gateway", trial.Channel)
				}
			}
			if name == "public" && got.Cost.Values != 0 {
				t.Errorf("%d values were told; want none", got.Cost.Values)
			}
		})
	}
}

func TestAttackStaysAtHome(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://192.0.2.1:80", "https://api.example.com", "http://127.0.0.1.example.com", ""} {
		a := rank.Attack{URL: address, Client: &http.Client{Transport: forbidden{t}}}
		if _, err := a.Run(t.Context()); !errors.Is(err, rank.ErrNotLoopback) {
			t.Errorf("Run against %q = %v; want ErrNotLoopback", address, err)
		}
	}
}

// forbidden is a network that must not be used.
type forbidden struct{ t *testing.T }

func (f forbidden) RoundTrip(r *http.Request) (*http.Response, error) {
	f.t.Errorf("a request went to %s", r.URL)
	return nil, errors.ErrUnsupported
}
