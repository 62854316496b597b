package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

func part(account string, kind store.PartKind, name string, on int, requests int64) store.UsagePart {
	return store.UsagePart{
		PartID: store.PartID{Day: midnight(on), Account: account, Kind: kind, Name: name}, Spent: store.Spent{Requests: requests},
	}
}

func partsOf(t *testing.T, s *store.Store) []store.UsagePart {
	t.Helper()
	list, err := s.UsageParts(t.Context(), time.Time{}, time.Time{}, store.PartID{}, 0)
	must(t, "UsageParts()", err)
	return list
}

func usageParts(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	full := part("nobody-knows", store.PartKey, "k1", 1, 1)
	full.Spent = store.Spent{Requests: 1, InputTokens: 2, OutputTokens: 3, CostMicroUSD: 1 << 40, Values: 5, Prompts: 6}
	full.Hour, full.InHour = day(1).Truncate(time.Hour), store.Spent{Requests: 6, InputTokens: 5, OutputTokens: 4, CostMicroUSD: 3, Values: 2, Prompts: 1}
	model := part("nobody-knows", store.PartModel, "big-*", 1, 7)
	must(t, "SaveUsageParts()", s.SaveUsageParts(ctx, []store.UsagePart{model, full, part("ann", store.PartKey, "k2", 2, 5)}))
	same(t, "UsageParts()", partsOf(t, s), []store.UsagePart{full, model, part("ann", store.PartKey, "k2", 2, 5)})

	// A row takes the place of the one before, whole; key and model of one name are two.
	must(t, "SaveUsageParts()", s.SaveUsageParts(ctx, []store.UsagePart{
		part("nobody-knows", store.PartKey, "k1", 1, 9), part("nobody-knows", store.PartModel, "k1", 1, 3),
	}))
	got, err := s.UsageParts(ctx, midnight(1), midnight(2), store.PartID{}, 0)
	must(t, "UsageParts()", err)
	same(t, "UsageParts(one day)", got, []store.UsagePart{
		part("nobody-knows", store.PartKey, "k1", 1, 9), model, part("nobody-knows", store.PartModel, "k1", 1, 3),
	})

	check := unchanged(t, s)
	for name, p := range map[string]store.UsagePart{
		"no account":   part("", store.PartKey, "k1", 1, 1),
		"no name":      part("ann", store.PartKey, "", 1, 1),
		"no kind":      part("ann", "", "k1", 1, 1),
		"other kind":   part("ann", "route", "k1", 1, 1),
		"not midnight": {PartID: store.PartID{Day: day(1), Account: "ann", Kind: store.PartKey, Name: "k1"}},
	} {
		if err := s.SaveUsageParts(ctx, []store.UsagePart{part("ann", store.PartKey, "k9", 1, 9), p}); err == nil {
			t.Errorf("SaveUsageParts(%s) = nil; want an error", name)
		}
	}
	check()
}

// usagePartsInPages saves more than a transaction takes and reads it in pages.
func usagePartsInPages(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	var want []store.UsagePart
	for i := range 1200 {
		kind := []store.PartKind{store.PartKey, store.PartModel}[i%600/300]
		want = append(want, part(fmt.Sprintf("a%d", i%600/100), kind, fmt.Sprintf("n%03d", i%100), i/600, int64(i)))
	}
	must(t, "SaveUsageParts()", s.SaveUsageParts(ctx, want))
	var got []store.UsagePart
	for after := (store.PartID{}); ; {
		list, err := s.UsageParts(ctx, midnight(0), midnight(2), after, 350)
		must(t, "UsageParts()", err)
		if len(list) == 0 {
			break
		}
		got = append(got, list...)
		after = list[len(list)-1].PartID
	}
	same(t, "UsageParts() in pages", got, want)
}

// seen is a sighting in the network of a number.
func seen(account string, on int, network byte) store.Sighting {
	return store.Sighting{Account: account, Day: midnight(on), Network: [16]byte{network}}
}

func linksOf(t *testing.T, s *store.Store, since time.Time) []store.Link {
	t.Helper()
	list, total, err := s.Links(t.Context(), "ann", since, 0)
	must(t, "Links()", err)
	same(t, "the total of Links()", total, len(list))
	return list
}

func networks(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	for id, organisation := range map[string]string{"ann": "org", "bob": "org", "cat": "", "dan": "other", "far": ""} {
		must(t, "CreateAccount()", s.CreateAccount(ctx, bartizan.Account{ID: id, Organisation: organisation, Tier: bartizan.TierPublic}))
	}
	must(t, "SaveSightings()", s.SaveSightings(ctx, []store.Sighting{
		seen("ann", 5, 1), seen("ann", 5, 1), seen("ann", 6, 2), seen("nobody-knows", 5, 1),
		seen("cat", 5, 1), seen("cat", 7, 1), seen("cat", 7, 2), seen("cat", 8, 3), seen("dan", 6, 1), seen("far", 5, 4),
	}))
	_, _, err := s.SetLevel(ctx, "dan", bartizan.LevelSuspended, "why", day(1))
	must(t, "SetLevel()", err)
	// Network 1 is shared by cat, dan and one that is no account any more; network 2 by cat alone.
	want := []store.Link{
		{Account: "cat", Days: 2, Others: 1},
		{Account: "dan", Level: bartizan.LevelSuspended, Days: 1, Others: 3},
		{Account: "bob", Organisation: true},
	}
	same(t, "Links()", linksOf(t, s, midnight(0)), want)
	same(t, "Links(later)", linksOf(t, s, midnight(6)), []store.Link{{Account: "cat", Days: 1, Others: 1}, {Account: "bob", Organisation: true}})
	list, total, err := s.Links(ctx, "ann", midnight(0), 1)
	must(t, "Links()", err)
	if len(list) != 1 || list[0] != want[0] || total != 3 {
		t.Errorf("Links(1) = %v of %d; want the first of 3", list, total)
	}
	list, total, err = s.Links(ctx, "far", midnight(0), 0)
	must(t, "Links()", err)
	if len(list) != 0 || total != 0 {
		t.Errorf("Links(far) = %v of %d; want none: no organisation is not one", list, total)
	}

	check := unchanged(t, s)
	for name, x := range map[string]store.Sighting{
		"no account": seen("", 1, 1), "not midnight": {Account: "ann", Day: day(1)},
	} {
		if err := s.SaveSightings(ctx, []store.Sighting{seen("ann", 8, 4), x}); err == nil {
			t.Errorf("SaveSightings(%s) = nil; want an error", name)
		}
	}
	check()
}

// networksCrowded fills a network with accounts, and a day with networks.
func networksCrowded(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	must(t, "CreateAccount()", s.CreateAccount(ctx, bartizan.Account{ID: "ann", Tier: bartizan.TierPublic}))
	crowd := []store.Sighting{seen("ann", 1, 1)}
	for i := range store.CrowdedNetwork - 1 {
		id := fmt.Sprintf("c%02d", i)
		must(t, "CreateAccount()", s.CreateAccount(ctx, bartizan.Account{ID: id, Tier: bartizan.TierPublic}))
		crowd = append(crowd, seen(id, 2, 1))
	}
	must(t, "SaveSightings()", s.SaveSightings(ctx, crowd))
	if list := linksOf(t, s, midnight(0)); len(list) != store.CrowdedNetwork-1 || list[0].Others != store.CrowdedNetwork-1 {
		t.Errorf("Links() in a network of %d = %d accounts; want all others", store.CrowdedNetwork, len(list))
	}
	must(t, "SaveSightings()", s.SaveSightings(ctx, []store.Sighting{seen("one-more", 3, 1)}))
	same(t, "Links() in a crowded network", linksOf(t, s, midnight(0)), []store.Link(nil))
	same(t, "Links() when most have gone", linksOf(t, s, midnight(3)), []store.Link(nil))

	// The ninth network of a day is not kept, however it comes.
	var many []store.Sighting
	for i := range store.NetworksPerDay {
		many = append(many, seen("ann", 9, byte(100+i)))
	}
	must(t, "SaveSightings()", s.SaveSightings(ctx, many))
	must(t, "SaveSightings()", s.SaveSightings(ctx, append(many, seen("ann", 9, 50), seen("c00", 9, 50), seen("c01", 9, 100))))
	list := linksOf(t, s, midnight(9))
	same(t, "Links() by the first networks of a day", list, []store.Link{{Account: "c01", Days: 1, Others: 1}})
}

func accepted(document, version string, at time.Time) bartizan.Acceptance {
	return bartizan.Acceptance{
		Account: "ann", Document: document, Version: version, AcceptedAt: at, RecordedAt: day(20), By: "eve", Method: bartizan.AcceptanceImport,
	}
}

func acceptances(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	newAccount(t, s, "bob")
	list := []bartizan.Acceptance{
		accepted("terms", "1", day(1)), accepted("privacy \"é\"", "2026-05", day(2)), accepted("terms", "2", day(3)), accepted("terms", "1", day(4)),
	}
	for _, i := range []int{2, 0, 3, 1} {
		added, err := s.Accept(ctx, list[i])
		must(t, "Accept()", err)
		same(t, "Accept() added it", added, true)
	}
	// An import may be repeated, by somebody else too; the first record stays.
	again := list[2]
	again.RecordedAt, again.By = day(21), "bob"
	added, err := s.Accept(ctx, again)
	must(t, "Accept(again)", err)
	same(t, "Accept(again) added it", added, false)
	got, err := s.Acceptances(ctx, "ann")
	must(t, "Acceptances()", err)
	same(t, "Acceptances()", got, list)
	got, err = s.Acceptances(ctx, "bob")
	must(t, "Acceptances()", err)
	same(t, "Acceptances(bob)", got, []bartizan.Acceptance(nil))
	if _, err := s.Prune(ctx, day(400)); err != nil {
		t.Fatal(err)
	}
	got, err = s.Acceptances(ctx, "ann")
	must(t, "Acceptances()", err)
	same(t, "Acceptances() after Prune()", got, list)
}

func acceptancesRefused(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	check := unchanged(t, s)
	change := func(fn func(a *bartizan.Acceptance)) bartizan.Acceptance {
		a := accepted("terms", "1", day(1))
		fn(&a)
		return a
	}
	for name, test := range map[string]struct {
		a    bartizan.Acceptance
		says string
	}{
		"no document":   {change(func(a *bartizan.Acceptance) { a.Document = "" }), "document"},
		"no version":    {change(func(a *bartizan.Acceptance) { a.Version = "" }), "version"},
		"long version":  {change(func(a *bartizan.Acceptance) { a.Version = strings.Repeat("v", 201) }), "200 bytes"},
		"control bytes": {change(func(a *bartizan.Acceptance) { a.Document = "terms\x1b[2J" }), "printable"},
		"no time":       {change(func(a *bartizan.Acceptance) { a.AcceptedAt = time.Time{} }), "when"},
		"the future":    {change(func(a *bartizan.Acceptance) { a.AcceptedAt = day(21) }), "future"},
		"by nobody":     {change(func(a *bartizan.Acceptance) { a.By = "" }), "who"},
		"other method":  {change(func(a *bartizan.Acceptance) { a.Method = "guess" }), "import"},
	} {
		if _, err := s.Accept(ctx, test.a); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("Accept(%s) = %v; want an error saying %q", name, err, test.says)
		}
	}
	nobody := change(func(a *bartizan.Acceptance) { a.Account = "nobody" })
	if _, err := s.Accept(ctx, nobody); !errors.Is(err, bartizan.ErrUnknownAccount) {
		t.Errorf("Accept(nobody) = %v; want ErrUnknownAccount", err)
	}
	check()
}
