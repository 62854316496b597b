package main

import (
	"cmp"
	"context"
	"slices"

	"bartizan"
	"bartizan/internal/console"
	"bartizan/internal/store"
)

// overview is what the console shows of a node.
type overview struct{ *node }

const (
	shownAccounts = 40
	shownCases    = 20
)

// Overview gathers the counters of every part.
func (o overview) Overview(ctx context.Context) (console.Overview, error) {
	s := o.gateway.Stats()
	out := console.Overview{
		Schema: console.OverviewSchema, At: o.now().UTC(), Started: o.started.UTC(), Mode: string(o.config.Detect.Mode),
		Requests: console.Requests{
			InFlight: s.InFlight.Load(), Answered: s.Answered.Load(), Refused: s.Refused.Load(), Failed: s.Failed.Load(),
			Aborted: s.Aborted.Load(), Unauthorized: s.Unauthorized.Load(), Withheld: s.Withheld.Load(),
			Adjusted: s.Adjusted.Load(), Events: s.Events.Load(), Panics: s.Panics.Load(),
		},
		Records: console.Records{
			Written: o.recorder.Written(), Waiting: int64(o.recorder.Waiting()), Lost: o.recorder.Lost(),
			Failing: o.recorder.Failing(), Settled: o.settler.Settled(), Lag: o.lag(), Findings: o.settler.Findings(),
		},
		Levels: make(map[string]int), Accounts: []console.AccountRow{},
	}
	drift := o.settler.Drift()
	out.Records.DriftPrompts, out.Records.DriftLow, out.Records.Drifted = int64(drift.Prompts), int64(drift.Low), drift.Drifted()
	counts, err := o.store.AccountsByLevel(ctx)
	if err != nil {
		return out, err //nolint:wrapcheck // the store names the act
	}
	for _, l := range bartizan.Levels() {
		out.Levels[l.String()] = counts[l]
		out.AllAccounts += counts[l]
	}
	for _, c := range s.Accounts() {
		a, _ := o.directory.Account(c.Account)
		out.Accounts = append(out.Accounts, console.AccountRow{
			Account: c.Account, Tier: a.Tier, Level: a.Level, Answered: c.Answered, Refused: c.Refused, LastAt: c.LastAt,
		})
	}
	slices.SortFunc(out.Accounts, func(a, b console.AccountRow) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(b.Answered+b.Refused, a.Answered+a.Refused), cmp.Compare(a.Account, b.Account))
	})
	out.Accounts = out.Accounts[:min(len(out.Accounts), shownAccounts)]
	if out.Cases, err = o.Cases(ctx, shownCases); err != nil {
		return out, err
	}
	out.OpenCases, err = o.store.OpenCases(ctx)
	return out, err //nolint:wrapcheck // the store names the act
}

// Cases returns the newest cases, open ones first.
func (o overview) Cases(ctx context.Context, limit int) ([]bartizan.Case, error) {
	list, err := o.store.Cases(ctx, store.CaseFilter{Status: bartizan.CaseOpen, Limit: limit})
	if err != nil || len(list) == limit {
		return list, err //nolint:wrapcheck // the store names the act
	}
	closed, err := o.store.Cases(ctx, store.CaseFilter{Status: bartizan.CaseClosed, Limit: limit - len(list)})
	return append(list, closed...), err //nolint:wrapcheck // the store names the act
}

// Ready asks the store whether it answers.
func (o overview) Ready(ctx context.Context) error {
	_, err := o.store.Revision(ctx)
	return err //nolint:wrapcheck // the store names the act
}
