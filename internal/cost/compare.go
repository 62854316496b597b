package cost

import (
	"fmt"
	"io"
	"strings"
)

// Change is what a change of limits does to one bill.
type Change struct {
	Before Bill `json:"before"`
	After  Bill `json:"after"`
	// Speedup is how many times faster the attacker becomes: Before.Days over
	// After.Days. It is under 1 for one who becomes slower, and 0 when there is no
	// such number: a bill is never paid, or takes no time.
	Speedup float64 `json:"speedup,omitempty"`
	// MicroUSD is how much more it costs, in millionths of a dollar; 0 when a bill is
	// never paid.
	MicroUSD int64 `json:"micro_usd"`
}

// Compare sets two bills for the same thing side by side.
func Compare(before, after Bill) Change {
	c := Change{Before: before, After: after}
	if before.Never || after.Never {
		return c
	}
	if before.Days > 0 && after.Days > 0 {
		c.Speedup = before.Days / after.Days
	}
	c.MicroUSD = after.MicroUSD - before.MicroUSD // both are 0 or more
	return c
}

// String says it in a line, such as "11 months -> 3.2 days, 104.9 times faster".
func (c Change) String() string {
	if c.Before.Never == c.After.Never && c.Before.Days == c.After.Days && c.MicroUSD == 0 {
		return c.Before.Duration() + ", unchanged"
	}
	text := c.Before.Duration() + " -> " + c.After.Duration()
	switch {
	case c.Speedup >= 1.05:
		text += fmt.Sprintf(", %.1f times faster", c.Speedup)
	case c.Speedup > 0 && c.Speedup <= 1/1.05:
		text += fmt.Sprintf(", %.1f times slower", 1/c.Speedup)
	}
	switch {
	case c.MicroUSD > 0:
		text += ", " + dollars(c.MicroUSD) + " more"
	case c.MicroUSD < 0:
		text += ", " + dollars(-c.MicroUSD) + " less"
	}
	return text
}

// Duration says how long the bill takes: the words of [Duration], or "never".
func (b Bill) Duration() string {
	if b.Never {
		return "never"
	}
	return Duration(b.Days)
}

// Shift is the change of one row of two tables.
type Shift struct {
	Tier     string `json:"tier"`
	Accounts int64  `json:"accounts"`
	// What is collected: a number of answers, or the name of a target.
	What   string `json:"what"`
	Change Change `json:"change"`
}

// key is what rows of two tables have in common.
type key struct {
	tier     string
	accounts int64
	what     string
}

// CompareTables sets the rows that both tables have side by side: those with the same
// tier, accounts and what is collected. They come in the order of before, first the
// answers, then the targets.
func CompareTables(before, after Table) []Shift {
	_, bills := after.bills()
	var shifts []Shift
	keys, old := before.bills()
	for _, k := range keys {
		if now, ok := bills[k]; ok {
			shifts = append(shifts, Shift{k.tier, k.accounts, k.what, Compare(old[k], now)})
		}
	}
	return shifts
}

// bills returns the rows in order, and the bill of each.
func (t Table) bills() ([]key, map[key]Bill) {
	var keys []key
	bills := map[key]Bill{}
	add := func(k key, b Bill) {
		keys, bills[k] = append(keys, k), b
	}
	for _, row := range t.Answers {
		add(key{row.Tier, row.Accounts, row.what()}, row.Bill)
	}
	for _, row := range t.Targets {
		add(key{row.Tier, row.Accounts, row.Target.Name}, row.Bill)
	}
	return keys, bills
}

// WriteShifts writes one aligned line for each shift.
func WriteShifts(w io.Writer, shifts []Shift) error {
	rows := make([][]string, 0, len(shifts)+1)
	rows = append(rows, []string{"tier", "accounts", "what", "before -> after"})
	for _, s := range shifts {
		rows = append(rows, []string{s.Tier, grouped(s.Accounts), s.What, s.Change.String()})
	}
	var b strings.Builder
	writeColumns(&b, rows, 1)
	_, err := io.WriteString(w, b.String())
	return err
}
