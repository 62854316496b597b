package counters_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"bartizan/internal/counters"
	"bartizan/internal/counters/counterstest"
	"bartizan/internal/ratelimit"
)

var (
	_     counterstest.Counters = (*counters.Memory)(nil)
	noon                        = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	april                       = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	day                         = ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: 1_000}}
)

func TestConformance(t *testing.T) {
	t.Parallel()
	counterstest.Run(t, func(*testing.T) counterstest.Counters { return counters.NewMemory() })
}

// only is an account under its own limits alone.
func only(account string, ls ratelimit.Limits) []ratelimit.Scope {
	return []ratelimit.Scope{{Nest: ratelimit.OfAccount, Name: account, Limits: ls}}
}

// TestOvershootSeesTheNaiveRefund shows that the suite's oracle has teeth: counters
// that take a refund off the arrival time fail it.
func TestOvershootSeesTheNaiveRefund(t *testing.T) {
	t.Parallel()
	if worst := counterstest.Overshoot(t, &naive{cells: map[string]*cell{}}, 1, 40); worst <= 1.2 {
		t.Errorf("the naive refund used %.2f of the burst; want it to be caught far above 1", worst)
	}
}

// naive is the mutant. It knows one limit on tokens per minute.
type naive struct {
	mu    sync.Mutex
	cells map[string]*cell
}

type cell struct {
	tat  time.Time
	last uint64
	held map[uint64]time.Duration
}

func (n *naive) Reserve(
	_ context.Context, now time.Time, scopes []ratelimit.Scope, d ratelimit.Demand, _ time.Time, _ []ratelimit.Standing,
) (ratelimit.Outcome, error) {
	account, ls := scopes[0].Name, scopes[0].Limits
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.cells[account]
	if c == nil {
		c = &cell{held: map[uint64]time.Duration{}}
		n.cells[account] = c
	}
	tat := c.tat
	if tat.Before(now) {
		tat = now
	}
	every := time.Minute / time.Duration(ls[0].Amount)
	inc := time.Duration(d.Tokens) * every
	if tat.Add(inc).After(now.Add(time.Duration(ls[0].Burst) * every)) {
		return ratelimit.Outcome{Refused: true}, nil
	}
	c.tat = tat.Add(inc)
	c.last++
	c.held[c.last] = inc
	var out ratelimit.Outcome
	out.Grant.Add(&scopes[0], c.last)
	return out, nil
}

func (n *naive) Settle(_ context.Context, _ time.Time, g *ratelimit.Grant, actual ratelimit.Demand) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	g.Parts(func(s ratelimit.Scope, id uint64) {
		c := n.cells[s.Name]
		c.tat = c.tat.Add(time.Duration(actual.Tokens)*time.Minute/600 - c.held[id])
	})
	return nil
}

func (n *naive) Peek(context.Context, time.Time, []ratelimit.Scope, []ratelimit.Standing) ([]ratelimit.Standing, error) {
	return nil, nil
}

func take(t *testing.T, m *counters.Memory, account string, d ratelimit.Demand) ratelimit.Grant {
	t.Helper()
	outcome, err := m.Reserve(t.Context(), noon, only(account, day), d, noon.Add(time.Minute), nil)
	if err != nil || outcome.Refused {
		t.Fatalf("Reserve(%s, %+v) = %+v, %v; want a grant", account, d, outcome, err)
	}
	return outcome.Grant
}

func left(t *testing.T, m *counters.Memory, now time.Time, account string) int64 {
	t.Helper()
	standing, err := m.Peek(t.Context(), now, only(account, day), nil)
	if err != nil || len(standing) != 1 {
		t.Fatalf("Peek(%s) = %v, %v; want one standing", account, standing, err)
	}
	return standing[0].Remaining
}

func TestSweep(t *testing.T) {
	t.Parallel()
	m := counters.NewMemory()
	for i := range 1_000 {
		g := take(t, m, fmt.Sprintf("gone-%d", i), ratelimit.Demand{Tokens: 5})
		if err := m.Settle(t.Context(), noon, &g, ratelimit.Demand{}); err != nil {
			t.Fatal(err)
		}
	}
	spent := take(t, m, "spent", ratelimit.Demand{Tokens: 5})
	if err := m.Settle(t.Context(), noon, &spent, ratelimit.Demand{Tokens: 5}); err != nil {
		t.Fatal(err)
	}
	take(t, m, "open", ratelimit.Demand{Tokens: 5, Prompt: 2})
	if got := m.Sweep(noon); got != 1_000 {
		t.Errorf("Sweep forgot %d accounts; want the 1000 that have nothing spent and nothing open", got)
	}
	later := noon.Add(time.Minute)
	if got := m.Sweep(later); got != 0 {
		t.Errorf("Sweep forgot %d accounts; want 0, both count for the day", got)
	}
	if got := left(t, m, later, "open"); got != 998 {
		t.Errorf("an overdue grant left %d; want 998", got)
	}
	if got := m.Sweep(april); got != 2 {
		t.Errorf("Sweep of the next month forgot %d accounts; want 2", got)
	}
}

// TestForgottenGrant: a grant of an account that was forgotten does not settle a
// later one.
func TestForgottenGrant(t *testing.T) {
	t.Parallel()
	m := counters.NewMemory()
	old := take(t, m, "account", ratelimit.Demand{Requests: 1})
	if got := m.Sweep(april); got != 1 {
		t.Fatalf("Sweep forgot %d accounts; want 1", got)
	}
	later := april.Add(time.Hour)
	outcome, err := m.Reserve(t.Context(), later, only("account", day), ratelimit.Demand{Tokens: 900}, later.Add(time.Minute), nil)
	if err != nil || outcome.Refused {
		t.Fatalf("Reserve = %+v, %v; want a grant", outcome, err)
	}
	if err := m.Settle(t.Context(), later, &old, ratelimit.Demand{}); err != nil {
		t.Fatal(err)
	}
	if got := left(t, m, later, "account"); got != 100 {
		t.Errorf("remaining = %d; want 100: the old grant is not the new one", got)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	m := counters.NewMemory()
	g := take(t, m, "account", ratelimit.Demand{Tokens: 500, Prompt: 20})
	for _, tokens := range []int64{60, 140, 80} {
		if err := m.Progress(t.Context(), &g, ratelimit.Demand{Tokens: tokens}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Progress(t.Context(), &ratelimit.Grant{}, ratelimit.Demand{Tokens: 1}); err != nil {
		t.Fatal(err)
	}
	if got := left(t, m, noon.Add(time.Minute), "account"); got != 860 {
		t.Errorf("remaining after expiry = %d; want 860, 140 were streamed", got)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	m := counters.NewMemory()
	for range 8 {
		m.Seed(ratelimit.Scope{Name: "account"}, noon, ratelimit.Day, ratelimit.Demand{Tokens: 300})
	}
	if got := left(t, m, noon, "account"); got != 700 {
		t.Errorf("remaining after seeding 300 eight times = %d; want 700", got)
	}
}

// TestEverythingAtOnce is for the race detector: all methods on few accounts.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	m := counters.NewMemory()
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for j := range 200 {
				account := fmt.Sprintf("account-%d", (i+j)%3)
				now := noon.Add(time.Duration(j) * time.Second)
				outcome, _ := m.Reserve(t.Context(), now, only(account, day), ratelimit.Demand{Tokens: 1}, now.Add(time.Hour), nil)
				_ = m.Progress(t.Context(), &outcome.Grant, ratelimit.Demand{Tokens: 1})
				_, _ = m.Peek(t.Context(), now, only(account, day), nil)
				m.Seed(ratelimit.Scope{Name: account}, now, ratelimit.Day, ratelimit.Demand{Tokens: 1})
				if j%50 == 0 {
					m.Sweep(now)
				}
				_ = m.Settle(t.Context(), now, &outcome.Grant, ratelimit.Demand{})
			}
		})
	}
	group.Wait()
	m.Sweep(noon.Add(5 * time.Minute))
	for i := range 3 {
		if got := left(t, m, noon.Add(5*time.Minute), fmt.Sprintf("account-%d", i)); got < 999 {
			t.Errorf("account-%d: %d remain of 1000; want at least 999, all but what was seeded", i, got)
		}
	}
}

// BenchmarkReserveSettle is the whole check of a request: every dimension, in one
// scope and in four.
func BenchmarkReserveSettle(b *testing.B) {
	ls := ratelimit.Limits{
		{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 1 << 30},
		{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: 1 << 60},
		{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: 1 << 50},
		{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: 1 << 60},
		{Dimension: ratelimit.Cost, Window: ratelimit.Month, Amount: 1 << 60},
		{Dimension: ratelimit.Values, Window: ratelimit.Day, Amount: 1 << 60},
		{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 1 << 20},
		{Dimension: ratelimit.InFlight, Window: ratelimit.Concurrent, Amount: 1 << 20},
	}
	for name, limits := range map[string][]ratelimit.Limits{
		"account": {ls}, "organisation+account+key+model": {ls, ls[:4], ls[:4], ls[:4]},
	} {
		b.Run(name, func(b *testing.B) {
			m := counters.NewMemory()
			const accounts = 100_000
			names := make([]string, accounts)
			for i := range names {
				names[i] = fmt.Sprintf("account-%06d", i)
			}
			scopes := make([]ratelimit.Scope, len(limits))
			for i := range scopes {
				scopes[i] = ratelimit.Scope{Nest: ratelimit.Nest(i), Limits: limits[i]}
			}
			i, now := 0, noon
			standing := make([]ratelimit.Standing, 0, 32)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Microsecond)
				i = (i*5 + 3) % accounts
				for k := range scopes {
					scopes[k].Name = names[i]
				}
				d := ratelimit.Demand{Requests: 1, Tokens: 4_096, Input: 96, Output: 4_000, Cost: 12, Values: 5, Streams: 1, InFlight: 1}
				outcome, _ := m.Reserve(b.Context(), now, scopes, d, now.Add(time.Minute), standing)
				if outcome.Refused {
					b.Fatal(outcome.Denial)
				}
				_ = m.Settle(b.Context(), now, &outcome.Grant, ratelimit.Demand{Requests: 1, Tokens: 900, Input: 96, Output: 804, Cost: 3})
			}
		})
	}
}
