package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bartizan"
)

// ErrUnknownGrant says that no grant has the given id.
var ErrUnknownGrant = errors.New("unknown grant")

const grantColumns = `id, account, case_id, bounds, from_at, until_at, revoked_at`

func scanGrant(row scanner) (g bartizan.Grant, err error) {
	var bounds string
	var from, until, revoked int64
	if err := row.Scan(&g.ID, &g.Account, &g.Case, &bounds, &from, &until, &revoked); err != nil {
		return g, err
	}
	g.Schema = bartizan.GrantSchema
	g.From, g.Until, g.RevokedAt = instant(from), instant(until), instant(revoked)
	g.Bounds, err = decodeBounds(bounds)
	return g, err
}

// Grants returns every grant of an account, those that are over or revoked too, the newest
// last.
func (s *Store) Grants(ctx context.Context, name string) ([]bartizan.Grant, error) {
	list, err := collect(ctx, s.read, scanGrant,
		`SELECT `+grantColumns+` FROM grants WHERE account = $1 ORDER BY from_at, id`, name)
	if err != nil {
		return nil, fmt.Errorf("list grants of account %s: %w", name, err)
	}
	return list, nil
}

// addGrants fills in the grants of accounts: those that are not revoked and whose end was
// not carried out. choose is the end of a statement that chooses the same accounts.
func addGrants(ctx context.Context, q querier, accounts []*bartizan.Account, choose string, args ...any) error {
	list, err := collect(ctx, q, scanGrant, `SELECT `+grantColumns+` FROM grants
		WHERE revoked_at = 0 AND ended_at = 0 AND account `+choose+` ORDER BY from_at, id`, args...)
	if err != nil || len(list) == 0 {
		return err
	}
	byName := make(map[string]*bartizan.Account, len(accounts))
	for _, a := range accounts {
		byName[a.ID] = a
	}
	for _, g := range list {
		if a, ok := byName[g.Account]; ok {
			a.Grants = append(a.Grants, g)
		}
	}
	return nil
}

// insertGrant adds a grant, under an id that it makes.
func insertGrant(ctx context.Context, tx *sql.Tx, g bartizan.Grant) error {
	var before int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM grants WHERE case_id = $1`, g.Case).Scan(&before); err != nil {
		return err
	}
	bounds, err := encodeBounds(g.Bounds)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx,
		`INSERT INTO grants (id, account, case_id, bounds, from_at, until_at, revoked_at, ended_at)
		 VALUES ($1, $2, $3, $4, $5, $6, 0, 0)`,
		caseName("g", fmt.Sprintf("grant %d of case %s", before, g.Case)), g.Account, g.Case, bounds,
		micros(g.From), micros(g.Until)); err != nil {
		return err
	}
	return touch(ctx, tx, g.Account)
}

// touch lets requests see that an account has changed.
func touch(ctx context.Context, tx *sql.Tx, name string) error {
	revision, err := bump(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE accounts SET changed = $2 WHERE id = $1`, name, revision)
	return err
}

// RevokeGrant ends a grant early, from the time at on, which is now: requests do not see
// it any more. by and why go into the log of its case. A grant that is over or revoked
// stays as it is, which is an error; an id that nobody has is [ErrUnknownGrant].
func (s *Store) RevokeGrant(ctx context.Context, id, by, why string, at time.Time) error {
	if by == "" || at.IsZero() {
		return fmt.Errorf("revoke grant %s: who revokes it or the time is missing", id)
	}
	err := s.write(ctx, s.firm, func(tx *sql.Tx) error {
		g, err := scanGrant(tx.QueryRowContext(ctx, `SELECT `+grantColumns+` FROM grants WHERE id = $1`, id))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrUnknownGrant
		case err != nil:
			return err
		case !g.RevokedAt.IsZero():
			return fmt.Errorf("it was revoked at %s", g.RevokedAt.Format(time.RFC3339))
		case !at.Before(g.Until):
			return fmt.Errorf("it was over at %s", g.Until.Format(time.RFC3339))
		}
		return revoke(ctx, tx, g, by, why, at)
	})
	if err != nil {
		return fmt.Errorf("revoke grant %s: %w", id, err)
	}
	return nil
}

func revoke(ctx context.Context, tx *sql.Tx, g bartizan.Grant, by, why string, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `UPDATE grants SET revoked_at = $2 WHERE id = $1`, g.ID, micros(at)); err != nil {
		return err
	}
	if err := endRuling(ctx, tx, g.Case, at); err != nil {
		return err
	}
	if err := addEvent(ctx, tx, g.Case, bartizan.CaseEvent{
		At: at, By: by, Act: bartizan.ActRevoked, Why: why, Bounds: g.Bounds, Until: g.Until,
	}); err != nil {
		return err
	}
	return touch(ctx, tx, g.Account)
}

// endRuling notes that the end of a closed case's ruling was carried out.
func endRuling(ctx context.Context, tx *sql.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE cases SET ended_at = $2 WHERE id = $1 AND status = 'closed'`, id, micros(at))
	return err
}
