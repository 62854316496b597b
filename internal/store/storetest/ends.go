package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

func grants(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "bob")
	c := newWish(t, s)
	before := revisionOf(t, s)
	decide(t, s, c.ID, granting("eve", day(2), day(9)))
	c2, _ := ask(t, s, wish(bartizan.SourceCustomer, "", bound("cost", 7)), "ann", day(3))
	decide(t, s, c2.ID, granting("eve", day(4), day(12)))
	list := grantsOf(t, s)
	if len(list) != 2 || list[0].Case != c.ID || list[1].Case != c2.ID {
		t.Fatalf("Grants() = %v; want two, the newest last", list)
	}

	changed, err := s.AccountChanges(ctx, before+1, "")
	must(t, "AccountChanges()", err)
	if len(changed) != 1 {
		t.Fatalf("AccountChanges() = %v; want ann alone", changed)
	}
	same(t, "the grants of a changed account", changed[0].Account.Grants, list)
	a, err := s.Account(ctx, "ann")
	must(t, "Account()", err)
	same(t, "the grants of Account()", a.Grants, list)
	all, err := s.Accounts(ctx, "", 0)
	must(t, "Accounts()", err)
	if len(all) != 2 || len(all[0].Grants) != 2 || len(all[1].Grants) != 0 {
		t.Errorf("Accounts() = %v; want both grants at ann, none at bob", all)
	}

	known := revisionOf(t, s)
	must(t, "RevokeGrant()", s.RevokeGrant(ctx, list[0].ID, "mia", "misused", day(5)))
	changed, err = s.AccountChanges(ctx, known+1, "")
	must(t, "AccountChanges()", err)
	if len(changed) != 1 {
		t.Fatalf("AccountChanges() after RevokeGrant = %v; want ann", changed)
	}
	same(t, "the grants left", changed[0].Account.Grants, list[1:])
	list[0].RevokedAt = day(5)
	same(t, "Grants() after RevokeGrant", grantsOf(t, s), list)
	got, err := s.Case(ctx, c.ID)
	must(t, "Case()", err)
	same(t, "the last event", got.Events[len(got.Events)-1], bartizan.CaseEvent{
		At: day(5), By: "mia", Act: bartizan.ActRevoked, Why: "misused", Bounds: list[0].Bounds, Until: day(9),
	})

	check := unchanged(t, s)
	for name, err := range map[string]error{
		"again":     s.RevokeGrant(ctx, list[0].ID, "mia", "", day(6)),
		"over":      s.RevokeGrant(ctx, list[1].ID, "mia", "", day(12)),
		"by nobody": s.RevokeGrant(ctx, list[1].ID, "", "", day(6)),
		"no time":   s.RevokeGrant(ctx, list[1].ID, "mia", "", time.Time{}),
	} {
		if err == nil {
			t.Errorf("RevokeGrant(%s) = nil; want an error", name)
		}
	}
	if err := s.RevokeGrant(ctx, "none", "mia", "", day(6)); !errors.Is(err, store.ErrUnknownGrant) {
		t.Errorf("RevokeGrant(none) = %v; want ErrUnknownGrant", err)
	}
	check()
}

func expire(t *testing.T, s *store.Store, at time.Time) (ids []string) {
	t.Helper()
	list, err := s.Expire(t.Context(), at)
	must(t, "Expire()", err)
	for _, c := range list {
		ids = append(ids, c.ID)
		if last := c.Events[len(c.Events)-1]; last.Act != bartizan.ActExpired || last.By != "bartizan" || !last.At.Equal(at) {
			t.Errorf("the last event of case %s is %+v; want expired by bartizan at %v", c.ID, last, at)
		}
	}
	return ids
}

func rulingsExpire(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
	// The level is that already; the ruling makes it its own.
	decide(t, s, c.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), day(9)))
	same(t, "Expire() before the end", expire(t, s, day(9).Add(-time.Microsecond)), []string(nil))
	before := revisionOf(t, s)
	same(t, "Expire() at the end", expire(t, s, day(9)), []string{c.ID})
	l := levelOf(t, s)
	if l.Level != bartizan.LevelNormal || !strings.Contains(l.Reason, c.ID) || !l.At.Equal(day(9)) || revisionOf(t, s) != before+1 {
		t.Errorf("Level() = %+v; want normal since %v because of %s, for requests to see", l, day(9), c.ID)
	}
	got, err := s.Case(ctx, c.ID)
	must(t, "Case()", err)
	same(t, "the last event", got.Events[2], bartizan.CaseEvent{
		At: day(9), By: "bartizan", Act: bartizan.ActExpired, Why: "the level goes from restricted to normal",
		Ruling: bartizan.RulingRestrict, Until: day(9),
	})
	if got.Status != bartizan.CaseClosed || got.Ruling != bartizan.RulingRestrict {
		t.Errorf("the case is %s, %s; want closed, restrict: it was decided so", got.Status, got.Ruling)
	}
	check := unchanged(t, s)
	same(t, "Expire() again", expire(t, s, day(10)), []string(nil))
	check()

	// After an appeal a new ruling has an end of its own.
	_, err = s.Reopen(ctx, c.ID, "ann", "x", day(10))
	must(t, "Reopen()", err)
	decide(t, s, c.ID, ruled(bartizan.RulingWatch, "eve", "", day(11), day(12)))
	same(t, "Expire() of the second ruling", expire(t, s, day(12)), []string{c.ID})
}

// rulingsOvertaken lets rulings end whose level somebody has changed since.
func rulingsOvertaken(t *testing.T, e Engine) {
	for name, test := range map[string]struct {
		change func(t *testing.T, s *store.Store)
		want   bartizan.Level
	}{
		"a person raised it": {func(t *testing.T, s *store.Store) {
			t.Helper()
			_, _, err := s.SetLevel(t.Context(), "ann", bartizan.LevelSuspended, "", day(3))
			must(t, "SetLevel()", err)
		}, bartizan.LevelSuspended},
		"a person lowered it": {func(t *testing.T, s *store.Store) {
			t.Helper()
			_, _, err := s.SetLevel(t.Context(), "ann", bartizan.LevelWatch, "", day(3))
			must(t, "SetLevel()", err)
		}, bartizan.LevelWatch},
		"away and back": {func(t *testing.T, s *store.Store) {
			t.Helper()
			for _, l := range []bartizan.Level{bartizan.LevelNormal, bartizan.LevelRestricted} {
				_, _, err := s.SetLevel(t.Context(), "ann", l, "", day(3))
				must(t, "SetLevel()", err)
			}
		}, bartizan.LevelRestricted},
		"a later ruling says the same for longer": {func(t *testing.T, s *store.Store) {
			t.Helper()
			c, _ := file(t, s, finding("f2", "ann", bartizan.VerdictAlarm, day(3)), bartizan.LevelWatch)
			decide(t, s, c.ID, ruled(bartizan.RulingRestrict, "eve", "", day(4), day(30)))
		}, bartizan.LevelRestricted},
	} {
		s := e.open(t)
		newAccount(t, s, "ann")
		c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
		decide(t, s, c.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), day(9)))
		test.change(t, s)
		level := levelOf(t, s)
		same(t, "Expire(), "+name, expire(t, s, day(10)), []string{c.ID}) // The log tells of it.
		same(t, "Level(), "+name, levelOf(t, s), level)
		if level.Level != test.want {
			t.Errorf("%s: level %v; want %v", name, level.Level, test.want)
		}
		same(t, "Expire() again, "+name, expire(t, s, day(11)), []string(nil))
	}
}

func grantsExpire(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	c := newWish(t, s)
	decide(t, s, c.ID, granting("eve", day(2), day(9)))
	c2, _ := ask(t, s, wish(bartizan.SourceCustomer, "", bound("cost", 7)), "ann", day(3))
	decide(t, s, c2.ID, granting("eve", day(4), day(9)))
	list := grantsOf(t, s)
	must(t, "RevokeGrant()", s.RevokeGrant(ctx, list[1].ID, "eve", "", day(5)))
	same(t, "Expire() before the end", expire(t, s, day(9).Add(-time.Microsecond)), []string(nil))
	level, known := levelOf(t, s), revisionOf(t, s)
	same(t, "Expire() at the end", expire(t, s, day(9)), []string{c.ID}) // The other was revoked.
	same(t, "Level()", levelOf(t, s), level)
	a, err := s.Account(ctx, "ann")
	must(t, "Account()", err)
	same(t, "the account's grants", a.Grants, []bartizan.Grant(nil))
	changed, err := s.AccountChanges(ctx, known+1, "")
	must(t, "AccountChanges()", err)
	if len(changed) != 1 || len(changed[0].Account.Grants) != 0 {
		t.Errorf("AccountChanges() = %v; want ann without grants, so that nobody holds them for ever", changed)
	}
	list[1].RevokedAt = day(5)
	same(t, "Grants()", grantsOf(t, s), list) // What was is still told.
	check := unchanged(t, s)
	same(t, "Expire() again", expire(t, s, day(10)), []string(nil))
	check()
}

// expireMany lets more end than a transaction takes, from two handles at once.
func expireMany(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	s := handles[0]
	const n = 520
	for i := range n {
		id := fmt.Sprintf("a%03d", i)
		newAccount(t, s, id)
		c, _ := file(t, s, finding("f-"+id, id, bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
		decide(t, s, c.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), day(3)))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var group sync.WaitGroup
	for _, h := range handles {
		group.Go(func() {
			list, err := h.Expire(t.Context(), day(4))
			if err != nil {
				t.Errorf("Expire(): %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, c := range list {
				seen[c.ID]++
			}
		})
	}
	group.Wait()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("case %s ended %d times; want once", id, times)
		}
	}
	counts, err := s.AccountsByLevel(t.Context())
	must(t, "AccountsByLevel()", err)
	if len(seen) != n || counts[bartizan.LevelNormal] != n {
		t.Errorf("%d cases ended, levels %v; want %d, all normal", len(seen), counts, n)
	}
}

func quiet() map[bartizan.Level]time.Duration {
	return map[bartizan.Level]time.Duration{
		bartizan.LevelRestricted: 14 * 24 * time.Hour, bartizan.LevelWatch: 36 * time.Hour, bartizan.LevelSuspended: time.Hour,
	}
}

func decay(t *testing.T, s *store.Store, at time.Time) []store.LevelStep {
	t.Helper()
	steps, err := s.Decay(t.Context(), at, quiet())
	must(t, "Decay()", err)
	return steps
}

func levelsDecay(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	newAccount(t, s, "bob")
	file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
	file(t, s, finding("f2", "ann", bartizan.VerdictWatch, day(2)), bartizan.LevelWatch) // It is not quiet.
	first := levelOf(t, s)
	same(t, "Decay() too early", decay(t, s, day(16).Add(-time.Microsecond)), []store.LevelStep(nil))
	same(t, "Level()", levelOf(t, s), first)

	before := revisionOf(t, s)
	step := store.LevelStep{Account: "ann", From: bartizan.LevelRestricted, LevelStanding: store.LevelStanding{
		Level: bartizan.LevelWatch, Version: first.Version + 1, Reason: "quiet for 14 days", By: store.SetByFinding, At: day(16),
	}}
	same(t, "Decay()", decay(t, s, day(16)), []store.LevelStep{step})
	same(t, "Level()", levelOf(t, s), step.LevelStanding)
	same(t, "the revision", revisionOf(t, s), before+1)
	// The next step has a quiet time of its own.
	same(t, "Decay() again", decay(t, s, day(17)), []store.LevelStep(nil))
	next := store.LevelStep{Account: "ann", From: bartizan.LevelWatch, LevelStanding: store.LevelStanding{
		Level: bartizan.LevelNormal, Version: first.Version + 2, Reason: "quiet for 36h0m0s", By: store.SetByFinding, At: day(18),
	}}
	same(t, "Decay() to normal", decay(t, s, day(18)), []store.LevelStep{next})
	history, err := s.LevelHistory(ctx, "ann", 0, 0)
	must(t, "LevelHistory()", err)
	same(t, "LevelHistory()", history, []store.LevelStanding{next.LevelStanding, step.LevelStanding, first})
	same(t, "Decay() of normal", decay(t, s, day(400)), []store.LevelStep(nil))

	// A finding raises it again, and its time begins anew.
	file(t, s, finding("f3", "ann", bartizan.VerdictAlarm, day(20)), bartizan.LevelWatch)
	same(t, "Decay() after a new finding", decay(t, s, day(21)), []store.LevelStep(nil))
	if steps, err := s.Decay(ctx, day(400), map[bartizan.Level]time.Duration{bartizan.LevelWatch: 0}); len(steps) != 0 || err != nil {
		t.Errorf("Decay(no times) = %v, %v; want nothing", steps, err)
	}
}

// levelsOfPeople must not go down by themselves.
func levelsOfPeople(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	for _, a := range []bartizan.Account{
		{ID: "made", Tier: bartizan.TierPublic, Level: bartizan.LevelWatch},
		{ID: "ruled", Tier: bartizan.TierPublic},
		{ID: "set", Tier: bartizan.TierPublic},
		{ID: "confirmed", Tier: bartizan.TierPublic},
		{ID: "suspended", Tier: bartizan.TierPublic},
		{ID: "cleared", Tier: bartizan.TierPublic},
	} {
		must(t, "CreateAccount()", s.CreateAccount(ctx, a))
	}
	_, _, err := s.SetLevel(ctx, "set", bartizan.LevelRestricted, "", day(1))
	must(t, "SetLevel()", err)
	// A finding under a person's level leaves it the person's.
	file(t, s, finding("f0", "set", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
	for i, id := range []string{"ruled", "confirmed", "suspended", "cleared"} {
		c, _ := file(t, s, finding(fmt.Sprintf("f-%d", i), id, bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
		switch id {
		case "ruled": // to the level that it has
			decide(t, s, c.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), time.Time{}))
		case "confirmed":
			version, changed, err := s.SetLevel(ctx, id, bartizan.LevelRestricted, "indeed", day(2))
			if err != nil || !changed || version != 3 {
				t.Errorf("SetLevel(what a finding set) = %d, %t, %v; want 3, true: it is a person's now", version, changed, err)
			}
		case "suspended":
			decide(t, s, c.ID, ruled(bartizan.RulingSuspend, "eve", "", day(2), time.Time{}))
		default:
			decide(t, s, c.ID, ruled(bartizan.RulingClear, "eve", "", day(2), time.Time{}))
			// Findings recorded again cannot take back what a person said.
			file(t, s, finding("f-3", id, bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
		}
	}
	check := unchanged(t, s)
	same(t, "Decay()", decay(t, s, day(400)), []store.LevelStep(nil))
	check()
	l, err := s.Level(ctx, "cleared")
	must(t, "Level()", err)
	if l.Level != bartizan.LevelNormal || l.By != store.SetByPerson {
		t.Errorf("Level(cleared) = %+v; want normal by a person", l)
	}
	// As ever, a new finding raises a level that a person set; then it may go down.
	file(t, s, finding("f-new", "cleared", bartizan.VerdictWatch, day(401)), bartizan.LevelWatch)
	if steps := decay(t, s, day(500)); len(steps) != 1 || steps[0].Account != "cleared" {
		t.Errorf("Decay() = %v; want the level that the new finding set", steps)
	}
}

func decayMany(t *testing.T, e Engine) {
	s := e.open(t)
	const n = 510
	for i := range n {
		id := fmt.Sprintf("a%03d", i)
		newAccount(t, s, id)
		file(t, s, finding("f-"+id, id, bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
	}
	steps := decay(t, s, day(100))
	counts, err := s.AccountsByLevel(t.Context())
	must(t, "AccountsByLevel()", err)
	if len(steps) != n || counts[bartizan.LevelNormal] != n {
		t.Errorf("%d levels went down, levels %v; want %d, all normal", len(steps), counts, n)
	}
}
