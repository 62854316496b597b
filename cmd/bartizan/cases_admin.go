package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bartizan"
	"bartizan/internal/console"
	"bartizan/internal/review"
	"bartizan/internal/store"
)

// adminDesk gives the admin API the desk that the commands have, with the server's clock.
type adminDesk struct {
	desk *review.Desk
	now  func() time.Time
}

// adminDesk is that of a node, under the policy in force.
func (n *node) adminDesk() adminDesk {
	return adminDesk{&review.Desk{Store: n.store, Policy: n.guard.Policy, FourEyes: fourEyes(n.config)}, n.now}
}

// ListCases lists cases.
func (d adminDesk) ListCases(ctx context.Context, q console.CaseQuery) ([]bartizan.Case, error) {
	list, err := d.desk.Cases(ctx, review.Filter{Account: q.Account, Kind: q.Kind, Closed: q.Closed, Limit: q.Limit})
	return list, refusal(err)
}

// ShowCase returns a case with its sheet.
func (d adminDesk) ShowCase(ctx context.Context, id string) (any, error) {
	view, err := d.desk.Show(ctx, id, d.now().UTC())
	return view, refusal(err)
}

// ListGrants lists grants.
func (d adminDesk) ListGrants(ctx context.Context, account string, over bool) ([]bartizan.Grant, error) {
	list, err := d.desk.Grants(ctx, account, over, d.now().UTC())
	return list, refusal(err)
}

// OpenCase enters a wish for higher limits.
func (d adminDesk) OpenCase(ctx context.Context, o console.CaseOpening) (bartizan.Case, bool, error) {
	k, opened, err := d.desk.Open(ctx, o.Account, bartizan.LimitRequest{
		Wanted: o.Wanted, UseCase: o.UseCase, Pattern: o.Pattern,
	}, o.By, d.now().UTC())
	return k, opened, refusal(err)
}

// ChangeCase decides, notes, reopens or answers.
func (d adminDesk) ChangeCase(ctx context.Context, id string, c console.CaseChange) (k bartizan.Case, err error) {
	now := d.now().UTC()
	switch c.Act {
	case "decision":
		x := review.Decision{
			Ruling: c.Decision.Ruling, By: c.By, Why: c.Note, Bounds: c.Decision.Limits,
			Until: c.Decision.Until.UTC(), FourEyes: c.Decision.FourEyes,
		}
		if c.Decision.For != "" {
			if x.For, err = time.ParseDuration(c.Decision.For); err != nil || x.For <= 0 {
				return k, &console.RefusalError{Status: http.StatusBadRequest, Detail: `for is a length of time above 0, such as "720h".`}
			}
		}
		k, err = d.desk.Decide(ctx, id, x, now)
	case "notes":
		k, err = d.desk.Note(ctx, id, c.By, c.Note, now)
	case "reopen":
		k, err = d.desk.Reopen(ctx, id, c.By, c.Note, now)
	case "answer":
		k, err = d.desk.Answer(ctx, id, c.By, c.Note, now)
	default:
		err = fmt.Errorf("act %q on case %s: no such act", c.Act, id)
	}
	return k, refusal(err)
}

// EndGrant revokes a grant.
func (d adminDesk) EndGrant(ctx context.Context, id string, e console.GrantEnd) error {
	return refusal(d.desk.Revoke(ctx, id, e.By, e.Note, d.now().UTC()))
}

// refusal turns an error of the desk into what the caller is told.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	var status int
	_, decided := errors.AsType[*store.DecidedError](err)
	_, fault := errors.AsType[*review.FaultError](err)
	switch {
	case errors.Is(err, bartizan.ErrUnknownCase) || errors.Is(err, bartizan.ErrUnknownAccount) || errors.Is(err, store.ErrUnknownGrant):
		status = http.StatusNotFound
	case decided || errors.Is(err, store.ErrSecondPerson):
		status = http.StatusConflict
	case fault:
		status = http.StatusUnprocessableEntity
	default:
		return err
	}
	return &console.RefusalError{Status: status, Detail: err.Error()}
}
