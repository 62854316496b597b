package storetest

import (
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

// takenAwayAtOnce lets one person take away while something is proposed.
func takenAwayAtOnce(t *testing.T, e Engine) {
	suspicion := func(t *testing.T) (*store.Store, bartizan.Case) {
		t.Helper()
		s := e.open(t)
		newAccount(t, s, "ann")
		c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
		decide(t, s, c.ID, two(ruled(bartizan.RulingClear, "eve", "", day(2), time.Time{})))
		return s, c
	}
	for _, by := range []string{"eve", "bob"} { // who proposed the other may take away too
		s, c := suspicion(t)
		got := decide(t, s, c.ID, ruled(bartizan.RulingSuspend, by, "it goes on", day(3), time.Time{}))
		if got.Status != bartizan.CaseClosed || got.DecidedBy != by || levelOf(t, s).Level != bartizan.LevelSuspended {
			t.Errorf("Decide(suspend by %s, clear proposed) = %s by %q, level %s; want it closed by that one, suspended",
				by, got.Status, got.DecidedBy, levelOf(t, s).Level)
		}
		same(t, "the log", acts(got), []string{"opened by bartizan", "proposed by eve", "decided by " + by})
	}

	// What gives still needs two, whether it is asked for or not.
	s, c := suspicion(t)
	level := levelOf(t, s)
	for _, r := range []bartizan.Ruling{bartizan.RulingWatch, bartizan.RulingRestore} {
		got := decide(t, s, c.ID, ruled(r, map[bartizan.Ruling]string{bartizan.RulingWatch: "bob", bartizan.RulingRestore: "mia"}[r], "", day(3), time.Time{}))
		if got.Status != bartizan.CaseWaiting || levelOf(t, s) != level {
			t.Errorf("Decide(%s, clear proposed) = %s, level %v; want waiting, %v", r, got.Status, levelOf(t, s), level)
		}
	}
	// So does a suspension for which a second person is asked for.
	got := decide(t, s, c.ID, two(ruled(bartizan.RulingSuspend, "bob", "", day(4), time.Time{})))
	same(t, "Decide(suspend by two)", got.Status, bartizan.CaseWaiting)
	// Somebody else suspends with an end of their own.
	got = decide(t, s, c.ID, ruled(bartizan.RulingSuspend, "mia", "", day(5), day(9)))
	if got.Status != bartizan.CaseClosed || got.DecidedBy != "mia" || !got.Until.Equal(day(9)) {
		t.Errorf("Decide(suspend with another end) = %s by %q until %v; want closed by mia until %v", got.Status, got.DecidedBy, got.Until, day(9))
	}

	// A refusal takes back what is proposed.
	s = e.open(t)
	c = newWish(t, s)
	decide(t, s, c.ID, two(granting("eve", day(2), day(9))))
	got = decide(t, s, c.ID, ruled(bartizan.RulingRefuse, "eve", "on second thought", day(3), time.Time{}))
	if got.Status != bartizan.CaseClosed || got.Ruling != bartizan.RulingRefuse || len(grantsOf(t, s)) != 0 {
		t.Errorf("Decide(refuse, grant proposed) = %s %s, %d grants; want closed, refused, 0", got.Status, got.Ruling, len(grantsOf(t, s)))
	}
}
