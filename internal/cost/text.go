package cost

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteText writes the table for people. With the default [Grid] no line of the tables
// is longer than 100 columns. A letter behind a bill names the limit that binds it.
func (t Table) WriteText(w io.Writer) error {
	var b strings.Builder
	t.writeHead(&b)
	for _, tier := range t.Tiers {
		t.writeTier(&b, tier)
	}
	t.writeTargets(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Table) writeHead(b *strings.Builder) {
	a := t.Attacker
	fmt.Fprintf(b, "The attacker's bill: the least time and money for one who is never noticed.\n")
	fmt.Fprintf(b, "Each answer: %s tokens of prompt, %s asked for", grouped(a.PromptTokens), grouped(a.AnswerTokens))
	if a.Latency > 0 {
		fmt.Fprintf(b, ", each takes %s", a.Latency)
	}
	fmt.Fprintf(b, ".\nEach account: %s to make, ", dollars(a.AccountMicroUSD))
	if n := a.KeysPerAccount; n > 1 {
		fmt.Fprintf(b, "%s keys, ", grouped(n))
	}
	if n := a.AccountsPerOrganisation; n > 1 {
		fmt.Fprintf(b, "%s to an organisation.\n", grouped(n))
	} else {
		fmt.Fprintf(b, "alone in its organisation.\n")
	}
}

func (t Table) writeTier(b *strings.Builder, tier Tier) {
	fmt.Fprintf(b, "\n%s (%s in, %s out per million tokens)\n", tier.Name, dollars(tier.Price.Input), dollars(tier.Price.Output))
	var notes notes
	var answers, targets sheet
	for _, row := range t.Answers {
		if row.Tier == tier.Name {
			answers.add(row.Accounts, row.what(), row.Bill, notes.mark(row.Bill.Binding))
		}
	}
	for _, row := range t.Targets {
		if row.Tier == tier.Name {
			targets.add(row.Accounts, row.Target.Name, row.Bill, notes.mark(row.Bill.Binding))
		}
	}
	answers.write(b)
	if tier.Logprobs {
		for _, part := range targets.split(columns) {
			part.write(b)
		}
	} else if len(targets.cells) > 0 {
		b.WriteString("  No numbers are released: targets that need them are never reached.\n")
	}
	for i, l := range notes {
		fmt.Fprintf(b, "  %s = %s\n", letter(i), l)
	}
}

func (t Table) writeTargets(b *strings.Builder) {
	var seen []Target
	for _, row := range t.Targets {
		if slices.Contains(seen, row.Target) {
			continue
		}
		if len(seen) == 0 {
			b.WriteString("\nValues needed at least\n")
		}
		seen = append(seen, row.Target)
		fmt.Fprintf(b, "  %s: %s = %s\n", row.Target.Name, grouped(row.Target.Values), row.Target.Source)
	}
}

// notes are the limits that footnotes explain, in order of their letters.
type notes []Limit

func (n *notes) mark(l *Limit) string {
	if l == nil {
		return ""
	}
	i := slices.Index(*n, *l)
	if i < 0 {
		i = len(*n)
		*n = append(*n, *l)
	}
	return letter(i)
}

// letter names footnotes a to z, then a1 to z1, and so on.
func letter(i int) string {
	text := string(rune('a' + i%26))
	if i >= 26 {
		text += strconv.Itoa(i / 26)
	}
	return text
}

// sheet is one table in the making: accounts downwards, what is collected to the right.
type sheet struct {
	accounts []int64
	whats    []string
	cells    map[cell][3]string // the time, the money, the mark
}

type cell struct{ row, column int }

// columns is how many of them a line of the tables has room for.
const columns = 3

// split cuts a sheet into sheets of at most n columns.
func (s *sheet) split(n int) []sheet {
	var parts []sheet
	for from := 0; from < len(s.whats); from += n {
		to := min(from+n, len(s.whats))
		part := sheet{accounts: s.accounts, whats: s.whats[from:to], cells: map[cell][3]string{}}
		for at, parts := range s.cells {
			if from <= at.column && at.column < to {
				part.cells[cell{at.row, at.column - from}] = parts
			}
		}
		parts = append(parts, part)
	}
	return parts
}

func (s *sheet) add(accounts int64, what string, b Bill, mark string) {
	row, column := slices.Index(s.accounts, accounts), slices.Index(s.whats, what)
	if row < 0 {
		row = len(s.accounts)
		s.accounts = append(s.accounts, accounts)
	}
	if column < 0 {
		column = len(s.whats)
		s.whats = append(s.whats, what)
	}
	money := dollars(b.MicroUSD)
	if b.Never {
		money = ""
	}
	if s.cells == nil {
		s.cells = map[cell][3]string{}
	}
	s.cells[cell{row, column}] = [3]string{b.Duration(), money, mark}
}

func (s *sheet) write(b *strings.Builder) {
	if len(s.cells) == 0 {
		return
	}
	rows := [][]string{append([]string{"accounts"}, s.whats...)}
	for row, accounts := range s.accounts {
		line := []string{grouped(accounts)}
		for column := range s.whats {
			line = append(line, s.text(row, column))
		}
		rows = append(rows, line)
	}
	writeColumns(b, rows, 0)
}

// text is the content of a cell, its parts aligned with those above and below.
func (s *sheet) text(row, column int) string {
	var wide [3]int
	for at, parts := range s.cells {
		for i, part := range parts {
			if at.column == column {
				wide[i] = max(wide[i], utf8.RuneCountInString(part))
			}
		}
	}
	parts := s.cells[cell{row, column}]
	return pad(parts[0], wide[0]) + "  " + lead(parts[1], wide[1]) + " " + pad(parts[2], wide[2])
}

// writeColumns writes rows with their columns aligned: the one named to the right, the
// others to the left.
func writeColumns(b *strings.Builder, rows [][]string, right int) {
	var wide []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], utf8.RuneCountInString(text))
		}
	}
	for _, row := range rows {
		cells := make([]string, 0, len(row))
		for i, text := range row {
			if i == right {
				cells = append(cells, lead(text, wide[i]))
			} else {
				cells = append(cells, pad(text, wide[i]))
			}
		}
		b.WriteString("  " + strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
}

func pad(text string, n int) string {
	return text + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(text)))
}

func lead(text string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(text))) + text
}
