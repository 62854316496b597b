package main

import (
	"fmt"
	"os/user"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

type casesCmd struct {
	List   casesListCmd   `cmd:"" help:"List cases, open ones first."`
	Show   casesShowCmd   `cmd:"" help:"Show one case with its evidence."`
	Decide casesDecideCmd `cmd:"" help:"Decide a case: it sets the account's level."`
	Note   casesNoteCmd   `cmd:"" help:"Add a note to a case."`
}

type casesListCmd struct {
	All   bool `help:"Closed cases too."`
	Limit int  `default:"100" help:"At most so many."`
}

// Run lists cases.
func (c *casesListCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	filter := store.CaseFilter{Limit: c.Limit}
	if !c.All {
		filter.Status = bartizan.CaseOpen
	}
	list, err := st.Cases(a.ctx, filter)
	if err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		if list == nil {
			list = []bartizan.Case{}
		}
		return a.printJSON(struct {
			Schema string          `json:"schema"`
			Cases  []bartizan.Case `json:"cases"`
		}{"bartizan.cases/1", list})
	}
	if len(list) == 0 {
		a.say("No cases.")
		return nil
	}
	t := newTable("CASE", "ACCOUNT", "STATUS", "VERDICT", ">LOG10 E", ">AT", "OPENED", "RULING")
	for _, k := range list {
		var f bartizan.Finding
		if n := len(k.Findings); n > 0 {
			f = k.Findings[n-1]
		}
		t.add(k.ID, k.Account, string(k.Status), string(k.Verdict), fmt.Sprintf("%.1f", f.Log10E), number(f.AlarmAt),
			stamp(k.OpenedAt), string(k.Ruling))
	}
	t.print(a.out)
	a.hint("Look at one: bartizan cases show ID. Decide it: bartizan cases decide ID --ruling clear|watch|restrict|suspend")
	return nil
}

type casesShowCmd struct {
	ID string `arg:"" help:"Id of the case."`
}

// Run shows a case.
func (c *casesShowCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	k, err := st.Case(a.ctx, c.ID)
	if err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		return a.printJSON(k)
	}
	a.printCase(k)
	return nil
}

func (a *app) printCase(k bartizan.Case) {
	fmt.Fprintf(a.out, "case     %s\naccount  %s\nstatus   %s\nverdict  %s\nopened   %s\n",
		k.ID, k.Account, k.Status, k.Verdict, stamp(k.OpenedAt))
	if k.Status == bartizan.CaseClosed {
		fmt.Fprintf(a.out, "ruling   %s by %s, %s\n", k.Ruling, k.DecidedBy, stamp(k.DecidedAt))
	}
	for _, f := range k.Findings {
		fmt.Fprintf(a.out, "\n%s at exchange %d, %s: log10 e = %.2f\n", f.Verdict, f.AlarmAt, stamp(f.At), f.Log10E)
		for _, r := range f.Reasons {
			fmt.Fprintf(a.out, "  %-10s log10 e = %6.2f  %s\n", r.Detector, r.Log10E, r.Says)
		}
	}
	for _, n := range k.Notes {
		fmt.Fprintf(a.out, "\nnote by %s, %s: %s\n", n.By, stamp(n.At), n.Text)
	}
}

type casesDecideCmd struct {
	ID     string        `arg:"" help:"Id of the case."`
	Ruling string        `enum:"clear,watch,restrict,suspend" help:"What you decide: ${enum}." required:""`
	By     string        `help:"Who decides (default: the user of the machine)."`
	Note   string        `help:"Why."`
	For    time.Duration `help:"Note an end for the ruling, such as 720h."`
}

// Help shows an example.
func (*casesDecideCmd) Help() string {
	return "Example:\n  bartizan cases decide c01 --ruling clear --note \"their own batch job\" --data ./data"
}

// Run decides the case and sets the level that follows.
func (c *casesDecideCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	now := time.Now().UTC()
	var until time.Time
	if c.For > 0 {
		until = now.Add(c.For)
	}
	k, err := st.Decide(a.ctx, c.ID, store.Decision{
		Ruling: bartizan.Ruling(c.Ruling), By: who(c.By), Why: c.Note, At: now, Until: until,
	})
	if err != nil {
		return storeError(err)
	}
	if a.Format == formatJSON {
		return a.printJSON(k)
	}
	level, _ := k.Ruling.Level()
	a.say("Decided case %s: %s. Account %s is now at level %s.", k.ID, k.Ruling, k.Account, level)
	return nil
}

// who names the person at the machine when no name was given.
func who(name string) string {
	if name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "operator"
}

type casesNoteCmd struct {
	ID   string `arg:"" help:"Id of the case."`
	Text string `arg:"" help:"The note."`
	By   string `help:"Who writes (default: the user of the machine)."`
}

// Run adds the note.
func (c *casesNoteCmd) Run(a *app) error {
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Note(a.ctx, c.ID, bartizan.Note{At: time.Now().UTC(), By: who(c.By), Text: c.Text}); err != nil {
		return storeError(err)
	}
	a.say("Added a note to case %s.", c.ID)
	return nil
}
