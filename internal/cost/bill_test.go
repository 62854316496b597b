package cost_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "bartizan/internal/cost"
)

func per(u Unit, s Span, amount int64) Limit { return Limit{Unit: u, Span: s, Amount: amount} }

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*(1+math.Abs(want)) }

const minute = 1.0 / (24 * 60) // in days

// The numbers are worked out by hand in the names and comments.
func TestCollect(t *testing.T) {
	t.Parallel()
	one := Attacker{PromptTokens: 300, AnswerTokens: 700}
	tests := map[string]struct {
		limits   []Limit
		attacker Attacker
		n        int64
		days     float64
		binding  int // index of the limit, or -1
	}{
		"no limits":            {nil, one, 1e7, 0, -1},
		"zero is no limit":     {[]Limit{per(Requests, Day, 0)}, one, 1e7, 0, -1},
		"nothing":              {[]Limit{per(Requests, Day, 1)}, one, 0, 0, -1},
		"negative is nothing":  {[]Limit{per(Requests, Day, 1)}, one, -5, 0, -1},
		"within the first day": {[]Limit{per(Requests, Day, 500)}, one, 500, 0, -1},
		"second day":           {[]Limit{per(Requests, Day, 500)}, one, 501, 1, 0},
		"200 days":             {[]Limit{per(Requests, Day, 500)}, one, 100_000, 199, 0},
		"second hour":          {[]Limit{per(Requests, Hour, 10)}, one, 11, 60 * minute, 0},
		// The burst of 20, then 20 a minute: (100,000-20)/20 minutes.
		"minute": {[]Limit{per(Requests, Minute, 20)}, one, 100_000, 4999 * minute, 0},
		"burst":  {[]Limit{{Unit: Requests, Span: Minute, Amount: 20, Burst: 1000}}, one, 1010, minute / 2, 0},
		// One a minute never uses up 10,000 a day.
		"day out of reach": {[]Limit{per(Requests, Minute, 1), per(Requests, Day, 10_000)}, one, 14_401, 10, 0},
		// Two days of 10,000, then 100 a minute from midnight on with 100 at once.
		"day and minute": {[]Limit{per(Requests, Minute, 100), per(Requests, Day, 10_000)}, one, 20_200, 2 + minute, 1},
		// 24 hours of 10 are less than 1,000 a day.
		"hour under day": {[]Limit{per(Requests, Hour, 10), per(Requests, Day, 1000)}, one, 241, 1, 0},
		// 1,000 a month: January, February and March 2001 have 31, 28 and 31 days.
		"months":            {[]Limit{per(Requests, Month, 1000)}, one, 3001, 90, 0},
		"a year of months":  {[]Limit{per(Requests, Month, 1)}, one, 13, 365, 0},
		"leap year":         {[]Limit{per(Requests, Month, 1)}, one, 12*4 + 1, 4*365 + 1, 0},
		"month under a day": {[]Limit{per(Requests, Day, 100), per(Requests, Month, 250)}, one, 251, 31, 1},
		// 700 tokens of answer: floor(10,000/700) = 14 a day, floor(10,000/300) = 33,
		// floor(10,000/1,000) = 10.
		"output tokens":   {[]Limit{per(OutputTokens, Day, 10_000)}, one, 15, 1, 0},
		"input tokens":    {[]Limit{per(InputTokens, Day, 10_000)}, one, 34, 1, 0},
		"tokens":          {[]Limit{per(Tokens, Day, 10_000)}, one, 11, 1, 0},
		"prompts":         {[]Limit{per(Prompts, Day, 10)}, one, 21, 2, 0},
		"tokens of none":  {[]Limit{per(OutputTokens, Day, 1)}, Attacker{PromptTokens: 5}, 1000, 0, -1},
		"values are free": {[]Limit{per(Values, Day, 1)}, one, 1000, 0, -1},
		// An answer is 300*$1 + 700*$2 per million = 1,700 micro-USD; $1 buys 588.
		"dollars": {[]Limit{per(Dollars, Day, 1_000_000)}, one, 589, 1, 0},
		// 10 at once for 30 s each: 20 a minute behind the first 10.
		"little": {[]Limit{per(InFlight, AtOnce, 10)}, Attacker{Latency: 30 * time.Second}, 1210, 60 * minute, 0},
		// Without a latency nothing is known of what is under way.
		"no latency": {[]Limit{per(Streams, AtOnce, 1)}, one, 1000, 0, -1},
		// A month of 30 in January leaves the bucket of one a day full; February has room
		// for 28; the one of 1 March counts for March, so the 89th must wait for April.
		"boundary": {
			[]Limit{{Unit: Tokens, Span: Minute, Amount: 1, Burst: 1440}, per(Requests, Month, 30)},
			Attacker{AnswerTokens: 1440},
			89, 90, 0,
		},
		// 13 centuries: beyond the first cycle the slowest limit alone.
		"long": {[]Limit{per(Requests, Month, 1), per(Requests, Day, 1)}, one, 12*1600 + 1, 4 * 146_097, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tier := Tier{Limits: test.limits, Price: Price{Input: 1_000_000, Output: 2_000_000}}
			got := Collect(tier, test.attacker, test.n)
			if got.Never || !near(got.Days, test.days) {
				t.Errorf("Collect = %v days, never %v; want %v", got.Days, got.Never, test.days)
			}
			switch {
			case test.binding < 0 && got.Binding != nil:
				t.Errorf("binding = %v; want none", got.Binding)
			case test.binding >= 0 && (got.Binding == nil || *got.Binding != test.limits[test.binding]):
				t.Errorf("binding = %v; want %v", got.Binding, test.limits[test.binding])
			}
		})
	}
}

func TestCollectNever(t *testing.T) {
	t.Parallel()
	a := Attacker{AnswerTokens: 100}
	for name, l := range map[string]Limit{
		"window": per(Tokens, Day, 99),
		"bucket": {Unit: Tokens, Span: Minute, Amount: 1000, Burst: 99},
	} {
		got := Collect(Tier{Limits: []Limit{per(Requests, Day, 1), l}}, a, 7)
		if !got.Never || got.Days != 0 || got.MicroUSD != 0 || got.Binding == nil || *got.Binding != l {
			t.Errorf("%s: Collect = %+v; want never, because of %v", name, got, l)
		}
		if got := Collect(Tier{Limits: []Limit{l}}, a, 0); got.Never {
			t.Errorf("%s: nothing at all never comes", name)
		}
	}
	// An answer cut to 50 tokens fits.
	if got := Collect(Tier{Limits: []Limit{per(Tokens, Day, 99)}, MaxOutput: 50}, a, 2); got.Never || got.Days != 1 {
		t.Errorf("Collect of cut answers = %+v; want 1 day", got)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	a := Attacker{Accounts: 6, AccountsPerOrganisation: 4, KeysPerAccount: 3}
	for scope, perDay := range map[Scope]int64{PerAccount: 6, PerKey: 18, PerOrganisation: 2} {
		tier := Tier{Limits: []Limit{{Unit: Requests, Span: Day, Scope: scope, Amount: 1}}}
		if got := Collect(tier, a, 10*perDay+1); got.Days != 10 {
			t.Errorf("10 days of %d per %s and one more take %v days; want 10", perDay, scope, got.Days)
		}
	}
}

func TestPrice(t *testing.T) {
	t.Parallel()
	tier := Tier{Price: Price{Input: 150_000, Output: 600_000}, MaxOutput: 400}
	tests := map[string]struct {
		attacker Attacker
		n, want  int64
	}{
		// (300*0.15 + 400*0.60) micro-USD = 285 each; the answer is cut at 400.
		"answers":    {Attacker{PromptTokens: 300, AnswerTokens: 500}, 1000, 285_000},
		"accounts":   {Attacker{Accounts: 7, AccountMicroUSD: 1_000_000}, 1000, 7_000_000},
		"rounded up": {Attacker{PromptTokens: 1}, 1, 1},
		"nothing":    {Attacker{PromptTokens: 1}, 0, 0},
		"too much":   {Attacker{PromptTokens: math.MaxInt64}, math.MaxInt64, math.MaxInt64},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Collect(tier, test.attacker, test.n).MicroUSD; got != test.want {
				t.Errorf("Collect(%d) costs %d; want %d", test.n, got, test.want)
			}
		})
	}
}

func TestExtremes(t *testing.T) {
	t.Parallel()
	extremes := []int64{math.MinInt64, -1, 0, 1, 1000, math.MaxInt64 - 1, math.MaxInt64}
	rapid.Check(t, func(t *rapid.T) {
		number := func(label string) int64 { return rapid.SampledFrom(extremes).Draw(t, label) }
		tier := Tier{
			Price: Price{number("input"), number("output")}, MaxOutput: number("max"), Logprobs: true,
			TopK: number("top"), ValuesPerAnswer: number("values"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "limits") {
			tier.Limits = append(tier.Limits, Limit{
				Unit(rapid.IntRange(0, 9).Draw(t, "unit")), Span(rapid.IntRange(0, 5).Draw(t, "span")),
				Scope(rapid.IntRange(0, 3).Draw(t, "scope")), number("amount"), number("burst"),
			})
		}
		a := Attacker{
			number("accounts"), number("organisation"), number("keys"), number("prompt"), number("answer"),
			time.Duration(number("latency")), number("price"),
		}
		n := number("n")
		for _, b := range []Bill{Collect(tier, a, n), Reach(tier, a, Target{Values: n})} {
			if math.IsNaN(b.Days) || math.IsInf(b.Days, 0) || b.Days < 0 || b.MicroUSD < 0 || b.Answers < 0 {
				t.Fatalf("bill of %+v for %+v, %d = %+v", tier, a, n, b)
			}
		}
	})
}

// More answers, tighter limits and fewer accounts never make it faster, and no limit
// alone takes longer than all together.
func TestMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Attacker{Accounts: rapid.Int64Range(1, 50).Draw(t, "accounts"), AnswerTokens: rapid.Int64Range(1, 2000).Draw(t, "size")}
		limits := drawLimits(t, a.AnswerTokens, 3)
		n := rapid.Int64Range(0, 1_000_000).Draw(t, "n")
		tier := Tier{Limits: limits}
		days := Collect(tier, a, n).Days
		if more := Collect(tier, a, n+1).Days; more < days {
			t.Fatalf("%d answers take %v days, one more %v", n, days, more)
		}
		for _, l := range limits {
			if alone := Collect(Tier{Limits: []Limit{l}}, a, n).Days; alone > days*(1+1e-12) {
				t.Fatalf("all limits %v take %v days, %v alone %v", limits, days, l, alone)
			}
		}
		a.Accounts++
		if wide := Collect(tier, a, n).Days; wide > days*(1+1e-12) {
			t.Fatalf("one account more takes %v days instead of %v", wide, days)
		}
	})
}
