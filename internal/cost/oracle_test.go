package cost_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "bartizan/internal/cost"
)

// meter is the state of one limit of one key, account or organisation, in exact
// arithmetic: the dull way to do what the package does in closed form.
type meter struct {
	limit  Limit
	demand int64
	level  *big.Rat // of a bucket, at the time last
	last   *big.Rat
	window int64 // of a calendar limit: where the current window began, in minutes
	used   int64
}

func newMeter(l Limit, demand int64) *meter {
	burst := l.Amount
	if l.Burst > 0 {
		burst = l.Burst
	}
	return &meter{limit: l, demand: demand, level: big.NewRat(burst, 1), last: new(big.Rat), window: -1}
}

// at is the bucket's level at time t.
func (m *meter) at(t *big.Rat) *big.Rat {
	gained := new(big.Rat).Sub(t, m.last)
	gained.Mul(gained, big.NewRat(m.limit.Amount, 1)).Add(gained, m.level)
	full := newMeter(m.limit, m.demand).level
	if gained.Cmp(full) > 0 {
		return full
	}
	return gained
}

// edges returns where the calendar window of t begins and ends, in minutes.
func edges(s Span, t *big.Rat) (int64, int64) {
	epoch := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	minutes := new(big.Int).Quo(t.Num(), t.Denom()).Int64()
	now := epoch.Add(time.Duration(minutes) * time.Minute)
	begin := now.Truncate(time.Hour)
	end := begin.Add(time.Hour)
	switch s {
	case Day:
		begin = time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
		end = begin.AddDate(0, 0, 1)
	case Month:
		begin = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
		end = begin.AddDate(0, 1, 0)
	default:
	}
	return int64(begin.Sub(epoch) / time.Minute), int64(end.Sub(epoch) / time.Minute)
}

// next is the earliest time from t on at which the limit allows an answer.
func (m *meter) next(t *big.Rat) *big.Rat {
	if m.limit.Span == Minute {
		missing := new(big.Rat).Sub(big.NewRat(m.demand, 1), m.at(t))
		if missing.Sign() <= 0 {
			return t
		}
		missing.Quo(missing, big.NewRat(m.limit.Amount, 1))
		return missing.Add(missing, t)
	}
	begin, end := edges(m.limit.Span, t)
	if begin == m.window && m.used+m.demand > m.limit.Amount {
		return big.NewRat(end, 1)
	}
	return t
}

func (m *meter) take(t *big.Rat) {
	if m.limit.Span == Minute {
		m.level = new(big.Rat).Sub(m.at(t), big.NewRat(m.demand, 1))
		m.last = t
		return
	}
	if begin, _ := edges(m.limit.Span, t); begin != m.window {
		m.window, m.used = begin, 0
	}
	m.used += m.demand
}

// simulate asks for one answer after the other, always with the key that may go
// first, and returns the days to the last.
func simulate(limits []Limit, a Attacker, n int64) float64 {
	keys, count := make([][]*meter, a.Accounts*a.KeysPerAccount), make([]int, a.Accounts*a.KeysPerAccount)
	for _, l := range limits {
		demand := int64(1)
		if l.Unit == Tokens {
			demand = a.PromptTokens + a.AnswerTokens
		}
		shared := map[int]*meter{}
		for k := range keys {
			owner := k
			switch l.Scope {
			case PerAccount:
				owner = k / int(a.KeysPerAccount)
			case PerOrganisation:
				owner = k / int(a.KeysPerAccount*a.AccountsPerOrganisation)
			default:
			}
			if shared[owner] == nil {
				shared[owner] = newMeter(l, demand)
			}
			keys[k] = append(keys[k], shared[owner])
		}
	}
	now := new(big.Rat)
	for range n {
		best, first := -1, new(big.Rat)
		for k, meters := range keys {
			at := settled(meters, now)
			if c := at.Cmp(first); best < 0 || c < 0 || c == 0 && count[k] < count[best] {
				best, first = k, at
			}
		}
		for _, m := range keys[best] {
			m.take(first)
		}
		count[best]++
		now = first
	}
	minutes, _ := now.Float64()
	return minutes / (24 * 60)
}

// settled is the earliest time from t on at which all limits allow an answer.
func settled(meters []*meter, t *big.Rat) *big.Rat {
	for {
		at := t
		for _, m := range meters {
			at = m.next(at)
		}
		if at.Cmp(t) == 0 {
			return at
		}
		t = at
	}
}

// drawLimits draws a bundle of limits, each of which allows an answer of the size.
func drawLimits(t *rapid.T, size int64, scopes int) []Limit {
	var limits []Limit
	for range rapid.IntRange(1, 5).Draw(t, "limits") {
		l := Limit{
			Unit:  rapid.SampledFrom([]Unit{Requests, Tokens}).Draw(t, "unit"),
			Span:  rapid.SampledFrom([]Span{Minute, Minute, Hour, Day, Month}).Draw(t, "span"),
			Scope: Scope(rapid.IntRange(0, scopes-1).Draw(t, "scope")),
		}
		demand := int64(1)
		if l.Unit == Tokens {
			demand = size
		}
		// Amounts that make each span the tightest now and then.
		most := map[Span]int64{Minute: 3, Hour: 6, Day: 12, Month: 60}[l.Span]
		l.Amount = rapid.Int64Range(demand, demand*most).Draw(t, "amount")
		if l.Span == Minute {
			l.Amount = rapid.Int64Range(1, max(1, l.Amount/rapid.Int64Range(1, 3000).Draw(t, "slower"))).Draw(t, "rate")
			l.Burst = rapid.Int64Range(demand, demand*20).Draw(t, "burst")
		}
		limits = append(limits, l)
	}
	return limits
}

func TestCollectIsTheSimulation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Attacker{Accounts: 1, KeysPerAccount: 1, AccountsPerOrganisation: 1, AnswerTokens: rapid.Int64Range(1, 40_000).Draw(t, "size")}
		limits := drawLimits(t, a.AnswerTokens, 1)
		n := rapid.Int64Range(0, 250).Draw(t, "n")
		want := simulate(limits, a, n)
		if got := Collect(Tier{Limits: limits}, a, n); got.Never || math.Abs(got.Days-want) > 1e-9*(1+want) {
			t.Fatalf("Collect(%v, %d) = %v days (never %v); the simulation takes %v", limits, n, got.Days, got.Never, want)
		}
	})
}

// With several scopes the closed form shares answers in fractions among those who
// have a limit each, so it may be early by a few answers per key, and never late.
func TestCollectIsTheSimulationOfScopes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Attacker{
			Accounts:                rapid.Int64Range(1, 4).Draw(t, "accounts"),
			KeysPerAccount:          rapid.Int64Range(1, 3).Draw(t, "keys"),
			AccountsPerOrganisation: 1,
			AnswerTokens:            rapid.Int64Range(1, 40_000).Draw(t, "size"),
		}
		if a.Accounts%2 == 0 {
			a.AccountsPerOrganisation = 2
		}
		limits := drawLimits(t, a.AnswerTokens, 3)
		n := rapid.Int64Range(0, 150).Draw(t, "n")
		slow := simulate(limits, a, n)
		tier := Tier{Limits: limits}
		early, late := Collect(tier, a, n), Collect(tier, a, n+2*a.Accounts*a.KeysPerAccount)
		if early.Days > slow*(1+1e-9) || late.Days < slow*(1-1e-9) {
			t.Fatalf("Collect(%v, %+v, %d) = %v days and %v with some more; the simulation takes %v",
				limits, a, n, early.Days, late.Days, slow)
		}
	})
}
