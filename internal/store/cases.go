package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bartizan"
)

// DecidedError says that a case was decided before, by whom and how.
type DecidedError struct {
	Case   string
	Ruling bartizan.Ruling
	By     string
	At     time.Time
}

// Error names the one who decided.
func (e *DecidedError) Error() string {
	return fmt.Sprintf("already decided by %s at %s: %s", e.By, e.At.Format(time.RFC3339), e.Ruling)
}

const caseColumns = `id, kind, account, status, verdict, opened_at, assignee, ruling, decided_by, decided_at, until_at`

func scanCase(row scanner) (c bartizan.Case, err error) {
	var opened, decided, until int64
	err = row.Scan(&c.ID, &c.Kind, &c.Account, &c.Status, &c.Verdict, &opened, &c.Assignee,
		&c.Ruling, &c.DecidedBy, &decided, &until)
	c.Schema = bartizan.CaseSchema
	c.OpenedAt, c.DecidedAt, c.Until = instant(opened), instant(decided), instant(until)
	return c, err
}

// Case returns a case with its findings and notes, or [bartizan.ErrUnknownCase].
func (s *Store) Case(ctx context.Context, id string) (c bartizan.Case, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		c, err = caseByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return bartizan.Case{}, fmt.Errorf("read case %s: %w", id, err)
	}
	return c, nil
}

func caseByID(ctx context.Context, q querier, id string) (bartizan.Case, error) {
	c, err := scanCase(q.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM cases WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return bartizan.Case{}, bartizan.ErrUnknownCase
	}
	if err != nil {
		return bartizan.Case{}, err
	}
	return c, fill(ctx, q, &c)
}

// fill adds what hangs on a case, in the order of time.
func fill(ctx context.Context, q querier, c *bartizan.Case) (err error) {
	c.Findings, err = collect(ctx, q, func(row scanner) (f bartizan.Finding, err error) {
		var body string
		if err := row.Scan(&body); err != nil {
			return f, err
		}
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			return f, fmt.Errorf("decode a finding of case %s: %w", c.ID, err)
		}
		return f, nil
	}, `SELECT body FROM findings WHERE case_id = $1 ORDER BY found_at, id`, c.ID)
	if err != nil {
		return err
	}
	c.Notes, err = collect(ctx, q, func(row scanner) (n bartizan.Note, err error) {
		var at int64
		err = row.Scan(&at, &n.By, &n.Text)
		n.At = instant(at)
		return n, err
	}, `SELECT written_at, author, body FROM case_notes WHERE case_id = $1 ORDER BY number`, c.ID)
	return err
}

// CaseFilter chooses cases; the zero value chooses all.
type CaseFilter struct {
	Account string
	Status  bartizan.CaseStatus
	// DecidedSince leaves out cases without a decision and those decided before it.
	DecidedSince time.Time
	// After is the id of the last case seen: the list goes on behind it.
	After string
	// Limit is at most 1,000, which 0 means too.
	Limit int
}

// Cases returns the cases that the filter chooses with their findings and notes, those
// opened last first.
func (s *Store) Cases(ctx context.Context, filter CaseFilter) (list []bartizan.Case, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		list, err = collect(ctx, tx, scanCase, `SELECT `+caseColumns+` FROM cases
			WHERE ($1 = '' OR account = $1) AND ($2 = '' OR status = $2) AND ($3 = 0 OR decided_at >= $3)
			  AND ($4 = '' OR (opened_at, id) < (SELECT opened_at, id FROM cases WHERE id = $4))
			ORDER BY opened_at DESC, id DESC LIMIT $5`,
			filter.Account, string(filter.Status), micros(filter.DecidedSince), filter.After, page(filter.Limit))
		for i := range list {
			if err == nil {
				err = fill(ctx, tx, &list[i])
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	return list, nil
}

// Decide closes a case with a ruling and sets the account's level to what the ruling
// says, both or neither. by names the one who decides and may not be empty; note and
// until may. A case that is decided already stays as it is: the error is a
// [*DecidedError] that names who decided.
func (s *Store) Decide(ctx context.Context, id string, ruling bartizan.Ruling, by, note string, at, until time.Time,
) (c bartizan.Case, err error) {
	l, ok := ruling.Level()
	if !ok {
		return bartizan.Case{}, fmt.Errorf("decide case %s: ruling %q: no such ruling (clear, watch, restrict, suspend)", id, ruling)
	}
	if by == "" {
		return bartizan.Case{}, fmt.Errorf("decide case %s: who decides is missing", id)
	}
	if !until.IsZero() && !until.After(at) {
		return bartizan.Case{}, fmt.Errorf("decide case %s: the ruling would end at %s, before it begins",
			id, until.Format(time.RFC3339))
	}
	err = s.write(ctx, s.firm, func(tx *sql.Tx) error {
		if c, err = caseByID(ctx, tx, id); err != nil {
			return err
		}
		if c.Status != bartizan.CaseOpen {
			return &DecidedError{Case: c.ID, Ruling: c.Ruling, By: c.DecidedBy, At: c.DecidedAt}
		}
		if _, err := tx.ExecContext(ctx,
			`UPDATE cases SET status = $2, ruling = $3, decided_by = $4, decided_at = $5, until_at = $6 WHERE id = $1`,
			id, string(bartizan.CaseClosed), string(ruling), by, micros(at), micros(until)); err != nil {
			return err
		}
		if note != "" {
			if err := addNote(ctx, tx, id, bartizan.Note{At: at, By: by, Text: note}); err != nil {
				return err
			}
		}
		why := "case " + id + ": " + string(ruling) + " by " + by
		if _, _, err := setLevel(ctx, tx, c.Account, l, why, at); err != nil {
			return err
		}
		c, err = caseByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return bartizan.Case{}, fmt.Errorf("decide case %s: %w", id, err)
	}
	return c, nil
}

// Note adds a remark to a case, open or decided.
func (s *Store) Note(ctx context.Context, id string, n bartizan.Note) error {
	if n.By == "" || n.Text == "" {
		return fmt.Errorf("note on case %s: its author or text is empty", id)
	}
	err := s.write(ctx, s.firm, func(tx *sql.Tx) error {
		if _, err := caseByID(ctx, tx, id); err != nil {
			return err
		}
		return addNote(ctx, tx, id, n)
	})
	if err != nil {
		return fmt.Errorf("note on case %s: %w", id, err)
	}
	return nil
}

func addNote(ctx context.Context, tx *sql.Tx, id string, n bartizan.Note) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO case_notes (case_id, number, written_at, author, body)
		 SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM case_notes WHERE case_id = $1`,
		id, micros(n.At), n.By, n.Text)
	return err
}
