package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"bartizan"
)

// LevelStanding is an account's level with its version and reason.
type LevelStanding struct {
	Level   bartizan.Level
	Version int64
	Reason  string
	// At is when the level was set; zero for the level that the account began with.
	At time.Time
}

// SetLevel sets an account's level and says why. When the level is that already,
// nothing changes and version is that of the level in force.
func (s *Store) SetLevel(ctx context.Context, id string, l bartizan.Level, why string, at time.Time,
) (version int64, changed bool, err error) {
	err = s.write(ctx, s.firm, func(tx *sql.Tx) error {
		version, changed, err = setLevel(ctx, tx, id, l, why, at)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("set level of account %s: %w", id, err)
	}
	return version, changed, nil
}

func setLevel(ctx context.Context, tx *sql.Tx, id string, l bartizan.Level, why string, at time.Time,
) (version int64, changed bool, err error) {
	if l > bartizan.LevelSuspended {
		return 0, false, fmt.Errorf("level %d: no such level", uint8(l))
	}
	standing, err := level(ctx, tx, id)
	if err != nil {
		return 0, false, err
	}
	if standing.Level == l {
		return standing.Version, false, nil
	}
	revision, err := bump(ctx, tx)
	if err != nil {
		return 0, false, err
	}
	version = standing.Version + 1
	if _, err := tx.ExecContext(ctx,
		`UPDATE accounts SET level = $2, level_version = $3, level_reason = $4, changed = $5 WHERE id = $1`,
		id, int64(l), version, why, revision); err != nil {
		return 0, false, err
	}
	if _, err := tx.ExecContext(ctx,
		`INSERT INTO level_changes (account, version, level, reason, changed_at) VALUES ($1, $2, $3, $4, $5)`,
		id, version, int64(l), why, micros(at)); err != nil {
		return 0, false, err
	}
	return version, true, nil
}

// Level returns an account's level, or [bartizan.ErrUnknownAccount].
func (s *Store) Level(ctx context.Context, id string) (LevelStanding, error) {
	standing, err := level(ctx, s.read, id)
	if err != nil {
		return LevelStanding{}, fmt.Errorf("read level of account %s: %w", id, err)
	}
	return standing, nil
}

func level(ctx context.Context, q querier, id string) (l LevelStanding, err error) {
	var at int64
	err = q.QueryRowContext(ctx,
		`SELECT a.level, a.level_version, a.level_reason, COALESCE(c.changed_at, 0)
		 FROM accounts a LEFT JOIN level_changes c ON c.account = a.id AND c.version = a.level_version
		 WHERE a.id = $1`, id).Scan(&l.Level, &l.Version, &l.Reason, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = bartizan.ErrUnknownAccount
	}
	l.At = instant(at)
	return l, err
}

// LevelHistory returns up to limit levels of an account, at most 1,000, the newest
// first, beginning below the version before; 0 begins at the newest.
func (s *Store) LevelHistory(ctx context.Context, id string, before int64, limit int) ([]LevelStanding, error) {
	list, err := collect(ctx, s.read, func(row scanner) (l LevelStanding, err error) {
		var at int64
		err = row.Scan(&l.Level, &l.Version, &l.Reason, &at)
		l.At = instant(at)
		return l, err
	}, `SELECT level, version, reason, changed_at FROM level_changes
		WHERE account = $1 AND ($2 = 0 OR version < $2) ORDER BY version DESC LIMIT $3`, id, before, page(limit))
	if err != nil {
		return nil, fmt.Errorf("list levels of account %s: %w", id, err)
	}
	return list, nil
}
