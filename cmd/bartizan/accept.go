package main

import (
	"fmt"
	"time"

	"bartizan"
)

const acceptanceSchema = "bartizan.acceptance/1"

type accountsAcceptCmd struct {
	Name     string `arg:""                                                      help:"Name of the account."`
	Document string `help:"What was accepted, such as terms-of-use."             required:""`
	Version  string `help:"Its version, such as 2026-05."                        required:""`
	At       string `help:"When: 2026-12-31 (its beginning, UTC) or 2026-12-31T18:00:00Z." placeholder:"TIME" required:""`
	Method   string `default:"import"                                            enum:"import" help:"How it is known: import, from a system outside of bartizan."`
	By       string `help:"Who records it (default: the user of the machine)."`
}

// Help shows an example and says what cannot be done.
func (*accountsAcceptCmd) Help() string {
	return "A record is never changed or deleted. The same one entered again changes nothing.\n\n" +
		"Example:\n  bartizan accounts accept acme --document terms-of-use --version 2026-05 --at 2026-05-02T09:30:00Z --method import --data ./data"
}

// Run records the acceptance.
func (c *accountsAcceptCmd) Run(a *app) error {
	at, err := parseTime("--at", c.At)
	if err != nil {
		return err
	}
	x := bartizan.Acceptance{
		Account: c.Name, Document: c.Document, Version: c.Version, AcceptedAt: at, RecordedAt: time.Now().UTC().Truncate(time.Microsecond),
		By: who(c.By), Method: bartizan.AcceptanceMethod(c.Method),
	}
	if err := x.Validate(); err != nil {
		return usageError(err)
	}
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	added, err := st.Accept(a.ctx, x)
	if err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		return a.printJSON(struct {
			Schema string `json:"schema"`
			bartizan.Acceptance
			// Added is false when it was recorded before.
			Added bool `json:"added"`
		}{acceptanceSchema, x, added})
	}
	if !added {
		a.say("That account %s accepted %s is recorded already.", c.Name, plainText(c.Document+" "+c.Version))
		return nil
	}
	a.say("Recorded that account %s accepted %s.", c.Name, plainText(c.Document+" "+c.Version))
	return nil
}

func acceptanceText(x bartizan.Acceptance) string {
	return fmt.Sprintf("%s %s  %s by %s, recorded %s by %s",
		plainText(x.Document), plainText(x.Version), stamp(x.AcceptedAt), x.Method, stamp(x.RecordedAt), plainText(x.By))
}
