package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// PartsKept is how long the store keeps usage by key and model: this month, which limits
// need, and all of the one before.
const PartsKept = 62 * 24 * time.Hour

// PartKind says of what a [UsagePart] is a part.
type PartKind string

// The kinds of parts.
const (
	PartKey   PartKind = "key"   // by an API key; the name is its id
	PartModel PartKind = "model" // with the models of a pattern; the name is the pattern
)

// Spent is what was used in some time.
type Spent struct {
	Requests     int64 `json:"requests"`
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
	CostMicroUSD int64 `json:"cost_microusd"`
	Values       int64 `json:"values"`
	// Prompts are distinct ones.
	Prompts int64 `json:"prompts"`
}

// UsagePart is the part of an account's usage on one day that was by one key, or with the
// models of one pattern.
type UsagePart struct {
	PartID
	Spent
	// Hour is the last hour of the day in which it was used, and InHour what of it was in
	// that hour.
	Hour   time.Time
	InHour Spent
}

// PartID names a part of usage. It is also a place in the list of all, of which the zero
// value is the beginning.
type PartID struct {
	// Day is its midnight in UTC.
	Day     time.Time
	Account string
	Kind    PartKind
	Name    string
}

// SaveUsageParts writes parts of usage as [Store.SaveUsage] does days.
func (s *Store) SaveUsageParts(ctx context.Context, parts []UsagePart) error {
	for _, p := range parts {
		err := checkDay(p.Account, p.Day)
		if err == nil && (p.Name == "" || p.Kind != PartKey && p.Kind != PartModel) {
			err = fmt.Errorf("account %s: part %q of kind %q: it is neither a key nor a model", p.Account, p.Name, p.Kind)
		}
		if err != nil {
			return fmt.Errorf("save usage by key and model: %w", err)
		}
	}
	for part := range slices.Chunk(parts, batch) {
		if err := s.write(ctx, s.bulk, func(tx *sql.Tx) error { return saveParts(ctx, tx, part) }); err != nil {
			return fmt.Errorf("save usage by key and model: %w", err)
		}
	}
	return nil
}

func saveParts(ctx context.Context, tx *sql.Tx, parts []UsagePart) (err error) {
	upsert, err := tx.PrepareContext(ctx,
		`INSERT INTO usage_parts (account, kind, name, day, requests, input_tokens, output_tokens, cost_microusd,
		        numeric_values, prompts, hour_at, in_hour)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		 ON CONFLICT (account, kind, name, day) DO UPDATE
		 SET requests = excluded.requests, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
		     cost_microusd = excluded.cost_microusd, numeric_values = excluded.numeric_values, prompts = excluded.prompts,
		     hour_at = excluded.hour_at, in_hour = excluded.in_hour`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upsert.Close()) }()
	for _, p := range parts {
		inHour, err := json.Marshal(p.InHour)
		if err != nil {
			return fmt.Errorf("encode the hour of %s %s: %w", p.Kind, p.Name, err)
		}
		if _, err := upsert.ExecContext(ctx, p.Account, string(p.Kind), p.Name, micros(p.Day), p.Requests, p.InputTokens,
			p.OutputTokens, p.CostMicroUSD, p.Values, p.Prompts, micros(p.Hour), string(inHour)); err != nil {
			return fmt.Errorf("usage of %s %s of account %s: %w", p.Kind, p.Name, p.Account, err)
		}
	}
	return nil
}

// UsageParts returns up to limit parts of usage, at most 1,000, of the days from the time
// from until to, excluded, behind the place after: in the order of days, and of accounts,
// kinds and names within a day. A zero to has no end.
func (s *Store) UsageParts(ctx context.Context, from, to time.Time, after PartID, limit int) ([]UsagePart, error) {
	if after.Day.Before(from) {
		after = PartID{Day: from} // Before every part of that day.
	}
	list, err := collect(ctx, s.read, func(row scanner) (p UsagePart, err error) {
		var day, hour int64
		var inHour string
		if err := row.Scan(&p.Account, &p.Kind, &p.Name, &day, &p.Requests, &p.InputTokens, &p.OutputTokens,
			&p.CostMicroUSD, &p.Values, &p.Prompts, &hour, &inHour); err != nil {
			return p, err
		}
		p.Day, p.Hour = instant(day), instant(hour)
		if err := json.Unmarshal([]byte(inHour), &p.InHour); err != nil {
			return p, fmt.Errorf("decode the hour of %s %s: %w", p.Kind, p.Name, err)
		}
		return p, nil
	}, `SELECT account, kind, name, day, requests, input_tokens, output_tokens, cost_microusd, numeric_values, prompts,
		       hour_at, in_hour FROM usage_parts
		WHERE (day, account, kind, name) > ($1, $2, $3, $4) AND day < $5 ORDER BY day, account, kind, name LIMIT $6`,
		micros(after.Day), after.Account, string(after.Kind), after.Name, end(to), page(limit))
	if err != nil {
		return nil, fmt.Errorf("list usage by key and model: %w", err)
	}
	return list, nil
}
