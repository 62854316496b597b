package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"bartizan"
)

// UsageKept is how long the store keeps usage.
const UsageKept = 400 * 24 * time.Hour

// SaveUsage writes what accounts used on days; a row takes the place of the one that the
// account has for the day. An account need not be known. Up to 500 rows are written
// together or not at all, in order; after an error everything may be saved again. A loss
// of power may take back the last saves, never a part of one.
func (s *Store) SaveUsage(ctx context.Context, days []bartizan.UsageDay) error {
	for _, d := range days {
		if err := checkDay(d.Account, d.Day); err != nil {
			return fmt.Errorf("save usage: %w", err)
		}
	}
	for part := range slices.Chunk(days, batch) {
		if err := s.write(ctx, s.bulk, func(tx *sql.Tx) error { return saveUsage(ctx, tx, part) }); err != nil {
			return fmt.Errorf("save usage: %w", err)
		}
	}
	return nil
}

// checkDay says what is wrong with what is kept of an account on a day.
func checkDay(account string, day time.Time) error {
	if account == "" || day.IsZero() || !day.UTC().Truncate(24*time.Hour).Equal(day) {
		return fmt.Errorf("account %q on %s: the account is missing, or the day is no midnight in UTC",
			account, day.Format(time.RFC3339))
	}
	return nil
}

func saveUsage(ctx context.Context, tx *sql.Tx, days []bartizan.UsageDay) (err error) {
	upsert, err := tx.PrepareContext(ctx,
		`INSERT INTO usage_days (account, day, requests, input_tokens, output_tokens, cost_microusd, numeric_values,
		        prompts, throttled, denied, shadowed, peak_share)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		 ON CONFLICT (account, day) DO UPDATE
		 SET requests = excluded.requests, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
		     cost_microusd = excluded.cost_microusd, numeric_values = excluded.numeric_values, prompts = excluded.prompts,
		     throttled = excluded.throttled, denied = excluded.denied, shadowed = excluded.shadowed,
		     peak_share = excluded.peak_share`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upsert.Close()) }()
	for _, d := range days {
		peaks := ""
		if len(d.PeakShare) > 0 {
			text, err := json.Marshal(d.PeakShare)
			if err != nil {
				return fmt.Errorf("encode peaks of account %s: %w", d.Account, err)
			}
			peaks = string(text)
		}
		if _, err := upsert.ExecContext(ctx, d.Account, micros(d.Day), d.Requests, d.InputTokens, d.OutputTokens,
			d.CostMicroUSD, d.Values, d.Prompts, d.Throttled, d.Denied, d.Shadowed, peaks); err != nil {
			return fmt.Errorf("usage of account %s: %w", d.Account, err)
		}
	}
	return nil
}

const usageColumns = `account, day, requests, input_tokens, output_tokens, cost_microusd, numeric_values,
	prompts, throttled, denied, shadowed, peak_share`

func scanUsage(row scanner) (d bartizan.UsageDay, err error) {
	var day int64
	var peaks string
	if err := row.Scan(&d.Account, &day, &d.Requests, &d.InputTokens, &d.OutputTokens, &d.CostMicroUSD, &d.Values,
		&d.Prompts, &d.Throttled, &d.Denied, &d.Shadowed, &peaks); err != nil {
		return d, err
	}
	d.Day = instant(day)
	if peaks == "" {
		return d, nil
	}
	if err := json.Unmarshal([]byte(peaks), &d.PeakShare); err != nil {
		return d, fmt.Errorf("decode peaks of account %s: %w", d.Account, err)
	}
	return d, nil
}

// Usage returns the days from the time from until to, excluded, on which an account was
// seen, in order. A zero to has no end.
func (s *Store) Usage(ctx context.Context, name string, from, to time.Time) ([]bartizan.UsageDay, error) {
	list, err := collect(ctx, s.read, scanUsage, `SELECT `+usageColumns+` FROM usage_days
		WHERE account = $1 AND day >= $2 AND day < $3 ORDER BY day`, name, micros(from), end(to))
	if err != nil {
		return nil, fmt.Errorf("list usage of account %s: %w", name, err)
	}
	return list, nil
}

// UsageKey is a place in the list of all usage; the zero value is its beginning.
type UsageKey struct {
	Day     time.Time
	Account string
}

// UsageAll returns up to limit days of all accounts, at most 1,000, from the time from
// until to, excluded, behind the place after: in the order of days, and of names within a
// day. A zero to has no end.
func (s *Store) UsageAll(ctx context.Context, from, to time.Time, after UsageKey, limit int) ([]bartizan.UsageDay, error) {
	if after.Day.Before(from) {
		after = UsageKey{Day: from} // Before every name of that day.
	}
	list, err := collect(ctx, s.read, scanUsage, `SELECT `+usageColumns+` FROM usage_days
		WHERE (day, account) > ($1, $2) AND day < $3 ORDER BY day, account LIMIT $4`,
		micros(after.Day), after.Account, end(to), page(limit))
	if err != nil {
		return nil, fmt.Errorf("list usage: %w", err)
	}
	return list, nil
}

// end is the column of the end of a span of time; zero is no end.
func end(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return micros(t)
}
