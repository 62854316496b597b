package review_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/review"
	"bartizan/internal/store"
)

func openDesk(t *testing.T, accounts ...string) *review.Desk {
	t.Helper()
	p, err := policy.Compile(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	return &review.Desk{Store: openStore(t, accounts...), Policy: func() *policy.Policy { return p }}
}

func perDay(amount int64) []bartizan.Bound {
	return []bartizan.Bound{{Dimension: "tokens", Window: "day", Amount: amount}}
}

// wish opens a case for more tokens a day.
func wish(t *testing.T, d *review.Desk, account string, amount int64) bartizan.Case {
	t.Helper()
	c, opened, err := d.Open(t.Context(), account, bartizan.LimitRequest{Wanted: perDay(amount), UseCase: "a fair"}, "kim", noon)
	if err != nil || !opened {
		t.Fatalf("Open(%s) = %v, %v", account, opened, err)
	}
	return c
}

// A sheet sets the wish against the tier and the grants in force, sums up the usage of
// thirty days and says what the wish gives an attacker.
func TestSheet(t *testing.T) {
	t.Parallel()
	d := openDesk(t, "a")
	c := wish(t, d, "a", 12_000_000)
	today := noon.Truncate(24 * time.Hour)
	if err := d.Store.SaveUsage(t.Context(), []bartizan.UsageDay{
		{Account: "a", Day: today.AddDate(0, 0, -30), Requests: 100},
		{Account: "a", Day: today.AddDate(0, 0, -29), Requests: 1, InputTokens: 10, Throttled: 2, PeakShare: map[string]float64{"tokens.per_day": 0.9}},
		{Account: "a", Day: today, Requests: 2, CostMicroUSD: 5, PeakShare: map[string]float64{"tokens.per_day": 0.4, "streams": 1}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Store.SetLevel(t.Context(), "a", bartizan.LevelWatch, "by hand", noon); err != nil {
		t.Fatal(err)
	}
	s := sheet(t, d, c.ID)
	wantUsage := review.SheetUsage{
		From: today.AddDate(0, 0, -29), Days: 2, Requests: 3, InputTokens: 10, CostMicroUSD: 5, Throttled: 2,
		Peaks: []review.SheetPeak{{Limit: "streams", Share: 1, Day: today}, {Limit: "tokens.per_day", Share: 0.9, Day: today.AddDate(0, 0, -29)}},
	}
	if diff := cmp.Diff(wantUsage, s.Usage); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	wantLimit := review.SheetLimit{Limit: "tokens.per_day", Tier: 3_000_000, Now: 1_500_000, Wanted: 12_000_000, Times: 4}
	if diff := cmp.Diff(wantLimit, s.Limits[0]); diff != "" {
		t.Errorf("wanted limit (-want +got):\n%s", diff)
	}
	if s.Level.Level != bartizan.LevelWatch || s.Level.By != store.SetByPerson || s.Level.Reason != "by hand" {
		t.Errorf("level %+v; want watch by a person", s.Level)
	}
	if len(s.Bill) != 2 || s.Bill[0].Change.Speedup <= 1 || s.Bill[1].Change.Speedup != 1 {
		t.Errorf("bill %+v; want answers sooner and numbers no sooner", s.Bill)
	}
	if s.Terms.Status != "none recorded" || s.Links.Status != "none found" || len(s.Cases) != 0 || len(s.Grants) != 0 {
		t.Errorf("sheet %+v; want nothing of what is not there", s)
	}
}

// A sheet shows the last version of each document and the accounts nearby, with why.
func TestSheetTermsAndLinks(t *testing.T) {
	t.Parallel()
	d := openDesk(t, "a", "b", "c")
	for _, id := range []string{"org-1", "org-2"} {
		if err := d.Store.CreateAccount(t.Context(), bartizan.Account{ID: id, Organisation: "org", Tier: bartizan.TierStandard}); err != nil {
			t.Fatal(err)
		}
	}
	for version, day := range map[string]int{"1": 1, "3": 9, "2": 5} {
		if _, err := d.Store.Accept(t.Context(), bartizan.Acceptance{
			Account: "org-1", Document: "terms", Version: version, AcceptedAt: noon.AddDate(0, 0, day-20), RecordedAt: noon,
			By: "kim", Method: bartizan.AcceptanceImport,
		}); err != nil {
			t.Fatal(err)
		}
	}
	var seen []store.Sighting
	today := noon.Truncate(24 * time.Hour)
	for _, x := range []struct {
		account string
		ago     int
	}{{"org-1", 0}, {"org-2", 3}, {"b", 0}, {"b", 1}, {"b", 29}, {"b", 30}, {"c", 30}} {
		seen = append(seen, store.Sighting{Account: x.account, Day: today.AddDate(0, 0, -x.ago), Network: [16]byte{1}})
	}
	if err := d.Store.SaveSightings(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Store.SetLevel(t.Context(), "b", bartizan.LevelSuspended, "test", noon); err != nil {
		t.Fatal(err)
	}
	s := sheet(t, d, wish(t, d, "org-1", 5_000_000).ID)
	if s.Terms.Status != "terms 3, accepted 2026-04-29" || len(s.Terms.Accepted) != 1 || s.Terms.Accepted[0].Version != "3" {
		t.Errorf("terms %+v; want version 3 alone", s.Terms)
	}
	want := review.SheetLinks{Status: "2 accounts", Total: 2, Accounts: []review.SheetLink{
		{Account: "b", Level: bartizan.LevelSuspended, Reasons: []string{"same network on 3 days, shared with 2 accounts"}},
		{Account: "org-2", Reasons: []string{"same organisation", "same network on 1 day, shared with 2 accounts"}},
	}}
	if diff := cmp.Diff(want, s.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func sheet(t *testing.T, d *review.Desk, id string) review.Sheet {
	t.Helper()
	v, err := d.Show(t.Context(), id, noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return v.Sheet
}

// The second of two people takes over what was proposed, also with an end that is as far
// away; what was seen is kept with each of both.
func TestDecideByTwo(t *testing.T) {
	t.Parallel()
	d := openDesk(t, "a", "b")
	d.FourEyes = []bartizan.Tier{bartizan.TierStandard}
	for account, second := range map[string]review.Decision{
		"a": {}, "b": {Bounds: perDay(4_000_000), For: time.Hour},
	} {
		c := wish(t, d, account, 5_000_000)
		first := review.Decision{Ruling: bartizan.RulingGrantPart, By: "kim", Why: "x", Bounds: perDay(4_000_000), For: time.Hour}
		k, err := d.Decide(t.Context(), c.ID, first, noon)
		if err != nil || k.Status != bartizan.CaseWaiting {
			t.Fatalf("%s: first decision: %s, %v; want a proposal", account, k.Status, err)
		}
		if s := sheet(t, d, c.ID); len(s.Grants) != 0 {
			t.Errorf("%s: a proposal granted %v", account, s.Grants)
		}
		second.Ruling, second.By, second.Why = bartizan.RulingGrantPart, "sam", "y"
		k, err = d.Decide(t.Context(), c.ID, second, noon.Add(time.Minute))
		if err != nil || k.Status != bartizan.CaseClosed || k.DecidedBy != "kim, sam" || !k.Until.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: second decision: %+v, %v; want it decided until the proposed end", account, k, err)
		}
		for _, e := range k.Events[1:] {
			var seen review.Sheet
			if err := json.Unmarshal(e.Seen, &seen); err != nil || seen.Schema != review.SheetSchema || seen.Case != c.ID {
				t.Errorf("%s: %s saw %s, %v; want a sheet of the case", account, e.Act, e.Seen, err)
			}
		}
		if s := sheet(t, d, c.ID); len(s.Grants) != 1 || s.Limits[0].Now != 4_000_000 {
			t.Errorf("%s: sheet %+v; want the grant in force", account, s)
		}
	}
}

// One person is enough to take away, in whatever tier; giving takes two.
func TestOnePersonMayTakeAway(t *testing.T) {
	t.Parallel()
	for ruling, want := range map[bartizan.Ruling]bartizan.CaseStatus{
		bartizan.RulingClear: bartizan.CaseWaiting, bartizan.RulingRestore: bartizan.CaseWaiting, bartizan.RulingWatch: bartizan.CaseWaiting,
		bartizan.RulingRestrict: bartizan.CaseClosed, bartizan.RulingSuspend: bartizan.CaseClosed,
	} {
		d := openDesk(t, "a")
		d.FourEyes = []bartizan.Tier{bartizan.TierStandard}
		c := suspicion(t, d)
		if _, _, err := d.Store.SetLevel(t.Context(), "a", bartizan.LevelRestricted, "test", noon); err != nil {
			t.Fatal(err)
		}
		got, err := d.Decide(t.Context(), c, review.Decision{Ruling: ruling, By: "kim", Why: "x"}, noon)
		if err != nil || got.Status != want {
			t.Errorf("%s on a restricted account by one person: %s, %v; want %s", ruling, got.Status, err, want)
		}
	}
	d := openDesk(t, "a")
	d.FourEyes = []bartizan.Tier{bartizan.TierStandard}
	c := wish(t, d, "a", 5_000_000)
	got, err := d.Decide(t.Context(), c.ID, review.Decision{Ruling: bartizan.RulingRefuse, By: "kim", Why: "x"}, noon)
	if err != nil || got.Status != bartizan.CaseClosed {
		t.Errorf("a refusal by one person: %s, %v; want it decided", got.Status, err)
	}
}

// One person takes away at once also while giving is proposed, and whoever proposed it.
func TestOnePersonTakesAwayDuringAProposal(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"kim", "sam"} {
		d := openDesk(t, "a")
		d.FourEyes = []bartizan.Tier{bartizan.TierStandard}
		c := suspicion(t, d)
		k, err := d.Decide(t.Context(), c, review.Decision{Ruling: bartizan.RulingClear, By: "kim", Why: "x"}, noon)
		if err != nil || k.Status != bartizan.CaseWaiting {
			t.Fatalf("clear by one person: %s, %v; want a proposal", k.Status, err)
		}
		k, err = d.Decide(t.Context(), c, review.Decision{Ruling: bartizan.RulingSuspend, By: by, Why: "it goes on"}, noon)
		if err != nil || k.Status != bartizan.CaseClosed || k.DecidedBy != by {
			t.Errorf("suspend by %s while clear is proposed: %s by %q, %v; want it decided by that one", by, k.Status, k.DecidedBy, err)
		}
		if l, err := d.Store.Level(t.Context(), "a"); err != nil || l.Level != bartizan.LevelSuspended {
			t.Errorf("level %v, %v; want suspended", l.Level, err)
		}
	}
}

// What a decision must not be is a fault, and changes nothing.
func TestDecideFaults(t *testing.T) {
	t.Parallel()
	d := openDesk(t, "a")
	c := wish(t, d, "a", 5_000_000)
	for name, x := range map[string]review.Decision{
		"no person":       {Ruling: bartizan.RulingRefuse, Why: "x"},
		"no reason":       {Ruling: bartizan.RulingRefuse, By: "kim"},
		"other kind":      {Ruling: bartizan.RulingClear, By: "kim", Why: "x"},
		"no end":          {Ruling: bartizan.RulingGrant, By: "kim", Why: "x"},
		"past":            {Ruling: bartizan.RulingGrant, By: "kim", Why: "x", Until: noon},
		"two ends":        {Ruling: bartizan.RulingGrant, By: "kim", Why: "x", Until: noon.Add(time.Hour), For: time.Hour},
		"refusal ends":    {Ruling: bartizan.RulingRefuse, By: "kim", Why: "x", For: time.Hour},
		"refusal grants":  {Ruling: bartizan.RulingRefuse, By: "kim", Why: "x", Bounds: perDay(5_000_000)},
		"part of nothing": {Ruling: bartizan.RulingGrantPart, By: "kim", Why: "x", For: time.Hour},
		"less":            {Ruling: bartizan.RulingGrantPart, By: "kim", Why: "x", For: time.Hour, Bounds: perDay(3_000_000)},
		"twice":           {Ruling: bartizan.RulingGrantPart, By: "kim", Why: "x", For: time.Hour, Bounds: append(perDay(4_000_000), perDay(5_000_000)...)},
	} {
		_, err := d.Decide(t.Context(), c.ID, x, noon)
		if _, ok := errors.AsType[*review.FaultError](err); !ok {
			t.Errorf("%s: %v; want a fault", name, err)
		}
	}
	after, err := d.Store.Case(t.Context(), c.ID)
	if diff := cmp.Diff(c, after); diff != "" || err != nil {
		t.Errorf("the case after faults, %v (-want +got):\n%s", err, diff)
	}
}

// A suspicion is billed at each level that a ruling could set.
func TestSheetOfSuspicion(t *testing.T) {
	t.Parallel()
	d := openDesk(t, "a")
	s, err := review.NewSheet(t.Context(), review.Source{Store: d.Store, Policy: d.Policy()},
		bartizan.Case{ID: "c1", Kind: bartizan.CaseSuspicion, Account: "a"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	var last bartizan.Ruling
	for _, b := range s.Bill {
		if b.Ruling == bartizan.RulingSuspend && !b.Change.After.Never {
			t.Errorf("%s after a suspension: %s; want never", b.What, b.Change)
		}
		last = b.Ruling
	}
	if len(s.Bill) != 6 || last != bartizan.RulingSuspend {
		t.Errorf("bill %+v; want watch, restrict and suspend", s.Bill)
	}
}

func TestParseBound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bartizan.Bound{
		"tokens.per_day=5M":       {Dimension: "tokens", Window: "day", Amount: 5_000_000},
		"requests.per_minute=120": {Dimension: "requests", Window: "minute", Amount: 120},
		"tokens.per_hour=1.5k":    {Dimension: "tokens", Window: "hour", Amount: 1500},
		"streams=20":              {Dimension: "streams", Window: "concurrent", Amount: 20},
		"cost.per_month=12.5":     {Dimension: "cost", Window: "month", Amount: 12_500_000},
	} {
		got, err := review.ParseBound(text)
		if err != nil || got != want || review.BoundText(got) != text {
			t.Errorf("ParseBound(%q) = %+v, %v, written %q; want %+v", text, got, err, review.BoundText(got), want)
		}
	}
	for _, text := range []string{
		"", "tokens", "tokens.per_day", "tokens.per_day=", "tokens.per_day=-1", "tokens.per_day=0", "tokens.per_day=1e9",
		"tokens.per_day=Inf", "tokens.per_day=NaN", "tokens.per_day=9999999999G", "tokens.per_year=1", "token.per_day=1", "tokens=5",
		"prompts.per_minute=5", "streams.per_day=5",
	} {
		if got, err := review.ParseBound(text); err == nil {
			t.Errorf("ParseBound(%q) = %+v; want a fault", text, got)
		}
	}
}

// suspicion opens a case of account a.
func suspicion(t *testing.T, d *review.Desk) string {
	t.Helper()
	c, _, err := d.Store.RecordFinding(t.Context(), bartizan.Finding{
		Schema: bartizan.FindingSchema, ID: "f1", Account: "a", Verdict: bartizan.VerdictWatch, At: noon,
	}, bartizan.LevelNormal)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}
