package main

import "bartizan"

type casesClearedCmd struct{}

// Help says what the list is for.
func (*casesClearedCmd) Help() string {
	return "Detection may learn from what looked like extraction and was honest. A period leaves the list when its\n" +
		"case is opened again, or when the account is restricted or suspended for the same traffic.\n\n" +
		"Example:\n  bartizan cases cleared --format json --data ./data"
}

// Run lists the periods in force.
func (*casesClearedCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	list, err := st.Benign(a.ctx)
	if err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		if list == nil {
			list = []bartizan.BenignPeriod{}
		}
		return a.printJSON(struct {
			Schema  string                  `json:"schema"`
			Periods []bartizan.BenignPeriod `json:"periods"`
		}{bartizan.BenignSchema, list})
	}
	if len(list) == 0 {
		a.say("No traffic was cleared.")
		return nil
	}
	t := newTable("ACCOUNT", "FROM", "TO", "CASE", "BY")
	for _, p := range list {
		t.add(p.Account, stamp(p.From), stamp(p.To), p.Case, plainText(p.By))
	}
	t.print(a.out)
	return nil
}
