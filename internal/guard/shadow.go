package guard

import (
	"context"
	"fmt"
	"time"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/wire"
)

// whatIf is what an admitted request holds of the limits that a level would leave if it did
// not only watch.
type whatIf struct {
	grant  ratelimit.Grant
	output int64 // the longest answer that it would get
}

// watch notes what a level that only watches would refuse or narrow of an admitted request
// with the demand d. Limits per minute are kept apart, as if what they would have refused
// had been refused; hour, day and month count what was really served.
func (g *Guard) watch(ctx context.Context, now time.Time, ask *Ask, adm *Admission, d *ratelimit.Demand) error {
	would := adm.Rules.Would
	if would == nil {
		return nil
	}
	note := func(r bartizan.Reason) { adm.Decision.Reasons = append(adm.Decision.Reasons, r) }
	if would.Deny {
		note(bartizan.Reason{Code: "shadow_suspended"})
		return nil
	}
	tight := Admission{
		Rules: would, Profile: would.Profile, MaxOutput: would.MaxOutput, model: adm.model, policy: adm.policy,
		inputTokens: adm.inputTokens,
	}
	model := would.Model(adm.model)
	if model != nil {
		tight.Profile, tight.MaxOutput = model.Profile, model.MaxOutput
	}
	want := tight.demand(ask)
	want.Values = min(want.Values, d.Values)
	refusal, refused := overCalendar(would, model, adm.Standing, d, &want)
	if !refused {
		out, err := g.counters.Reserve(ctx, now, minutes(adm.Rules, model, ask), want, now.Add(g.lease), nil)
		if err != nil {
			return fmt.Errorf("reserve in shadow for account %s: %w", ask.Account.ID, err)
		}
		adm.would = whatIf{out.Grant, want.Output}
		refusal, refused = out.Denial, out.Refused
	}
	if refused {
		note(reason("shadow_limit", &refusal))
	}
	if takes(&tight, adm, &ask.Request) {
		note(bartizan.Reason{Code: "shadow_level"})
	}
	return nil
}

// minutes are the limits per minute that the level would tighten, under names that nobody has.
func minutes(r *policy.Rules, model *policy.ModelRules, ask *Ask) []ratelimit.Scope {
	var scopes []ratelimit.Scope
	add := func(nest ratelimit.Nest, name, part string, would, limits ratelimit.Limits) {
		var tighter ratelimit.Limits
		for _, l := range would {
			if own, ok := find(limits, l); ok && l.Window == ratelimit.Minute && l.Amount < own.Amount {
				l.Shadow = false
				tighter = append(tighter, l)
			}
		}
		if len(tighter) > 0 {
			scopes = append(scopes, ratelimit.Scope{Nest: nest, Name: name + "\x00would", Part: part, Limits: tighter})
		}
	}
	add(ratelimit.OfAccount, ask.Account.ID, "", r.Would.Limits, r.Limits)
	if ask.Key != "" {
		add(ratelimit.OfKey, ask.Key, "", r.Would.Key, r.Key)
	}
	if model != nil {
		add(ratelimit.OfModel, ask.Account.ID, model.Match, model.Limits, r.Model(ask.Request.Model).Limits)
	}
	return scopes
}

func find(limits ratelimit.Limits, like ratelimit.Limit) (ratelimit.Limit, bool) {
	for _, l := range limits {
		if l.Dimension == like.Dimension && l.Window == like.Window {
			return l, true
		}
	}
	return ratelimit.Limit{}, false
}

// overCalendar finds a limit of the calendar, or on what is under way at once, that would
// refuse the demand want. What is spent follows from what is left after the demand d.
func overCalendar(would *policy.Rules, model *policy.ModelRules, standing []ratelimit.Standing, d, want *ratelimit.Demand,
) (denial ratelimit.Denial, refused bool) {
	limits := [ratelimit.Nests]ratelimit.Limits{ratelimit.OfAccount: would.Limits, ratelimit.OfKey: would.Key}
	if model != nil {
		limits[ratelimit.OfModel] = model.Limits
	}
	for i := range standing {
		s := &standing[i]
		l, ok := find(limits[s.Nest], s.Limit)
		if !ok || l.Window == ratelimit.Minute || l.Amount >= s.Limit.Amount {
			continue
		}
		before := s.Limit.Amount - s.Remaining - amount(d, l.Dimension)
		if before+amount(want, l.Dimension) > l.Amount {
			return ratelimit.Denial{Limit: l, Nest: s.Nest}, true
		}
	}
	return ratelimit.Denial{}, false
}

// amount is what a demand wants of a dimension. Whether a prompt is new is not known here,
// and so it counts nothing.
func amount(d *ratelimit.Demand, of ratelimit.Dimension) int64 {
	switch of {
	case ratelimit.Requests:
		return d.Requests
	case ratelimit.Tokens:
		return d.Tokens
	case ratelimit.Input:
		return d.Input
	case ratelimit.Output:
		return d.Output
	case ratelimit.Cost:
		return d.Cost
	case ratelimit.Values:
		return d.Values
	case ratelimit.Streams:
		return d.Streams
	case ratelimit.InFlight:
		return d.InFlight
	case ratelimit.Prompts:
		return 0
	default:
		return 0
	}
}

// takes reports whether an account under the tighter rules would get less of what it asks
// for. What answers carry unasked is not looked at.
func takes(tight, adm *Admission, req *wire.Request) bool {
	would, has := tight.Profile, adm.Profile
	asked := &req.Asked
	if tight.MaxOutput < adm.MaxOutput && int64(asked.MaxTokens) > tight.MaxOutput {
		return true
	}
	if n := would.Choices(); n < has.Choices() && asked.N > n {
		return true
	}
	if tellsLogprobs(has, *req) && (!tellsLogprobs(would, *req) || would.Logprobs != has.Logprobs) {
		return true
	}
	if len(req.Unknown) > 0 && would.UnknownRequest == coarsen.UnknownReject && has.UnknownRequest != coarsen.UnknownReject {
		return true
	}
	return removed(would, *req)&^removed(has, *req)&req.Options != 0
}

// settleWhatIf settles what would have been reserved, with an answer as long as it would have
// been.
func (g *Guard) settleWhatIf(ctx context.Context, now time.Time, adm *Admission, actual ratelimit.Demand) error {
	if adm.would.grant.IsZero() {
		return nil
	}
	cut := max(0, actual.Output-adm.would.output)
	actual.Output -= cut
	actual.Tokens = max(0, actual.Tokens-cut)
	return g.counters.Settle(ctx, now, &adm.would.grant, actual) //nolint:wrapcheck // wrapped by the caller
}
