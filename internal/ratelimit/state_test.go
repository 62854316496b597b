package ratelimit_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "bartizan/internal/ratelimit"
)

// noon is a time well away from midnight.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func perMinute(d Dimension, amount int64) Limit {
	return Limit{Dimension: d, Window: Minute, Amount: amount}
}

func perDay(d Dimension, amount int64) Limit { return Limit{Dimension: d, Window: Day, Amount: amount} }

func atOnce(amount int64) Limit {
	return Limit{Dimension: Streams, Window: Concurrent, Amount: amount}
}

// five are the limits of the tier public.
func five() Limits {
	return Limits{
		perMinute(Requests, 20), perDay(Requests, 200),
		perMinute(Tokens, 10_000), perDay(Tokens, 150_000), atOnce(2),
	}
}

// reserve must succeed.
func reserve(t *testing.T, s *State, now time.Time, ls Limits, d Demand) uint64 {
	t.Helper()
	id, denial := s.Reserve(now, ls, d, now.Add(time.Hour))
	if denial != nil || id == 0 {
		t.Fatalf("Reserve(%v, %+v) = %d, %+v; want a grant", now, d, id, denial)
	}
	return id
}

// refuse must not succeed, and must leave the account as it was.
func refuse(t *testing.T, s *State, now time.Time, ls Limits, d Demand) Denial {
	t.Helper()
	before := s.Standing(now, ls, nil)
	id, denial := s.Reserve(now, ls, d, now.Add(time.Hour))
	if denial == nil || id != 0 {
		t.Fatalf("Reserve(%v, %+v) = %d, %+v; want a denial", now, d, id, denial)
	}
	if diff := cmp.Diff(before, s.Standing(now, ls, nil)); diff != "" {
		t.Fatalf("a refused demand changed the account (-before +after):\n%s", diff)
	}
	return *denial
}

func remaining(s *State, now time.Time, l Limit) int64 {
	return s.Standing(now, Limits{l}, nil)[0].Remaining
}

func TestBurstThenSteadyRate(t *testing.T) {
	t.Parallel()
	for _, amount := range []int64{1, 7, 20, 60, 97, 600, 6_000, 7_001} {
		var s State
		ls := Limits{perMinute(Requests, amount)}
		for range amount {
			reserve(t, &s, noon, ls, Demand{Requests: 1})
		}
		denial := refuse(t, &s, noon, ls, Demand{Requests: 1})
		every := time.Duration(int64(time.Minute) / amount)
		if off := every - denial.RetryAfter; off < 0 || off > time.Duration(amount) {
			t.Errorf("%d per minute: RetryAfter = %v; want %v, at most %d ns less", amount, denial.RetryAfter, every, amount)
		}
		refuse(t, &s, noon.Add(denial.RetryAfter-1), ls, Demand{Requests: 1})
		reserve(t, &s, noon.Add(denial.RetryAfter), ls, Demand{Requests: 1})
	}
}

func TestChargeIsNotTruncated(t *testing.T) {
	t.Parallel()
	// 7,000,000 per minute is 8,571.43 ns per token; 1e11 per minute is 0.6 ns.
	for _, amount := range []int64{7_000_000, 100_000_000_000} {
		var s State
		ls := Limits{perMinute(Tokens, amount)}
		var admitted int64
		for minute := range 10 {
			for step := range 60 {
				now := noon.Add(time.Duration(minute)*time.Minute + time.Duration(step)*time.Second)
				n := remaining(&s, now, ls[0])
				if n > 0 {
					reserve(t, &s, now, ls, Demand{Tokens: n})
					admitted += n
				}
			}
		}
		most := amount + amount*599/60
		if admitted > most || admitted < most-600 {
			t.Errorf("%d per minute admitted %d in 599 s and a burst; want at most %d, and no less than 600 under", amount, admitted, most)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	midnight := 12 * time.Hour
	tests := map[string]struct {
		spent  []Demand
		demand Demand
		want   Denial
	}{
		"requests per minute": {
			spent: []Demand{{Requests: 20}}, demand: Demand{Requests: 1},
			want: Denial{Limit: perMinute(Requests, 20), RetryAfter: 3 * time.Second},
		},
		"tokens per minute": {
			spent: []Demand{{Tokens: 9_000}}, demand: Demand{Requests: 1, Tokens: 2_000},
			want: Denial{Limit: perMinute(Tokens, 10_000), RetryAfter: 6 * time.Second},
		},
		"the longest wait is named": {
			spent: []Demand{{Requests: 20, Tokens: 10_000}}, demand: Demand{Requests: 1, Tokens: 1_000},
			want: Denial{Limit: perMinute(Tokens, 10_000), RetryAfter: 6 * time.Second},
		},
		"larger than the burst": {
			demand: Demand{Requests: 1, Tokens: 10_001},
			want:   Denial{Limit: perMinute(Tokens, 10_000), Never: true},
		},
		"never outlasts every wait": {
			spent: []Demand{{Requests: 20}}, demand: Demand{Requests: 1, Tokens: 10_001},
			want: Denial{Limit: perMinute(Tokens, 10_000), Never: true},
		},
		"streams at once": {
			spent: []Demand{{Streams: 1}, {Streams: 1}}, demand: Demand{Requests: 1, Streams: 1},
			want: Denial{Limit: atOnce(2), RetryAfter: StreamRetry},
		},
		"more streams than ever": {
			demand: Demand{Streams: 3},
			want:   Denial{Limit: atOnce(2), Never: true},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			for _, d := range test.spent {
				reserve(t, &s, noon, five(), d)
			}
			if diff := cmp.Diff(test.want, refuse(t, &s, noon, five(), test.demand)); diff != "" {
				t.Errorf("denial (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("the day", func(t *testing.T) {
		t.Parallel()
		var s State
		ls := Limits{perDay(Tokens, 100), perMinute(Requests, 1)}
		reserve(t, &s, noon, ls, Demand{Requests: 1, Tokens: 70})
		got := refuse(t, &s, noon, ls, Demand{Requests: 1, Tokens: 31})
		if want := (Denial{Limit: ls[0], RetryAfter: midnight}); got != want {
			t.Errorf("denial = %+v; want %+v", got, want)
		}
		refuse(t, &s, noon.Add(midnight-1), ls, Demand{Tokens: 31})
		reserve(t, &s, noon.Add(midnight), ls, Demand{Tokens: 31})
	})
}

func TestStandingCountsReservations(t *testing.T) {
	t.Parallel()
	var s State
	reserve(t, &s, noon, five(), Demand{Requests: 1, Tokens: 2_500, Streams: 1})
	want := []Standing{
		{Limit: five()[0], Remaining: 19, Reset: 3 * time.Second},
		{Limit: five()[1], Remaining: 199, Reset: 12 * time.Hour},
		{Limit: five()[2], Remaining: 7_500, Reset: 15 * time.Second},
		{Limit: five()[3], Remaining: 147_500, Reset: 12 * time.Hour},
		{Limit: five()[4], Remaining: 1},
	}
	if diff := cmp.Diff(want, s.Standing(noon, five(), nil)); diff != "" {
		t.Errorf("standing (-want +got):\n%s", diff)
	}
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{perMinute(Requests, 0), perDay(Tokens, 0), atOnce(0)}
	for range 1_000 {
		reserve(t, &s, noon, ls, Demand{Requests: 1_000, Tokens: 1 << 40, Streams: 1})
	}
	if got := s.Standing(noon, ls, nil); len(got) != 0 {
		t.Errorf("Standing = %+v; want nothing for limits without an amount", got)
	}
	reserve(t, &s, noon, nil, Demand{Requests: math.MaxInt64, Tokens: math.MaxInt64, Streams: math.MaxInt64})
}

func TestSettleOnce(t *testing.T) {
	t.Parallel()
	var s State
	id := reserve(t, &s, noon, five(), Demand{Requests: 1, Tokens: 4_000, Streams: 1})
	if !s.Settle(noon, id, Demand{Requests: 1, Tokens: 1_000}) {
		t.Fatal("Settle of an open grant = false")
	}
	after := s.Standing(noon, five(), nil)
	if after[2].Remaining != 9_000 || after[3].Remaining != 149_000 || after[4].Remaining != 2 {
		t.Errorf("after settling 1,000 of 4,000 tokens: %+v", after)
	}
	if s.Settle(noon, id, Demand{}) || s.Settle(noon, id+1, Demand{}) || s.Settle(noon, 0, Demand{}) {
		t.Error("Settle of a settled, an unknown or no grant = true")
	}
	if diff := cmp.Diff(after, s.Standing(noon, five(), nil)); diff != "" {
		t.Errorf("settling again changed the account (-before +after):\n%s", diff)
	}
}

func TestFullRefund(t *testing.T) {
	t.Parallel()
	var s State
	fresh := s.Standing(noon, five(), nil)
	id := reserve(t, &s, noon, five(), Demand{Requests: 1, Tokens: 9_000, Streams: 1})
	s.Settle(noon.Add(time.Second), id, Demand{})
	if diff := cmp.Diff(fresh, s.Standing(noon.Add(time.Second), five(), nil)); diff != "" {
		t.Errorf("after a full refund (-fresh +got):\n%s", diff)
	}
}

func TestDebt(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{perMinute(Tokens, 600), perDay(Tokens, 10_000)}
	id := reserve(t, &s, noon, ls, Demand{Tokens: 100})
	s.Settle(noon, id, Demand{Tokens: 900})
	if got := remaining(&s, noon, ls[0]); got != 0 {
		t.Errorf("remaining in debt = %d; want 0", got)
	}
	if got := refuse(t, &s, noon, ls, Demand{Tokens: 1}).RetryAfter; got != 30*time.Second+100*time.Millisecond {
		t.Errorf("RetryAfter with a debt of 300 at 10 per second = %v; want 30.1s", got)
	}
	if got := remaining(&s, noon, ls[1]); got != 9_100 {
		t.Errorf("remaining of the day = %d; want 9100", got)
	}
	// What a request does not want is not refused to it.
	reserve(t, &s, noon, append(ls, perMinute(Requests, 1)), Demand{Requests: 1})
}

func TestSettledWithoutReservation(t *testing.T) {
	t.Parallel()
	var s State
	ls := Limits{perMinute(Tokens, 600)}
	id := reserve(t, &s, noon, ls, Demand{Requests: 1})
	s.Settle(noon.Add(10*time.Second), id, Demand{Tokens: 300})
	if got := remaining(&s, noon.Add(10*time.Second), ls[0]); got != 400 {
		t.Errorf("remaining = %d; want 400: 300 spent at admission, 100 back since", got)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		demand   Demand
		progress []int64
		want     int64 // tokens charged
	}{
		"nothing known":          {demand: Demand{Tokens: 5_000}, want: 5_000},
		"prompt":                 {demand: Demand{Tokens: 5_000, Prompt: 700}, want: 700},
		"streamed":               {demand: Demand{Tokens: 5_000, Prompt: 700}, progress: []int64{900, 1_200}, want: 1_200},
		"streamed without a sum": {demand: Demand{Tokens: 5_000, Prompt: 700}, progress: []int64{20}, want: 700},
		"more than reserved":     {demand: Demand{Tokens: 500}, progress: []int64{800}, want: 800},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s State
			d := test.demand
			d.Requests, d.Streams = 1, 2
			id, denial := s.Reserve(noon, five(), d, noon.Add(time.Minute))
			if denial != nil {
				t.Fatalf("Reserve = %+v; want a grant", denial)
			}
			for _, tokens := range test.progress {
				s.Progress(id, Demand{Tokens: tokens})
			}
			last := noon.Add(time.Minute)
			refuse(t, &s, last.Add(-1), five(), Demand{Streams: 1})
			standing := s.Standing(last, five(), nil)
			if got := 150_000 - standing[3].Remaining; got != test.want {
				t.Errorf("an expired grant was charged %d tokens of the day; want %d", got, test.want)
			}
			if standing[1].Remaining != 199 || standing[4].Remaining != 2 {
				t.Errorf("after expiry: %+v; want 199 requests of the day and both streams left", standing)
			}
			if s.Settle(last, id, Demand{}) {
				t.Error("Settle of an expired grant = true")
			}
			if got := 150_000 - s.Standing(last, five(), nil)[3].Remaining; got != test.want {
				t.Errorf("late settlement changed the charge to %d; want %d", got, test.want)
			}
		})
	}
}

func TestLateSettlementBeforeAnyoneLooked(t *testing.T) {
	t.Parallel()
	var s State
	id, _ := s.Reserve(noon, five(), Demand{Tokens: 5_000}, noon.Add(time.Second))
	if !s.Settle(noon.Add(time.Minute), id, Demand{Tokens: 10}) {
		t.Error("Settle after the deadline, before it took effect = false; want true, the truth is known")
	}
	if got := remaining(&s, noon.Add(time.Minute), five()[3]); got != 149_990 {
		t.Errorf("remaining = %d; want 149990", got)
	}
}

func TestManyOpen(t *testing.T) {
	t.Parallel()
	var s State
	const n = 1_000
	ls := Limits{perMinute(Tokens, 6_000_000), perDay(Tokens, 10_000_000), atOnce(n)}
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = reserve(t, &s, noon, ls, Demand{Tokens: 1_000, Streams: 1})
	}
	refuse(t, &s, noon, ls, Demand{Streams: 1})
	for i := range ids {
		if !s.Settle(noon, ids[(i*389)%n], Demand{Tokens: 100}) {
			t.Fatalf("Settle(%d) = false", ids[(i*389)%n])
		}
	}
	standing := s.Standing(noon, ls, nil)
	// The oldest 744 keep their estimate in the minute, and there alone.
	want := []int64{6_000_000 - (n-256)*1_000 - 256*100, 10_000_000 - n*100, n}
	for i, st := range standing {
		if st.Remaining != want[i] {
			t.Errorf("remaining of %v = %d; want %d", st.Limit, st.Remaining, want[i])
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	var s State
	if !s.Idle(noon) {
		t.Error("a fresh state is not idle")
	}
	id := reserve(t, &s, noon, five(), Demand{Requests: 1, Tokens: 10_000, Streams: 1})
	if s.Idle(noon.Add(time.Minute)) {
		t.Error("idle with an open grant")
	}
	s.Settle(noon.Add(time.Minute), id, Demand{Requests: 1, Tokens: 10_000})
	if s.Idle(noon.Add(11 * time.Hour)) {
		t.Error("idle with a count of the day")
	}
	if s.Idle(noon.Add(12 * time.Hour)) {
		t.Error("idle with a count of the month")
	}
	april := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	if !s.Idle(april) {
		t.Error("not idle in the next month")
	}
	id = reserve(t, &s, april, five(), Demand{Requests: 1})
	if s.Settle(april, id, Demand{}); s.Idle(april) != true {
		t.Error("not idle after a full refund")
	}
}

func TestSeedNeverAdds(t *testing.T) {
	t.Parallel()
	var s State
	for range 3 {
		s.Seed(noon, Day, Demand{Requests: 50, Tokens: 1_000})
	}
	standing := s.Standing(noon, five(), nil)
	if standing[1].Remaining != 150 || standing[3].Remaining != 149_000 {
		t.Errorf("after seeding 50 and 1,000 thrice: %+v", standing)
	}
	reserve(t, &s, noon, five(), Demand{Requests: 1})
	s.Seed(noon, Day, Demand{Requests: 50})
	if got := remaining(&s, noon, five()[1]); got != 149 {
		t.Errorf("seeding less than was spent left %d; want 149", got)
	}
	if got := remaining(&s, noon.Add(12*time.Hour), five()[1]); got != 200 {
		t.Errorf("remaining on the next day = %d; want 200", got)
	}
}

func TestEdges(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64
	for _, now := range []time.Time{{}, time.Unix(0, 0), noon, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for _, amount := range []int64{1, 2, most - 1, most} {
			for _, burst := range []int64{0, 1, most} {
				ls := Limits{
					{Dimension: Tokens, Window: Minute, Amount: amount, Burst: burst},
					perDay(Tokens, amount), perDay(Requests, most), atOnce(most),
				}
				if err := ls.Validate(); (err != nil) != (burst == most && amount < 3) {
					t.Fatalf("Validate(%v) = %v; want a fault for a burst of ages alone", ls, err)
				}
				var s State
				for range 3 {
					for _, d := range []Demand{
						{},
						{Requests: most, Tokens: most, Streams: most, Prompt: most},
						{Tokens: 1},
						{Tokens: amount, Streams: 1},
						{Requests: -1, Tokens: math.MinInt64, Streams: -5, Prompt: -1},
					} {
						id, denial := s.Reserve(now, ls, d, now.Add(most))
						if denial != nil && (denial.RetryAfter < 0 || denial.Never != (denial.RetryAfter == 0)) {
							t.Errorf("denial = %+v; want a wait or never", denial)
						}
						if id != 0 {
							s.Settle(now, id, Demand{Requests: most, Tokens: most, Streams: most})
						}
						for _, st := range s.Standing(now, ls, nil) {
							if st.Remaining < 0 || st.Remaining > st.Limit.Ceiling() || st.Reset < 0 {
								t.Errorf("standing = %+v; want between 0 and the ceiling", st)
							}
						}
					}
				}
			}
		}
	}
}
