package storetest

import (
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

func benign(t *testing.T, s *store.Store) []bartizan.BenignPeriod {
	t.Helper()
	list, err := s.Benign(t.Context())
	must(t, "Benign()", err)
	return list
}

// when is a time of day in the month of the case.
func when(month time.Month, d int) time.Time { return time.Date(2026, month, d, 12, 0, 0, 0, time.UTC) }

// suspect files a finding against ann, whose account is older than all of them.
func suspect(t *testing.T, s *store.Store, id string, at time.Time) bartizan.Case {
	t.Helper()
	c, _ := file(t, s, finding(id, "ann", bartizan.VerdictAlarm, at), bartizan.LevelRestricted)
	return c
}

func clearing(at time.Time) store.Decision {
	return ruled(bartizan.RulingClear, "eve", "a batch job", at, time.Time{})
}

// honestTraffic clears suspicions: the period goes back to where the evidence began.
func honestTraffic(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	born := when(time.May, 20)
	must(t, "CreateAccount()", s.CreateAccount(ctx, bartizan.Account{ID: "young", Tier: bartizan.TierPublic, CreatedAt: born}))
	c := suspect(t, s, "f1", when(time.May, 10))
	suspect(t, s, "f2", when(time.May, 12))
	same(t, "Benign() of an open case", benign(t, s), []bartizan.BenignPeriod(nil))
	decide(t, s, c.ID, two(clearing(when(time.May, 13))))
	same(t, "Benign() of a proposal", benign(t, s), []bartizan.BenignPeriod(nil))
	second := clearing(when(time.May, 14))
	second.By = "bob"
	decide(t, s, c.ID, second)
	// Evidence begins with the month.
	first := bartizan.BenignPeriod{
		Account: "ann", From: time.Date(2026, time.May, 1, 0, 0, 0, 0, time.UTC), To: when(time.May, 14),
		Case: c.ID, By: "eve, bob", At: when(time.May, 14),
	}
	same(t, "Benign() after a clearing", benign(t, s), []bartizan.BenignPeriod{first})

	// It begins anew when somebody clears, and with the account.
	again := suspect(t, s, "f3", when(time.May, 20))
	decide(t, s, again.ID, clearing(when(time.May, 21)))
	young, _ := file(t, s, finding("f4", "young", bartizan.VerdictAlarm, when(time.May, 25)), bartizan.LevelWatch)
	decide(t, s, young.ID, clearing(when(time.May, 26)))
	want := []bartizan.BenignPeriod{first, {
		Account: "ann", From: when(time.May, 14), To: when(time.May, 21), Case: again.ID, By: "eve", At: when(time.May, 21),
	}, {
		Account: "young", From: born, To: when(time.May, 26), Case: young.ID, By: "eve", At: when(time.May, 26),
	}}
	same(t, "Benign() of three", benign(t, s), want)

	// Old cases go, what was learnt stays. Other rulings teach nothing.
	restored := suspect(t, s, "f5", when(time.June, 2))
	decide(t, s, restored.ID, ruled(bartizan.RulingRestore, "eve", "", when(time.June, 3), time.Time{}))
	ask(t, s, wish(bartizan.SourceCustomer, "x", bound("requests", 9)), "ann", when(time.June, 4))
	_, err := s.Prune(ctx, when(time.July, 1))
	must(t, "Prune()", err)
	if _, err := s.Case(ctx, c.ID); err == nil {
		t.Errorf("Case(%s) is there after Prune(); want it gone", c.ID)
	}
	same(t, "Benign() after Prune()", benign(t, s), want)
}

// honestNoMore takes back what was learnt.
func honestNoMore(t *testing.T, e Engine) {
	for name, test := range map[string]struct {
		contradict func(t *testing.T, s *store.Store, c bartizan.Case)
		stays      bool
	}{
		"an appeal": {contradict: func(t *testing.T, s *store.Store, c bartizan.Case) {
			_, err := s.Reopen(t.Context(), c.ID, "bob", "they sold it", when(time.May, 15))
			must(t, "Reopen()", err)
		}},
		"an appeal that ends in a suspension": {contradict: func(t *testing.T, s *store.Store, c bartizan.Case) {
			_, err := s.Reopen(t.Context(), c.ID, "bob", "they sold it", when(time.May, 15))
			must(t, "Reopen()", err)
			decide(t, s, c.ID, ruled(bartizan.RulingSuspend, "bob", "", when(time.May, 16), time.Time{}))
		}},
		// A finding that was made before the clearing and is filed after it is about the same traffic.
		"another case on the same traffic": {contradict: func(t *testing.T, s *store.Store, _ bartizan.Case) {
			late := suspect(t, s, "f2", when(time.May, 12))
			decide(t, s, late.ID, ruled(bartizan.RulingRestrict, "bob", "", when(time.May, 16), time.Time{}))
		}},
		"a case on what came after": {stays: true, contradict: func(t *testing.T, s *store.Store, _ bartizan.Case) {
			next := suspect(t, s, "f2", when(time.May, 20))
			decide(t, s, next.ID, ruled(bartizan.RulingSuspend, "bob", "", when(time.May, 21), time.Time{}))
		}},
		"a watch on the same traffic": {stays: true, contradict: func(t *testing.T, s *store.Store, _ bartizan.Case) {
			late := suspect(t, s, "f2", when(time.May, 12))
			decide(t, s, late.ID, ruled(bartizan.RulingWatch, "bob", "", when(time.May, 16), time.Time{}))
		}},
		"a proposal": {stays: true, contradict: func(t *testing.T, s *store.Store, _ bartizan.Case) {
			late := suspect(t, s, "f2", when(time.May, 12))
			decide(t, s, late.ID, two(ruled(bartizan.RulingSuspend, "bob", "", when(time.May, 16), time.Time{})))
		}},
		"another account": {stays: true, contradict: func(t *testing.T, s *store.Store, _ bartizan.Case) {
			newAccount(t, s, "bob")
			other, _ := file(t, s, finding("f9", "bob", bartizan.VerdictAlarm, when(time.May, 12)), bartizan.LevelWatch)
			decide(t, s, other.ID, ruled(bartizan.RulingSuspend, "bob", "", when(time.May, 16), time.Time{}))
		}},
	} {
		s := e.open(t)
		newAccount(t, s, "ann")
		c := suspect(t, s, "f1", when(time.May, 10))
		decide(t, s, c.ID, clearing(when(time.May, 14)))
		if len(benign(t, s)) != 1 {
			t.Fatalf("Benign() = %v; want one", benign(t, s))
		}
		test.contradict(t, s, c)
		if got := benign(t, s); (len(got) == 1) != test.stays {
			t.Errorf("Benign() after %s = %v; want it to stay: %t", name, got, test.stays)
		}
	}

	// Cleared again after an appeal, it counts again, up to the new decision.
	s := e.open(t)
	newAccount(t, s, "ann")
	c := suspect(t, s, "f1", when(time.May, 10))
	decide(t, s, c.ID, clearing(when(time.May, 14)))
	_, err := s.Reopen(t.Context(), c.ID, "bob", "they sold it", when(time.May, 15))
	must(t, "Reopen()", err)
	decide(t, s, c.ID, clearing(when(time.May, 16)))
	got := benign(t, s)
	if len(got) != 1 || !got[0].From.Equal(time.Date(2026, time.May, 1, 0, 0, 0, 0, time.UTC)) || !got[0].To.Equal(when(time.May, 16)) {
		t.Errorf("Benign() after an appeal that failed = %v; want one from the first of May to %v", got, when(time.May, 16))
	}
}

// honestAfterRulings does not call honest what a ruling that stands has called otherwise.
func honestAfterRulings(t *testing.T, e Engine) {
	s := e.open(t)
	newAccount(t, s, "ann")
	bad := suspect(t, s, "f1", when(time.May, 4))
	decide(t, s, bad.ID, ruled(bartizan.RulingRestrict, "bob", "", when(time.May, 5), time.Time{}))
	c := suspect(t, s, "f2", when(time.May, 10))
	decide(t, s, c.ID, clearing(when(time.May, 14)))
	got := benign(t, s)
	if len(got) != 1 || !got[0].From.Equal(when(time.May, 5)) || strings.Contains(got[0].By, "bob") {
		t.Errorf("Benign() = %v; want one of eve's from the restriction on", got)
	}
	// A clearing with a clock that is behind the traffic's has no time to speak of.
	ahead := suspect(t, s, "f3", when(time.July, 4))
	decide(t, s, ahead.ID, clearing(when(time.June, 30)))
	same(t, "Benign() after a clearing before the evidence", benign(t, s), got)
}
