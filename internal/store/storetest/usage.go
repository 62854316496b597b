package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

// midnight is the beginning of a day.
func midnight(n int) time.Time { return day(n).Truncate(24 * time.Hour) }

func used(account string, on int, requests int64) bartizan.UsageDay {
	return bartizan.UsageDay{Account: account, Day: midnight(on), Requests: requests}
}

func usage(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	full := bartizan.UsageDay{
		Account: "nobody-knows", Day: midnight(1), Requests: 1, InputTokens: 2, OutputTokens: 3, CostMicroUSD: 1 << 40,
		Values: 5, Prompts: 6, Throttled: 7, Denied: 8, Shadowed: 9, PeakShare: map[string]float64{"tokens.per_day": 0.5, "x": 1.25},
	}
	before := revisionOf(t, s)
	must(t, "SaveUsage()", s.SaveUsage(ctx, []bartizan.UsageDay{full, used("ann", 1, 5), used("ann", 3, 6), used("ann", 2, 7)}))
	got, err := s.Usage(ctx, "nobody-knows", midnight(0), midnight(9))
	must(t, "Usage()", err)
	same(t, "Usage(all fields)", got, []bartizan.UsageDay{full})

	// A row takes the place of the one before, whole; the last one of a list counts.
	must(t, "SaveUsage()", s.SaveUsage(ctx, []bartizan.UsageDay{used("nobody-knows", 1, 11), used("ann", 3, 1), used("ann", 3, 60)}))
	got, err = s.Usage(ctx, "nobody-knows", time.Time{}, time.Time{})
	must(t, "Usage()", err)
	same(t, "Usage() after a second save", got, []bartizan.UsageDay{used("nobody-knows", 1, 11)})
	got, err = s.Usage(ctx, "ann", midnight(1), midnight(3))
	must(t, "Usage()", err)
	same(t, "Usage(ann, two days)", got, []bartizan.UsageDay{used("ann", 1, 5), used("ann", 2, 7)})
	got, err = s.Usage(ctx, "ann", midnight(2), time.Time{})
	must(t, "Usage()", err)
	same(t, "Usage(ann, no end)", got, []bartizan.UsageDay{used("ann", 2, 7), used("ann", 3, 60)})
	got, err = s.Usage(ctx, "bob", time.Time{}, time.Time{})
	must(t, "Usage()", err)
	same(t, "Usage(bob)", got, []bartizan.UsageDay(nil))
	same(t, "the revision", revisionOf(t, s), before)

	check := unchanged(t, s)
	berlin := time.FixedZone("somewhere", 3600)
	for name, d := range map[string]bartizan.UsageDay{
		"no account":     used("", 1, 1),
		"no day":         {Account: "ann"},
		"not midnight":   {Account: "ann", Day: day(1)},
		"other midnight": {Account: "ann", Day: time.Date(2026, 3, 1, 0, 0, 0, 0, berlin)},
		"endless peak":   {Account: "ann", Day: midnight(1), PeakShare: map[string]float64{"x": math.Inf(1)}},
	} {
		if err := s.SaveUsage(ctx, []bartizan.UsageDay{used("ann", 1, 999), d}); err == nil {
			t.Errorf("SaveUsage(%s) = nil; want an error", name)
		}
	}
	check()
	must(t, "SaveUsage(nothing)", s.SaveUsage(ctx, nil))
	// The same midnight in another zone is the same day.
	must(t, "SaveUsage()", s.SaveUsage(ctx, []bartizan.UsageDay{{Account: "zoe", Day: midnight(1).In(berlin), Requests: 1}}))
	got, err = s.Usage(ctx, "zoe", midnight(1), midnight(2))
	must(t, "Usage()", err)
	same(t, "Usage(zoe)", got, []bartizan.UsageDay{used("zoe", 1, 1)})
}

// usageInPages saves more than a transaction takes and reads it in pages.
func usageInPages(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	var days []bartizan.UsageDay
	for i := range 1300 {
		days = append(days, used(fmt.Sprintf("a%04d", i/2), i%2, int64(i)))
	}
	must(t, "SaveUsage()", s.SaveUsage(ctx, days))
	read := func(from, to time.Time, limit int) (list []bartizan.UsageDay) {
		t.Helper()
		var after store.UsageKey
		for {
			part, err := s.UsageAll(ctx, from, to, after, limit)
			must(t, "UsageAll()", err)
			if len(part) == 0 {
				return list
			}
			list = append(list, part...)
			last := part[len(part)-1]
			after = store.UsageKey{Day: last.Day, Account: last.Account}
		}
	}
	all := read(time.Time{}, time.Time{}, 0)
	if len(all) != 1300 {
		t.Fatalf("UsageAll() in pages gave %d rows; want 1300", len(all))
	}
	for i, d := range all {
		if want := days[2*i%1300+i/650]; d.Account != want.Account || !d.Day.Equal(want.Day) || d.Requests != want.Requests {
			t.Fatalf("UsageAll()[%d] = %+v; want %+v", i, d, want)
		}
	}
	same(t, "UsageAll(in small pages)", read(time.Time{}, time.Time{}, 333), all)
	same(t, "UsageAll(second day)", read(midnight(1), midnight(2), 0), all[650:])
	same(t, "UsageAll(first day)", read(midnight(0), midnight(1), 0), all[:650])
}

// pruneReview deletes what hangs on the new kinds of case, and old usage.
func pruneReview(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	old := newWish(t, s)
	decide(t, s, old.ID, granting("eve", day(2), day(5)))
	revoked, _ := ask(t, s, wish(bartizan.SourceCustomer, "", bound("values", 7)), "ann", day(2))
	decide(t, s, revoked.ID, granting("eve", day(3), day(6)))
	must(t, "RevokeGrant()", s.RevokeGrant(ctx, grantsOf(t, s)[1].ID, "eve", "", day(4)))
	running, _ := ask(t, s, wish(bartizan.SourceCustomer, "", bound("cost", 7)), "ann", day(3))
	decide(t, s, running.ID, granting("eve", day(4), day(50)))
	boxed, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
	decide(t, s, boxed.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), day(5)))

	// An end that was not carried out yet must not be forgotten.
	n, err := s.Prune(ctx, day(10))
	must(t, "Prune()", err)
	for _, id := range []string{old.ID, running.ID, boxed.ID} {
		if _, err := s.Case(ctx, id); err != nil {
			t.Errorf("Case(%s) after an early Prune: %v", id, err)
		}
	}
	// The revoked one, with a grant and three events, and a level that was replaced.
	if want := int64(1 + 1 + 3 + 1); n != want {
		t.Errorf("Prune() before Expire deleted %d rows; want %d", n, want)
	}
	same(t, "Expire()", len(expire(t, s, day(6))), 2)
	n, err = s.Prune(ctx, day(10))
	must(t, "Prune()", err)
	// Two cases, three events of each, a grant, a finding, a level that was replaced.
	if want := int64(2 + 6 + 1 + 1 + 1); n != want {
		t.Errorf("Prune() deleted %d rows; want %d", n, want)
	}
	if list := grantsOf(t, s); len(list) != 1 || list[0].Case != running.ID {
		t.Errorf("Grants() after Prune = %v; want the running one", list)
	}
	if c, err := s.Case(ctx, running.ID); err != nil || len(c.Events) != 2 {
		t.Errorf("Case(running) = %d events, %v; want 2", len(c.Events), err)
	}

	must(t, "SaveUsage()", s.SaveUsage(ctx, []bartizan.UsageDay{used("ann", 0, 1), used("ann", 1, 1), used("gone", 0, 1)}))
	n, err = s.PruneUsage(ctx, midnight(1).Add(store.UsageKept))
	must(t, "PruneUsage()", err)
	left, err := s.UsageAll(ctx, time.Time{}, time.Time{}, store.UsageKey{}, 0)
	must(t, "UsageAll()", err)
	if n != 2 || len(left) != 1 || !left[0].Day.Equal(midnight(1)) {
		t.Errorf("PruneUsage() deleted %d and left %v; want 2, and the day that is not too old", n, left)
	}
	must(t, "SaveUsageParts()", s.SaveUsageParts(ctx, []store.UsagePart{
		part("ann", store.PartKey, "k1", 0, 1), part("ann", store.PartModel, "k1", 1, 1),
	}))
	n, err = s.PruneUsage(ctx, midnight(1).Add(store.PartsKept))
	must(t, "PruneUsage()", err)
	if parts := partsOf(t, s); n != 1 || len(parts) != 1 || parts[0].Kind != store.PartModel {
		t.Errorf("PruneUsage() deleted %d parts and left %v; want 1, and the one that is not too old", n, parts)
	}
	must(t, "SaveSightings()", s.SaveSightings(ctx, []store.Sighting{seen("ann", 0, 1), seen("ann", 1, 1)}))
	n, err = s.PruneUsage(ctx, midnight(1).Add(store.NetworksKept))
	must(t, "PruneUsage()", err)
	same(t, "the networks that PruneUsage() deleted", n, int64(1))
}
