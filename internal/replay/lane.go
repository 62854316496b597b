package replay

import (
	"cmp"
	"context"
	"fmt"

	"bartizan"
	"bartizan/internal/counters"
	"bartizan/internal/guard"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/wire"
)

// lane is one policy on virtual time.
type lane struct {
	guard    *guard.Guard
	open     queue[*pending]
	free     []*pending
	admitted int64
	standing []ratelimit.Standing
}

// pending is an admitted request that is not over.
type pending struct {
	end, n int64
	adm    guard.Admission
	result guard.Result
}

func newLane(p *policy.Policy) *lane {
	return &lane{
		guard: guard.New(p, counters.NewMemory(), guard.Options{}),
		open:  queue[*pending]{less: func(a, b *pending) bool { return a.end < b.end || a.end == b.end && a.n < b.n }},
	}
}

// ruling is what a policy makes of a request.
type ruling struct {
	cause Cause
	// refused and would: by a limit that counts, by one that only watches.
	refused, would bool
	plain          bool // answered without numbers
	never          bool
	decision       bartizan.Decision
}

// take settles what has ended by the time of e, and rules on e. What e spends is that
// of a guess where the record says nothing.
func (l *lane) take(ctx context.Context, e *event, g *guess) (ruling, error) {
	if err := l.settle(ctx, e.at); err != nil {
		return ruling{}, err
	}
	who := e.account.who
	who.Tier, who.Level = e.tier, e.level
	ask := guard.Ask{
		Account: who, Key: e.account.key(e.key), Route: e.route, Request: wire.Request{Model: e.model, Asked: e.asked},
		InputTokens: g.input, Standing: l.standing[:0],
	}
	if e.prompt != 0 {
		ask.Prompt = func() uint64 { return e.prompt }
	}
	adm, err := l.guard.Admit(ctx, at(e.at), &ask)
	if err != nil {
		return ruling{}, fmt.Errorf("account %s: %w", e.id, err)
	}
	if adm.Standing != nil {
		l.standing = adm.Standing
	}
	if adm.Decision.Allowed() {
		l.push(e, &adm, g)
	}
	return ruled(&adm), nil
}

func ruled(adm *guard.Admission) ruling {
	r := ruling{decision: adm.Decision, refused: !adm.Decision.Allowed(), plain: adm.NoNumbers}
	if len(adm.Decision.Reasons) > 0 && adm.Decision.Reasons[0].Code != "shadow_level" { // that refuses nothing
		reason := adm.Decision.Reasons[0]
		r.would = !r.refused
		r.never = reason.Code == limitCode && adm.Decision.Action == bartizan.ActionDeny
		r.cause = Cause{Code: reason.Code, Dimension: reason.Dimension, Window: reason.Window, Of: reason.Of}
		switch reason.Code {
		case "shadow_limit":
			r.cause.Code = limitCode
		case "shadow_suspended":
			r.cause.Code = "suspended"
		}
		if r.cause.Code == limitCode && r.cause.Of == "" {
			r.cause.Of = ratelimit.OfAccount.String()
		}
	}
	return r
}

const limitCode = "limit"

// push notes what is to be settled at the end of e.
func (l *lane) push(e *event, adm *guard.Admission, g *guess) {
	var p *pending
	if n := len(l.free); n > 0 {
		p, l.free = l.free[n-1], l.free[:n-1]
	} else {
		p = new(pending)
	}
	usage := g.usage
	if g.whole {
		usage.OutputTokens = longest(e, adm, cmp.Or(int64(e.asked.MaxTokens), adm.Uncapped()))
	}
	usage.OutputTokens = min(usage.OutputTokens, longest(e, adm, adm.MaxOutput))
	l.admitted++
	p.end, p.n, p.adm = e.at+g.lasts, l.admitted, *adm
	p.adm.Standing = nil // it is the lane's, for the next one
	p.result = guard.Result{
		Outcome: g.outcome, Usage: usage, Reported: true, Reached: true, OutputBytes: int(min(usage.OutputTokens, 1)),
		Values: released(e, adm, usage.OutputTokens, g.exact),
	}
	l.open.push(p)
}

// longest is how many tokens all answers to a request have when each has n.
func longest(e *event, adm *guard.Admission, n int64) int64 {
	if e.route.Class != wire.ClassGenerate {
		return e.usage.OutputTokens
	}
	copies := min(max(e.asked.N, 1), max(adm.Profile.NMax, 1))
	return n * int64(copies) * int64(max(e.asked.Inputs, 1))
}

// released is how many numbers an answer of so many tokens gives away.
func released(e *event, adm *guard.Admission, tokens int64, exact bool) int64 {
	if !e.asked.Logprobs || adm.Profile == nil || !adm.Profile.Logprobs.Allow {
		if e.asked.Logprobs {
			return 0
		}
		return e.values // class scores and the like
	}
	most := tokens * int64(1+max(0, min(e.asked.TopLogprobs, adm.Profile.Logprobs.TopK)))
	if exact {
		return min(e.values, most)
	}
	return most
}

// settle ends the requests that are over by now.
func (l *lane) settle(ctx context.Context, now int64) error {
	for len(l.open.items) > 0 && l.open.items[0].end <= now {
		p := l.open.pop()
		if _, err := l.guard.Settle(ctx, at(p.end), &p.adm, p.result); err != nil {
			return err //nolint:wrapcheck // it says what it is
		}
		*p = pending{}
		l.free = append(l.free, p)
	}
	return nil
}
