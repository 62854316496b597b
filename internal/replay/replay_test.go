package replay_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/counters"
	"bartizan/internal/guard"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/replay"
	"bartizan/internal/sketch"
	"bartizan/internal/wire"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func compile(t testing.TB, s policy.Spec) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// only is a policy of one tier, "standard", with these limits and a price.
func only(limits ...ratelimit.Limit) policy.Spec {
	profile, _ := coarsen.Shipped("standard")
	s := policy.Default()
	s.Tiers = map[bartizan.Tier]policy.TierSpec{
		"standard": {Limits: limits, MaxOutput: 1000, DefaultOutput: 100, Coarsen: profile},
	}
	s.Prices = []policy.Price{{Match: "m*", Input: 1_000_000, Output: 2_000_000}} // a dollar and two per million
	return s
}

func perMinute(d ratelimit.Dimension, n int64) ratelimit.Limit {
	return ratelimit.Limit{Dimension: d, Window: ratelimit.Minute, Amount: n}
}

func perDay(d ratelimit.Dimension, n int64) ratelimit.Limit {
	return ratelimit.Limit{Dimension: d, Window: ratelimit.Day, Amount: n}
}

// answered is a record of 100 tokens of prompt and 50 of answer that took two seconds.
func answered(account string, after time.Duration) bartizan.Exchange {
	return bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: account + after.String(), Account: account, Tier: "standard", At: begin.Add(after),
		EndAt: begin.Add(after + 2*time.Second), Route: "openai.chat", Model: "m1", Asked: bartizan.Asked{MaxTokens: 200, Inputs: 1},
		Status: 200, Outcome: bartizan.OutcomeAnswered, Decision: bartizan.Decision{Action: bartizan.ActionAllow},
		Usage: bartizan.Usage{InputTokens: 100, OutputTokens: 50},
	}
}

func refused(account string, after time.Duration) bartizan.Exchange {
	x := answered(account, after)
	x.EndAt, x.Status, x.Outcome, x.Usage = x.At, 429, bartizan.OutcomeRefused, bartizan.Usage{}
	x.Decision = bartizan.Decision{
		Action: bartizan.ActionThrottle, Reasons: []bartizan.Reason{{Code: "limit", Dimension: "requests", Window: "minute"}},
	}
	return x
}

func source(log ...bartizan.Exchange) replay.Source {
	return func(_ context.Context, yield func(*bartizan.Exchange) error) error {
		for i := range log {
			x := log[i]
			if err := yield(&x); err != nil {
				return err
			}
		}
		return nil
	}
}

func run(t testing.TB, o replay.Options, sources ...replay.Source) *replay.Report {
	t.Helper()
	r, err := replay.Run(t.Context(), o, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t testing.TB, r *replay.Report, account string) replay.Account {
	t.Helper()
	for _, a := range r.Accounts {
		if a.Account == account {
			return a
		}
	}
	t.Fatalf("account %s is not in the report", account)
	return replay.Account{}
}

func TestHandMadeLog(t *testing.T) {
	t.Parallel()
	var log []bartizan.Exchange
	for i := range 5 { // three at once pass, and after 20 s one more
		log = append(log, answered("many", time.Duration(i)*time.Millisecond))
	}
	log = append(log, answered("many", 21*time.Second), answered("few", time.Second), answered("few", time.Minute))
	r := run(t, replay.Options{New: replay.Policy{Name: "new", Rules: compile(t, only(perMinute(ratelimit.Requests, 3)))}}, source(log...))

	if got, want := r.Replayed, int64(8); got != want {
		t.Errorf("replayed %d; want %d", got, want)
	}
	// 100 tokens of prompt are 100 millionths of a dollar, 50 of answer as much.
	want := replay.Weight{Requests: 2, Tokens: 300, MicroUSD: 400}
	many := find(t, r, "many").After
	if diff := cmp.Diff(want, many.Refused); diff != "" {
		t.Errorf("refused of many (-want +got):\n%s", diff)
	}
	if many.LongestRun != 2 || many.NewlyRefused != 2 || many.NewlyAllowed != 0 {
		t.Errorf("longest run %d, newly refused %d, newly allowed %d; want 2, 2, 0", many.LongestRun, many.NewlyRefused, many.NewlyAllowed)
	}
	if got, want := many.LongestWait, 20*time.Second-3*time.Millisecond; got != want {
		t.Errorf("longest wait %s; want %s", got, want)
	}
	by := []replay.Blame{{Cause: replay.Cause{Code: "limit", Dimension: "requests", Window: "minute", Of: "account"}, Weight: want}}
	if diff := cmp.Diff(by, many.By); diff != "" {
		t.Errorf("by (-want +got):\n%s", diff)
	}
	if few := find(t, r, "few"); few.Share != 0 {
		t.Errorf("share of few %v; want 0", few.Share)
	}
	if diff := cmp.Diff(replay.Worst{ByValue: []string{"many"}, ByShare: []string{"many"}}, r.Worst); diff != "" {
		t.Errorf("worst (-want +got):\n%s", diff)
	}
	if !r.Worse() {
		t.Error("Worse() = false; want true")
	}
	var points replay.Point
	for _, p := range r.Series.Points {
		points.Requests += p.Requests
		points.Refused += p.Refused
	}
	if points.Requests != 8 || points.Refused != 2 {
		t.Errorf("the series has %d requests and %d refused; want 8 and 2", points.Requests, points.Refused)
	}
}

// A settlement gives back what was reserved and not used, at the time at which the
// answer ended and no earlier.
func TestSettlesWhenItEnds(t *testing.T) {
	t.Parallel()
	// Each reserves 100 + 200 tokens and uses 150.
	spec := only(perDay(ratelimit.Tokens, 450))
	tier := spec.Tiers["standard"]
	tier.MaxOutput = 200
	spec.Tiers["standard"] = tier
	o := replay.Options{New: replay.Policy{Rules: compile(t, spec)}}
	for name, test := range map[string]struct {
		second time.Duration
		want   int64
	}{
		"before the end": {time.Second, 1},
		"at the end":     {2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, o, source(answered("a", 0), answered("a", test.second)))
			if got := r.Total.After.Refused.Requests; got != test.want {
				t.Errorf("refused %d; want %d", got, test.want)
			}
		})
	}
}

func TestRecordedRefusals(t *testing.T) {
	t.Parallel()
	bad := refused("a", 4*time.Second)
	bad.Decision.Reasons[0] = bartizan.Reason{Code: "bad_request"}
	foreign := refused("a", 5*time.Second) // of a gateway that says no reason
	foreign.Decision = bartizan.Decision{}
	r := run(t, replay.Options{New: replay.Policy{Rules: compile(t, only(perMinute(ratelimit.Requests, 100)))}},
		source(answered("a", 0), refused("a", 3*time.Second), bad, foreign))
	a := find(t, r, "a")
	if a.Recorded.Requests != 2 || a.After.NewlyAllowed != 2 || a.After.Refused.Requests != 0 {
		t.Errorf("recorded %d, newly allowed %d, refused %d; want 2, 2, 0", a.Recorded.Requests, a.After.NewlyAllowed, a.After.Refused.Requests)
	}
	if r.Other != 1 {
		t.Errorf("%d other refusals; want 1", r.Other)
	}
	if got, want := a.Recorded.Tokens, int64(300); got != want { // like the one that was answered
		t.Errorf("recorded refusals are worth %d tokens; want %d", got, want)
	}
	if r.Worse() {
		t.Error("Worse() = true; want false")
	}
}

func TestShadowWouldRefuse(t *testing.T) {
	t.Parallel()
	watching := perMinute(ratelimit.Requests, 1)
	watching.Shadow = true
	whole := only(perMinute(ratelimit.Requests, 1))
	whole.Shadow = true
	for name, spec := range map[string]policy.Spec{"limit": only(watching), "policy": whole} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, replay.Options{New: replay.Policy{Rules: compile(t, spec)}},
				source(answered("a", 0), answered("a", time.Second), answered("a", 2*time.Second)))
			after := r.Total.After
			if after.Refused.Requests != 0 || after.Would.Requests != 2 || after.NewlyRefused != 0 {
				t.Errorf("refused %d, would %d, newly refused %d; want 0, 2, 0", after.Refused.Requests, after.Would.Requests, after.NewlyRefused)
			}
			if len(r.Limits) != 1 || r.Limits[0].Requests != 2 || r.Total.Hit != 1 {
				t.Errorf("limits %v, %d accounts hit; want one of 2 requests, and 1", r.Limits, r.Total.Hit)
			}
			if len(r.Worst.ByValue) != 1 {
				t.Errorf("worst %v; want the account that shadows would refuse", r.Worst.ByValue)
			}
		})
	}
}

func TestLevelsAndTiers(t *testing.T) {
	t.Parallel()
	suspended, gone, bare := answered("a", 0), answered("b", 0), answered("c", 0)
	suspended.Level = bartizan.LevelSuspended
	gone.Tier, bare.Tier = "gold", ""
	r := run(t, replay.Options{New: replay.Policy{Rules: compile(t, only(perMinute(ratelimit.Requests, 9)))}, Tier: "standard"},
		source(suspended, gone, bare))
	for account, want := range map[string]string{"a": "suspended", "b": "unknown_tier"} {
		if a := find(t, r, account); len(a.After.By) != 1 || a.After.By[0].Code != want {
			t.Errorf("account %s: stopped by %v; want %s", account, a.After.By, want)
		}
	}
	if c := find(t, r, "c"); c.Tier != "standard" || c.Share != 0 {
		t.Errorf("account c: tier %s, share %v; want standard, 0", c.Tier, c.Share)
	}
}

// A level that only watches refuses nothing, and the report says what it would refuse.
func TestShadowLevel(t *testing.T) {
	t.Parallel()
	spec := only(perMinute(ratelimit.Requests, 4))
	spec.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsNum: 1, LimitsDen: 2, Shadow: true}
	spec.Levels[bartizan.LevelRestricted] = policy.LevelSpec{Shadow: true}
	spec.Levels[bartizan.LevelSuspended] = policy.LevelSpec{Deny: true, Shadow: true}
	var log []bartizan.Exchange
	for i := range 5 {
		watched, suspended := answered("a", time.Duration(i)), answered("b", time.Duration(i))
		watched.Level, suspended.Level = bartizan.LevelWatch, bartizan.LevelSuspended
		log = append(log, watched, suspended)
	}
	r := run(t, replay.Options{New: replay.Policy{Rules: compile(t, spec)}}, source(log...))
	for account, want := range map[string]int64{"a": 2, "b": 4} {
		if a := find(t, r, account); a.After.Refused.Requests != 1 || a.After.Would.Requests != want {
			t.Errorf("account %s: %d refused, %d would be; want 1 by the tier, %d",
				account, a.After.Refused.Requests, a.After.Would.Requests, want)
		}
	}
}

func TestAgainst(t *testing.T) {
	t.Parallel()
	old, now := compile(t, only(perMinute(ratelimit.Requests, 1))), compile(t, only(perMinute(ratelimit.Requests, 2)))
	r := run(t, replay.Options{New: replay.Policy{Name: "new", Rules: now}, Against: &replay.Policy{Name: "old", Rules: old}},
		source(answered("a", 0), answered("a", 1), answered("a", 2)))
	if r.Total.Before.Refused.Requests != 2 || r.Total.After.Refused.Requests != 1 || r.Total.After.NewlyAllowed != 1 {
		t.Errorf("before %d, after %d, newly allowed %d; want 2, 1, 1",
			r.Total.Before.Refused.Requests, r.Total.After.Refused.Requests, r.Total.After.NewlyAllowed)
	}
	if r.Worse() {
		t.Error("Worse() = true; want false")
	}
	if len(r.Bill.Changes) == 0 || r.Bill.Changes[0].Change.Speedup < 1.9 {
		t.Errorf("changes of the bill %v; want the attacker about twice as fast", r.Bill.Changes)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	o := replay.Options{New: replay.Policy{Rules: compile(t, only(perMinute(ratelimit.Requests, 2)))}}
	log := []bartizan.Exchange{
		answered("a", 0), answered("a", 40*time.Second), answered("a", 10*time.Second), answered("a", 3*time.Hour), answered("a", 2*time.Hour),
		answered("a", time.Minute),
	}
	nothing := answered("a", 0)
	nothing.At, nothing.EndAt = time.Time{}, time.Time{}
	nobody := answered("unknown", 0)
	r := run(t, o, source(append(slices.Clone(log), nothing, nobody)...))
	if r.Replayed != 5 || r.Late != 1 || r.Untimed != 1 || r.Nameless != 1 {
		t.Errorf("replayed %d, late %d, untimed %d, nameless %d; want 5, 1, 1, 1", r.Replayed, r.Late, r.Untimed, r.Nameless)
	}
	o.Reorder = -1
	r = run(t, o, source(log...))
	if r.Replayed != 6 || r.Late != 0 {
		t.Errorf("in any order: replayed %d, late %d; want 6, 0", r.Replayed, r.Late)
	}
	slices.SortFunc(log, func(a, b bartizan.Exchange) int { return a.At.Compare(b.At) })
	if diff := cmp.Diff(run(t, o, source(log...)), r); diff != "" {
		t.Errorf("the order of lines makes a difference (-sorted +not):\n%s", diff)
	}
	two := run(t, o, source(log[0], log[2], log[4]), source(log[1], log[3], log[5]))
	if diff := cmp.Diff(r, two); diff != "" {
		t.Errorf("two logs make a difference (-one +two):\n%s", diff)
	}
}

func TestErrorsEndTheReplay(t *testing.T) {
	t.Parallel()
	o := replay.Options{New: replay.Policy{Rules: compile(t, only(perMinute(ratelimit.Requests, 2)))}}
	broken := errors.New("broken")
	_, err := replay.Run(t.Context(), o, source(answered("a", 0)), func(context.Context, func(*bartizan.Exchange) error) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("error %v; want that of the source", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = replay.Run(ctx, o, func(ctx context.Context, yield func(*bartizan.Exchange) error) error {
		for i := 0; ; i++ {
			x := answered("a", time.Duration(i)*time.Hour)
			if i == 5000 {
				cancel()
			}
			if err := yield(&x); err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want that it was cancelled", err)
	}
	if _, err := replay.Run(t.Context(), replay.Options{}); err == nil {
		t.Error("a replay without a policy succeeds")
	}
}

// everyKind is a policy with limits of every dimension, window and scope.
func everyKind(t testing.TB) *policy.Policy {
	profile, _ := coarsen.Shipped("trusted")
	s := only(
		perMinute(ratelimit.Requests, 5), perMinute(ratelimit.Tokens, 2500), perDay(ratelimit.Values, 20_000), perDay(ratelimit.Cost, 300_000),
		ratelimit.Limit{Dimension: ratelimit.Prompts, Window: ratelimit.Hour, Amount: 110},
		ratelimit.Limit{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 1},
		ratelimit.Limit{Dimension: ratelimit.InFlight, Window: ratelimit.Concurrent, Amount: 3},
	)
	tier := s.Tiers["standard"]
	tier.Coarsen = profile
	tier.Key = ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Hour, Amount: 70}}
	tier.Models = []policy.ModelSpec{{Match: "m2", MaxOutput: 300, Limits: ratelimit.Limits{perMinute(ratelimit.Output, 700)}}}
	s.Tiers["standard"] = tier
	s.Organisations = map[string]ratelimit.Limits{"*": {perMinute(ratelimit.Requests, 11)}}
	return compile(t, s)
}

func organisation(id string) (bartizan.Account, bool) {
	return bartizan.Account{ID: id, Organisation: "org" + id[:1], Tier: "standard"}, true
}

// traffic is what a gateway under p would have recorded: it asks the guard, settles when
// answers end, and writes records in the order in which they end.
func traffic(t testing.TB, p *policy.Policy, seed uint64, requests int) []bartizan.Exchange {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0))
	g := guard.New(p, counters.NewMemory(), guard.Options{})
	var route *wire.Route
	for _, r := range wire.Routes() {
		if r.Name == "openai.chat" {
			route = r
		}
	}
	type open struct {
		end time.Time
		adm guard.Admission
		res guard.Result
	}
	var under []open
	var log []bartizan.Exchange
	now := begin
	for range requests {
		now = now.Add(time.Duration(rnd.ExpFloat64() * float64(2*time.Second)))
		slices.SortStableFunc(under, func(a, b open) int { return a.end.Compare(b.end) })
		for len(under) > 0 && !under[0].end.After(now) {
			if _, err := g.Settle(t.Context(), under[0].end, &under[0].adm, under[0].res); err != nil {
				t.Fatal(err)
			}
			under = under[1:]
		}
		x := answered(fmt.Sprintf("%d.%d", rnd.IntN(3), rnd.IntN(3)), 0)
		x.ID, x.At, x.Key, x.Model = strconv.Itoa(len(log)), now, fmt.Sprint(x.Account, "-", rnd.IntN(2)), fmt.Sprint("m", 1+rnd.IntN(2))
		x.Level = bartizan.Level(rnd.IntN(20) / 19)
		x.Usage.InputTokens = 1 + rnd.Int64N(900)
		x.Text = &bartizan.Text{Prompt: fmt.Sprint("prompt ", rnd.IntN(400))}
		x.Asked = bartizan.Asked{Stream: rnd.IntN(3) == 0, MaxTokens: rnd.IntN(3) * 300, Inputs: 1, Logprobs: rnd.IntN(4) == 0}
		if x.Asked.Logprobs {
			x.Asked.TopLogprobs = rnd.IntN(21)
		}
		account, _ := organisation(x.Account)
		account.Level = x.Level
		adm, err := g.Admit(t.Context(), now, &guard.Ask{
			Account: account, Key: x.Key, Route: route, Request: wire.Request{Model: x.Model, Asked: x.Asked}, InputTokens: x.Usage.InputTokens,
			Prompt: func() uint64 { return sketch.Hash([]byte(x.Text.Prompt), 99) },
		})
		if err != nil {
			t.Fatal(err)
		}
		x.Decision = adm.Decision
		if !adm.Decision.Allowed() {
			x.Outcome, x.Status, x.EndAt, x.Usage.OutputTokens = bartizan.OutcomeRefused, 429, now, 0
			log = append(log, x)
			continue
		}
		x.EndAt = now.Add(time.Duration(rnd.Int64N(int64(20 * time.Second))))
		x.Usage.OutputTokens = rnd.Int64N(1 + min(adm.MaxOutput, max(100, int64(x.Asked.MaxTokens))))
		if rnd.IntN(20) == 0 {
			x.Outcome, x.Usage.OutputTokens = bartizan.OutcomeFailed, 0
		}
		k := min(x.Asked.TopLogprobs, adm.Profile.Logprobs.TopK)
		switch {
		case x.Asked.Logprobs && adm.Profile.Logprobs.Allow:
			x.Disclosure.Values = x.Usage.OutputTokens * int64(1+k)
		case x.Asked.Logprobs:
			x.Adjusted = []string{"logprobs"}
		}
		under = append(under, open{x.EndAt, adm, guard.Result{
			Outcome: x.Outcome, Usage: x.Usage, Reported: true, Reached: true, OutputBytes: int(x.Usage.OutputTokens), Values: x.Disclosure.Values,
		}})
		log = append(log, x)
	}
	slices.SortStableFunc(log, func(a, b bartizan.Exchange) int { return a.EndAt.Compare(b.EndAt) })
	return log
}

// A log that a policy made, replayed under that policy, is refused exactly what it was
// refused then, for the same reasons.
func TestSamePolicyRefusesTheSame(t *testing.T) {
	t.Parallel()
	p := everyKind(t)
	for seed := range uint64(5) {
		log := traffic(t, p, seed, 4000)
		want := make(map[replay.Cause]int64)
		total := int64(0)
		for i := range log {
			if log[i].Outcome == bartizan.OutcomeRefused {
				total++
				r := log[i].Decision.Reasons[0]
				if r.Of == "" {
					r.Of = "account"
				}
				want[replay.Cause{Code: r.Code, Dimension: r.Dimension, Window: r.Window, Of: r.Of}]++
			}
		}
		if len(want) < 8 || total < 500 {
			t.Fatalf("seed %d: the log has %d refusals of %d kinds, too few to say anything", seed, total, len(want))
		}
		r := run(t, replay.Options{New: replay.Policy{Rules: p}, Account: organisation}, source(log...))
		after := r.Total.After
		if after.Refused.Requests != total || after.NewlyRefused != 0 || after.NewlyAllowed != 0 {
			t.Errorf("seed %d: refused %d, newly refused %d, newly allowed %d; want %d, 0, 0",
				seed, after.Refused.Requests, after.NewlyRefused, after.NewlyAllowed, total)
		}
		got := make(map[replay.Cause]int64)
		for _, l := range r.Limits {
			got[l.Cause] = l.Requests
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: causes (-log +replay):\n%s", seed, diff)
		}
	}
}

func TestWorkersMakeNoDifference(t *testing.T) {
	t.Parallel()
	log := traffic(t, everyKind(t), 7, 4000)
	profile := only(perMinute(ratelimit.Requests, 4), perMinute(ratelimit.Tokens, 5000))
	profile.Organisations = map[string]ratelimit.Limits{"*": {perMinute(ratelimit.Requests, 9)}}
	o := replay.Options{
		New: replay.Policy{Rules: compile(t, profile)}, Against: &replay.Policy{Rules: everyKind(t)}, Account: organisation, Workers: 1,
	}
	var halves [2][]bartizan.Exchange
	for i, x := range log {
		halves[i%2] = append(halves[i%2], x)
	}
	want := run(t, o, source(halves[0]...), source(halves[1]...))
	if want.Total.After.Refused.Requests == 0 {
		t.Fatal("nothing is refused, which says nothing")
	}
	for _, workers := range []int{2, 8} {
		o.Workers = workers
		if diff := cmp.Diff(want, run(t, o, source(halves[0]...), source(halves[1]...))); diff != "" {
			t.Errorf("%d workers (-1 +%d):\n%s", workers, workers, diff)
		}
	}
}
