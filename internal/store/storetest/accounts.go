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

func accounts(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	want := newAccount(t, s, "ann@example.org")
	got, err := s.Account(ctx, want.ID)
	must(t, "Account()", err)
	same(t, "Account()", got, want)

	must(t, "SetTier()", s.SetTier(ctx, want.ID, bartizan.TierPartner))
	want.Tier = bartizan.TierPartner
	got, err = s.Account(ctx, want.ID)
	must(t, "Account()", err)
	same(t, "Account() after SetTier", got, want)

	check := unchanged(t, s)
	refused := map[string]struct {
		err  error
		want error
		says string
	}{
		"name taken":   {err: s.CreateAccount(ctx, want), want: bartizan.ErrExists, says: want.ID},
		"bad name":     {err: s.CreateAccount(ctx, bartizan.Account{ID: "a b", Tier: "public"}), says: "letters"},
		"no tier":      {err: s.CreateAccount(ctx, bartizan.Account{ID: "bob"}), says: "tier"},
		"tier of none": {err: s.SetTier(ctx, "nobody", bartizan.TierPublic), want: bartizan.ErrUnknownAccount, says: "nobody"},
		"empty tier":   {err: s.SetTier(ctx, want.ID, ""), says: "tier"},
	}
	for name, r := range refused {
		if r.err == nil || r.want != nil && !errors.Is(r.err, r.want) || !strings.Contains(r.err.Error(), r.says) {
			t.Errorf("%s: error %v; want %v, saying %q", name, r.err, r.want, r.says)
		}
	}
	check()
	if _, err := s.Account(ctx, "nobody"); !errors.Is(err, bartizan.ErrUnknownAccount) {
		t.Errorf("Account(nobody) = %v; want ErrUnknownAccount", err)
	}
}

func accountsInPages(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	var want []string
	for i := range 25 {
		id := fmt.Sprintf("account-%02d", i)
		newAccount(t, s, id)
		want = append(want, id)
	}
	var got []string
	for after := ""; ; {
		list, err := s.Accounts(ctx, after, 10)
		must(t, "Accounts()", err)
		if len(list) == 0 {
			break
		}
		if len(list) > 10 {
			t.Fatalf("Accounts(limit 10) returned %d", len(list))
		}
		for _, a := range list {
			got = append(got, a.ID)
		}
		after = list[len(list)-1].ID
	}
	same(t, "Accounts() in pages", got, want)
}

func keys(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	newAccount(t, s, "bob")
	one, two := newKey(t, s, "one", "ann"), newKey(t, s, "two", "ann")
	other := newKey(t, s, "three", "bob")

	must(t, "RevokeKey()", s.RevokeKey(ctx, "one", day(5)))
	must(t, "RevokeKey() earlier", s.RevokeKey(ctx, "one", day(3)))
	must(t, "RevokeKey() later", s.RevokeKey(ctx, "one", day(9))) // Must not give the key more time.
	one.RevokedAt = day(3)
	list, err := s.Keys(ctx, "ann")
	must(t, "Keys()", err)
	same(t, "Keys(ann)", list, []bartizan.Key{one, two})
	got, err := s.Key(ctx, "three")
	must(t, "Key()", err)
	same(t, "Key(three)", got, other)

	check := unchanged(t, s)
	for name, r := range map[string]struct{ err, want error }{
		"id taken":          {s.CreateKey(ctx, two, mac("x")), bartizan.ErrExists},
		"account of none":   {s.CreateKey(ctx, bartizan.Key{ID: "k", Account: "nobody"}, mac("k")), bartizan.ErrUnknownAccount},
		"short hash":        {s.CreateKey(ctx, bartizan.Key{ID: "k", Account: "ann"}, []byte("short")), nil},
		"no id":             {s.CreateKey(ctx, bartizan.Key{Account: "ann"}, mac("k")), nil},
		"revoke unknown":    {s.RevokeKey(ctx, "none", day(1)), bartizan.ErrUnknownKey},
		"revoke at no time": {s.RevokeKey(ctx, "two", time.Time{}), nil},
	} {
		if r.err == nil || r.want != nil && !errors.Is(r.err, r.want) {
			t.Errorf("%s: error %v; want %v", name, r.err, r.want)
		}
	}
	check()
}

func keysRotate(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	newAccount(t, s, "bob")
	old := newKey(t, s, "old", "ann")
	before := revisionOf(t, s)
	fresh := bartizan.Key{ID: "fresh", Account: "ann", CreatedAt: day(1)}
	must(t, "RotateKey()", s.RotateKey(ctx, "old", day(2), fresh, mac("fresh")))
	old.RevokedAt = day(2)
	list, err := s.Keys(ctx, "ann")
	must(t, "Keys()", err)
	same(t, "Keys() after RotateKey", list, []bartizan.Key{old, fresh})
	if after := revisionOf(t, s); after <= before {
		t.Errorf("Revision() = %d after RotateKey; want more than %d", after, before)
	}

	check := unchanged(t, s)
	next := bartizan.Key{ID: "next", Account: "ann", CreatedAt: day(4)}
	foreign := bartizan.Key{ID: "next", Account: "bob", CreatedAt: day(1)}
	taken := bartizan.Key{ID: "old", Account: "ann", CreatedAt: day(1)}
	for name, err := range map[string]error{
		"unknown":         s.RotateKey(ctx, "none", day(5), next, mac("next")),
		"revoked":         s.RotateKey(ctx, "old", day(5), next, mac("next")),
		"another account": s.RotateKey(ctx, "fresh", day(5), foreign, mac("next")),
		"id taken":        s.RotateKey(ctx, "fresh", day(5), taken, mac("next")),
	} {
		if err == nil {
			t.Errorf("RotateKey(%s) = nil; want an error", name)
		}
	}
	check() // In particular, the old key of a failed rotation still works.
}

// keysPasted gives whole keys where ids belong: they must not come back in an error.
func keysPasted(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	_, key := store.NewKeySecret(strings.NewReader(strings.Repeat("canary", 10)))
	secret := key[len(key)-43:]
	_, readErr := s.Key(ctx, key)
	for name, err := range map[string]error{
		"RevokeKey": s.RevokeKey(ctx, key, day(1)),
		"RotateKey": s.RotateKey(ctx, key, day(1), bartizan.Key{ID: "x", Account: "ann"}, mac("x")),
		"Key":       readErr,
		"CreateKey": s.CreateKey(ctx, bartizan.Key{ID: key, Account: "nobody"}, mac(key)),
	} {
		if err == nil {
			t.Errorf("%s(a whole key) = nil; want an error", name)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("%s: the error carries the key", name)
		}
	}
}

func levels(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	begin := levelOf(t, s)
	if begin.Level != bartizan.LevelNormal {
		t.Errorf("Level() of a new account = %v; want normal", begin.Level)
	}
	version, changed, err := s.SetLevel(ctx, "ann", bartizan.LevelRestricted, "seen", day(1))
	must(t, "SetLevel()", err)
	if !changed || version != begin.Version+1 {
		t.Errorf("SetLevel() = version %d, changed %t; want %d, true", version, changed, begin.Version+1)
	}
	before := revisionOf(t, s)
	again, changed, err := s.SetLevel(ctx, "ann", bartizan.LevelRestricted, "seen again", day(2))
	must(t, "SetLevel() again", err)
	if changed || again != version || revisionOf(t, s) != before {
		t.Errorf("SetLevel() again = version %d, changed %t; want %d, false and the same revision", again, changed, version)
	}
	_, _, err = s.SetLevel(ctx, "ann", bartizan.LevelNormal, "forgiven", day(3))
	must(t, "SetLevel() down", err)

	up := store.LevelStanding{Level: bartizan.LevelRestricted, Version: version, Reason: "seen", By: store.SetByPerson, At: day(1)}
	down := store.LevelStanding{Level: bartizan.LevelNormal, Version: version + 1, Reason: "forgiven", By: store.SetByPerson, At: day(3)}
	same(t, "Level()", levelOf(t, s), down)
	history, err := s.LevelHistory(ctx, "ann", 0, 10)
	must(t, "LevelHistory()", err)
	same(t, "LevelHistory()", history, []store.LevelStanding{down, up})
	history, err = s.LevelHistory(ctx, "ann", down.Version, 10)
	must(t, "LevelHistory()", err)
	same(t, "LevelHistory() behind the newest", history, []store.LevelStanding{up})
	if a, err := s.Account(ctx, "ann"); err != nil || a.Level != bartizan.LevelNormal {
		t.Errorf("Account() = level %v, %v; want normal", a.Level, err)
	}

	check := unchanged(t, s)
	if _, _, err := s.SetLevel(ctx, "nobody", bartizan.LevelWatch, "why", day(4)); !errors.Is(err, bartizan.ErrUnknownAccount) {
		t.Errorf("SetLevel(nobody) = %v; want ErrUnknownAccount", err)
	}
	if _, _, err := s.SetLevel(ctx, "ann", bartizan.Level(9), "why", day(4)); err == nil {
		t.Error("SetLevel(9) = nil; want an error")
	}
	check()
	if _, err := s.Level(ctx, "nobody"); !errors.Is(err, bartizan.ErrUnknownAccount) {
		t.Errorf("Level(nobody) = %v; want ErrUnknownAccount", err)
	}
}
