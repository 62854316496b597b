package main

import (
	"context"
	"fmt"
	"time"

	"bartizan"
	"bartizan/internal/counters"
	"bartizan/internal/evidence"
	"bartizan/internal/ratelimit"
	"bartizan/internal/review"
	"bartizan/internal/store"
)

// desk gives customers their cases.
type desk struct{ *store.Store }

// Current returns the account's wish for higher limits that is not decided, or nil.
func (d desk) Current(ctx context.Context, account string) (*bartizan.Case, error) {
	cases, err := d.Cases(ctx, store.CaseFilter{Account: account, Kind: bartizan.CaseLimit, Limit: 1})
	if err != nil || len(cases) == 0 || cases[0].Status == bartizan.CaseClosed {
		return nil, err //nolint:wrapcheck // the store names the act
	}
	return &cases[0], nil
}

// resume charges what was spent before to the limits of hour, day and month, so that a
// restart gives nobody a second day, and makes the meter go on where it was. Requests and
// tokens of hour and day come from the ledger, which has every one of them; the days before
// and dollars from the stored usage. What single keys and models spent is not known.
func (n *node) resume(ctx context.Context, limits *counters.Memory) error {
	now := n.now().UTC()
	midnight := now.Truncate(24 * time.Hour)
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	months := make(map[string]ratelimit.Demand)
	days := make(map[string]ratelimit.Demand)
	var today []bartizan.UsageDay
	for after := (store.UsageKey{}); ; {
		page, err := n.store.UsageAll(ctx, first, midnight.Add(24*time.Hour), after, 0)
		if err != nil {
			return fmt.Errorf("read usage of the month: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, u := range page {
			d := months[u.Account]
			if u.Day.Before(midnight) {
				add(&d, u)
			} else {
				today = append(today, u)
				day := days[u.Account]
				add(&day, u)
				days[u.Account] = day
			}
			months[u.Account] = d
		}
		last := page[len(page)-1]
		after = store.UsageKey{Day: last.Day, Account: last.Account}
	}
	n.meter = review.NewMeter(today)
	hours, err := n.spentToday(ctx, midnight, now.Truncate(time.Hour), days)
	if err != nil {
		return err
	}
	for account, d := range days {
		m := months[account]
		months[account] = plus(m, d)
	}
	for w, of := range map[ratelimit.Window]map[string]ratelimit.Demand{
		ratelimit.Hour: hours, ratelimit.Day: days, ratelimit.Month: months,
	} {
		if err := n.seed(ctx, limits, now, w, of); err != nil {
			return err
		}
	}
	return nil
}

// seed charges what accounts spent to them and to their organisations.
func (n *node) seed(ctx context.Context, limits *counters.Memory, now time.Time, w ratelimit.Window, spent map[string]ratelimit.Demand) error {
	organisations := make(map[string]ratelimit.Demand)
	for account, d := range spent {
		limits.Seed(ratelimit.Scope{Nest: ratelimit.OfAccount, Name: account}, now, w, d)
		a, err := n.store.Account(ctx, account)
		if err == nil && a.Organisation != "" {
			organisations[a.Organisation] = plus(organisations[a.Organisation], d)
		}
	}
	for name, d := range organisations {
		limits.Seed(ratelimit.Scope{Nest: ratelimit.OfOrganisation, Name: name}, now, w, d)
	}
	return nil
}

// spentToday reads the ledger since midnight: it raises days to what is recorded and
// returns what of it was in the present hour.
func (n *node) spentToday(ctx context.Context, midnight, hour time.Time, days map[string]ratelimit.Demand) (map[string]ratelimit.Demand, error) {
	byDay, byHour := make(map[[16]byte]ratelimit.Demand), make(map[[16]byte]ratelimit.Demand)
	from, err := n.ledger.Since(midnight)
	if err != nil {
		return nil, err //nolint:wrapcheck // the ledger names the act
	}
	tail := n.ledger.Tail(from)
	defer tail.Close()
	for {
		items, err := tail.Next(10_000)
		if err != nil {
			return nil, fmt.Errorf("read today's records: %w", err)
		}
		if len(items) == 0 {
			break
		}
		for _, it := range items {
			r := &it.Record
			if r.Decision != evidence.DecisionAllow || r.Time.Before(midnight) {
				continue
			}
			d := ratelimit.Demand{
				Requests: 1, Input: int64(r.TokensIn), Output: int64(r.TokensOut), Values: int64(r.Disclosed),
				Tokens: int64(r.TokensIn) + int64(r.TokensOut),
			}
			byDay[r.Account] = plus(byDay[r.Account], d)
			if !r.Time.Before(hour) {
				byHour[r.Account] = plus(byHour[r.Account], d)
			}
		}
	}
	hours := make(map[string]ratelimit.Demand)
	for mac, d := range byDay {
		account, err := n.names.account(ctx, mac)
		if err != nil {
			return nil, err
		}
		if account == "" {
			continue
		}
		stored := days[account]
		d.Cost, d.Prompts = stored.Cost, stored.Prompts
		days[account] = d
		if h, ok := byHour[mac]; ok {
			hours[account] = h
		}
	}
	return hours, nil
}

func add(d *ratelimit.Demand, u bartizan.UsageDay) {
	*d = plus(*d, ratelimit.Demand{
		Requests: u.Requests, Tokens: u.InputTokens + u.OutputTokens, Input: u.InputTokens, Output: u.OutputTokens,
		Cost: u.CostMicroUSD, Values: u.Values, Prompts: u.Prompts,
	})
}

func plus(a, b ratelimit.Demand) ratelimit.Demand {
	return ratelimit.Demand{
		Requests: a.Requests + b.Requests, Tokens: a.Tokens + b.Tokens, Input: a.Input + b.Input, Output: a.Output + b.Output,
		Cost: a.Cost + b.Cost, Values: a.Values + b.Values, Prompts: a.Prompts + b.Prompts,
	}
}
