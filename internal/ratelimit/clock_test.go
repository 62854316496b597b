package ratelimit_test

import (
	"testing"
	"time"

	. "bartizan/internal/ratelimit"
)

func TestDayTurnsAtMidnightUTC(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("far east", 13*3600)
	tests := map[string]time.Time{
		"ordinary":                 time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC),
		"end of a month":           time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		"leap day":                 time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
		"end of February":          time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC),
		"new year":                 time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		"summer time begins in EU": time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC),
		"summer time ends in EU":   time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC),
		"told in another zone":     time.Date(2026, 3, 11, 13, 0, 0, 0, zone),
	}
	for name, midnight := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			ls := Limits{perDay(Requests, 2)}
			reserve(t, &s, midnight.Add(-24*time.Hour), ls, Demand{Requests: 1})
			reserve(t, &s, midnight.Add(-1), ls, Demand{Requests: 1})
			if got := refuse(t, &s, midnight.Add(-5*time.Minute), ls, Demand{Requests: 1}).RetryAfter; got != 1 {
				t.Errorf("RetryAfter = %v; want 1ns: an older time counts as the newest", got)
			}
			if got := remaining(&s, midnight, ls[0]); got != 2 {
				t.Errorf("remaining at midnight = %d; want 2", got)
			}
		})
	}
}

func TestSettlementBelongsToTheDayOfTheGrant(t *testing.T) {
	t.Parallel()
	late := time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC)
	early := late.Add(2 * time.Minute)
	for name, actual := range map[string]int64{"refund": 10, "debt": 5_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			ls := Limits{perDay(Tokens, 10_000)}
			yesterday := reserve(t, &s, late, ls, Demand{Tokens: 4_000})
			today := reserve(t, &s, early, ls, Demand{Tokens: 3_000})
			s.Settle(early, yesterday, Demand{Tokens: actual})
			if got := remaining(&s, early, ls[0]); got != 7_000 {
				t.Errorf("remaining = %d; want 7000: yesterday's grant changes nothing of today", got)
			}
			s.Settle(early, today, Demand{Tokens: 1_000})
			if got := remaining(&s, early, ls[0]); got != 9_000 {
				t.Errorf("remaining = %d; want 9000", got)
			}
		})
	}
}

func TestClockSteps(t *testing.T) {
	t.Parallel()
	ls := Limits{perMinute(Tokens, 600), perDay(Tokens, 5_000), atOnce(3)}
	for name, step := range map[string]time.Duration{
		"late arrival":   time.Nanosecond,
		"a second":       time.Second,
		"nine minutes":   9 * time.Minute,
		"an hour":        time.Hour,
		"to yesterday":   20 * time.Hour,
		"to last year":   365 * 24 * time.Hour,
		"before 1970":    80 * 365 * 24 * time.Hour,
		"out of reason":  200 * 365 * 24 * time.Hour,
		"half a century": 50 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			open := reserve(t, &s, noon, ls, Demand{Tokens: 500, Streams: 1})
			reserve(t, &s, noon, ls, Demand{Tokens: 50})
			back := noon.Add(-step)
			for i, want := range []int64{50, 4_450, 2} {
				if got := s.Standing(back, ls, nil)[i].Remaining; got != want {
					t.Errorf("after %v back remaining of %v = %d; want %d as before", step, ls[i], got, want)
				}
			}
			if !s.Settle(back, open, Demand{Tokens: 100}) {
				t.Error("Settle = false; want the grant still open")
			}
			for i, want := range []int64{450, 4_850, 3} {
				if got := s.Standing(back, ls, nil)[i].Remaining; got != want {
					t.Errorf("after settling remaining of %v = %d; want %d", ls[i], got, want)
				}
			}
		})
	}
}

func TestClockSetBackRefillsFromThere(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{perMinute(Tokens, 600)}
	reserve(t, &s, noon.Add(24*time.Hour), ls, Demand{Tokens: 600}) // the clock was wrong
	if got := remaining(&s, noon, ls[0]); got != 0 {
		t.Errorf("remaining right after the correction = %d; want 0", got)
	}
	if got := remaining(&s, noon.Add(30*time.Second), ls[0]); got != 300 {
		t.Errorf("remaining 30 s after the correction = %d; want 300", got)
	}
}

func TestGrantOfAnotherDayAfterAStepBack(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{perDay(Tokens, 1_000)}
	old := reserve(t, &s, noon.Add(-24*time.Hour), ls, Demand{Tokens: 400})
	far := noon.Add(24 * time.Hour)
	s.Reserve(noon, ls, Demand{Tokens: 300}, far)
	// Back to the day on which the first grant was made: the day's counter is the
	// one of today, which that grant is no part of.
	back := noon.Add(-23 * time.Hour)
	s.Settle(back, old, Demand{})
	if got := remaining(&s, back, ls[0]); got != 700 {
		t.Errorf("remaining = %d; want 700", got)
	}
}

func TestStepForwardRestoresOneBurst(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{perMinute(Tokens, 600)}
	reserve(t, &s, noon, ls, Demand{Tokens: 600})
	ahead := noon.Add(30 * 24 * time.Hour)
	reserve(t, &s, ahead, ls, Demand{Tokens: 600})
	refuse(t, &s, ahead, ls, Demand{Tokens: 1})
}

func TestDeadlinesMoveBackWithTheClock(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{atOnce(1)}
	wrong := noon.Add(24 * time.Hour)
	s.Reserve(wrong, ls, Demand{Streams: 1}, wrong.Add(time.Minute))
	refuse(t, &s, noon, ls, Demand{Streams: 1})
	refuse(t, &s, noon.Add(time.Minute-1), ls, Demand{Streams: 1})
	reserve(t, &s, noon.Add(time.Minute), ls, Demand{Streams: 1})
}

func TestLimitsChangedInUse(t *testing.T) {
	t.Parallel()
	high := Limits{perMinute(Tokens, 6_000), perDay(Tokens, 10_000), atOnce(4)}
	low := high.Scale(1, 2)

	t.Run("lowered binds at once", func(t *testing.T) {
		t.Parallel()
		var s State
		reserve(t, &s, noon, high, Demand{Tokens: 5_000, Streams: 3})
		for i, want := range []int64{500, 0, 0} { // a sixth of the minute was left, and is
			if got := s.Standing(noon, low, nil)[i].Remaining; got != want {
				t.Errorf("remaining of %v = %d; want %d", low[i], got, want)
			}
		}
	})
	t.Run("raised does not refill twice", func(t *testing.T) {
		t.Parallel()
		var s State
		reserve(t, &s, noon, high, Demand{Tokens: 6_000})
		var admitted int64
		for i := range 100 {
			now, ls := noon.Add(time.Duration(i)*time.Millisecond), high
			if i%2 == 0 {
				ls = low
			}
			if n := remaining(&s, now, ls[0]); n > 0 {
				id, _ := s.Reserve(now, Limits{ls[0]}, Demand{Tokens: n}, now.Add(time.Hour))
				s.Settle(now, id, Demand{Tokens: n})
				admitted += n
			}
		}
		if admitted > 10 {
			t.Errorf("admitted %d in 99 ms after the burst was spent; want at most 10, the rate", admitted)
		}
	})
	t.Run("no limit for a while is no refill", func(t *testing.T) {
		t.Parallel()
		var s State
		reserve(t, &s, noon, high, Demand{Tokens: 6_000})
		id := reserve(t, &s, noon, nil, Demand{Tokens: 2_000})
		for i, want := range []int64{0, 2_000} {
			if got := s.Standing(noon, high, nil)[i].Remaining; got != want {
				t.Errorf("remaining of %v = %d; want %d", high[i], got, want)
			}
		}
		s.Settle(noon, id, Demand{Tokens: 1_000})
		if got := remaining(&s, noon, high[1]); got != 3_000 {
			t.Errorf("remaining of the day = %d; want 3000", got)
		}
	})
	t.Run("settled at the rate of its admission", func(t *testing.T) {
		t.Parallel()
		var s State
		id := reserve(t, &s, noon, high, Demand{Tokens: 3_000})
		if got := remaining(&s, noon, low[0]); got != 1_500 {
			t.Errorf("remaining = %d; want 1500, half of the burst", got)
		}
		s.Settle(noon, id, Demand{Tokens: 1_500})
		if got := remaining(&s, noon, low[0]); got != 2_250 {
			t.Errorf("remaining after settling = %d; want 2250, three quarters", got)
		}
	})
}
