package ratelimit_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "bartizan/internal/ratelimit"
)

// The oracle: the true costs, replayed at the times of admission through plain GCRA,
// never lead further than now + burst. It shares no code with the package.

const (
	oracleAmount = 600
	oracleBurst  = 300
)

var oracleLimit = Limit{Dimension: Tokens, Window: Minute, Amount: oracleAmount, Burst: oracleBurst}

// cost is the time that n tokens take at oracleAmount per minute, which is a whole
// number of nanoseconds.
func cost(n int64) int64 { return n * int64(time.Minute/oracleAmount) }

// event is a step of a script: time passes, and then something happens.
type event struct {
	Wait  time.Duration
	Kind  kind
	Which int   // the open grant concerned, modulo their number
	N     int64 // tokens to reserve
	Part  int64 // thousandths of the reservation that turn out to be true
	Life  time.Duration
}

type kind int

const (
	doReserve kind = iota
	doSettle
	doProgress
	doStepBack // of the clock, too far for a late arrival
	doArriveLate
)

func script(kinds ...kind) *rapid.Generator[[]event] {
	waits := []time.Duration{0, 1, time.Millisecond, time.Second, 7 * time.Second, 31 * time.Second, 2 * time.Minute}
	lives := []time.Duration{time.Second, 30 * time.Second, time.Hour}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{
			Wait:  rapid.SampledFrom(waits).Draw(t, "wait"),
			Kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
			Which: rapid.IntRange(0, 1_000).Draw(t, "which"),
			N:     rapid.OneOf(rapid.Int64Range(1, oracleBurst), rapid.Just(int64(oracleBurst))).Draw(t, "n"),
			Part:  rapid.OneOf(rapid.Int64Range(0, 1_000), rapid.Just(int64(0))).Draw(t, "part"),
			Life:  rapid.SampledFrom(lives).Draw(t, "life"),
		}
	}), 60, 160)
}

// limiter is what the oracle judges.
type limiter interface {
	reserve(now time.Time, n int64, deadline time.Time) (uint64, bool)
	progress(id uint64, n int64)
	settle(now time.Time, id uint64, n int64)
	look(now time.Time)
}

type engine struct{ State }

func (r *engine) reserve(now time.Time, n int64, deadline time.Time) (uint64, bool) {
	id, denial := r.Reserve(now, Limits{oracleLimit}, Demand{Tokens: n, Prompt: 1}, deadline)
	return id, denial == nil
}
func (r *engine) look(now time.Time)                       { r.Standing(now, nil, nil) }
func (r *engine) progress(id uint64, n int64)              { r.Progress(id, Demand{Tokens: n}) }
func (r *engine) settle(now time.Time, id uint64, n int64) { r.Settle(now, id, Demand{Tokens: n}) }

// naive is the mutant: it refunds by subtracting from the theoretical arrival time,
// and so gives back what time has restored already.
type naive struct {
	tat  int64
	last uint64
	est  map[uint64]int64
}

func (m *naive) reserve(now time.Time, n int64, _ time.Time) (uint64, bool) {
	t := max(m.tat, now.UnixNano()) + cost(n)
	if t > now.UnixNano()+cost(oracleBurst) {
		return 0, false
	}
	m.tat = t
	m.last++
	m.est[m.last] = n
	return m.last, true
}
func (m *naive) progress(uint64, int64) {}
func (m *naive) look(time.Time)         {}
func (m *naive) settle(_ time.Time, id uint64, n int64) {
	m.tat -= cost(m.est[id]) - cost(n)
}

// admission is a grant as the oracle knows it. Times are those of a clock that was
// never set back.
type admission struct {
	id           uint64
	at, deadline time.Time
	reserved     int64
	spent        int64 // known so far, and in the end the truth
	closed       bool
}

// world plays a script to a limiter and keeps the truth beside it.
type world struct {
	limiter    limiter
	now        time.Time     // true time
	set        time.Duration // how far the clock was set back by now
	admissions []admission
	pending    []int // of admissions, those that may still be open
}

func (w *world) clock() time.Time { return w.now.Add(-w.set) }

func (w *world) open() []int {
	w.pending = slices.DeleteFunc(w.pending, func(i int) bool { return w.admissions[i].closed })
	return w.pending
}

func (w *world) expire() {
	for _, i := range w.pending {
		if a := &w.admissions[i]; !w.now.Before(a.deadline) {
			a.closed = true
		}
	}
}

func (w *world) play(e event) {
	w.now = w.now.Add(e.Wait)
	shown := w.clock()
	switch e.Kind {
	case doStepBack:
		// What passes between the last look at the clock and its setting is not seen.
		w.limiter.look(w.clock())
		w.set += 11*time.Minute + e.Life
		return
	case doArriveLate:
		w.limiter.look(shown)
		shown = shown.Add(-e.Life % (10 * time.Minute))
		fallthrough
	case doReserve:
		w.expire()
		if id, ok := w.limiter.reserve(shown, e.N, w.clock().Add(e.Life)); ok {
			w.pending = append(w.pending, len(w.admissions))
			w.admissions = append(w.admissions, admission{
				id: id, at: w.now, deadline: w.now.Add(e.Life), reserved: e.N, spent: 1,
			})
		}
		return
	case doSettle, doProgress:
		w.close(e, shown)
	}
}

// close settles an open grant, or notes its progress.
func (w *world) close(e event, shown time.Time) {
	open := w.open()
	if len(open) == 0 {
		return
	}
	a := &w.admissions[open[e.Which%len(open)]]
	n := a.reserved * e.Part / 1000
	if e.Kind == doProgress {
		w.limiter.progress(a.id, n)
		a.spent = max(a.spent, n)
		return
	}
	w.limiter.settle(shown, a.id, n)
	a.spent, a.closed = n, true
	w.expire()
}

// replay returns the arrival time that the true costs lead to, and how far beyond
// now + burst they led at worst.
func (w *world) replay() (tat, excess int64) {
	for _, a := range w.admissions {
		n := a.spent
		if !a.closed {
			n = a.reserved
		}
		tat = max(tat, a.at.UnixNano()) + cost(n)
		excess = max(excess, tat-a.at.UnixNano()-cost(oracleBurst))
	}
	return tat, excess
}

// finish lets every reservation end: at all of it, or at what is known of it.
func (w *world) finish(all bool) {
	for _, i := range w.open() {
		a := &w.admissions[i]
		if all {
			a.spent = a.reserved
		}
		w.limiter.settle(w.clock(), a.id, a.spent)
		a.closed = true
	}
}

func TestOracle(t *testing.T) {
	t.Parallel()
	events := script(doReserve, doReserve, doSettle, doProgress, doStepBack, doArriveLate)
	rapid.Check(t, func(rt *rapid.T) {
		var r engine
		w := &world{limiter: &r, now: noon}
		for _, e := range events.Draw(rt, "events") {
			w.play(e)
			w.expire()
			tat, _ := w.replay()
			want := Standing{Limit: oracleLimit, Reset: time.Duration(max(0, tat-w.now.UnixNano()))}
			if room := cost(oracleBurst) - int64(want.Reset); room > 0 {
				want.Remaining = room * oracleAmount / int64(time.Minute)
			}
			if got := r.Standing(w.clock(), Limits{oracleLimit}, nil)[0]; got != want {
				rt.Fatalf("standing = %+v; want %+v as if the true costs had been known at admission", got, want)
			}
		}
		w.finish(rapid.Bool().Draw(rt, "all"))
		if _, excess := w.replay(); excess > 0 {
			rt.Fatalf("the true costs exceeded now + burst by %v", time.Duration(excess))
		}
	})
}

// TestOracleSeesTheNaiveRefund shows that the oracle has teeth.
func TestOracleSeesTheNaiveRefund(t *testing.T) {
	t.Parallel()
	events := script(doReserve, doReserve, doSettle)
	const scripts = 1_000
	caught, worst := 0, int64(0)
	for seed := range scripts {
		w := &world{limiter: &naive{est: map[uint64]int64{}}, now: noon}
		for _, e := range events.Example(seed) {
			e.Life = 10 * time.Hour // the mutant does not expire
			w.play(e)
		}
		w.finish(true)
		_, excess := w.replay()
		worst = max(worst, excess)
		if excess > 0 {
			caught++
		}
	}
	if caught < scripts/20 {
		t.Errorf("the naive refund passed the oracle in %d of %d scripts; want at least 1 in 20 caught", scripts-caught, scripts)
	}
	t.Logf("naive refund: caught in %d of %d scripts, worst use %.2f of the burst", caught, scripts, 1+float64(worst)/float64(cost(oracleBurst)))
}

// TestSlowReadersBankNothing is the script by which the naive refund is abused:
// hold reservations while time refills the cell, then settle them for nothing.
func TestSlowReadersBankNothing(t *testing.T) {
	t.Parallel()
	run := func(l limiter) float64 {
		w := &world{limiter: l, now: noon}
		hold := event{Kind: doReserve, N: oracleBurst, Life: 10 * time.Hour}
		for range 5 {
			w.play(hold)
			hold.Wait = 30 * time.Second
		}
		for range 6 {
			w.play(event{Kind: doReserve, N: oracleBurst, Life: 10 * time.Hour, Wait: 1})
			w.play(event{Kind: doSettle, Part: 0})
		}
		w.finish(true)
		_, excess := w.replay()
		return 1 + float64(excess)/float64(cost(oracleBurst))
	}
	if got := run(&engine{}); got > 1 {
		t.Errorf("slow readers reached %.2f bursts; want 1.00", got)
	}
	if got := run(&naive{est: map[uint64]int64{}}); got < 2 {
		t.Errorf("the mutant reached %.2f bursts; want at least 2 for this test to mean anything", got)
	}
}

// TestRemainingIsExact: what remains passes, one more does not, RetryAfter is the
// shortest wait, and refusals leave no trace, for any limits and any history.
func TestRemainingIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		amount := rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 10_000_000), rapid.Int64Range(1, 1<<50)).Draw(rt, "amount")
		burst := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 2*amount)).Draw(rt, "burst")
		l := Limit{Dimension: Tokens, Window: Minute, Amount: amount, Burst: burst}
		ls := Limits{l, perDay(Requests, 3)}
		var s State
		now := noon
		for _, part := range rapid.SliceOfN(rapid.Int64Range(0, 1000), 0, 6).Draw(rt, "parts") {
			n := l.Ceiling() / 1000 * part
			if id, denial := s.Reserve(now, ls[:1], Demand{Tokens: n}, now.Add(time.Hour)); denial == nil && part%3 == 0 {
				s.Settle(now, id, Demand{Tokens: n * 2})
			}
			now = now.Add(time.Duration(part) * 20 * time.Millisecond)
		}
		left := remaining(&s, now, l)
		before := s.Standing(now, ls, nil)
		if left < l.Ceiling() {
			_, denial := s.Reserve(now, ls, Demand{Requests: 1, Tokens: left + 1}, now.Add(time.Hour))
			if denial == nil || denial.Never || denial.RetryAfter <= 0 {
				rt.Fatalf("%v: %d remain; asking for one more = %+v; want a wait", l, left, denial)
			}
			if _, again := s.Reserve(now.Add(denial.RetryAfter-1), ls, Demand{Requests: 1, Tokens: left + 1}, now.Add(time.Hour)); again == nil {
				rt.Fatalf("%v: passed before RetryAfter", l)
			}
			if _, again := s.Reserve(now.Add(denial.RetryAfter), ls[:1], Demand{Tokens: left + 1}, now.Add(time.Hour)); again != nil {
				rt.Fatalf("%v: refused after RetryAfter: %+v", l, again)
			}
			return
		}
		if _, denial := s.Reserve(now, ls, Demand{Requests: 4, Tokens: left}, now.Add(time.Hour)); denial == nil {
			rt.Fatal("4 requests passed a limit of 3")
		}
		after := s.Standing(now, ls, nil)
		for i := range before {
			if before[i] != after[i] {
				rt.Fatalf("a refusal changed %+v to %+v", before[i], after[i])
			}
		}
		if _, denial := s.Reserve(now, ls, Demand{Requests: 3, Tokens: left}, now.Add(time.Hour)); denial != nil {
			rt.Fatalf("%v: %d remain, but asking for them = %+v", l, left, denial)
		}
	})
}

// TestDayIsExact: settled and open grants of the day, and no others, are the count.
func TestDayIsExact(t *testing.T) {
	t.Parallel()
	type holding struct {
		id    uint64
		today int
		n     int64
	}
	rapid.Check(t, func(rt *rapid.T) {
		ls := Limits{perDay(Tokens, 1_000)}
		var s State
		var open []holding
		used := map[int]int64{}
		now := noon
		for _, e := range script(doReserve, doReserve, doSettle).Draw(rt, "events") {
			now = now.Add(e.Wait * 200)
			today := int(now.Unix() / 86_400)
			if e.Kind == doReserve {
				id, denial := s.Reserve(now, ls, Demand{Tokens: e.N}, now.Add(1e6*time.Hour))
				if fits := used[today]+e.N <= 1_000; fits != (denial == nil) {
					rt.Fatalf("Reserve(%d) with %d used = %+v", e.N, used[today], denial)
				}
				if denial == nil {
					used[today] += e.N
					open = append(open, holding{id, today, e.N})
				}
			} else if len(open) > 0 {
				i := e.Which % len(open)
				h := open[i]
				open = append(open[:i], open[i+1:]...)
				actual := h.n * e.Part / 1000
				s.Settle(now, h.id, Demand{Tokens: actual})
				used[h.today] += actual - h.n
			}
			if got, want := remaining(&s, now, ls[0]), 1_000-used[today]; got != want {
				rt.Fatalf("remaining = %d; want %d", got, want)
			}
		}
	})
}

// TestLongRun holds hundreds of reservations open, more than are kept apart, and
// closes them in any order.
func TestLongRun(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var r engine
		w := &world{limiter: &r, now: noon}
		deepest := 0
		for range 12_000 {
			e := event{Wait: time.Duration(rng.Int64N(int64(100 * time.Millisecond))), N: 1 + rng.Int64N(2), Which: rng.IntN(1 << 20), Part: rng.Int64N(1_001), Life: time.Hour}
			if open := len(w.open()); rng.IntN(700) < open {
				e.Kind = doSettle
			} else {
				deepest = max(deepest, open+1)
			}
			w.play(e)
		}
		w.finish(true)
		tat, excess := w.replay()
		if excess > 0 {
			t.Errorf("seed %d: the true costs exceeded now + burst by %v", seed, time.Duration(excess))
		}
		got := r.Standing(w.clock(), Limits{oracleLimit}, nil)[0].Reset
		if least := time.Duration(max(0, tat-w.now.UnixNano())); got < least {
			t.Errorf("seed %d: %v are charged; want at least the true %v", seed, got, least)
		}
		if deepest < 300 {
			t.Errorf("seed %d: only %d were open at once; want more than 300", seed, deepest)
		}
	}
}
