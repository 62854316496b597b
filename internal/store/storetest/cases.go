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

func finding(id, account string, v bartizan.Verdict, at time.Time) bartizan.Finding {
	return bartizan.Finding{
		Schema: bartizan.FindingSchema, ID: id, Account: account, Verdict: v, At: at,
		AlarmAt: 12, Exchanges: 40, Log10E: 3.25,
		Reasons: []bartizan.Evidence{{Detector: "pace", Log10E: 3.25, Says: "the pace is \"even\""}},
		Samples: []string{"00ff"}, Calibration: "abc",
	}
}

func file(t *testing.T, s *store.Store, f bartizan.Finding, l bartizan.Level) (bartizan.Case, bool) {
	t.Helper()
	c, opened, err := s.RecordFinding(t.Context(), f, l)
	must(t, "RecordFinding("+f.ID+")", err)
	return c, opened
}

func ruled(r bartizan.Ruling, by, why string, at, until time.Time) store.Decision {
	return store.Decision{Ruling: r, By: by, Why: why, At: at, Until: until}
}

func findings(t *testing.T, e Engine) {
	s := e.open(t)
	newAccount(t, s, "ann")
	watch := finding("f1", "ann", bartizan.VerdictWatch, day(1))
	alarm := finding("f2", "ann", bartizan.VerdictAlarm, day(2))
	weak := finding("f3", "ann", bartizan.VerdictWatch, day(3))

	c, opened := file(t, s, watch, bartizan.LevelWatch)
	if !opened {
		t.Error("RecordFinding(first) opened no case")
	}
	same(t, "the case of a first finding", c, bartizan.Case{
		Schema: bartizan.CaseSchema, ID: c.ID, Kind: bartizan.CaseSuspicion, Account: "ann", Status: bartizan.CaseOpen,
		Verdict: bartizan.VerdictWatch, OpenedAt: day(1), Findings: []bartizan.Finding{watch},
		Events: []bartizan.CaseEvent{{At: day(1), By: "bartizan", Act: bartizan.ActOpened, Why: "finding f1: watch"}},
	})
	first := levelOf(t, s)
	if first.Level != bartizan.LevelWatch || !strings.Contains(first.Reason, "f1") || !first.At.Equal(day(1)) || first.By != store.SetByFinding {
		t.Errorf("Level() = %+v; want watch since %v because of f1", first, day(1))
	}

	next, opened := file(t, s, alarm, bartizan.LevelRestricted)
	if opened || next.ID != c.ID || next.Verdict != bartizan.VerdictAlarm || len(next.Findings) != 2 {
		t.Errorf("RecordFinding(alarm) = case %s, %s, %d findings, opened %t; want %s, alarm, 2, false",
			next.ID, next.Verdict, len(next.Findings), opened, c.ID)
	}
	second := levelOf(t, s)
	if second.Level != bartizan.LevelRestricted || second.Version != first.Version+1 {
		t.Errorf("Level() = %+v; want restricted at version %d", second, first.Version+1)
	}

	// A weaker one is filed, but lowers nothing.
	last, _ := file(t, s, weak, bartizan.LevelWatch)
	if last.Verdict != bartizan.VerdictAlarm || len(last.Findings) != 3 {
		t.Errorf("RecordFinding(weak) = %s, %d findings; want alarm, 3", last.Verdict, len(last.Findings))
	}
	same(t, "Level() after a weaker finding", levelOf(t, s), second)
}

// findingsObserved files a finding at level normal, as an observing server does.
func findingsObserved(t *testing.T, e Engine) {
	s := e.open(t)
	newAccount(t, s, "ann")
	before := revisionOf(t, s)
	if _, opened := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelNormal); !opened {
		t.Error("RecordFinding() opened no case")
	}
	if l := levelOf(t, s); l.Level != bartizan.LevelNormal || revisionOf(t, s) != before {
		t.Errorf("Level() = %+v; want normal, and the revision to stay", l)
	}
}

func findingsAgain(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	f := finding("f1", "ann", bartizan.VerdictAlarm, day(1))
	c, _ := file(t, s, f, bartizan.LevelRestricted)
	_, err := s.Decide(ctx, c.ID, ruled(bartizan.RulingClear, "eve", "a customer", day(2), time.Time{}))
	must(t, "Decide()", err)
	check := unchanged(t, s)
	again, opened := file(t, s, f, bartizan.LevelRestricted)
	if opened || again.ID != c.ID || again.Status != bartizan.CaseClosed {
		t.Errorf("RecordFinding(again) = case %s %s, opened %t; want %s closed, false", again.ID, again.Status, opened, c.ID)
	}
	check()
	fresh, opened := file(t, s, finding("f2", "ann", bartizan.VerdictAlarm, day(3)), bartizan.LevelRestricted)
	if !opened || fresh.ID == c.ID {
		t.Errorf("RecordFinding(new, after a decision) = case %s, opened %t; want another than %s, true", fresh.ID, opened, c.ID)
	}
}

func findingOfNobody(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	check := unchanged(t, s)
	if _, _, err := s.RecordFinding(ctx, finding("f1", "nobody", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch); !errors.Is(err, bartizan.ErrUnknownAccount) {
		t.Errorf("RecordFinding(nobody) = %v; want ErrUnknownAccount", err)
	}
	if _, _, err := s.RecordFinding(ctx, finding("", "nobody", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch); err == nil {
		t.Error("RecordFinding(no id) = nil; want an error")
	}
	check()
}

func findingsAtOnce(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	newAccount(t, handles[0], "ann")
	const n = 20
	ids := make([]string, n)
	openedBy := make([]bool, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			// Every finding comes twice, once to each handle.
			f := finding(fmt.Sprintf("f%d", i/2), "ann", bartizan.VerdictAlarm, day(1))
			c, opened, err := handles[i%2].RecordFinding(t.Context(), f, bartizan.LevelRestricted)
			if err != nil {
				t.Errorf("RecordFinding(): %v", err)
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
			t.Errorf("finding %d is in case %s, finding 0 in %s; want one case", i, ids[i], ids[0])
		}
	}
	c, err := handles[0].Case(t.Context(), ids[0])
	must(t, "Case()", err)
	if opened != 1 || len(c.Findings) != n/2 {
		t.Errorf("%d cases opened with %d findings; want 1 with %d", opened, len(c.Findings), n/2)
	}
}

func casesDecided(t *testing.T, e Engine) {
	for ruling, want := range map[bartizan.Ruling]bartizan.Level{
		bartizan.RulingClear:    bartizan.LevelNormal,
		bartizan.RulingWatch:    bartizan.LevelWatch,
		bartizan.RulingRestrict: bartizan.LevelRestricted,
		bartizan.RulingSuspend:  bartizan.LevelSuspended,
		bartizan.RulingRestore:  bartizan.LevelNormal,
	} {
		s, ctx := e.open(t), t.Context()
		newAccount(t, s, "ann")
		opened, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
		got, err := s.Decide(ctx, opened.ID, ruled(ruling, "eve", "looked at it", day(2), day(9)))
		must(t, "Decide()", err)
		decided := opened
		decided.Status, decided.Ruling, decided.DecidedBy = bartizan.CaseClosed, ruling, "eve"
		decided.DecidedAt, decided.Until = day(2), day(9)
		decided.Events = append(decided.Events, bartizan.CaseEvent{
			At: day(2), By: "eve", Act: bartizan.ActDecided, Why: "looked at it", Ruling: ruling, Until: day(9),
		})
		same(t, "Decide("+string(ruling)+")", got, decided)
		stored, err := s.Case(ctx, opened.ID)
		must(t, "Case()", err)
		same(t, "Case() after Decide", stored, decided)
		if l := levelOf(t, s); l.Level != want || l.By != store.SetByPerson || !l.At.Equal(day(2)) {
			t.Errorf("Level() after %s = %+v; want %v by a person", ruling, l, want)
		}
	}
}

func casesRefused(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)

	check := unchanged(t, s)
	for name, test := range map[string]struct {
		id     string
		ruling bartizan.Ruling
		by     string
		until  time.Time
		says   string
	}{
		"unknown case":   {id: "none", ruling: bartizan.RulingClear, by: "eve", says: "unknown case"},
		"unknown ruling": {id: c.ID, ruling: "burn", by: "eve", says: "suspend"},
		"other kind":     {id: c.ID, ruling: bartizan.RulingGrant, by: "eve", says: "clear, watch, restrict, suspend, restore"},
		"nobody":         {id: c.ID, ruling: bartizan.RulingClear, says: "who"},
		"over already":   {id: c.ID, ruling: bartizan.RulingClear, by: "eve", until: day(1), says: "before it begins"},
	} {
		_, err := s.Decide(ctx, test.id, ruled(test.ruling, test.by, "", day(2), test.until))
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("Decide(%s) = %v; want an error saying %q", name, err, test.says)
		}
	}
	check()

	_, err := s.Decide(ctx, c.ID, ruled(bartizan.RulingSuspend, "eve", "", day(2), time.Time{}))
	must(t, "Decide()", err)
	check = unchanged(t, s)
	_, err = s.Decide(ctx, c.ID, ruled(bartizan.RulingClear, "bob", "", day(3), time.Time{}))
	decided, ok := errors.AsType[*store.DecidedError](err)
	if !ok {
		t.Fatalf("Decide(closed) = %v; want a DecidedError", err)
	}
	same(t, "DecidedError", *decided, store.DecidedError{Case: c.ID, Ruling: bartizan.RulingSuspend, By: "eve", At: day(2)})
	if !strings.Contains(err.Error(), "eve") {
		t.Errorf("Decide(closed) = %q; want the name of the one who decided", err)
	}
	check()
	if _, err := s.Case(ctx, "none"); !errors.Is(err, bartizan.ErrUnknownCase) {
		t.Errorf("Case(none) = %v; want ErrUnknownCase", err)
	}
}

func casesDecidedAtOnce(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	newAccount(t, handles[0], "ann")
	c, _ := file(t, handles[0], finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
	const n = 16
	won := make([]bool, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			ruling := []bartizan.Ruling{bartizan.RulingClear, bartizan.RulingSuspend}[i%2]
			_, err := handles[i/2%2].Decide(t.Context(), c.ID, ruled(ruling, fmt.Sprintf("person %d", i), "", day(2), time.Time{}))
			if _, lost := errors.AsType[*store.DecidedError](err); err != nil && !lost {
				t.Errorf("Decide() = %v; want nil or a DecidedError", err)
			}
			won[i] = err == nil
		})
	}
	group.Wait()
	c, err := handles[1].Case(t.Context(), c.ID)
	must(t, "Case()", err)
	winners := 0
	for i, w := range won {
		if w {
			winners++
			if by := fmt.Sprintf("person %d", i); c.DecidedBy != by {
				t.Errorf("case decided by %q; want %q, who was told so", c.DecidedBy, by)
			}
		}
	}
	want, _ := c.Ruling.Level()
	if l := levelOf(t, handles[0]); winners != 1 || l.Level != want {
		t.Errorf("%d decided, level %v; want 1, %v", winners, l.Level, want)
	}
}

func casesListed(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	var ids []string // the newest first
	for i := range 7 {
		account := fmt.Sprintf("account%d", i)
		newAccount(t, s, account)
		c, _ := file(t, s, finding("f-"+account, account, bartizan.VerdictWatch, day(i/2)), bartizan.LevelWatch)
		ids = append([]string{c.ID}, ids...)
	}
	for i, at := range map[int]time.Time{1: day(10), 4: day(12)} {
		_, err := s.Decide(ctx, ids[i], ruled(bartizan.RulingClear, "eve", "", at, time.Time{}))
		must(t, "Decide()", err)
	}
	list := func(f store.CaseFilter) (got []string) {
		t.Helper()
		cases, err := s.Cases(ctx, f)
		must(t, "Cases()", err)
		for _, c := range cases {
			got = append(got, c.ID)
			if len(c.Findings) != 1 {
				t.Errorf("Cases() gave case %s with %d findings; want 1", c.ID, len(c.Findings))
			}
		}
		return got
	}
	all := list(store.CaseFilter{})
	if len(all) != 7 {
		t.Fatalf("Cases() = %v; want 7 cases", all)
	}
	same(t, "Cases(closed)", len(list(store.CaseFilter{Status: bartizan.CaseClosed})), 2)
	same(t, "Cases(open)", len(list(store.CaseFilter{Status: bartizan.CaseOpen})), 5)
	same(t, "Cases(account)", list(store.CaseFilter{Account: "account6"}), ids[:1])
	same(t, "Cases(decided since)", list(store.CaseFilter{DecidedSince: day(11)}), []string{ids[4]})
	same(t, "Cases(nobody)", list(store.CaseFilter{Account: "nobody"}), []string(nil))

	var paged []string
	for after := ""; ; {
		part := list(store.CaseFilter{After: after, Limit: 2})
		if len(part) == 0 {
			break
		}
		paged = append(paged, part...)
		after = part[len(part)-1]
	}
	same(t, "Cases() in pages", paged, all)
	cases, err := s.Cases(ctx, store.CaseFilter{})
	must(t, "Cases()", err)
	for i := 1; i < len(cases); i++ {
		if cases[i].OpenedAt.After(cases[i-1].OpenedAt) {
			t.Errorf("Cases() gives a case of %v behind one of %v; want the newest first", cases[i].OpenedAt, cases[i-1].OpenedAt)
		}
	}
}

func notes(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
	want := []bartizan.Note{{At: day(2), By: "eve", Text: "it's \"odd\""}, {At: day(1), By: "bob", Text: "why?"}}
	for _, n := range want {
		must(t, "Note()", s.Note(ctx, c.ID, n))
	}
	got, err := s.Case(ctx, c.ID)
	must(t, "Case()", err)
	same(t, "the notes, in the order of writing", got.Notes, want)
	check := unchanged(t, s)
	if err := s.Note(ctx, "none", want[0]); !errors.Is(err, bartizan.ErrUnknownCase) {
		t.Errorf("Note(none) = %v; want ErrUnknownCase", err)
	}
	if err := s.Note(ctx, c.ID, bartizan.Note{By: "eve"}); err == nil {
		t.Error("Note(empty) = nil; want an error")
	}
	check()
}

func counts(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	count := func(what string, levels map[bartizan.Level]int, open int) {
		t.Helper()
		got, err := s.AccountsByLevel(ctx)
		must(t, "AccountsByLevel()", err)
		same(t, "AccountsByLevel() "+what, got, levels)
		n, err := s.OpenCases(ctx)
		must(t, "OpenCases()", err)
		same(t, "OpenCases() "+what, n, open)
	}
	count("at first", nil, 0)
	for _, id := range []string{"ann", "bob", "eve"} {
		newAccount(t, s, id)
	}
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
	file(t, s, finding("f2", "bob", bartizan.VerdictWatch, day(1)), bartizan.LevelNormal)
	count("with two cases", map[bartizan.Level]int{bartizan.LevelNormal: 2, bartizan.LevelRestricted: 1}, 2)
	_, err := s.Decide(ctx, c.ID, ruled(bartizan.RulingSuspend, "mia", "", day(2), time.Time{}))
	must(t, "Decide()", err)
	count("after a decision", map[bartizan.Level]int{bartizan.LevelNormal: 2, bartizan.LevelSuspended: 1}, 1)
}
