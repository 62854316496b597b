package coarsen_test

import (
	"fmt"
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

func TestValidate(t *testing.T) {
	t.Parallel()
	bad := coarsen.Profile{
		Name:         "bad",
		Logprobs:     coarsen.Logprobs{Allow: true, TopK: 30, Step: 0, Floor: 2, NaturalRank: 0},
		ForcedTokens: 9, LogitBias: coarsen.LogitBias{Entries: -1, Limit: 1000},
		Embeddings: coarsen.Embeddings{Grid: coarsen.GridDecimals, Decimals: 1}, NMax: 1000, UnknownRequest: 7,
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("a profile full of faults is valid")
	}
	for _, part := range []string{
		"natural rank", "top k", "step", "floor", "forced tokens", "entries", "limit", "decimals", "choices", "unknown request",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Validate = %v; want it to name %q too", err, part)
		}
	}
	if lines := strings.Count(fmt.Sprint(err), "\n") + 1; lines != 10 {
		t.Errorf("Validate reports %d faults; want 10:\n%v", lines, err)
	}
	if err := (&coarsen.Profile{}).Validate(); err != nil {
		t.Errorf("the zero profile: %v", err)
	}
}
