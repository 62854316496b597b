package ratelimit_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "bartizan/internal/ratelimit"
)

func per(d Dimension, w Window, amount int64) Limit {
	return Limit{Dimension: d, Window: w, Amount: amount}
}

// Hour, day and month begin with the calendar in UTC: also in leap years, at the end of a
// year, and when clocks elsewhere change.
func TestCalendarWindowsTurn(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d, h int) time.Time { return time.Date(y, m, d, h, 30, 0, 0, time.UTC) }
	tests := map[string]struct {
		window Window
		at     time.Time
		turns  time.Time
	}{
		"hour":                       {Hour, day(2026, 3, 10, 12), time.Date(2026, 3, 10, 13, 0, 0, 0, time.UTC)},
		"hour before midnight":       {Hour, day(2026, 3, 10, 23), time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)},
		"day":                        {Day, day(2026, 3, 10, 12), time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)},
		"day when summer begins":     {Day, day(2026, 3, 29, 0), time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)},
		"day when summer ends":       {Day, day(2026, 10, 25, 0), time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)},
		"month of 31 days":           {Month, day(2026, 1, 1, 0), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)},
		"February":                   {Month, day(2026, 2, 28, 23), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
		"February of a leap year":    {Month, day(2028, 2, 28, 23), time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC)},
		"December":                   {Month, day(2026, 12, 31, 23), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		"the first hour of a month":  {Month, day(2026, 4, 1, 0), time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)},
		"in another zone, same time": {Day, day(2026, 3, 10, 12).In(time.FixedZone("east", 9*3600)), time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			ls := Limits{per(Tokens, tt.window, 100)}
			id := reserve(t, &s, tt.at, ls, Demand{Tokens: 100})
			s.Settle(tt.at, id, Demand{Tokens: 100})
			if got, want := refuse(t, &s, tt.at, ls, Demand{Tokens: 1}).RetryAfter, tt.turns.Sub(tt.at); got != want {
				t.Errorf("RetryAfter = %v; want %v", got, want)
			}
			refuse(t, &s, tt.turns.Add(-1), ls, Demand{Tokens: 1})
			reserve(t, &s, tt.turns, ls, Demand{Tokens: 100})
		})
	}
}

// A window that turns while an answer is under way owes nothing to the next one, and takes
// nothing from it.
func TestSettlementBelongsToItsWindow(t *testing.T) {
	t.Parallel()
	for _, w := range []Window{Hour, Day, Month} {
		var s State
		ls := Limits{per(Tokens, w, 1_000)}
		before := time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)
		after := before.Add(2 * time.Second)
		old := reserve(t, &s, before, ls, Demand{Tokens: 900})
		reserve(t, &s, after, ls, Demand{Tokens: 700})
		s.Settle(after, old, Demand{Tokens: 10})
		if got := remaining(&s, after, ls[0]); got != 300 {
			t.Errorf("per %s: %d remain; want 300, the refund is the window's before", w, got)
		}
	}
}

// Every dimension is counted by itself, and one that refuses keeps all from being charged.
func TestEveryDimensionInEveryWindow(t *testing.T) {
	t.Parallel()
	demand := map[Dimension]Demand{
		Requests: {Requests: 1}, Tokens: {Tokens: 1}, Input: {Input: 1}, Output: {Output: 1}, Cost: {Cost: 1},
		Values: {Values: 1}, Prompts: {Prompts: 1}, Streams: {Streams: 1}, InFlight: {InFlight: 1},
	}
	for d, one := range demand {
		for _, w := range []Window{Minute, Hour, Day, Month, Concurrent} {
			l := per(d, w, 3)
			if (Limits{l}).Validate() != nil {
				continue
			}
			var s State
			ls := Limits{l, per(Requests, Hour, math.MaxInt64), atOnce(1_000)}
			if d == Streams {
				ls = ls[:2]
			}
			if d == Requests && w == Hour {
				ls = Limits{l, atOnce(1_000)}
			}
			for range 3 {
				reserve(t, &s, noon, ls, one)
			}
			if got := refuse(t, &s, noon, ls, one); got.Limit != l {
				t.Errorf("%s: refused by %s", l, got.Limit)
			}
		}
	}
}

// Amounts at the edges of int64 neither overflow nor let more through.
func TestHugeAmountsPerWindow(t *testing.T) {
	t.Parallel()
	for _, w := range []Window{Hour, Day, Month} {
		var s State
		ls := Limits{per(Cost, w, math.MaxInt64)}
		reserve(t, &s, noon, ls, Demand{Cost: math.MaxInt64 - 1})
		reserve(t, &s, noon, ls, Demand{Cost: 1})
		if got := remaining(&s, noon, ls[0]); got != 0 {
			t.Errorf("per %s: %d remain of the greatest amount; want 0", w, got)
		}
	}
}

// A raised limit gives the difference and no second refill; a lowered one binds at once.
func TestLimitsChangedWhileInUse(t *testing.T) {
	t.Parallel()
	for _, w := range []Window{Hour, Day, Month} {
		var s State
		reserve(t, &s, noon, Limits{per(Tokens, w, 100)}, Demand{Tokens: 100})
		raised := Limits{per(Tokens, w, 150)}
		if got := remaining(&s, noon, raised[0]); got != 50 {
			t.Errorf("per %s: a limit raised from 100 to 150 leaves %d; want 50", w, got)
		}
		reserve(t, &s, noon, raised, Demand{Tokens: 50})
		refuse(t, &s, noon, raised, Demand{Tokens: 1})
		refuse(t, &s, noon, Limits{per(Tokens, w, 120)}, Demand{Tokens: 1})
	}
}

// A clock that is set back over midnight, and forward again, gives no second day.
func TestClockOverMidnightAndBack(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{per(Requests, Day, 10)}
	midnight := time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)
	reserve(t, &s, midnight.Add(time.Hour), ls, Demand{Requests: 10})
	refuse(t, &s, midnight.Add(-time.Hour), ls, Demand{Requests: 1})
	refuse(t, &s, midnight.Add(-time.Minute), ls, Demand{Requests: 1})
}

// TestShadowLimit: it refuses nothing, tells what it would have refused, and another limit
// still binds.
func TestShadowLimit(t *testing.T) {
	t.Parallel()
	for _, w := range []Window{Minute, Hour, Day, Month} {
		var s State
		watch := per(Requests, w, 2)
		watch.Shadow = true
		ls := Limits{watch, per(Tokens, Day, 5)}
		shadowed := 0
		for range 5 {
			var c Charge
			d := Demand{Requests: 1, Tokens: 1}
			if denial, refused := s.Check(noon, ls, &d, &c); refused {
				t.Fatalf("per %s: refused: %+v", w, denial)
			}
			if denial, ok := c.Shadow(); ok {
				shadowed++
				if denial.Limit != watch || denial.RetryAfter <= 0 {
					t.Errorf("per %s: the shadow tells of %+v", w, denial)
				}
			}
			s.Take(&d, noon.Add(time.Hour), &c)
		}
		if shadowed != 3 {
			t.Errorf("per %s: %d of 5 would have been refused; want 3", w, shadowed)
		}
		refuse(t, &s, noon, ls, Demand{Requests: 1, Tokens: 1})
	}
}

// TestDistinctPrompts plays random prompts, settlements and refunds, and keeps a set
// beside: the count is that of prompts that were served or are under way.
func TestDistinctPrompts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit = 6
		var s State
		ls := Limits{per(Prompts, Day, limit), per(Prompts, Month, 1_000)}
		served := map[uint64]bool{}
		type open struct {
			id     uint64
			prompt uint64
		}
		var under []open
		count := func() int {
			all := map[uint64]bool{}
			for p := range served {
				all[p] = true
			}
			for _, o := range under {
				all[o.prompt] = true
			}
			return len(all)
		}
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(under) > 0 && rapid.Bool().Draw(t, "settle") {
				i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
				o := under[i]
				under = append(under[:i], under[i+1:]...)
				n := rapid.Int64Range(0, 1).Draw(t, "served")
				if n == 1 {
					served[o.prompt] = true
				}
				s.Settle(now, o.id, Demand{Prompts: n})
			} else {
				prompt := rapid.Uint64Range(1, 9).Draw(t, "prompt") << 40
				before := count()
				id, denial := s.Reserve(now, ls, Demand{Requests: 1, PromptHash: prompt}, now.Add(time.Hour))
				known := served[prompt]
				for _, o := range under {
					known = known || o.prompt == prompt
				}
				if want := known || before < limit; (denial == nil) != want {
					t.Fatalf("prompt %d with %d distinct: denial %+v; want it let in: %t", prompt>>40, before, denial, want)
				}
				if denial == nil {
					under = append(under, open{id, prompt})
				}
			}
			if got := limit - remaining(&s, now, ls[0]); got != int64(count()) {
				t.Fatalf("%d distinct prompts counted; want %d", got, count())
			}
		}
		// The next day begins afresh, the month goes on.
		next := now.Add(24 * time.Hour)
		if got := remaining(&s, next, ls[0]); got != limit {
			t.Fatalf("%d remain on the next day; want %d", got, limit)
		}
	})
}

// TestPromptsOfTheMonthOutliveTheDay: a prompt of yesterday is new today, and not new
// this month.
func TestPromptsOfTheMonthOutliveTheDay(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{per(Prompts, Day, 10), per(Prompts, Month, 10)}
	for day := range 5 {
		now := noon.Add(time.Duration(day) * 24 * time.Hour)
		for prompt := range uint64(3) {
			id := reserve(t, &s, now, ls, Demand{Requests: 1, PromptHash: (prompt + 1) << 50})
			s.Settle(now, id, Demand{Requests: 1, Prompts: 1})
		}
		if d, m := remaining(&s, now, ls[0]), remaining(&s, now, ls[1]); d != 7 || m != 7 {
			t.Errorf("day %d: %d and %d remain; want 7 and 7", day, d, m)
		}
	}
}

func ExampleParseLimit() {
	l, err := ParseLimit("cost", "month", 2_500_000)
	fmt.Println(l, err)
	_, err = ParseLimit("cost", "week", 1)
	fmt.Println(err)
	// Output:
	// $2.5 per month <nil>
	// window "week": want one of minute, hour, day, month, concurrent
}
