package coarsen_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/coarsen"
)

var names = []string{"public", "standard", "trusted", "partner"}

func shipped(t testing.TB, name string) coarsen.Profile {
	t.Helper()
	p, ok := coarsen.Shipped(name)
	if !ok {
		t.Fatalf("no shipped profile %q", name)
	}
	return p
}

func TestShipped(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		p := shipped(t, name)
		if err := p.Validate(); err != nil || p.Name != name {
			t.Errorf("shipped profile %q: name %q, %v", name, p.Name, err)
		}
	}
	if _, ok := coarsen.Shipped("secret"); ok {
		t.Error("a profile that does not ship was found")
	}
}

// TestShippedIsOrdered: each profile is at least as strict as the next in every knob.
func TestShippedIsOrdered(t *testing.T) {
	t.Parallel()
	for i, stricter := range names {
		for _, wider := range names[i:] {
			t.Run(stricter+" under "+wider, func(t *testing.T) {
				t.Parallel()
				want := shipped(t, stricter)
				for _, got := range []coarsen.Profile{
					coarsen.Tighter(want, shipped(t, wider)), coarsen.Tighter(shipped(t, wider), want),
				} {
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("Tighter (-want +got):\n%s", diff)
					}
				}
			})
		}
	}
}

func TestTighterMixes(t *testing.T) {
	t.Parallel()
	a := coarsen.Profile{
		Name: "a", Logprobs: coarsen.Logprobs{Allow: true, TopK: 9, Step: 0.1, Floor: 1e-2, NaturalRank: 20},
		Embeddings: coarsen.Embeddings{Grid: coarsen.GridDecimals, Decimals: 4}, NMax: 0, TokenIDs: true, PassUnread: true,
	}
	b := coarsen.Profile{
		Name: "b", Logprobs: coarsen.Logprobs{Allow: true, TopK: 3, Step: 0.5, Floor: 1e-3, NaturalRank: 10},
		Embeddings: coarsen.Embeddings{Grid: coarsen.GridFull, Dimensions: true}, NMax: 5, TokenIDs: true, Seed: true,
	}
	want := coarsen.Profile{
		Name: "a+b", Logprobs: coarsen.Logprobs{Allow: true, TopK: 3, Step: 0.5, Floor: 1e-2, NaturalRank: 10},
		Embeddings: coarsen.Embeddings{Grid: coarsen.GridDecimals, Decimals: 4}, NMax: 1, Prompts: 1, Inputs: 1, TokenIDs: true,
	}
	if diff := cmp.Diff(want, coarsen.Tighter(a, b)); diff != "" {
		t.Errorf("Tighter (-want +got):\n%s", diff)
	}
	if got := coarsen.Tighter(coarsen.Profile{}, shipped(t, "partner")); got.Logprobs.Allow || got.Choices() != 1 {
		t.Errorf("Tighter with the zero profile releases %+v", got)
	}
}

// TestShippedNumbers holds the table of tiers: what each lets a client send and see.
func TestShippedNumbers(t *testing.T) {
	t.Parallel()
	type row struct {
		choices, prompts, inputs, bias int
		scores, linear                 coarsen.Scores
		reasoning                      coarsen.Reasoning
		fingerprint                    coarsen.Fingerprint
		timings                        coarsen.Timings
		unknown                        coarsen.UnknownRequest
		grid                           coarsen.Grid
		ids, tokenize, usage           bool
	}
	want := map[string]row{
		"public": {choices: 1, prompts: 1, inputs: 16},
		"standard": {
			choices: 4, prompts: 16, inputs: 256, bias: 32, scores: bucket, reasoning: coarsen.ReasoningSummary,
			fingerprint: coarsen.FingerprintHMAC, unknown: coarsen.UnknownDrop, grid: coarsen.GridDecimals,
		},
		"trusted": {
			choices: 8, prompts: 128, inputs: 2048, bias: 300, scores: coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 3, Decimals: 2},
			linear: bucket, reasoning: coarsen.ReasoningSummary, fingerprint: coarsen.FingerprintHMAC, timings: coarsen.TimingsRound,
			unknown: coarsen.UnknownDrop, grid: coarsen.GridFloat16, usage: true,
		},
		"partner": {
			choices: 16, prompts: 2048, inputs: 2048, bias: 1024, scores: full3, linear: full1, reasoning: coarsen.ReasoningRaw,
			fingerprint: coarsen.FingerprintPass, timings: coarsen.TimingsPass, unknown: coarsen.UnknownDrop, grid: coarsen.GridFull,
			ids: true, tokenize: true, usage: true,
		},
	}
	for _, name := range names {
		p := shipped(t, name)
		got := row{
			p.Choices(), p.Prompts, p.Inputs, p.LogitBias.Entries, p.Scores, p.LinearScores, p.Reasoning, p.Fingerprint, p.Timings,
			p.UnknownRequest, p.Embeddings.Grid, p.TokenIDs, p.Tokenize, p.UsageDetail,
		}
		if got != want[name] {
			t.Errorf("%s (-want +got):\n- %+v\n+ %+v", name, want[name], got)
		}
		if p.TargetIDs || p.PromptLogprobs || p.Internal || p.Embeddings.PerToken || p.Scores.Noise != 0 || p.Stream != (coarsen.Stream{}) || p.Strict {
			t.Errorf("%s has a knob on that no shipped profile has: %+v", name, p)
		}
		if without := p.WithoutNumbers(); without.TellsNumbers() || without.Name != name || p.TellsNumbers() == (name == "public") {
			t.Errorf("%s tells numbers: %v; without: %+v", name, p.TellsNumbers(), without)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	bad := coarsen.Profile{
		Name:         "bad",
		Logprobs:     coarsen.Logprobs{Allow: true, TopK: 30, Step: 0, Floor: 2, NaturalRank: 0},
		ForcedTokens: 9, LogitBias: coarsen.LogitBias{Entries: -1, Limit: 1000},
		Embeddings: coarsen.Embeddings{Grid: coarsen.GridDecimals, Decimals: 1, Dims: -1}, NMax: 1000, UnknownRequest: 7,
		Fingerprint: 3, Timings: 3, Reasoning: 3, Prompts: 4096, Inputs: -1, Stream: coarsen.Stream{Wait: -1, Join: -1},
		Scores:       coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 0, Decimals: 0, Noise: math.NaN(), ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 3}},
		LinearScores: coarsen.Scores{Mode: coarsen.ScoresBucket, Edges: coarsen.Edges{At: [8]float64{0.5, 0.5, 1}, N: 3}},
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("a profile full of faults is valid")
	}
	for _, part := range []string{
		"natural rank", "top k", "step", "floor", "forced tokens", "entries", "limit", "decimals", "choices", "unknown request",
		"dims", "fingerprint", "timings", "reasoning", "prompts", "inputs", "wait", "join", "scores: top k", "scores: decimals", "noise",
		"beta", "both", "linear scores: edge 0.5", "linear scores: edge 1",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Validate = %v; want it to name %q too", err, part)
		}
	}
	if lines := strings.Count(fmt.Sprint(err), "\n") + 1; lines != 25 {
		t.Errorf("Validate reports %d faults; want 25:\n%v", lines, err)
	}
	if err := (&coarsen.Profile{}).Validate(); err != nil {
		t.Errorf("the zero profile: %v", err)
	}
}
