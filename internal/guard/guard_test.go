package guard_test

import (
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/counters"
	"bartizan/internal/guard"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/wire"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func chatRoute(t *testing.T) *wire.Route {
	t.Helper()
	route, _ := wire.Find("POST", "/v1/chat/completions")
	if route == nil {
		t.Fatal("no chat route")
	}
	return route
}

func newGuard(t *testing.T) (*guard.Guard, *counters.Memory) {
	t.Helper()
	p, err := policy.Compile(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	memory := counters.NewMemory()
	return guard.New(p, memory, guard.Options{}), memory
}

func ask(maxTokens int) wire.Request {
	return wire.Request{Model: "m", TextBytes: 350, Asked: bartizan.Asked{MaxTokens: maxTokens, N: 1}}
}

// dayTokens returns how many tokens the account has been charged today.
func dayTokens(t *testing.T, g *guard.Guard, m *counters.Memory, account bartizan.Account) int64 {
	t.Helper()
	rules, _ := g.Policy().Rules(account.Tier, account.Level)
	standing, err := m.Peek(t.Context(), noon, []ratelimit.Scope{{Name: account.ID, Limits: rules.Limits}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range standing {
		if s.Limit.Dimension == ratelimit.Tokens && s.Limit.Window == ratelimit.Day {
			return s.Limit.Amount - s.Remaining
		}
	}
	t.Fatal("no day limit on tokens")
	return 0
}

func TestSettleChargesWhatHappened(t *testing.T) {
	t.Parallel()
	reported := bartizan.Usage{InputTokens: 90, OutputTokens: 40}
	tests := map[string]struct {
		result guard.Result
		tokens int64
	}{
		"as reported":              {guard.Result{Outcome: bartizan.OutcomeAnswered, Reached: true, Usage: reported, Reported: true}, 130},
		"counted from bytes":       {guard.Result{Outcome: bartizan.OutcomeAnswered, Reached: true, OutputBytes: 35}, 101 + 11},
		"never reached":            {guard.Result{Outcome: bartizan.OutcomeFailed}, 0},
		"upstream failed":          {guard.Result{Outcome: bartizan.OutcomeFailed, Reached: true}, 0},
		"upstream died mid-stream": {guard.Result{Outcome: bartizan.OutcomeFailed, Reached: true, OutputBytes: 35}, 101 + 11},
		"client left":              {guard.Result{Outcome: bartizan.OutcomeAborted, Reached: true, OutputBytes: 35}, 101 + 11},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, memory := newGuard(t)
			account := bartizan.Account{ID: "a", Tier: bartizan.TierStandard}
			adm, err := g.Admit(t.Context(), noon, &guard.Ask{Account: account, Route: chatRoute(t), Request: ask(1000)})
			if err != nil || !adm.Decision.Allowed() {
				t.Fatalf("Admit = %+v, %v; want allowed", adm.Decision, err)
			}
			if got := dayTokens(t, g, memory, account); got != 1101 {
				t.Errorf("%d tokens reserved; want prompt 101 and answer 1000", got)
			}
			if _, err := g.Settle(t.Context(), noon, &adm, tt.result); err != nil {
				t.Fatal(err)
			}
			if got := dayTokens(t, g, memory, account); got != tt.tokens {
				t.Errorf("%d tokens charged; want %d", got, tt.tokens)
			}
		})
	}
}

func TestAdmitRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		account bartizan.Account
		request wire.Request
		action  bartizan.Action
		code    string
	}{
		"suspended":    {bartizan.Account{ID: "s", Tier: bartizan.TierPartner, Level: bartizan.LevelSuspended}, ask(1), bartizan.ActionDeny, "suspended"},
		"unknown tier": {bartizan.Account{ID: "u", Tier: "gold"}, ask(1), bartizan.ActionDeny, "unknown_tier"},
		"never fits": {
			bartizan.Account{ID: "n", Tier: bartizan.TierPublic},
			wire.Request{Model: "m", TextBytes: 90_000, Asked: bartizan.Asked{MaxTokens: 2048}},
			bartizan.ActionDeny, "limit",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _ := newGuard(t)
			adm, err := g.Admit(t.Context(), noon, &guard.Ask{Account: tt.account, Route: chatRoute(t), Request: tt.request})
			if err != nil {
				t.Fatal(err)
			}
			if adm.Decision.Action != tt.action || adm.Decision.Reasons[0].Code != tt.code {
				t.Errorf("Admit = %+v; want %s because of %s", adm.Decision, tt.action, tt.code)
			}
		})
	}
}

// A level tightens the tier: at watch half the requests pass, at restricted a tenth.
func TestLevelTightensLimits(t *testing.T) {
	t.Parallel()
	for level, want := range map[bartizan.Level]int{
		bartizan.LevelNormal: 60, bartizan.LevelWatch: 30, bartizan.LevelRestricted: 6, bartizan.LevelSuspended: 0,
	} {
		g, _ := newGuard(t)
		account := bartizan.Account{ID: "a", Tier: bartizan.TierStandard, Level: level}
		passed := 0
		for range 100 {
			adm, err := g.Admit(t.Context(), noon, &guard.Ask{Account: account, Route: chatRoute(t), Request: ask(1)})
			if err != nil {
				t.Fatal(err)
			}
			if adm.Decision.Allowed() {
				passed++
			}
		}
		if passed != want {
			t.Errorf("%d of 100 requests pass at level %s; want %d", passed, level, want)
		}
	}
}

// The estimate follows what the model's tokenizer really does.
func TestEstimateLearns(t *testing.T) {
	t.Parallel()
	g, memory := newGuard(t)
	for range 100 {
		g.Learn("m", 8000, 1000)
	}
	g.Learn("m", 10, 1000) // nobody's tokenizer: teaches nothing
	account := bartizan.Account{ID: "a", Tier: bartizan.TierStandard}
	long := wire.Request{Model: "m", TextBytes: 8000, Asked: bartizan.Asked{MaxTokens: 1}}
	if _, err := g.Admit(t.Context(), noon, &guard.Ask{Account: account, Route: chatRoute(t), Request: long}); err != nil {
		t.Fatal(err)
	}
	if got := dayTokens(t, g, memory, account); got < 1000 || got > 1010 {
		t.Errorf("%d tokens reserved for 8,000 bytes at 8 bytes a token; want about 1,001", got)
	}
}

func TestLevelForNeverSuspends(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[bartizan.Verdict]bartizan.Level{
		bartizan.VerdictClear: bartizan.LevelNormal, bartizan.VerdictWatch: bartizan.LevelWatch,
		bartizan.VerdictAlarm: bartizan.LevelRestricted,
	} {
		if got := guard.LevelFor(&bartizan.Finding{Verdict: verdict}); got != want {
			t.Errorf("LevelFor(%s) = %s; want %s", verdict, got, want)
		}
	}
}

// Evidence of detectors that only observe moves no level, however strong it is.
func TestLevelForFollowsWhatMoves(t *testing.T) {
	t.Parallel()
	for moves, want := range map[bartizan.Verdict]bartizan.Level{
		"": bartizan.LevelSuspended, bartizan.VerdictAlarm: bartizan.LevelRestricted, bartizan.VerdictWatch: bartizan.LevelWatch,
		bartizan.VerdictClear: bartizan.LevelNormal,
	} {
		if got := guard.LevelFor(&bartizan.Finding{Verdict: bartizan.VerdictAlarm, Strong: true, Moves: moves}); got != want {
			t.Errorf("LevelFor(a strong alarm that moves %q) = %s; want %s", moves, got, want)
		}
	}
}

// Asking about models costs a request and no tokens.
func TestMetadataCostsARequest(t *testing.T) {
	t.Parallel()
	route, _ := wire.Find("GET", "/v1/models")
	g, memory := newGuard(t)
	account := bartizan.Account{ID: "a", Tier: bartizan.TierPublic}
	passed := 0
	for range 30 {
		adm, err := g.Admit(t.Context(), noon, &guard.Ask{Account: account, Route: route})
		if err != nil {
			t.Fatal(err)
		}
		if adm.Decision.Allowed() {
			passed++
		}
	}
	if tokens := dayTokens(t, g, memory, account); passed != 20 || tokens != 0 {
		t.Errorf("%d of 30 passed for %d tokens; want 20 for none", passed, tokens)
	}
}
