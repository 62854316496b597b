package cost_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "bartizan/internal/cost"
)

func TestLimitString(t *testing.T) {
	t.Parallel()
	got := []string{
		per(Requests, Minute, 20).String(), per(Dollars, Month, 12_500_000).String(), per(Streams, AtOnce, 5).String(),
		Limit{Unit: Tokens, Span: Day, Scope: PerOrganisation, Amount: 1_234_567}.String(), per(Values, Day, 0).String(),
		Unit(99).String(), Span(99).String(), Scope(99).String(),
	}
	want := []string{
		"20 requests per minute and account", "$12.50 spent per month and account", "5 streams at once per account",
		"1 234 567 tokens per day and organisation", "unlimited values (day)",
		"unit(99)", "span(99)", "scope(99)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestLimitJSON(t *testing.T) {
	t.Parallel()
	for u := range Streams + 1 {
		want := Limit{Unit: u, Span: Span(u % 5), Scope: Scope(u % 3), Amount: 5, Burst: int64(u)}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Limit
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", text, got, err, want)
		}
	}
	var l Limit
	for _, text := range []string{`{"unit":"apples"}`, `{"span":"week"}`, `{"scope":"planet"}`} {
		if err := json.Unmarshal([]byte(text), &l); err == nil {
			t.Errorf("Unmarshal(%s) = nil error", text)
		}
	}
	for _, bad := range []Limit{{Unit: 99}, {Span: 99}, {Scope: 99}} {
		if _, err := json.Marshal(bad); err == nil {
			t.Errorf("Marshal(%v) = nil error", bad)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Tier{Limits: []Limit{
		{Unit: Requests, Span: Minute, Amount: 5, Burst: 9}, per(Streams, AtOnce, 2), per(Values, Day, 0),
	}}
	if _, err := NewTable([]Tier{good}, Attacker{}, Grid{}); err != nil {
		t.Errorf("NewTable of good input = %v", err)
	}
	bad := Tier{
		Name: "bad", MaxOutput: -1, Price: Price{Input: -2},
		Limits: []Limit{
			per(Tokens, Day, -1), per(Streams, Minute, 5), per(Tokens, AtOnce, 5),
			{Unit: 99},
			{Unit: Requests, Span: Day, Amount: 5, Burst: 5},
			{Unit: Requests, Span: Minute, Burst: -5},
		},
	}
	grid := Grid{Accounts: []int64{0}, Answers: []int64{-1}, Targets: []Target{{Name: "t", Values: -1}}}
	_, err := NewTable([]Tier{bad, bad}, Attacker{PromptTokens: -7}, grid)
	if err == nil {
		t.Fatal("NewTable of bad input = nil error")
	}
	for _, want := range []string{
		"tier bad: given twice", "max output is -1", "input price is -2", "prompt tokens is -7",
		"limit on tokens per day and account: amount -1 is negative",
		"limit on streams per minute and account: requests in flight and streams are counted at once",
		"limit on tokens per at once and account: requests in flight",
		"limit on unit(99) per minute and account: no such limit",
		"limit on requests per day and account: only a limit per minute has a burst",
		"limit on requests per minute and account: burst -5 is negative",
		"grid: accounts is 0", "grid: answers is -1", "grid: values of t is -1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("NewTable = %v; want it to say %q", err, want)
		}
	}
}
