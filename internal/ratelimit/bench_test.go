package ratelimit_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	. "bartizan/internal/ratelimit"
)

// partner are five limits that a benchmark does not reach.
func partner() Limits {
	return Limits{
		perMinute(Requests, 6_000_000), perDay(Requests, 1<<60),
		perMinute(Tokens, 7_000_000_000), perDay(Tokens, 1<<60), atOnce(2_000),
	}
}

func BenchmarkReserveSettle(b *testing.B) {
	for _, open := range []int{0, 32, 256, 1_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			var s State
			ls, now := partner(), noon
			d := Demand{Requests: 1, Tokens: 4_096, Streams: 1, Prompt: 300}
			ids := make([]uint64, open+1)
			for i := range ids {
				id, denial := s.Reserve(now, ls, d, now.Add(time.Hour))
				if denial != nil && i < open {
					b.Fatal(denial)
				}
				ids[i] = id
			}
			s.Settle(now, ids[open], d)
			i := open
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Millisecond)
				id, denial := s.Reserve(now, ls, d, now.Add(time.Hour))
				if denial != nil {
					b.Fatal(denial)
				}
				ids[i] = id
				i = (i*7 + 3) % len(ids)
				s.Settle(now, ids[i], Demand{Requests: 1, Tokens: 1_000})
			}
		})
	}
}

// BenchmarkCheck is the whole check of a request, charged to everybody, and the settlement:
// ten limits of an account, and three each of its organisation, of a key and of a model.
func BenchmarkCheck(b *testing.B) {
	ls := Limits{
		perMinute(Requests, 6_000_000_000), perDay(Requests, 1<<60), perMinute(Tokens, 7_000_000_000_000), perDay(Tokens, 1<<60),
		{Dimension: Input, Window: Hour, Amount: 1 << 60},
		{Dimension: Output, Window: Hour, Amount: 1 << 60},
		{Dimension: Cost, Window: Month, Amount: 1 << 60},
		{Dimension: Values, Window: Day, Amount: 1 << 60},
		atOnce(1 << 40),
		{Dimension: InFlight, Window: Concurrent, Amount: 1 << 40},
	}
	var scopes [4]State
	d := Demand{Requests: 1, Tokens: 4_096, Input: 96, Output: 4_000, Cost: 12, Values: 5, Streams: 1, InFlight: 1}
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		var charges [4]Charge
		var ids [4]uint64
		for i := range scopes {
			limits := ls[:3]
			if i == 0 {
				limits = ls
			}
			if _, refused := scopes[i].Check(now, limits, &d, &charges[i]); refused {
				b.Fatal("refused")
			}
		}
		for i := range scopes {
			ids[i] = scopes[i].Take(&d, now.Add(time.Minute), &charges[i])
		}
		for i := range scopes {
			scopes[i].Settle(now, ids[i], d)
		}
	}
}

func BenchmarkStanding(b *testing.B) {
	var s State
	ls := partner()
	s.Reserve(noon, ls, Demand{Requests: 1, Tokens: 4_096, Streams: 1}, noon.Add(time.Hour))
	var dst []Standing
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Standing(noon, ls, dst[:0])
	}
}

func BenchmarkRefusal(b *testing.B) {
	var s State
	ls := five()
	s.Reserve(noon, ls, Demand{Requests: 20}, noon.Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if _, denial := s.Reserve(noon, ls, Demand{Requests: 1, Tokens: 100}, noon.Add(time.Hour)); denial == nil {
			b.Fatal("not refused")
		}
	}
}

func TestNoAllocations(t *testing.T) { //nolint:paralleltest // counts the allocations of the process
	var s State
	ls, now := partner(), noon
	d := Demand{Requests: 1, Tokens: 4_096, Streams: 1, Prompt: 300}
	var ids [40]uint64
	i := 0
	step := func() {
		now = now.Add(time.Millisecond)
		s.Settle(now, ids[i], Demand{Requests: 1, Tokens: 1_000})
		ids[i], _ = s.Reserve(now, ls, d, now.Add(time.Hour))
		i = (i*7 + 3) % len(ids)
	}
	for range 10_000 {
		step()
	}
	if got := testing.AllocsPerRun(10_000, step); got != 0 {
		t.Errorf("reserve and settle allocate %v times; want 0", got)
	}
}

// BenchmarkIdleAccount reports what an account at rest occupies, with its entry in a
// map and a name of 16 bytes.
func BenchmarkIdleAccount(b *testing.B) {
	const accounts = 200_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		states := make(map[string]*State)
		for i := range accounts {
			s := new(State)
			id, _ := s.Reserve(noon, five(), Demand{Requests: 1, Tokens: 100}, noon.Add(time.Hour))
			s.Settle(noon, id, Demand{Requests: 1, Tokens: 50})
			s.Idle(noon)
			states[fmt.Sprintf("account-%08d", i)] = s
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/accounts, "B/account")
		runtime.KeepAlive(states)
	}
}
