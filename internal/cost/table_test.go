package cost_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	. "bartizan/internal/cost"
)

var update = flag.Bool("update", false, "rewrite golden files")

func tiers() []Tier {
	return []Tier{
		{
			Name: "public", MaxOutput: 1024, Price: Price{Input: 150_000, Output: 600_000},
			Limits: []Limit{per(Requests, Minute, 5), per(Requests, Day, 500), per(Tokens, Day, 200_000)},
		},
		{
			Name: "standard", MaxOutput: 4096, Price: Price{Input: 150_000, Output: 600_000}, Logprobs: true, TopK: 4,
			Limits: []Limit{
				per(Requests, Minute, 60), per(Requests, Day, 10_000), per(Dollars, Month, 100_000_000),
				per(Values, Day, 50_000),
				{Unit: InFlight, Span: AtOnce, Scope: PerKey, Amount: 8},
			},
		},
		{
			Name: "partner", Price: Price{Input: 2_500_000, Output: 10_000_000}, Logprobs: true, TopK: 20,
			Limits: []Limit{{Unit: Tokens, Span: Minute, Scope: PerOrganisation, Amount: 10_000_000}},
		},
	}
}

func table(t *testing.T, tiers []Tier) Table {
	t.Helper()
	made, err := NewTable(tiers, Attacker{
		PromptTokens: 300, AnswerTokens: 500, Latency: 10 * time.Second, AccountMicroUSD: 500_000,
	}, Grid{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestTableText(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := table(t, tiers()).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	golden(t, "table.golden", b.Bytes())
}

func TestTableJSON(t *testing.T) {
	t.Parallel()
	made, err := NewTable(tiers()[1:2], Attacker{PromptTokens: 300, AnswerTokens: 500},
		Grid{Accounts: []int64{10}, Answers: []int64{100_000}, Targets: []Target{HiddenSize(4096)}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "table.json.golden", append(text, '\n'))
	var back Table
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, back); diff != "" {
		t.Errorf("JSON there and back (-want +got):\n%s", diff)
	}
}

func TestCompareTables(t *testing.T) {
	t.Parallel()
	raised := tiers()
	raised[0].Limits = []Limit{per(Requests, Minute, 50), per(Requests, Day, 5000), per(Tokens, Day, 1_000_000)}
	raised[0].Logprobs = true
	raised[1].Limits = append([]Limit{}, raised[1].Limits...)
	raised[1].Limits[3].Amount = 10_000
	shifts := CompareTables(table(t, tiers()), table(t, raised[:2]))
	if got, want := len(shifts), 2*4*(3+3); got != want {
		t.Errorf("CompareTables gives %d rows; want the %d of both tables", got, want)
	}
	var b bytes.Buffer
	if err := WriteShifts(&b, shifts); err != nil {
		t.Fatal(err)
	}
	golden(t, "shifts.golden", b.Bytes())
}

func TestCompare(t *testing.T) {
	t.Parallel()
	day := Bill{Days: 1, MicroUSD: 5_000_000}
	tests := map[string]struct {
		before, after Bill
		speedup       float64
		micro         int64
		want          string
	}{
		"faster":  {Bill{Days: 10, MicroUSD: 4_000_000}, day, 10, 1_000_000, "10 days -> 24 hours, 10.0 times faster, $1.00 more"},
		"slower":  {day, Bill{Days: 4, MicroUSD: 2_000_000}, 0.25, -3_000_000, "24 hours -> 4 days, 4.0 times slower, $3.00 less"},
		"same":    {day, day, 1, 0, "24 hours, unchanged"},
		"opened":  {Bill{Never: true}, day, 0, 0, "never -> 24 hours"},
		"closed":  {day, Bill{Never: true}, 0, 0, "24 hours -> never"},
		"at once": {day, Bill{MicroUSD: 5_000_000}, 0, 0, "24 hours -> at once"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Compare(test.before, test.after)
			if got.Speedup != test.speedup || got.MicroUSD != test.micro || got.String() != test.want {
				t.Errorf("Compare = %v, %v, %q; want %v, %v, %q",
					got.Speedup, got.MicroUSD, got, test.speedup, test.micro, test.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	const hour, second = 1.0 / 24, 1.0 / 86_400
	tests := map[string]float64{
		"at once": 0, "1 second": second / 100, "45 seconds": 45 * second, "2 minutes": 120 * second,
		"1.5 hours": 1.5 * hour, "36 hours": 36 * hour, "2 days": 2, "3.2 days": 3.21, "10 days": 9.96, "59 days": 59.4,
		"2 months": 60.9, "11 months": 335.7, "24 months": 730, "2 years": 730.5, "27 years": 27.2 * 365.2425,
		"1 234 years": 1234 * 365.2425, "over a million years": 1e10,
	}
	for want, days := range tests {
		if got := Duration(days); got != want {
			t.Errorf("Duration(%v) = %q; want %q", days, got, want)
		}
	}
}

type broken struct{ io.Writer }

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteFails(t *testing.T) {
	t.Parallel()
	if err := table(t, tiers()).WriteText(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("WriteText = %v; want %v", err, errBroken)
	}
	if err := WriteShifts(broken{}, nil); !errors.Is(err, errBroken) {
		t.Errorf("WriteShifts = %v; want %v", err, errBroken)
	}
}
