package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bartizan"
)

// OpenLimitCase files a wish for higher limits: a new case, or an answer in the one that
// the account has and that is not closed. by names who asks; it is a person's name, or
// "bartizan".
//
// An answer of the customer or of somebody for them replaces the request, where what it
// leaves empty stays; it ends a proposal, and a case that waits is open again. One that
// came by itself is only written into the log: it answers no question.
func (s *Store) OpenLimitCase(ctx context.Context, name string, r bartizan.LimitRequest, by string, at time.Time,
) (c bartizan.Case, opened bool, err error) {
	err = checkRequest(r)
	if err == nil && by == "" {
		err = errors.New("who asks is missing")
	}
	if err != nil {
		return bartizan.Case{}, false, fmt.Errorf("open limit case of account %s: %w", name, err)
	}
	err = s.write(ctx, s.firm, func(tx *sql.Tx) error {
		id, found, err := pending(ctx, tx, name, bartizan.CaseLimit)
		if err != nil {
			return err
		}
		if opened = !found; opened {
			id, err = insertLimitCase(ctx, tx, name, r, by, at)
		} else {
			err = answer(ctx, tx, id, r, by, at)
		}
		if err != nil {
			return err
		}
		c, err = caseByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return bartizan.Case{}, false, fmt.Errorf("open limit case of account %s: %w", name, err)
	}
	return c, opened, nil
}

func insertLimitCase(ctx context.Context, tx *sql.Tx, name string, r bartizan.LimitRequest, by string, at time.Time,
) (id string, err error) {
	if _, err := account(ctx, tx, name); err != nil {
		return "", err
	}
	var before int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM cases WHERE account = $1`, name).Scan(&before); err != nil {
		return "", err
	}
	id = caseName("c", fmt.Sprintf("limit case %d of account %s at %d", before, name, micros(at)))
	return id, insertCase(ctx, tx, bartizan.Case{
		ID: id, Kind: bartizan.CaseLimit, Account: name, Verdict: bartizan.VerdictClear, OpenedAt: at, Request: &r,
	}, bartizan.CaseEvent{By: by, Why: words(r), Bounds: r.Wanted})
}

func answer(ctx context.Context, tx *sql.Tx, id string, r bartizan.LimitRequest, by string, at time.Time) error {
	if err := addEvent(ctx, tx, id, bartizan.CaseEvent{
		At: at, By: by, Act: bartizan.ActAnswered, Why: words(r), Bounds: r.Wanted,
	}); err != nil || r.Source == bartizan.SourceAutomatic {
		return err
	}
	c, err := caseByID(ctx, tx, id)
	if err != nil {
		return err
	}
	if c.Request != nil {
		if len(r.Wanted) == 0 {
			r.Wanted = c.Request.Wanted
		}
		r.UseCase, r.Pattern = cmp.Or(r.UseCase, c.Request.UseCase), cmp.Or(r.Pattern, c.Request.Pattern)
	}
	request, err := encodeRequest(&r)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE cases SET request = $2, status = $3 WHERE id = $1`,
		id, request, string(bartizan.CaseOpen))
	return err
}

// words are those of a request in one text, so that the log keeps what a later request
// replaces.
func words(r bartizan.LimitRequest) string {
	if r.UseCase == "" || r.Pattern == "" {
		return r.UseCase + r.Pattern
	}
	return r.UseCase + "\n" + r.Pattern
}

func encodeRequest(r *bartizan.LimitRequest) (string, error) {
	if r == nil {
		return "", nil
	}
	text, err := json.Marshal(r)
	return string(text), err
}

func checkRequest(r bartizan.LimitRequest) error {
	switch r.Source {
	case bartizan.SourceCustomer, bartizan.SourceOperator, bartizan.SourceAutomatic:
		return checkBounds(r.Wanted)
	default:
		return fmt.Errorf("source %q: no such source (customer, operator, automatic)", r.Source)
	}
}

// checkBounds checks the form of bounds; which dimensions and windows there are is not
// the store's to say.
func checkBounds(bounds []bartizan.Bound) error {
	seen := make(map[[2]string]bool, len(bounds))
	for i, b := range bounds {
		place := [2]string{b.Dimension, b.Window}
		switch {
		case b.Dimension == "" || b.Window == "":
			return fmt.Errorf("bound %d: its dimension or window is missing", i+1)
		case b.Amount <= 0:
			return errors.New("bound " + b.Dimension + " per " + b.Window + ": its amount " +
				strconv.FormatInt(b.Amount, 10) + " is not above 0")
		case seen[place]:
			return errors.New("bound " + b.Dimension + " per " + b.Window + " comes twice")
		}
		seen[place] = true
	}
	return nil
}

// sameBounds compares bounds in whatever order.
func sameBounds(a, b []bartizan.Bound) bool {
	order := func(x, y bartizan.Bound) int {
		return cmp.Or(cmp.Compare(x.Dimension, y.Dimension), cmp.Compare(x.Window, y.Window))
	}
	return slices.Equal(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order))
}
