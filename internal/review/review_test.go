package review_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/ratelimit"
	"bartizan/internal/review"
	"bartizan/internal/store"
)

var noon = time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)

func openStore(t *testing.T, accounts ...string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, id := range accounts {
		if err := s.CreateAccount(t.Context(), bartizan.Account{ID: id, Tier: bartizan.TierStandard, CreatedAt: noon.AddDate(0, -1, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func exchange(account string, at time.Time, action bartizan.Action) *bartizan.Exchange {
	return &bartizan.Exchange{
		Account: account, At: at, Decision: bartizan.Decision{Action: action},
		Usage: bartizan.Usage{InputTokens: 100, OutputTokens: 50}, Disclosure: bartizan.Disclosure{Values: 7},
	}
}

func standing(window ratelimit.Window, amount, left int64) []ratelimit.Standing {
	return []ratelimit.Standing{{
		Limit: ratelimit.Limit{Dimension: ratelimit.Tokens, Window: window, Amount: amount}, Remaining: left,
	}}
}

func usage(t *testing.T, s *store.Store, account string) bartizan.UsageDay {
	t.Helper()
	days, err := s.Usage(t.Context(), account, noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1))
	if err != nil || len(days) != 1 {
		t.Fatalf("Usage(%s) = %+v, %v; want one day", account, days, err)
	}
	return days[0]
}

func TestMeterAddsUp(t *testing.T) {
	t.Parallel()
	s := openStore(t, "a")
	m := review.NewMeter(review.MeterOptions{})
	for range 3 {
		m.Observe(exchange("a", noon, bartizan.ActionAllow), 20, standing(ratelimit.Day, 1_000, 300))
	}
	m.Observe(exchange("a", noon, bartizan.ActionThrottle), 0, nil)
	m.Observe(exchange("a", noon, bartizan.ActionDeny), 0, nil)
	shadow := exchange("a", noon, bartizan.ActionAllow)
	shadow.Decision.Reasons = []bartizan.Reason{{Code: "shadow_limit"}}
	m.Observe(shadow, 20, standing(ratelimit.Day, 1_000, 400))
	if err := m.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	got := usage(t, s, "a")
	if got.Requests != 4 || got.InputTokens != 400 || got.OutputTokens != 200 || got.CostMicroUSD != 80 || got.Values != 28 ||
		got.Throttled != 1 || got.Denied != 1 || got.Shadowed != 1 {
		t.Errorf("usage = %+v; want 4 requests, 400 and 200 tokens, 80, 28, and one refusal of each kind", got)
	}
	if share := got.PeakShare["tokens.per_day"]; share < 0.69 || share > 0.71 {
		t.Errorf("peak share = %v; want 0.7", got.PeakShare)
	}
}

// A restart continues the day: what is stored is neither lost nor counted twice.
func TestMeterContinuesADay(t *testing.T) {
	t.Parallel()
	s := openStore(t, "a")
	first := review.NewMeter(review.MeterOptions{})
	first.Observe(exchange("a", noon, bartizan.ActionAllow), 20, nil)
	for range 2 {
		if err := first.Flush(t.Context(), s, noon); err != nil {
			t.Fatal(err)
		}
	}
	second := review.NewMeter(review.MeterOptions{Days: []bartizan.UsageDay{usage(t, s, "a")}})
	second.Observe(exchange("a", noon.Add(time.Hour), bartizan.ActionAllow), 20, nil)
	if err := second.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	if got := usage(t, s, "a"); got.Requests != 2 || got.CostMicroUSD != 40 {
		t.Errorf("after a restart: %+v; want 2 requests for 40", got)
	}
}

// For a limit per minute the busiest hour counts, against sixty minutes.
func TestPeakOfALimitPerMinute(t *testing.T) {
	t.Parallel()
	s := openStore(t, "a")
	m := review.NewMeter(review.MeterOptions{})
	for _, at := range []time.Time{noon, noon.Add(time.Minute), noon.Add(90 * time.Minute)} {
		m.Observe(exchange("a", at, bartizan.ActionAllow), 0, standing(ratelimit.Minute, 10, 0))
	}
	if err := m.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	if got := usage(t, s, "a").PeakShare["tokens.per_minute"]; got != 0.5 {
		t.Errorf("peak share = %v; want 300 tokens of 600 in the busiest hour", got)
	}
}

// away is a store that takes days alone.
type away struct{ *store.Store }

func (away) SaveUsageParts(context.Context, []store.UsagePart) error { return errors.New("away") }
func (away) SaveSightings(context.Context, []store.Sighting) error   { return errors.New("away") }

// What the store could not take is offered again.
func TestFlushTriesAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t, "a", "b")
	m := review.NewMeter(review.MeterOptions{Network: hash})
	x := exchange("a", noon, bartizan.ActionAllow)
	x.Key, x.Peer.Network = "k1", "192.0.2.0/24"
	m.Observe(x, 20, nil)
	if err := m.Flush(t.Context(), away{s}, noon); err == nil {
		t.Fatal("Flush to a store that is away reports no error")
	}
	if err := m.Flush(t.Context(), s, noon); err != nil {
		t.Fatal(err)
	}
	if got := usage(t, s, "a"); got.Requests != 1 {
		t.Errorf("usage = %+v; want the request", got)
	}
	if got := parts(t, s); len(got) != 1 || got[0].Requests != 1 {
		t.Errorf("parts = %+v; want that of the key", got)
	}
	see(t, m, s, "b", "192.0.2.0/24")
	if got := links(t, s); len(got) != 1 {
		t.Errorf("links = %+v; want b", got)
	}
}

func near(t *testing.T, s *store.Store, account string, days int, share float64) {
	t.Helper()
	for i := range days {
		day := noon.Truncate(24*time.Hour).AddDate(0, 0, -i)
		err := s.SaveUsage(t.Context(), []bartizan.UsageDay{{
			Account: account, Day: day, Requests: 1, PeakShare: map[string]float64{"tokens.per_day": share},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// More than 80 % of a limit on 3 of 7 days opens a case by itself, once.
func TestNear(t *testing.T) {
	t.Parallel()
	s := openStore(t, "heavy", "twice", "under", "watched")
	near(t, s, "heavy", 3, 0.9)
	near(t, s, "twice", 2, 1)
	near(t, s, "under", 7, 0.8)
	near(t, s, "watched", 7, 1)
	if _, _, err := s.SetLevel(t.Context(), "watched", bartizan.LevelWatch, "test", noon); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if got, err := review.Near(t.Context(), s, noon); err != nil || got != want {
			t.Errorf("Near opened %d cases, %v; want %d", got, err, want)
		}
	}
	cases, err := s.Cases(t.Context(), store.CaseFilter{})
	if err != nil || len(cases) != 1 {
		t.Fatalf("cases = %+v, %v; want one", cases, err)
	}
	c := cases[0]
	if c.Account != "heavy" || c.Kind != bartizan.CaseLimit || c.Request == nil || c.Request.Source != bartizan.SourceAutomatic {
		t.Errorf("case = %+v; want a limit case of heavy that came by itself", c)
	}
	decision := store.Decision{Ruling: bartizan.RulingRefuse, By: "kim", Why: "enough", At: noon}
	if _, err := s.Decide(t.Context(), c.ID, decision); err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]int{6: 0, 8: 0} {
		if got, err := review.Near(t.Context(), s, noon.AddDate(0, 0, days)); err != nil || got != want {
			t.Errorf("%d days after a refusal Near opened %d cases, %v; want %d", days, got, err, want)
		}
	}
}
