package review

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

// WatchStore is what the watch for accounts near their limits reads and writes.
type WatchStore interface {
	UsageAll(ctx context.Context, from, to time.Time, after store.UsageKey, limit int) ([]bartizan.UsageDay, error)
	Account(ctx context.Context, id string) (bartizan.Account, error)
	Cases(ctx context.Context, filter store.CaseFilter) ([]bartizan.Case, error)
	OpenLimitCase(ctx context.Context, account string, r bartizan.LimitRequest, by string, at time.Time) (bartizan.Case, bool, error)
}

// The rule by which a case opens by itself: on at least nearDays of the last nearOf days
// the account used more than nearShare of a limit.
const (
	nearShare = 0.8
	nearDays  = 3
	nearOf    = 7
	// itself is who opens cases by rule.
	itself = "bartizan"
)

// Near finds accounts that keep running into their limits, and opens a case for each: so
// that somebody looks before the customer complains. An account that is under suspicion,
// has a case already, or had one decided within the last week gets none. It returns how
// many cases it opened.
func Near(ctx context.Context, s WatchStore, now time.Time) (opened int, err error) {
	today := now.UTC().Truncate(24 * time.Hour)
	from := today.AddDate(0, 0, 1-nearOf)
	days := make(map[string]map[string]int) // account -> limit -> days near it
	for after := (store.UsageKey{}); ; {
		page, err := s.UsageAll(ctx, from, now, after, 0)
		if err != nil {
			return opened, fmt.Errorf("look for accounts near their limits: %w", err)
		}
		for _, u := range page {
			for path, share := range u.PeakShare {
				if share <= nearShare {
					continue
				}
				if days[u.Account] == nil {
					days[u.Account] = make(map[string]int)
				}
				days[u.Account][path]++
			}
		}
		if len(page) == 0 {
			break
		}
		last := page[len(page)-1]
		after = store.UsageKey{Day: last.Day, Account: last.Account}
	}
	for account, limits := range days {
		var near []string
		for path, n := range limits {
			if n >= nearDays {
				near = append(near, fmt.Sprintf("%s on %d of %d days", path, n, nearOf))
			}
		}
		if len(near) == 0 {
			continue
		}
		slices.Sort(near)
		ok, err := open(ctx, s, account, near, now)
		if err != nil {
			return opened, err
		}
		if ok {
			opened++
		}
	}
	return opened, nil
}

// open files the case unless there is a reason not to.
func open(ctx context.Context, s WatchStore, account string, near []string, now time.Time) (bool, error) {
	a, err := s.Account(ctx, account)
	if err != nil || a.Level != bartizan.LevelNormal {
		return false, nil //nolint:nilerr // an account that is gone needs nothing
	}
	cases, err := s.Cases(ctx, store.CaseFilter{Account: account, Kind: bartizan.CaseLimit, Limit: 1})
	if err != nil {
		return false, fmt.Errorf("look for accounts near their limits: %w", err)
	}
	if len(cases) > 0 && (cases[0].Status != bartizan.CaseClosed || now.Sub(cases[0].DecidedAt) < nearOf*24*time.Hour) {
		return false, nil
	}
	r := bartizan.LimitRequest{Source: bartizan.SourceAutomatic, Pattern: fmt.Sprintf("used more than %.0f %% of: ", 100*nearShare)}
	for i, n := range near {
		if i > 0 {
			r.Pattern += "; "
		}
		r.Pattern += n
	}
	_, opened, err := s.OpenLimitCase(ctx, account, r, itself, now)
	if err != nil {
		return false, fmt.Errorf("look for accounts near their limits: %w", err)
	}
	return opened, nil
}
