// Package guard decides what happens to each request: whether it may pass
// ([Guard.Admit]), what of it and of its answer may be seen ([NarrowRequest] and
// [Shaper]), and what it really cost ([Guard.Settle]).
//
// It is the only place where the engines meet. It starts no goroutine, reads no
// clock and keeps no account data of its own: time is an argument, limit state
// lives behind [Counters], and what is suspected of an account arrives as its
// level. What happens after an answer, detection, is [Judge].
package guard

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/wire"
)

// Counters keep the limit state of accounts. Reserve checks every limit and takes
// from all of them or from none.
type Counters interface {
	Reserve(ctx context.Context, now time.Time, account string, ls ratelimit.Limits, d ratelimit.Demand,
		deadline time.Time) (ratelimit.Outcome, error)
	Settle(ctx context.Context, now time.Time, g ratelimit.Grant, actual ratelimit.Demand) error
	Progress(ctx context.Context, g ratelimit.Grant, soFar ratelimit.Demand) error
}

// Options are the guard's settings; the zero value is ready to use.
type Options struct {
	// Lease is how long a reservation may stay open before it expires; 0 means
	// [DefaultLease].
	Lease time.Duration
}

// DefaultLease is the default of Options.Lease: longer than any answer is let to take.
const DefaultLease = 20 * time.Minute

// Guard admits and settles requests under the policy in force. It is safe for
// use by several goroutines.
type Guard struct {
	policy   atomic.Pointer[policy.Policy]
	counters Counters
	lease    time.Duration
	estimate estimator
}

// New returns a guard under p.
func New(p *policy.Policy, c Counters, o Options) *Guard {
	g := &Guard{counters: c, lease: o.Lease}
	if g.lease == 0 {
		g.lease = DefaultLease
	}
	g.policy.Store(p)
	return g
}

// Swap puts p in force for requests that arrive from now on.
func (g *Guard) Swap(p *policy.Policy) { g.policy.Store(p) }

// Policy returns the policy in force.
func (g *Guard) Policy() *policy.Policy { return g.policy.Load() }

// Admission is what Admit decided and what Shape and Settle need to know of it.
// A refused admission holds no reservation.
type Admission struct {
	Decision bartizan.Decision
	// Rules are those of the account's tier and level; nil when the tier is unknown.
	Rules *policy.Rules
	// Standing is what is left of each limit, after the reservation.
	Standing []ratelimit.Standing
	// Limit is the limit that refused; meaningful with ActionThrottle.
	Limit ratelimit.Limit

	grant       ratelimit.Grant
	reserved    ratelimit.Demand
	inputTokens int64
	model       string
}

// Admit decides whether account may send request now, and reserves the worst case
// of it. An error means that the counters could not be asked; nothing is reserved.
// A denial leaves every counter as it was.
func (g *Guard) Admit(ctx context.Context, now time.Time, account bartizan.Account, route *wire.Route,
	request wire.Request,
) (Admission, error) {
	rules, ok := g.Policy().Rules(account.Tier, account.Level)
	if !ok {
		return Admission{Decision: deny("unknown_tier")}, nil
	}
	if rules.Deny {
		return Admission{Decision: deny("suspended"), Rules: rules}, nil
	}
	adm := Admission{Rules: rules, Decision: bartizan.Decision{Action: bartizan.ActionAllow}, model: request.Model}
	adm.inputTokens = g.estimate.tokens(request.Model, request.TextBytes)
	adm.reserved = demand(route, rules, request, adm.inputTokens)
	out, err := g.counters.Reserve(ctx, now, account.ID, rules.Limits, adm.reserved, now.Add(g.lease))
	if err != nil {
		return Admission{}, fmt.Errorf("reserve for account %s: %w", account.ID, err)
	}
	adm.Standing, adm.grant = out.Standing, out.Grant
	if d := out.Denial; d != nil {
		adm.Limit = d.Limit
		adm.Decision = bartizan.Decision{
			Action: bartizan.ActionThrottle, RetryAfter: d.RetryAfter,
			Reasons: []bartizan.Reason{{
				Code: "limit", Dimension: d.Limit.Dimension.String(), Window: d.Limit.Window.String(),
			}},
		}
		if d.Never {
			adm.Decision.Action, adm.Decision.RetryAfter = bartizan.ActionDeny, 0
		}
	}
	return adm, nil
}

func deny(code string) bartizan.Decision {
	return bartizan.Decision{Action: bartizan.ActionDeny, Reasons: []bartizan.Reason{{Code: code}}}
}

// demand is the worst case of a request: the tokens it brings and the longest
// answers it may get. What only asks about models costs a request too: every request
// makes a record.
func demand(route *wire.Route, rules *policy.Rules, request wire.Request, input int64) ratelimit.Demand {
	d := ratelimit.Demand{Requests: 1, Tokens: input, Prompt: input}
	if route.Class == wire.ClassGenerate {
		output := int64(request.Asked.MaxTokens)
		if output == 0 {
			output = rules.DefaultOutput
		}
		copies := min(max(request.Asked.N, 1), max(rules.Profile.NMax, 1))
		d.Tokens += min(output, rules.MaxOutput) * int64(copies) * int64(max(request.Asked.Inputs, 1))
	}
	if request.Asked.Stream {
		d.Streams = 1
	}
	return d
}

// Result is what became of an admitted request.
type Result struct {
	Outcome bartizan.Outcome
	// Usage is what the upstream reported; Reported is false when it reported none.
	Usage    bartizan.Usage
	Reported bool
	// OutputBytes is how much generated text passed.
	OutputBytes int
	// Reached is false when the request never got to the upstream.
	Reached bool
}

// Settle replaces the reservation of an admitted request by what it cost and
// returns the usage to record: as reported, or counted from bytes when nothing was
// reported. A request that never reached the upstream costs nothing; one that the
// upstream failed costs itself but no tokens; an aborted one costs what was sent.
func (g *Guard) Settle(ctx context.Context, now time.Time, adm *Admission, r Result) (bartizan.Usage, error) {
	usage := r.Usage
	if !r.Reported {
		usage = bartizan.Usage{
			InputTokens:  adm.inputTokens,
			OutputTokens: g.estimate.tokens(adm.model, r.OutputBytes),
			Estimated:    true,
		}
	}
	actual := ratelimit.Demand{Requests: 1, Tokens: usage.InputTokens + usage.OutputTokens}
	switch {
	case !r.Reached:
		actual, usage = ratelimit.Demand{}, bartizan.Usage{}
	case r.Outcome == bartizan.OutcomeFailed && r.OutputBytes == 0:
		actual.Tokens, usage = 0, bartizan.Usage{}
	}
	if adm.grant.ID == 0 {
		return usage, nil
	}
	if err := g.counters.Settle(ctx, now, adm.grant, actual); err != nil {
		return usage, fmt.Errorf("settle grant of account %s: %w", adm.grant.Account, err)
	}
	return usage, nil
}

// Progress notes how much generated text an open stream has sent, so that a
// reservation that expires settles at what was really given.
func (g *Guard) Progress(ctx context.Context, adm *Admission, outputBytes int) error {
	if adm.grant.ID == 0 {
		return nil
	}
	err := g.counters.Progress(ctx, adm.grant, ratelimit.Demand{
		Requests: 1, Tokens: adm.inputTokens + g.estimate.tokens(adm.model, outputBytes),
	})
	if err != nil {
		return fmt.Errorf("note progress of account %s: %w", adm.grant.Account, err)
	}
	return nil
}

// Learn teaches the token estimate how many bytes of text one reported token stood for.
func (g *Guard) Learn(model string, textBytes int, tokens int64) {
	g.estimate.learn(model, textBytes, tokens)
}
