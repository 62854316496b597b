package review_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/ratelimit"
	"bartizan/internal/review"
	"bartizan/internal/store"
)

func hash(network string) (mac [16]byte) {
	sum := sha256.Sum256([]byte(network))
	copy(mac[:], sum[:])
	return mac
}

func parts(t *testing.T, s *store.Store) []store.UsagePart {
	t.Helper()
	list, err := s.UsageParts(t.Context(), time.Time{}, time.Time{}, store.PartID{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func links(t *testing.T, s *store.Store) []store.Link {
	t.Helper()
	list, _, err := s.Links(t.Context(), "a", noon.AddDate(0, 0, -30), 0)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// see lets an account come from a network.
func see(t *testing.T, m *review.Meter, s *store.Store, account, network string) {
	t.Helper()
	x := exchange(account, noon, bartizan.ActionThrottle)
	x.Peer.Network = network
	m.Observe(x, 0, nil)
	if err := m.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
}

// Usage is told apart by key and pattern, with the last hour of its own, and a restart
// goes on from what is stored.
func TestMeterParts(t *testing.T) {
	t.Parallel()
	s := openStore(t, "a")
	o := review.MeterOptions{Model: func(x *bartizan.Exchange) string {
		if x.Model == "big-1" {
			return "big-*"
		}
		return ""
	}}
	prompts := []ratelimit.Standing{
		{Nest: ratelimit.OfKey, Limit: ratelimit.Limit{Dimension: ratelimit.Prompts, Window: ratelimit.Day, Amount: 10}, Remaining: 7},
		{Nest: ratelimit.OfAccount, Limit: ratelimit.Limit{Dimension: ratelimit.Prompts, Window: ratelimit.Day, Amount: 10}, Remaining: 1},
	}
	served := func(m *review.Meter, key, model string, at time.Time) {
		x := exchange("a", at, bartizan.ActionAllow)
		x.Key, x.Model = key, model
		m.Observe(x, 20, prompts)
	}
	first := review.NewMeter(o)
	served(first, "k1", "big-1", noon)
	served(first, "k1", "small", noon.Add(time.Minute))
	served(first, "k2", "big-1", noon.Add(time.Hour))
	refused := exchange("a", noon, bartizan.ActionThrottle)
	refused.Key, refused.Model = "k1", "big-1"
	first.Observe(refused, 0, nil)
	if err := first.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	spent := func(requests, prompts int64) store.Spent {
		return store.Spent{
			Requests: requests, InputTokens: 100 * requests, OutputTokens: 50 * requests, CostMicroUSD: 20 * requests, Values: 7 * requests,
			Prompts: prompts,
		}
	}
	want := func(kind store.PartKind, name string, day store.Spent, hour time.Time, inHour store.Spent) store.UsagePart {
		return store.UsagePart{
			PartID: store.PartID{Day: noon.Truncate(24 * time.Hour), Account: "a", Kind: kind, Name: name},
			Spent:  day, Hour: hour, InHour: inHour,
		}
	}
	if diff := cmp.Diff([]store.UsagePart{
		want(store.PartKey, "k1", spent(2, 3), noon, spent(2, 0)),
		want(store.PartKey, "k2", spent(1, 3), noon.Add(time.Hour), spent(1, 0)),
		want(store.PartModel, "big-*", spent(2, 0), noon.Add(time.Hour), spent(1, 0)),
	}, parts(t, s)); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}

	o.Days, o.Parts = []bartizan.UsageDay{usage(t, s, "a")}, parts(t, s)
	second := review.NewMeter(o)
	served(second, "k1", "small", noon.Add(2*time.Hour))
	if err := second.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want(store.PartKey, "k1", spent(3, 3), noon.Add(2*time.Hour), spent(1, 0)), parts(t, s)[0]); diff != "" {
		t.Errorf("a part after a restart (-want +got):\n%s", diff)
	}
}

// The first networks of an account's day are kept, refused or not, and none beyond.
func TestMeterNetworks(t *testing.T) {
	t.Parallel()
	s := openStore(t, "a", "b", "c")
	m := review.NewMeter(review.MeterOptions{Network: hash})
	for i := range store.NetworksPerDay + 1 {
		see(t, m, s, "a", string(rune('p'+i)))
	}
	see(t, m, s, "b", "p")
	see(t, m, s, "c", string(rune('p'+store.NetworksPerDay)))
	if got := links(t, s); len(got) != 1 || got[0] != (store.Link{Account: "b", Days: 1, Others: 1}) {
		t.Errorf("links = %+v; want b alone", got)
	}
	if got := usage(t, s, "a"); got.Throttled != store.NetworksPerDay+1 {
		t.Errorf("usage = %+v; want the refusals", got)
	}
}
