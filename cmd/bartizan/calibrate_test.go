package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/lab/traffic"
	"bartizan/internal/scan"
	"bartizan/internal/store"
)

// customerLog writes what customers of the lab ask, at the pace of people.
func customerLog(t *testing.T, customers, asks int) string {
	t.Helper()
	var log bytes.Buffer
	out := json.NewEncoder(&log)
	for account := range customers {
		source, r := traffic.NewCustomer(account), rand.New(rand.NewPCG(9, uint64(account)))
		at := time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
		for i := range asks {
			wait, ask, _ := source.Next(r)
			source.Heard("an answer")
			at = at.Add(wait)
			prompt, turns := "", 0
			for _, m := range ask.Messages {
				if m.Role == "user" {
					prompt, turns = m.Content, turns+1
				}
			}
			x := bartizan.Exchange{
				Schema: bartizan.ExchangeSchema, ID: fmt.Sprintf("%03d-%04d", account, i), At: at, EndAt: at.Add(time.Second),
				Account: fmt.Sprintf("customer-%03d", account), Route: "openai.chat", Status: 200, Outcome: bartizan.OutcomeAnswered,
				Usage: bartizan.Usage{InputTokens: 20, OutputTokens: 100},
				Text:  &bartizan.Text{Prompt: prompt, Turns: turns},
			}
			if err := out.Encode(x); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "customers.jsonl")
	if err := os.WriteFile(path, log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A calibration from logs is named in the configuration and then in what a scan finds.
func TestCalibrateFromLogs(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	log := customerLog(t, 48, 60)
	out := filepath.Join(data, "calibration.json")
	made := result[struct {
		Hash   string `json:"hash"`
		Held   int    `json:"held_back"`
		Strata []struct {
			Name     string `json:"name"`
			Accounts int    `json:"accounts"`
		} `json:"strata"`
	}](t, data, "calibrate", "helpdesk="+log, "--out", out)
	if len(made.Strata) == 0 || made.Strata[0].Name != "helpdesk" || made.Strata[0].Accounts != 24 || made.Held != 12 {
		t.Errorf("calibration %+v; want half of 48 accounts in helpdesk and a quarter held back", made)
	}
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, data, "calibrate", "helpdesk="+log, "--out", out); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if again, err := os.ReadFile(out); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same log makes another calibration (%v)", err)
	}

	shipped := result[scan.Report](t, data, "scan", log)
	writeConfig(t, data, "detect: {calibration: "+out+"}\n")
	own := result[scan.Report](t, data, "scan", log)
	if own.Calibration == shipped.Calibration || len(own.Findings) > 0 || own.Drift.Accounts == 0 || own.Drift.Drifted() {
		t.Errorf("scan under the calibration: hash %s (shipped %s), %d findings, drift %+v; want another hash, no finding and no drift",
			own.Calibration, shipped.Calibration, len(own.Findings), own.Drift)
	}
	for name, c := range map[string]struct{ text, want string }{
		"missing": {"detect: {calibration: " + out + ".gone}\n", "read calibration"},
		"damaged": {"detect: {calibration: " + log + "}\n", "not a calibration"},
	} {
		other := t.TempDir()
		writeConfig(t, other, c.text)
		if code, _, errs := command(t, other, "scan", log); code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%s calibration: exit code %d, %s; want %d and %q", name, code, errs, exitUsage, c.want)
		}
	}
	if code, _, errs := command(t, data, "calibrate", customerLog(t, 3, 5), "--out", out+".2"); code != exitUsage || !strings.Contains(errs, "want at least") {
		t.Errorf("three accounts: exit code %d, %s; want a refusal", code, errs)
	}
}

// From a ledger come the accounts that nothing stands against, and what was cleared.
func TestCalibrateFromLedger(t *testing.T) {
	t.Parallel()
	i := install(t, 5000)
	const accounts, asks = 4, 3
	for n := range accounts {
		sender := i.account(t, fmt.Sprintf("customer-%d", n), bartizan.TierPartner, http.DefaultClient)
		r := rand.New(rand.NewPCG(6, uint64(n)))
		if err := sender.Run(t.Context(), &budget{traffic.NewCustomer(n), asks}, r); err != nil {
			t.Fatal(err)
		}
	}
	within(t, 20*time.Second, "all are judged", func() bool { return i.node.settler.Settled() == accounts*asks })
	at := i.clock.Now()
	id := func(account string) string {
		c, _, err := i.node.store.RecordFinding(t.Context(), bartizan.Finding{
			Schema: bartizan.FindingSchema, ID: "f-" + account, Account: account, Verdict: bartizan.VerdictWatch, At: at,
		}, bartizan.LevelNormal)
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	id("customer-0") // stays open
	decision := store.Decision{Ruling: bartizan.RulingClear, By: "kim", Why: "an encyclopaedia", At: at.Add(time.Hour)}
	if _, err := i.node.store.Decide(t.Context(), id("customer-1"), decision); err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.node.store.SetLevel(t.Context(), "customer-2", bartizan.LevelRestricted, "by hand", at); err != nil {
		t.Fatal(err)
	}
	i.stop()
	got := reviewed{}
	if err := i.app.readLedger(got); err != nil {
		t.Fatal(err)
	}
	want := map[customer]int{{clearedStratum, "customer-1"}: asks, {string(bartizan.TierPartner), "customer-3"}: asks}
	if len(got) != len(want) {
		t.Errorf("%v are members; want the account that nothing stands against and the one that was cleared", got.sorted())
	}
	for who, n := range want {
		if len(got[who].inOrder()) != n {
			t.Errorf("%v has %d exchanges; want %d", who, len(got[who]), n)
		}
	}
}
