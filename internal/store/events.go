package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"bartizan"
)

// itself is the name in the log of what happens without a person.
const itself = "bartizan"

// addEvent writes an entry into a case's log.
func addEvent(ctx context.Context, tx *sql.Tx, id string, e bartizan.CaseEvent) error {
	bounds, err := encodeBounds(e.Bounds)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO case_events (case_id, number, happened_at, actor, act, why, ruling, bounds, until_at, seen)
		 VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM case_events WHERE case_id = $1), $2, $3, $4, $5, $6, $7, $8, $9)`,
		id, micros(e.At), e.By, string(e.Act), e.Why, string(e.Ruling), bounds, micros(e.Until), string(e.Seen))
	return err
}

// events returns the log of a case.
func events(ctx context.Context, q querier, id string) ([]bartizan.CaseEvent, error) {
	return collect(ctx, q, func(row scanner) (e bartizan.CaseEvent, err error) {
		var at, until int64
		var bounds, seen string
		if err := row.Scan(&at, &e.By, &e.Act, &e.Why, &e.Ruling, &bounds, &until, &seen); err != nil {
			return e, err
		}
		e.At, e.Until = instant(at), instant(until)
		if seen != "" {
			e.Seen = json.RawMessage(seen)
		}
		e.Bounds, err = decodeBounds(bounds)
		return e, err
	}, `SELECT happened_at, actor, act, why, ruling, bounds, until_at, seen FROM case_events
		WHERE case_id = $1 ORDER BY number`, id)
}

// encodeBounds and decodeBounds convert between bounds and columns; none is "".
func encodeBounds(bounds []bartizan.Bound) (string, error) {
	if len(bounds) == 0 {
		return "", nil
	}
	text, err := json.Marshal(bounds)
	return string(text), err
}

func decodeBounds(text string) (bounds []bartizan.Bound, err error) {
	if text == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &bounds)
	return bounds, err
}
