package main

import (
	"fmt"
	"time"

	"bartizan"
)

// grantsSchema names the JSON contract of a list of grants.
const grantsSchema = "bartizan.grants/1"

type grantsCmd struct {
	List   grantsListCmd   `cmd:"" help:"List higher limits that are granted."`
	Revoke grantsRevokeCmd `cmd:"" help:"End a grant early."`
}

type grantsListCmd struct {
	Account string `help:"Only those of an account."`
	All     bool   `help:"Those that are over or revoked too."`
}

// Help shows an example.
func (*grantsListCmd) Help() string {
	return "Example:\n  bartizan grants list --account acme --data ./data"
}

// Run lists grants.
func (c *grantsListCmd) Run(a *app) error {
	desk, err := a.openDesk()
	if err != nil {
		return err
	}
	defer desk.Store.Close()
	now := time.Now().UTC()
	list, err := desk.Grants(a.ctx, c.Account, c.All, now)
	if err != nil {
		return reviewError(err)
	}
	if a.Format == formatJSON {
		return a.printJSON(struct {
			Schema string           `json:"schema"`
			Grants []bartizan.Grant `json:"grants"`
		}{grantsSchema, list})
	}
	if len(list) == 0 {
		a.say("No grants.")
		return nil
	}
	t := newTable("GRANT", "ACCOUNT", "LIMITS", "FROM", "UNTIL", "STATE", "CASE")
	for _, g := range list {
		t.add(g.ID, g.Account, boundsText(g.Bounds), stamp(g.From), stamp(g.Until), grantState(g, now), g.Case)
	}
	t.print(a.out)
	a.hint("End one early: bartizan grants revoke ID --note WHY")
	return nil
}

// printGrants shows the grants that are in force.
func (a *app) printGrants(grants []bartizan.Grant, now time.Time) {
	for _, g := range grants {
		if g.In(now) {
			fmt.Fprintf(a.out, "grant    %s: %s until %s, case %s\n", g.ID, boundsText(g.Bounds), stamp(g.Until), g.Case)
		}
	}
}

func grantState(g bartizan.Grant, now time.Time) string {
	switch {
	case !g.RevokedAt.IsZero():
		return "revoked " + stamp(g.RevokedAt)
	case !now.Before(g.Until):
		return "over"
	default:
		return "in force"
	}
}

type grantsRevokeCmd struct {
	ID   string `arg:""                                                 help:"Id of the grant."`
	Note string `help:"Why."                                            required:""`
	By   string `help:"Who revokes (default: the user of the machine)."`
}

// Help shows an example.
func (*grantsRevokeCmd) Help() string {
	return "Example:\n  bartizan grants revoke g01 --note \"the project is over\" --data ./data"
}

// Run ends the grant.
func (c *grantsRevokeCmd) Run(a *app) error {
	desk, err := a.openDesk()
	if err != nil {
		return err
	}
	defer desk.Store.Close()
	if err := desk.Revoke(a.ctx, c.ID, who(c.By), c.Note, time.Now().UTC()); err != nil {
		return reviewError(err)
	}
	if a.Format == formatJSON {
		return a.printJSON(struct {
			Schema  string `json:"schema"`
			Revoked string `json:"revoked"`
		}{"bartizan.revoked-grant/1", c.ID})
	}
	a.say("Revoked grant %s: the limits are those of the tier again.", c.ID)
	return nil
}
