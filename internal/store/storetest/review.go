package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

func bound(dimension string, amount int64) bartizan.Bound {
	return bartizan.Bound{Dimension: dimension, Window: "day", Amount: amount}
}

func wish(source bartizan.RequestSource, words string, wanted ...bartizan.Bound) bartizan.LimitRequest {
	return bartizan.LimitRequest{Wanted: wanted, UseCase: words, Source: source}
}

func ask(t *testing.T, s *store.Store, r bartizan.LimitRequest, by string, at time.Time) (bartizan.Case, bool) {
	t.Helper()
	c, opened, err := s.OpenLimitCase(t.Context(), "ann", r, by, at)
	must(t, "OpenLimitCase()", err)
	return c, opened
}

// newWish returns an open wish of ann for 100 requests and 5,000 tokens per day.
func newWish(t *testing.T, s *store.Store) bartizan.Case {
	t.Helper()
	newAccount(t, s, "ann")
	c, _ := ask(t, s, wish(bartizan.SourceCustomer, "a crawl", bound("requests", 100), bound("tokens", 5000)), "ann", day(1))
	return c
}

func decide(t *testing.T, s *store.Store, id string, d store.Decision) bartizan.Case {
	t.Helper()
	c, err := s.Decide(t.Context(), id, d)
	must(t, "Decide("+string(d.Ruling)+")", err)
	return c
}

func granting(by string, at, until time.Time, bounds ...bartizan.Bound) store.Decision {
	r := bartizan.RulingGrant
	if len(bounds) > 0 {
		r = bartizan.RulingGrantPart
	}
	return store.Decision{Ruling: r, By: by, At: at, Until: until, Bounds: bounds}
}

func grantsOf(t *testing.T, s *store.Store) []bartizan.Grant {
	t.Helper()
	list, err := s.Grants(t.Context(), "ann")
	must(t, "Grants()", err)
	return list
}

// acts returns what happened to a case, in short.
func acts(c bartizan.Case) (list []string) {
	for _, e := range c.Events {
		list = append(list, string(e.Act)+" by "+e.By)
	}
	return list
}

func limitCases(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	first := bartizan.LimitRequest{
		Wanted: []bartizan.Bound{bound("requests", 100)}, UseCase: "a \"crawl\"", Pattern: "at night", Source: bartizan.SourceCustomer,
	}
	before := revisionOf(t, s)
	c, opened := ask(t, s, first, "ann", day(1))
	if !opened {
		t.Error("OpenLimitCase(first) opened no case")
	}
	want := bartizan.Case{
		Schema: bartizan.CaseSchema, ID: c.ID, Kind: bartizan.CaseLimit, Account: "ann", Status: bartizan.CaseOpen,
		Verdict: bartizan.VerdictClear, OpenedAt: day(1), Request: &first,
		Events: []bartizan.CaseEvent{{
			At: day(1), By: "ann", Act: bartizan.ActOpened, Why: "a \"crawl\"\nat night", Bounds: first.Wanted,
		}},
	}
	same(t, "OpenLimitCase(first)", c, want)
	same(t, "the revision after a wish", revisionOf(t, s), before)

	// Another wish of the customer takes the first one's place, but not what it leaves empty.
	c, opened = ask(t, s, wish(bartizan.SourceOperator, "", bound("requests", 200)), "eve", day(2))
	want.Request = &bartizan.LimitRequest{
		Wanted: []bartizan.Bound{bound("requests", 200)}, UseCase: first.UseCase, Pattern: first.Pattern, Source: bartizan.SourceOperator,
	}
	want.Events = append(want.Events, bartizan.CaseEvent{
		At: day(2), By: "eve", Act: bartizan.ActAnswered, Bounds: []bartizan.Bound{bound("requests", 200)},
	})
	same(t, "OpenLimitCase(second)", c, want)

	// One that came by itself replaces nothing.
	c, _ = ask(t, s, wish(bartizan.SourceAutomatic, "runs into its limits"), "bartizan", day(3))
	want.Events = append(want.Events, bartizan.CaseEvent{
		At: day(3), By: "bartizan", Act: bartizan.ActAnswered, Why: "runs into its limits",
	})
	same(t, "OpenLimitCase(automatic)", c, want)
	if opened {
		t.Error("OpenLimitCase(second) opened another case")
	}

	decide(t, s, c.ID, store.Decision{Ruling: bartizan.RulingRefuse, By: "eve", At: day(4)})
	next, opened := ask(t, s, wish(bartizan.SourceAutomatic, ""), "bartizan", day(5))
	if !opened || next.ID == c.ID || next.Request == nil || next.Request.Source != bartizan.SourceAutomatic {
		t.Errorf("OpenLimitCase(after a refusal) = case %s with %v, opened %t; want another than %s", next.ID, next.Request, opened, c.ID)
	}
	next, _ = ask(t, s, first, "ann", day(6))
	same(t, "the request of a customer after one by itself", next.Request, &first)
	list, err := s.Cases(ctx, store.CaseFilter{Kind: bartizan.CaseLimit, Status: bartizan.CaseOpen})
	must(t, "Cases()", err)
	same(t, "Cases(kind limit, open)", list, []bartizan.Case{next})
	list, err = s.Cases(ctx, store.CaseFilter{Kind: bartizan.CaseSuspicion})
	must(t, "Cases()", err)
	same(t, "Cases(kind suspicion)", list, []bartizan.Case(nil))
}

func limitCasesRefused(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newWish(t, s)
	check := unchanged(t, s)
	good := wish(bartizan.SourceCustomer, "x", bound("requests", 1))
	for name, test := range map[string]struct {
		account string
		r       bartizan.LimitRequest
		by      string
		says    string
	}{
		"nobody's":    {"nobody", good, "x", "unknown account"},
		"by nobody":   {"ann", good, "", "who"},
		"no source":   {"ann", wish("", "x"), "x", "customer, operator, automatic"},
		"amount of 0": {"ann", wish(bartizan.SourceCustomer, "x", bound("requests", 0)), "x", "requests per day"},
		"no window":   {"ann", wish(bartizan.SourceCustomer, "x", bartizan.Bound{Dimension: "requests", Amount: 1}), "x", "window"},
		"twice":       {"ann", wish(bartizan.SourceCustomer, "x", bound("requests", 1), bound("requests", 2)), "x", "twice"},
	} {
		_, _, err := s.OpenLimitCase(ctx, test.account, test.r, test.by, day(2))
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("OpenLimitCase(%s) = %v; want an error saying %q", name, err, test.says)
		}
	}
	check()
}

func limitCasesAtOnce(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	newAccount(t, handles[0], "ann")
	const n = 16
	var group sync.WaitGroup
	ids, openedBy := make([]string, n), make([]bool, n)
	for i := range n {
		group.Go(func() {
			c, opened, err := handles[i%2].OpenLimitCase(t.Context(), "ann", wish(bartizan.SourceCustomer, "x"), "ann", day(1))
			if err != nil {
				t.Errorf("OpenLimitCase(): %v", err)
			}
			ids[i], openedBy[i] = c.ID, opened
		})
	}
	group.Wait()
	opened := 0
	for i := range n {
		if openedBy[i] {
			opened++
		}
		if ids[i] != ids[0] {
			t.Errorf("wish %d is in case %s, wish 0 in %s; want one case", i, ids[i], ids[0])
		}
	}
	c, err := handles[1].Case(t.Context(), ids[0])
	must(t, "Case()", err)
	if opened != 1 || len(c.Events) != n {
		t.Errorf("%d cases opened with %d events; want 1 with %d", opened, len(c.Events), n)
	}
}

func limitsDecided(t *testing.T, e Engine) {
	wanted := []bartizan.Bound{bound("requests", 100), bound("tokens", 5000)}
	less := []bartizan.Bound{bound("requests", 50)}
	for name, test := range map[string]struct {
		d    store.Decision
		want []bartizan.Bound
	}{
		"granted":           {granting("eve", day(2), day(9)), wanted},
		"granted otherwise": {store.Decision{Ruling: bartizan.RulingGrant, By: "eve", At: day(2), Until: day(9), Bounds: less}, less},
		"granted in part":   {granting("eve", day(2), day(9), less...), less},
		"refused":           {store.Decision{Ruling: bartizan.RulingRefuse, By: "eve", At: day(2)}, nil},
	} {
		s := e.open(t)
		c := newWish(t, s)
		level, before := levelOf(t, s), revisionOf(t, s)
		test.d.Why, test.d.Seen = "looked at it", json.RawMessage(`{"requests": [1, 2]}`)
		got := decide(t, s, c.ID, test.d)
		c.Status, c.Ruling, c.DecidedBy, c.DecidedAt, c.Until = bartizan.CaseClosed, test.d.Ruling, "eve", day(2), test.d.Until
		c.Events = append(c.Events, bartizan.CaseEvent{
			At: day(2), By: "eve", Act: bartizan.ActDecided, Why: "looked at it", Ruling: test.d.Ruling,
			Bounds: test.want, Until: test.d.Until, Seen: test.d.Seen,
		})
		same(t, "Decide("+name+")", got, c)
		same(t, "Level() after "+name, levelOf(t, s), level)
		list := grantsOf(t, s)
		if test.want == nil {
			same(t, "Grants() after "+name, list, []bartizan.Grant(nil))
			same(t, "the revision after "+name, revisionOf(t, s), before)
			continue
		}
		if len(list) != 1 || list[0].ID == "" {
			t.Fatalf("Grants() after %s = %v; want one", name, list)
		}
		same(t, "Grants() after "+name, list, []bartizan.Grant{{
			Schema: bartizan.GrantSchema, ID: list[0].ID, Account: "ann", Case: c.ID, Bounds: test.want, From: day(2), Until: day(9),
		}})
	}
}

func limitsDecidedWrongly(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	c := newWish(t, s)
	newAccount(t, s, "bob")
	empty, _, err := s.OpenLimitCase(ctx, "bob", wish(bartizan.SourceAutomatic, ""), "bartizan", day(1))
	must(t, "OpenLimitCase()", err)
	suspicion, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
	check := unchanged(t, s)
	for name, test := range map[string]struct {
		id   string
		d    store.Decision
		says string
	}{
		"other kind":        {c.ID, ruled(bartizan.RulingSuspend, "eve", "", day(2), time.Time{}), "grant, grant_part, refuse, ask"},
		"no end":            {c.ID, granting("eve", day(2), time.Time{}), "always ends"},
		"part with no end":  {c.ID, granting("eve", day(2), time.Time{}, bound("requests", 1)), "always ends"},
		"part of nothing":   {c.ID, ruled(bartizan.RulingGrantPart, "eve", "", day(2), day(3)), "give bounds"},
		"nothing wanted":    {empty.ID, granting("eve", day(2), day(3)), "give bounds"},
		"bad bounds":        {c.ID, granting("eve", day(2), day(3), bound("requests", -1)), "above 0"},
		"over already":      {c.ID, granting("eve", day(2), day(2)), "before it begins"},
		"no time":           {c.ID, granting("eve", time.Time{}, day(2)), "time"},
		"by nobody":         {c.ID, granting("", day(2), day(3)), "who"},
		"no question":       {c.ID, ruled(bartizan.RulingAsk, "eve", "", day(2), time.Time{}), "question"},
		"question with end": {c.ID, ruled(bartizan.RulingAsk, "eve", "why?", day(2), day(3)), "no end"},
		"refusal with end":  {c.ID, ruled(bartizan.RulingRefuse, "eve", "", day(2), day(3)), "no end"},
		"refusal of bounds": {c.ID, store.Decision{Ruling: bartizan.RulingRefuse, By: "eve", At: day(2), Bounds: []bartizan.Bound{bound("requests", 1)}}, "no bounds"},
		"bounds of a level": {suspicion.ID, store.Decision{Ruling: bartizan.RulingClear, By: "eve", At: day(2), Bounds: []bartizan.Bound{bound("requests", 1)}}, "no bounds"},
		"broken sheet":      {c.ID, store.Decision{Ruling: bartizan.RulingRefuse, By: "eve", At: day(2), Seen: json.RawMessage("{")}, "JSON"},
	} {
		_, err := s.Decide(ctx, test.id, test.d)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("Decide(%s) = %v; want an error saying %q", name, err, test.says)
		}
	}
	check()
}

func questions(t *testing.T, e Engine) {
	s := e.open(t)
	c := newWish(t, s)
	got := decide(t, s, c.ID, ruled(bartizan.RulingAsk, "eve", "how many users?", day(2), time.Time{}))
	c.Status = bartizan.CaseWaiting
	c.Events = append(c.Events, bartizan.CaseEvent{
		At: day(2), By: "eve", Act: bartizan.ActAsked, Why: "how many users?", Ruling: bartizan.RulingAsk,
	})
	same(t, "Decide(ask)", got, c)

	got, opened := ask(t, s, wish(bartizan.SourceAutomatic, "again"), "bartizan", day(3))
	if opened || got.Status != bartizan.CaseWaiting {
		t.Errorf("an automatic wish made the case %s; want it to wait for the customer", got.Status)
	}
	got, opened = ask(t, s, wish(bartizan.SourceCustomer, "four"), "ann", day(4))
	if opened || got.Status != bartizan.CaseOpen || got.Request.UseCase != "four" {
		t.Errorf("OpenLimitCase(answer) = %s with %+v, opened %t; want open with the answer, false", got.Status, got.Request, opened)
	}
	// A question that nobody answers does not stop a decision.
	decide(t, s, c.ID, ruled(bartizan.RulingAsk, "eve", "sure?", day(5), time.Time{}))
	got = decide(t, s, c.ID, granting("eve", day(6), day(9)))
	same(t, "the log", acts(got), []string{
		"opened by ann", "asked by eve", "answered by bartizan", "answered by ann", "asked by eve", "decided by eve",
	})
	if got.Status != bartizan.CaseClosed || len(grantsOf(t, s)) != 1 {
		t.Errorf("Decide(grant, while waiting) = %s, %d grants; want closed, 1", got.Status, len(grantsOf(t, s)))
	}
}

// two asks for a second person.
func two(d store.Decision) store.Decision {
	d.FourEyes = true
	return d
}

// proposed returns a suspicion that eve proposes to suspend ann for, until day 9.
func proposed(t *testing.T, s *store.Store) bartizan.Case {
	t.Helper()
	newAccount(t, s, "ann")
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictWatch, day(1)), bartizan.LevelWatch)
	level := levelOf(t, s)
	got := decide(t, s, c.ID, two(ruled(bartizan.RulingSuspend, "eve", "because", day(2), day(9))))
	c.Status = bartizan.CaseWaiting
	c.Events = append(c.Events, bartizan.CaseEvent{
		At: day(2), By: "eve", Act: bartizan.ActProposed, Why: "because", Ruling: bartizan.RulingSuspend, Until: day(9),
	})
	same(t, "Decide(first of two)", got, c)
	same(t, "Level() after a proposal", levelOf(t, s), level)
	return c
}

func fourEyes(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	c := proposed(t, s)
	level := levelOf(t, s)

	// Another ruling, or another end, is a new proposal.
	got := decide(t, s, c.ID, two(ruled(bartizan.RulingSuspend, "bob", "", day(3), day(8))))
	if got.Status != bartizan.CaseWaiting || levelOf(t, s) != level {
		t.Errorf("Decide(another end) = %s, level %v; want waiting, %v", got.Status, levelOf(t, s), level)
	}
	got = decide(t, s, c.ID, two(ruled(bartizan.RulingRestrict, "eve", "", day(4), day(8))))
	same(t, "Decide(another ruling)", got.Status, bartizan.CaseWaiting)
	got = decide(t, s, c.ID, two(ruled(bartizan.RulingRestrict, "bob", "", day(5), day(8))))
	same(t, "the log", acts(got), []string{
		"opened by bartizan", "proposed by eve", "proposed by bob", "proposed by eve", "decided by bob",
	})
	got.Findings, got.Events = nil, nil
	same(t, "Decide(second of two)", got, bartizan.Case{
		Schema: bartizan.CaseSchema, ID: c.ID, Kind: bartizan.CaseSuspicion, Account: "ann", Status: bartizan.CaseClosed,
		Verdict: bartizan.VerdictWatch, OpenedAt: day(1),
		Ruling: bartizan.RulingRestrict, DecidedBy: "eve, bob", DecidedAt: day(5), Until: day(8),
	})
	if l := levelOf(t, s); l.Level != bartizan.LevelRestricted || !strings.Contains(l.Reason, "eve, bob") {
		t.Errorf("Level() = %+v; want restricted by eve, bob", l)
	}
	_, err := s.Decide(ctx, c.ID, two(ruled(bartizan.RulingClear, "mia", "", day(6), time.Time{})))
	if decided, ok := errors.AsType[*store.DecidedError](err); !ok || decided.By != "eve, bob" {
		t.Errorf("Decide(closed) = %v; want a DecidedError of eve, bob", err)
	}
}

// fourEyesOfOne lets the one who proposed try to go on alone.
func fourEyesOfOne(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	c := proposed(t, s)
	check := unchanged(t, s)
	for name, d := range map[string]store.Decision{
		"again":           two(ruled(bartizan.RulingSuspend, "eve", "", day(3), day(9))),
		"in other letter": two(ruled(bartizan.RulingSuspend, " Eve", "", day(3), day(9))),
		"otherwise":       two(ruled(bartizan.RulingClear, "eve", "", day(3), time.Time{})),
		"not asked for":   ruled(bartizan.RulingSuspend, "eve", "", day(3), day(9)),
	} {
		if _, err := s.Decide(ctx, c.ID, d); !errors.Is(err, store.ErrSecondPerson) || !strings.Contains(err.Error(), "eve") {
			t.Errorf("Decide(the same person %s) = %v; want ErrSecondPerson, and who proposed", name, err)
		}
	}
	check()
	// Findings go on into the case that waits, which stays proposed.
	k, opened := file(t, s, finding("f2", "ann", bartizan.VerdictAlarm, day(3)), bartizan.LevelWatch)
	if opened || k.ID != c.ID || k.Status != bartizan.CaseWaiting || k.Verdict != bartizan.VerdictAlarm {
		t.Errorf("RecordFinding(while waiting) = case %s %s, %s, opened %t; want %s waiting, alarm, false",
			k.ID, k.Status, k.Verdict, opened, c.ID)
	}
	got := decide(t, s, c.ID, two(ruled(bartizan.RulingSuspend, "bob", "", day(4), day(9))))
	same(t, "who decided", got.DecidedBy, "eve, bob")
}

func fourEyesOnLimits(t *testing.T, e Engine) {
	s := e.open(t)
	c := newWish(t, s)
	got := decide(t, s, c.ID, two(granting("eve", day(2), day(9))))
	if got.Status != bartizan.CaseWaiting || len(grantsOf(t, s)) != 0 {
		t.Errorf("Decide(first of two) = %s, %d grants; want waiting, 0", got.Status, len(grantsOf(t, s)))
	}
	// What was proposed is not what is wanted now.
	ask(t, s, wish(bartizan.SourceCustomer, "", bound("requests", 9999)), "ann", day(3))
	got = decide(t, s, c.ID, two(granting("bob", day(4), day(9))))
	if got.Status != bartizan.CaseWaiting || len(grantsOf(t, s)) != 0 {
		t.Errorf("Decide(after an answer) = %s, %d grants; want waiting, 0", got.Status, len(grantsOf(t, s)))
	}
	// A question ends a proposal too.
	decide(t, s, c.ID, ruled(bartizan.RulingAsk, "eve", "so many?", day(5), time.Time{}))
	got = decide(t, s, c.ID, two(granting("eve", day(5), day(9))))
	if got.Status != bartizan.CaseWaiting || len(grantsOf(t, s)) != 0 {
		t.Errorf("Decide(after a question) = %s, %d grants; want waiting, 0", got.Status, len(grantsOf(t, s)))
	}
	part := []bartizan.Bound{bound("requests", 10), bound("tokens", 20)}
	decide(t, s, c.ID, two(granting("bob", day(5), day(9), part...)))
	// An automatic wish leaves the proposal alone.
	ask(t, s, wish(bartizan.SourceAutomatic, ""), "bartizan", day(6))
	got = decide(t, s, c.ID, two(granting("mia", day(6), day(9), part[0], bartizan.Bound{Dimension: "tokens", Window: "day", Amount: 21})))
	if got.Status != bartizan.CaseWaiting {
		t.Errorf("Decide(other bounds) = %s; want waiting", got.Status)
	}
	decide(t, s, c.ID, two(granting("eve", day(6), day(9), part...)))
	got = decide(t, s, c.ID, two(granting("bob", day(7), day(9), part[1], part[0]))) // the order does not matter
	if got.Status != bartizan.CaseClosed || got.DecidedBy != "eve, bob" {
		t.Errorf("Decide(second of two) = %s by %s; want closed by eve, bob", got.Status, got.DecidedBy)
	}
	if list := grantsOf(t, s); len(list) != 1 || !list[0].From.Equal(day(7)) || !list[0].Until.Equal(day(9)) {
		t.Errorf("Grants() = %v; want one from the second decision on", list)
	}
}

// fourEyesAtOnce lets two people agree at the same time, again and again.
func fourEyesAtOnce(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	s := handles[0]
	newAccount(t, s, "ann")
	for round := range 5 {
		c, _ := ask(t, s, wish(bartizan.SourceCustomer, "", bound("requests", 100)), "ann", day(round))
		var group sync.WaitGroup
		for i, h := range handles {
			group.Go(func() {
				d := two(granting(fmt.Sprintf("person %d", i), day(round), day(20)))
				if _, err := h.Decide(t.Context(), c.ID, d); err != nil {
					t.Errorf("Decide(): %v", err)
				}
			})
		}
		group.Wait()
		c, err := s.Case(t.Context(), c.ID)
		must(t, "Case()", err)
		if c.Status != bartizan.CaseClosed || !strings.Contains(c.DecidedBy, ", ") || len(grantsOf(t, s)) != round+1 {
			t.Errorf("the case is %s by %q with %d grants; want closed by both, %d", c.Status, c.DecidedBy, len(grantsOf(t, s)), round+1)
		}
	}
}

// limitsDecidedAtOnce lets many decide: one wins, and there is one grant or none.
func limitsDecidedAtOnce(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	c := newWish(t, handles[0])
	const n = 12
	won := make([]bool, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			d := granting(fmt.Sprintf("person %d", i), day(2), day(9))
			if i%2 == 1 {
				d = ruled(bartizan.RulingRefuse, d.By, "", day(2), time.Time{})
			}
			_, err := handles[i/2%2].Decide(t.Context(), c.ID, d)
			if _, lost := errors.AsType[*store.DecidedError](err); err != nil && !lost {
				t.Errorf("Decide() = %v; want nil or a DecidedError", err)
			}
			won[i] = err == nil
		})
	}
	group.Wait()
	c, err := handles[1].Case(t.Context(), c.ID)
	must(t, "Case()", err)
	winners, grants := 0, 0
	for i, w := range won {
		if w {
			winners++
			grants += 1 - i%2
			same(t, "the one who decided", c.DecidedBy, fmt.Sprintf("person %d", i))
		}
	}
	if list := grantsOf(t, handles[0]); winners != 1 || len(list) != grants || len(c.Events) != 2 {
		t.Errorf("%d decided, %d grants, %d events; want 1, %d, 2", winners, len(list), len(c.Events), grants)
	}
}

func reopened(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
	closed := decide(t, s, c.ID, ruled(bartizan.RulingSuspend, "eve", "a list", day(2), day(9)))
	level := levelOf(t, s)

	got, err := s.Reopen(ctx, c.ID, "ann", "it was us", day(3))
	must(t, "Reopen()", err)
	want := closed
	want.Status, want.Ruling, want.DecidedBy, want.DecidedAt, want.Until = bartizan.CaseOpen, "", "", time.Time{}, time.Time{}
	want.Events = append(want.Events, bartizan.CaseEvent{At: day(3), By: "ann", Act: bartizan.ActReopened, Why: "it was us"})
	same(t, "Reopen()", got, want)
	same(t, "Level() after Reopen", levelOf(t, s), level)
	// Its end is taken back with it.
	ended, err := s.Expire(ctx, day(20))
	must(t, "Expire()", err)
	same(t, "Expire() after Reopen", ended, []bartizan.Case(nil))

	check := unchanged(t, s)
	for name, test := range map[string]struct{ id, by, why, says string }{
		"open":       {c.ID, "ann", "x", "open, not closed"},
		"unknown":    {"none", "ann", "x", "unknown case"},
		"by nobody":  {c.ID, "", "x", "who"},
		"no reason":  {c.ID, "ann", "", "reason"},
		"no account": {"", "ann", "x", "unknown case"},
	} {
		if _, err := s.Reopen(ctx, test.id, test.by, test.why, day(4)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("Reopen(%s) = %v; want an error saying %q", name, err, test.says)
		}
	}
	check()

	got = decide(t, s, c.ID, ruled(bartizan.RulingRestore, "bob", "", day(5), time.Time{}))
	if l := levelOf(t, s); got.Status != bartizan.CaseClosed || l.Level != bartizan.LevelNormal {
		t.Errorf("Decide(after an appeal) = %s, level %v; want closed, normal", got.Status, l.Level)
	}
	other, _ := file(t, s, finding("f2", "ann", bartizan.VerdictAlarm, day(6)), bartizan.LevelWatch)
	check = unchanged(t, s)
	if _, err := s.Reopen(ctx, c.ID, "ann", "again", day(7)); err == nil || !strings.Contains(err.Error(), other.ID) {
		t.Errorf("Reopen(beside another) = %v; want an error that names %s", err, other.ID)
	}
	check()
	// A wish is another kind of case, and stands in nobody's way.
	decide(t, s, other.ID, ruled(bartizan.RulingClear, "bob", "", day(7), time.Time{}))
	ask(t, s, wish(bartizan.SourceCustomer, "x"), "ann", day(7))
	_, err = s.Reopen(ctx, c.ID, "ann", "again", day(8))
	must(t, "Reopen() beside a wish", err)
}

// reopenedGrant decides an appeal against a grant in part.
func reopenedGrant(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	c := newWish(t, s)
	decide(t, s, c.ID, granting("eve", day(2), day(20), bound("requests", 10)))
	_, err := s.Reopen(ctx, c.ID, "ann", "too few", day(3))
	must(t, "Reopen()", err)
	if list := grantsOf(t, s); len(list) != 1 || !list[0].In(day(4)) {
		t.Errorf("Grants() after Reopen = %v; want the grant in force", list)
	}
	got := decide(t, s, c.ID, granting("bob", day(5), day(30)))
	same(t, "the log", acts(got), []string{"opened by ann", "decided by eve", "reopened by ann", "decided by bob", "revoked by bob"})
	list := grantsOf(t, s)
	if len(list) != 2 || list[0].In(day(5)) || !list[0].In(day(4)) || !list[1].In(day(5)) || list[0].ID == list[1].ID {
		t.Errorf("Grants() = %+v; want the second in place of the first", list)
	}
	_, err = s.Reopen(ctx, c.ID, "mia", "a mistake", day(6))
	must(t, "Reopen()", err)
	decide(t, s, c.ID, ruled(bartizan.RulingRefuse, "mia", "", day(7), time.Time{}))
	if list := grantsOf(t, s); len(list) != 2 || list[1].In(day(7)) {
		t.Errorf("Grants() after a refusal = %+v; want none in force", list)
	}
	a, err := s.Account(ctx, "ann")
	must(t, "Account()", err)
	same(t, "the account's grants", a.Grants, []bartizan.Grant(nil))
}
