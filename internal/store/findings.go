package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"bartizan"
)

// RecordFinding files a finding under its account's suspicion that is open or waiting, or
// opens one, and raises the account's level to at least l, whoever set it; it never lowers
// it. All of it happens or none. The same finding recorded again changes nothing and returns the case that it is
// in, decided or not: a replay cannot raise a level that a person has lowered since.
func (s *Store) RecordFinding(ctx context.Context, f bartizan.Finding, l bartizan.Level,
) (c bartizan.Case, opened bool, err error) {
	if f.ID == "" || f.Account == "" {
		return bartizan.Case{}, false, errors.New("record finding: its id or account is empty")
	}
	body, err := json.Marshal(f)
	if err != nil {
		return bartizan.Case{}, false, fmt.Errorf("encode finding %s: %w", f.ID, err)
	}
	err = s.write(ctx, s.firm, func(tx *sql.Tx) error {
		id, known, err := caseOfFinding(ctx, tx, f.ID)
		if err != nil {
			return err
		}
		if !known {
			if id, opened, err = openSuspicion(ctx, tx, f); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO findings (id, case_id, found_at, body) VALUES ($1, $2, $3, $4)`,
				f.ID, id, micros(f.At), string(body)); err != nil {
				return err
			}
			if err := raise(ctx, tx, f, l); err != nil {
				return err
			}
		}
		c, err = caseByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return bartizan.Case{}, false, fmt.Errorf("record finding %s of account %s: %w", f.ID, f.Account, err)
	}
	return c, opened, nil
}

func caseOfFinding(ctx context.Context, tx *sql.Tx, id string) (caseID string, known bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT case_id FROM findings WHERE id = $1`, id).Scan(&caseID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return caseID, err == nil, err
}

// openSuspicion returns the suspicion of the finding's account that is not closed, made
// if there is none, with a verdict at least as strong as the finding's.
func openSuspicion(ctx context.Context, tx *sql.Tx, f bartizan.Finding) (id string, opened bool, err error) {
	id, found, err := pending(ctx, tx, f.Account, bartizan.CaseSuspicion)
	if err != nil {
		return "", false, err
	}
	if !found {
		if _, err := account(ctx, tx, f.Account); err != nil {
			return "", false, err
		}
		// A finding opens at most one case, so its id is special to it.
		id = caseName("c", "case of finding "+f.ID)
		return id, true, insertCase(ctx, tx, bartizan.Case{
			ID: id, Kind: bartizan.CaseSuspicion, Account: f.Account, Verdict: f.Verdict, OpenedAt: f.At,
		}, bartizan.CaseEvent{By: itself, Why: because(f)})
	}
	var verdict bartizan.Verdict
	if err := tx.QueryRowContext(ctx, `SELECT verdict FROM cases WHERE id = $1`, id).Scan(&verdict); err != nil {
		return "", false, err
	}
	if strength(f.Verdict) > strength(verdict) {
		_, err = tx.ExecContext(ctx, `UPDATE cases SET verdict = $2 WHERE id = $1`, id, string(f.Verdict))
	}
	return id, false, err
}

// because names a finding as the reason for something.
func because(f bartizan.Finding) string { return "finding " + f.ID + ": " + string(f.Verdict) }

func strength(v bartizan.Verdict) int {
	switch v {
	case bartizan.VerdictAlarm:
		return 2
	case bartizan.VerdictWatch:
		return 1
	case bartizan.VerdictClear:
		return 0
	default:
		return 0
	}
}

func raise(ctx context.Context, tx *sql.Tx, f bartizan.Finding, l bartizan.Level) error {
	standing, err := level(ctx, tx, f.Account)
	if err != nil || standing.Level >= l {
		return err
	}
	_, err = setLevel(ctx, tx, f.Account, standing.Version, LevelStanding{Level: l, Reason: because(f), By: SetByFinding, At: f.At})
	return err
}
