package store

import (
	"context"
	"database/sql"
	"fmt"

	"bartizan"
)

// Accept records that an account accepted a document. Nothing changes or deletes it. The
// same acceptance recorded again, by whomever and whenever, changes nothing; added is
// false then, so that an import may be repeated.
func (s *Store) Accept(ctx context.Context, a bartizan.Acceptance) (added bool, err error) {
	if err := a.Validate(); err != nil {
		return false, fmt.Errorf("record an acceptance of account %s: %w", a.Account, err)
	}
	err = s.write(ctx, s.firm, func(tx *sql.Tx) error {
		if _, err := account(ctx, tx, a.Account); err != nil {
			return err
		}
		rows, err := changes(tx.ExecContext(ctx,
			`INSERT INTO acceptances (account, number, document, version, accepted_at, recorded_at, recorded_by, method)
			 VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM acceptances WHERE account = $1), $2, $3, $4, $5, $6, $7)
			 ON CONFLICT (account, document, version, accepted_at, method) DO NOTHING`,
			a.Account, a.Document, a.Version, micros(a.AcceptedAt), micros(a.RecordedAt), a.By, string(a.Method)))
		added = rows > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("record an acceptance of account %s: %w", a.Account, err)
	}
	return added, nil
}

// Acceptances returns all that an account accepted, what it accepted last at the end.
func (s *Store) Acceptances(ctx context.Context, account string) ([]bartizan.Acceptance, error) {
	list, err := collect(ctx, s.read, func(row scanner) (a bartizan.Acceptance, err error) {
		var accepted, recorded int64
		err = row.Scan(&a.Account, &a.Document, &a.Version, &accepted, &recorded, &a.By, &a.Method)
		a.AcceptedAt, a.RecordedAt = instant(accepted), instant(recorded)
		return a, err
	}, `SELECT account, document, version, accepted_at, recorded_at, recorded_by, method FROM acceptances
		WHERE account = $1 ORDER BY accepted_at, number`, account)
	if err != nil {
		return nil, fmt.Errorf("list acceptances of account %s: %w", account, err)
	}
	return list, nil
}
