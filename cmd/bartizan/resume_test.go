package main

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/modelserver"
	"bartizan/internal/store"
)

// another makes one more key of an account, and returns it with its id.
func another(t *testing.T, data, account string) (key, id string) {
	t.Helper()
	k := result[struct {
		Key string `json:"key"`
		ID  string `json:"id"`
	}](t, data, "keys", "create", "--account", account)
	return k.Key, k.ID
}

// answers asks so often, and checks the status of each answer.
func (p *program) answers(t *testing.T, key, model string, want ...int) {
	t.Helper()
	for i, status := range want {
		if got := p.ask(t, key, chat(t, "What is a level?", "model", model)); got.status != status {
			t.Errorf("request %d for %s got status %d; want %d: %s", i+1, model, got.status, status, got.body)
		}
	}
}

// notToday skips a test whose day has ended on the way: its limits began anew.
func notToday(t *testing.T, began time.Time) {
	t.Helper()
	if time.Now().UTC().YearDay() != began.YearDay() {
		t.Skip("midnight passed: the day's limit began anew")
	}
}

// What a key has spent of its day binds exactly after a kill, though nothing was stored
// but the records; other keys of the account have their own day.
func TestKeyLimitSurvivesAKill(t *testing.T) {
	t.Parallel()
	began, data, model := time.Now().UTC(), t.TempDir(), modelServer(t, modelserver.Options{})
	writeConfig(t, data, "tiers:\n  standard: {key: {limits: {requests: {per_day: 5}}}}\n")
	first := newKey(t, data, "acme", "standard")
	second, _ := another(t, data, "acme")
	p := serveProgram(t, data, model)
	p.answers(t, first, modelserver.DefaultName, 200, 200, 200)
	p.answers(t, second, modelserver.DefaultName, 200)
	within(t, acknowledged, "the records", func() bool { return p.overview(t).Records.Written >= 4 })
	p.kill()
	for range 2 { // and after a second kill, with nothing new
		p = serveProgram(t, data, model)
		p.kill()
	}
	p = serveProgram(t, data, model)
	p.answers(t, first, modelserver.DefaultName, 200, 200, http.StatusTooManyRequests)
	p.answers(t, second, modelserver.DefaultName, 200, 200, 200, 200, http.StatusTooManyRequests)
	p.stop(t)
	notToday(t, began)
}

// What was spent with the models of a pattern binds after a restart, and so does what a
// key spent earlier in the month, which only the stored usage tells.
func TestModelAndMonthSurviveARestart(t *testing.T) {
	t.Parallel()
	began, data, model := time.Now().UTC(), t.TempDir(), modelServer(t, modelserver.Options{})
	writeConfig(t, data, "tiers:\n  standard:\n    key: {limits: {requests: {per_month: 10}}}\n"+
		"    models: [{match: \"*-small\", limits: {requests: {per_hour: 4, per_day: 4}}}]\n")
	key := newKey(t, data, "acme", "standard")
	monthly, id := another(t, data, "acme")
	s, err := store.Open(t.Context(), filepath.Join(data, "bartizan.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	part := store.UsagePart{PartID: store.PartID{
		Day: time.Date(began.Year(), began.Month(), 1, 0, 0, 0, 0, time.UTC), Account: "acme", Kind: store.PartKey, Name: id,
	}, Spent: store.Spent{Requests: 9}}
	if err := errors.Join(s.SaveUsageParts(t.Context(), []store.UsagePart{part}), s.Close()); err != nil {
		t.Fatal(err)
	}
	p := serveProgram(t, data, model)
	p.answers(t, key, modelserver.DefaultName, 200, 200, 200)
	p.stop(t)
	p = serveProgram(t, data, model)
	p.answers(t, key, modelserver.DefaultName, 200, http.StatusTooManyRequests)
	p.answers(t, monthly, modelserver.DefaultName, http.StatusTooManyRequests) // the model's limit is the account's
	p.stop(t)
	writeConfig(t, data, "tiers:\n  standard:\n    key: {limits: {requests: {per_month: 10}}}\n")
	p = serveProgram(t, data, model)
	p.answers(t, monthly, modelserver.DefaultName, 200, http.StatusTooManyRequests)
	p.answers(t, key, modelserver.DefaultName, 200, 200)
	p.stop(t)
	notToday(t, began)
}

// A server deletes what is too old soon after its start, and keeps the rest; a round that
// is interrupted deletes nothing by halves and says so.
func TestPrune(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	newKey(t, data, "acme", "standard")
	s, err := store.Open(t.Context(), filepath.Join(data, "bartizan.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	var days []bartizan.UsageDay
	for _, ago := range []time.Duration{0, store.UsageKept - 48*time.Hour, store.UsageKept + 48*time.Hour} {
		days = append(days, bartizan.UsageDay{Account: "acme", Day: today.Add(-ago), Requests: 1})
	}
	if err := s.SaveUsage(t.Context(), days); err != nil {
		t.Fatal(err)
	}
	for id, ago := range map[string]time.Duration{"old": store.HistoryKept + 48*time.Hour, "young": store.HistoryKept - 48*time.Hour} {
		at := today.Add(-ago)
		c, _, err := s.RecordFinding(t.Context(), bartizan.Finding{ID: id, Account: "acme", Verdict: bartizan.VerdictWatch, At: at}, bartizan.LevelNormal)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Decide(t.Context(), c.ID, store.Decision{Ruling: bartizan.RulingWatch, By: "kim", Why: "x", At: at}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (cases, days int) {
		t.Helper()
		list, err := s.Cases(t.Context(), store.CaseFilter{})
		usage, err2 := s.Usage(t.Context(), "acme", time.Time{}, time.Time{})
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return len(list), len(usage)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if done, err := prune(canceled, s, time.Now()); done || !errors.Is(err, context.Canceled) {
		t.Errorf("prune(interrupted) = %t, %v; want false, canceled", done, err)
	}
	if cases, days := left(); cases != 2 || days != 3 {
		t.Errorf("an interrupted round left %d cases and %d days; want all, 2 and 3", cases, days)
	}
	p := serveProgram(t, data, modelServer(t, modelserver.Options{}))
	within(t, 3*houseEvery, "what is too old to be gone", func() bool {
		cases, days := left()
		return cases == 1 && days == 2
	})
	p.stop(t)
}
