package store_test

import (
	"database/sql"
	"io/fs"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bartizan"
	"bartizan/internal/store"
)

// at is a time in the databases of these tests.
func at(day int) time.Time { return time.Date(2026, 3, day, 10, 0, 0, 0, time.UTC) }

// firstSchema makes a database with schema 1 and data, as a program of that time left it.
func firstSchema(t *testing.T, path string) {
	t.Helper()
	text, err := fs.ReadFile(store.Embedded(), "00001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), path, store.WithMigrations(fstest.MapFS{"00001_first.sql": &fstest.MapFile{Data: text}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, row := range []struct {
		into   string
		values [][]any
	}{
		{`accounts VALUES ($1, 'org', 'public', $2, $3, $4, 1, 1)`, [][]any{
			{"soft", 2, 3, "finding f2: alarm"},
			{"ruled", 2, 2, "case c-ruled: restrict by eve"},
			{"confirmed", 2, 2, "finding f4: alarm"},
			{"set", 1, 2, "finding of mine"},
			{"fresh", 0, 1, ""},
		}},
		{`cases VALUES ($1, 'suspicion', $2, $3, 'alarm', $4, '', $5, $6, $7, $8)`, [][]any{
			{"c-soft", "soft", "open", at(1).UnixMicro(), "", "", 0, 0},
			{"c-ruled", "ruled", "closed", at(1).UnixMicro(), "restrict", "eve", at(2).UnixMicro(), at(9).UnixMicro()},
			{"c-confirmed", "confirmed", "closed", at(1).UnixMicro(), "restrict", "bob", at(3).UnixMicro(), 0},
		}},
		{`findings VALUES ($1, $2, $3, '{}')`, [][]any{
			{"f1", "c-soft", at(1).UnixMicro()},
			{"f2", "c-soft", at(2).UnixMicro()},
			{"f3", "c-ruled", at(1).UnixMicro()},
			{"f4", "c-confirmed", at(1).UnixMicro()},
		}},
		{`case_notes VALUES ($1, $2, $3, $4, $5)`, [][]any{
			{"c-ruled", 1, at(1).UnixMicro(), "eve", "looking"}, {"c-ruled", 2, at(2).UnixMicro(), "eve", "a list of instructions"},
		}},
		{`level_changes VALUES ($1, $2, $3, $4, $5)`, [][]any{
			{"soft", 2, 1, "finding f1: watch", at(1).UnixMicro()},
			{"soft", 3, 2, "finding f2: alarm", at(2).UnixMicro()},
			{"ruled", 2, 2, "case c-ruled: restrict by eve", at(2).UnixMicro()},
			{"confirmed", 2, 2, "finding f4: alarm", at(1).UnixMicro()},
			{"set", 2, 1, "finding of mine", at(1).UnixMicro()},
		}},
	} {
		for _, values := range row.values {
			if _, err := db.ExecContext(t.Context(), "INSERT INTO "+row.into, values...); err != nil {
				t.Fatalf("%s %v: %v", row.into, values, err)
			}
		}
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestMigrateReview(t *testing.T) {
	t.Parallel()
	path, ctx := newPath(t), t.Context()
	firstSchema(t, path)
	s := open(t, path)

	// What is known of the old cases is in their logs.
	for id, events := range map[string][]bartizan.CaseEvent{
		"c-soft": {{At: at(1), By: "bartizan", Act: bartizan.ActOpened}},
		"c-ruled": {{At: at(1), By: "bartizan", Act: bartizan.ActOpened}, {
			At: at(2), By: "eve", Act: bartizan.ActDecided, Why: "a list of instructions", Ruling: bartizan.RulingRestrict, Until: at(9),
		}},
		"c-confirmed": {
			{At: at(1), By: "bartizan", Act: bartizan.ActOpened},
			{At: at(3), By: "bob", Act: bartizan.ActDecided, Ruling: bartizan.RulingRestrict},
		},
	} {
		c, err := s.Case(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the log of "+id, c.Events, events)
		if c.Request != nil {
			t.Errorf("case %s has the request %v; want none", id, c.Request)
		}
	}

	// Only what a finding set, and nobody decided on, may go down by itself.
	history, err := s.LevelHistory(ctx, "soft", 0, 0)
	if err != nil || len(history) != 2 || history[0].By != store.SetByFinding || history[1].By != store.SetByFinding {
		t.Errorf("LevelHistory(soft) = %+v, %v; want two levels set by findings", history, err)
	}
	for _, id := range []string{"ruled", "confirmed", "set", "fresh"} {
		l, err := s.Level(ctx, id)
		if err != nil || l.By != store.SetByPerson {
			t.Errorf("Level(%s) = %+v, %v; want it set by a person", id, l, err)
		}
		history, err := s.LevelHistory(ctx, id, 0, 0)
		if err != nil || len(history) > 0 && history[0] != l {
			t.Errorf("LevelHistory(%s) = %+v, %v; want %+v first", id, history, err, l)
		}
	}
	steps, err := s.Decay(ctx, at(30), map[bartizan.Level]time.Duration{bartizan.LevelWatch: time.Hour, bartizan.LevelRestricted: time.Hour})
	if err != nil || len(steps) != 1 || steps[0].Account != "soft" || steps[0].Level != bartizan.LevelWatch {
		t.Errorf("Decay() = %+v, %v; want soft down to watch", steps, err)
	}

	// An old ruling that was to end ends.
	ended, err := s.Expire(ctx, at(10))
	if err != nil || len(ended) != 1 || ended[0].ID != "c-ruled" {
		t.Errorf("Expire() = %v, %v; want c-ruled", ended, err)
	}
	if l, err := s.Level(ctx, "ruled"); err != nil || l.Level != bartizan.LevelNormal {
		t.Errorf("Level(ruled) = %+v, %v; want normal", l, err)
	}
	// The open case takes new findings as before.
	c, opened, err := s.RecordFinding(ctx, bartizan.Finding{ID: "f9", Account: "soft", Verdict: bartizan.VerdictAlarm, At: at(20)}, bartizan.LevelRestricted)
	if err != nil || opened || c.ID != "c-soft" || len(c.Findings) != 3 {
		t.Errorf("RecordFinding() = case %s with %d findings, opened %t, %v; want c-soft with 3, false", c.ID, len(c.Findings), opened, err)
	}
}

// TestOnePending keeps a second case of a kind out, whoever writes.
func TestOnePending(t *testing.T) {
	t.Parallel()
	path, ctx := newPath(t), t.Context()
	s := open(t, path)
	if err := s.CreateAccount(ctx, bartizan.Account{ID: "ann", Tier: bartizan.TierPublic}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i, c := range []struct {
		kind, status string
		good         bool
	}{
		{"limit", "waiting", true},
		{"limit", "open", false},
		{"limit", "closed", true},
		{"suspicion", "open", true},
		{"suspicion", "waiting", false},
		{"appeal", "open", true},
		{"appeal", "open", false},
	} {
		_, err := db.ExecContext(ctx, `INSERT INTO cases (id, kind, account, status, verdict, opened_at, assignee, ruling,
			decided_by, decided_at, until_at) VALUES ($1, $2, 'ann', $3, '', 0, '', '', '', 0, 0)`, i, c.kind, c.status)
		if (err == nil) != c.good {
			t.Errorf("case %d, %s %s: error %v; want it taken: %t", i, c.kind, c.status, err, c.good)
		}
	}
}

// TestDirectoryGrants grants and revokes beside a directory that follows the store.
func TestDirectoryGrants(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, newPath(t)), t.Context()
	clock := newClock()
	now := clock.now()
	if err := s.CreateAccount(ctx, bartizan.Account{ID: "ann", Tier: bartizan.TierPublic}); err != nil {
		t.Fatal(err)
	}
	d := store.NewDirectory(s, secret, clock.now, store.DirectoryOptions{})
	grants := func() []bartizan.Grant {
		t.Helper()
		if err := d.Load(ctx); err != nil { // what a poll does
			t.Fatal(err)
		}
		a, ok := d.Account("ann")
		if !ok {
			t.Fatal("the directory does not know ann")
		}
		return a.Grants
	}
	grant := func(until time.Duration) {
		t.Helper()
		c, _, err := s.OpenLimitCase(ctx, "ann", bartizan.LimitRequest{
			Wanted: []bartizan.Bound{{Dimension: "requests", Window: "day", Amount: 9}}, Source: bartizan.SourceCustomer,
		}, "ann", now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Decide(ctx, c.ID, store.Decision{
			Ruling: bartizan.RulingGrant, By: "eve", At: clock.now(), Until: clock.now().Add(until),
		}); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "no grants", grants(), []bartizan.Grant(nil))
	grant(time.Hour)
	clock.forward(time.Minute)
	grant(3 * time.Hour)
	list, err := s.Grants(ctx, "ann")
	if err != nil || len(list) != 2 {
		t.Fatalf("Grants() = %v, %v; want two", list, err)
	}
	same(t, "grants after a poll", grants(), list)
	if held := grants(); !held[0].In(now.Add(59*time.Minute)) || held[0].In(now.Add(time.Hour)) {
		t.Errorf("the grant is %+v; want it to end by itself after an hour", held[0])
	}

	// What is over is not held, though nobody has carried out the end.
	clock.forward(2 * time.Hour)
	if err := s.SetTier(ctx, "ann", bartizan.TierTrusted); err != nil {
		t.Fatal(err)
	}
	same(t, "grants after the first ended", grants(), list[1:])
	if err := s.RevokeGrant(ctx, list[1].ID, "eve", "misused", clock.now()); err != nil {
		t.Fatal(err)
	}
	same(t, "grants after the second was revoked", grants(), []bartizan.Grant(nil))
}

// TestDirectoryPollsGrants sees a grant within one poll, and keeps it when a level comes
// by the fast way.
func TestDirectoryPollsGrants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		g := bartizan.Grant{ID: "g", Account: "ann", From: start, Until: start.Add(time.Hour)}
		over := bartizan.Grant{ID: "over", Account: "ann", From: start.Add(-time.Hour), Until: start}
		revoked := bartizan.Grant{ID: "revoked", Account: "ann", From: start, Until: start.Add(time.Hour), RevokedAt: start}
		ahead := bartizan.Grant{ID: "ahead", Account: "ann", From: start.Add(time.Hour), Until: start.Add(2 * time.Hour)}
		s := &shelf{revision: 1, accounts: []store.AccountChange{{Account: bartizan.Account{ID: "ann"}, LevelVersion: 1, Changed: 1}}}
		d := store.NewDirectory(s, secret, time.Now, store.DirectoryOptions{})
		go d.Run(t.Context())
		synctest.Wait()
		s.mu.Lock()
		s.revision = 2
		s.accounts[0].Account.Grants, s.accounts[0].Changed = []bartizan.Grant{over, g, revoked, ahead}, 2
		s.mu.Unlock()
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		d.SetLevel("ann", bartizan.LevelWatch, 2)
		a, _ := d.Account("ann")
		same(t, "the account after a poll", a, bartizan.Account{ID: "ann", Level: bartizan.LevelWatch, Grants: []bartizan.Grant{g, ahead}})
		same(t, "the grants of the source", s.accounts[0].Account.Grants, []bartizan.Grant{over, g, revoked, ahead})
	})
}
