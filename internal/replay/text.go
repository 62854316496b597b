package replay

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bartizan/internal/cost"
)

// WriteText writes the report for people: no line is longer than 100 columns, but for
// the names of policies.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	r.writeTiers(&b)
	r.writeLimits(&b)
	r.writeWorst(&b, "Hit worst, by "+r.unit()+" refused", r.Worst.ByValue)
	r.writeWorst(&b, "Hit worst, by share of requests refused", r.Worst.ByShare)
	r.writeBill(&b)
	r.writeNotes(&b)
	_, err := io.WriteString(w, b.String())
	return err //nolint:wrapcheck // it is the writer's
}

// unit says what the worst hit are ordered by.
func (r *Report) unit() string {
	if r.Weight == weightUSD {
		return "dollars"
	}
	return "tokens"
}

func (r *Report) writeHead(b *strings.Builder) {
	fmt.Fprintf(b, "%s requests of %s accounts, %s to %s\n\n",
		grouped(r.Replayed), grouped(r.Total.Accounts), stamp(r.From), stamp(r.To))
	rows := [][]string{{"", "REFUSED", "SHARE", "ACCOUNTS HIT", strings.ToUpper(r.unit())}}
	all := r.Total.All.Requests
	line := func(name string, w Weight, hit string) {
		rows = append(rows, []string{name, grouped(w.Requests), share(w.Requests, all), hit, r.value(w)})
	}
	line("as recorded", r.Total.Recorded, "")
	if r.Against != nil {
		line(clean(r.Against.Name), r.Total.Before.Refused, grouped(r.Total.HitBefore))
	}
	line(clean(r.Policy.Name), r.Total.After.Refused, grouped(r.Total.Hit))
	if r.Total.After.Would.Requests > 0 {
		line("  by shadow limits", r.Total.After.Would, "")
	}
	columns(b, rows, 1)
	t := &r.Total.After
	fmt.Fprintf(b, "\nRefused now and not before: %s. Let pass now and not before: %s. Answered without numbers: %s.\n",
		grouped(t.NewlyRefused), grouped(t.NewlyAllowed), grouped(t.NoNumbers))
}

func (r *Report) writeTiers(b *strings.Builder) {
	b.WriteString("\nTiers\n")
	rows := [][]string{{"TIER", "ACCOUNTS", "HIT", "REQUESTS", "RECORDED", "BEFORE", "REFUSED", "WOULD", "SHARE", strings.ToUpper(r.unit())}}
	for i := range r.Tiers {
		rows = append(rows, r.tierRow(&r.Tiers[i], 16))
	}
	columns(b, drop(rows, 5, r.Against == nil), 1)
}

// tierRow is a line of the table of tiers; its sixth cell is of the old policy.
func (r *Report) tierRow(t *Tier, name int) []string {
	before := ""
	if t.Before != nil {
		before = grouped(t.Before.Refused.Requests)
	}
	stopped := t.After.stopped()
	return []string{
		short(string(t.Tier), name), grouped(t.Accounts), grouped(t.Hit), grouped(t.All.Requests), grouped(t.Recorded.Requests), before,
		grouped(t.After.Refused.Requests), grouped(t.After.Would.Requests), share(stopped.Requests, t.All.Requests), r.value(stopped),
	}
}

func (r *Report) writeLimits(b *strings.Builder) {
	if len(r.Limits) == 0 {
		return
	}
	b.WriteString("\nWhat stops them\n")
	rows := [][]string{{"LIMIT", "REQUESTS", "BEFORE", "ACCOUNTS", strings.ToUpper(r.unit())}}
	for i := range r.Limits {
		l := &r.Limits[i]
		rows = append(rows, []string{l.String(), grouped(l.Requests), r.before(l.Cause), grouped(l.Accounts), r.value(l.Weight)})
	}
	columns(b, drop(rows, 2, r.Against == nil), 1)
}

// before is how much the cause stopped under the old policy.
func (r *Report) before(c Cause) string {
	for i := range r.LimitsBefore {
		if r.LimitsBefore[i].Cause == c {
			return grouped(r.LimitsBefore[i].Requests)
		}
	}
	return "0"
}

// worstShown is how many of the worst hit a person is shown.
const worstShown = MaxWorst

func (r *Report) writeWorst(b *strings.Builder, title string, names []string) {
	if len(names) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	rows := [][]string{{"ACCOUNT", "TIER", "REFUSED", "OF", "SHARE", strings.ToUpper(r.unit()), "IN A ROW", "WAIT", "MOSTLY BY"}}
	for _, name := range names[:min(len(names), worstShown)] {
		a := r.account(name)
		stopped := a.After.stopped()
		rows = append(rows, []string{
			short(name, 22), short(string(a.Tier), 10), grouped(stopped.Requests), grouped(a.All.Requests), percent(a.Share),
			r.value(stopped), grouped(a.After.LongestRun), wait(&a.After), a.After.By[0].short(),
		})
	}
	columns(b, rows, 2, 1, 8)
}

// account returns that of the name; every name in the report has one.
func (r *Report) account(name string) *Account {
	for i := range r.Accounts {
		if r.Accounts[i].Account == name {
			return &r.Accounts[i]
		}
	}
	return &Account{After: Tally{By: []Blame{{}}}}
}

func (r *Report) writeBill(b *strings.Builder) {
	a := r.Bill.After.Attacker
	fmt.Fprintf(b, "\nThe attacker's bill for %s: prompts of %s tokens, answers of %s\n",
		clean(modelName(r.Bill.Model)), grouped(a.PromptTokens), grouped(a.AnswerTokens))
	rows := [][]string{{"TIER", "ACCOUNTS", "WHAT", "TIME AND MONEY"}}
	for _, x := range r.bills() {
		rows = append(rows, []string{short(x.tier, 16), grouped(x.accounts), x.what, x.says})
	}
	columns(b, rows, 1, 2, 3)
}

// billLine is one line of the bill.
type billLine struct {
	tier          string
	accounts      int64
	what, says    string
	before, after cost.Bill
}

func (r *Report) bills() []billLine {
	var out []billLine
	if r.Bill.Changes != nil {
		for _, s := range r.Bill.Changes {
			out = append(out, billLine{s.Tier, s.Accounts, s.What, s.Change.String(), s.Change.Before, s.Change.After})
		}
		return out
	}
	says := func(bill cost.Bill) string {
		if bill.Never || bill.MicroUSD == 0 {
			return bill.Duration()
		}
		return bill.Duration() + ", " + dollars(bill.MicroUSD)
	}
	for _, row := range r.Bill.After.Answers {
		out = append(out, billLine{row.Tier, row.Accounts, grouped(row.Bill.Answers) + " answers", says(row.Bill), row.Bill, row.Bill})
	}
	for _, row := range r.Bill.After.Targets {
		out = append(out, billLine{row.Tier, row.Accounts, row.Target.Name, says(row.Bill), row.Bill, row.Bill})
	}
	return out
}

func (r *Report) writeNotes(b *strings.Builder) {
	notes := r.notes()
	if len(notes) > 0 {
		b.WriteString("\n")
	}
	for _, note := range notes {
		b.WriteString(note + "\n")
	}
}

// notes say what the report does not cover.
func (r *Report) notes() []string {
	var out []string
	note := func(n int64, format string) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, grouped(n)))
		}
	}
	note(r.Skipped, "Lines that could not be read: %s.")
	note(r.Late, "Left out because they came too late to be put into order: %s. Sort the log, or use --sort.")
	note(r.Untimed, "Left out because they have no time: %s.")
	note(r.Nameless, "Left out because they name no account: %s.")
	note(r.Other, "Left out because they were refused for other reasons than limits: %s.")
	if r.Weight != weightUSD {
		out = append(out, "No price is known for this traffic: accounts are ordered by tokens.")
	}
	return out
}

// String describes the cause, such as "requests per minute of the account".
func (c Cause) String() string {
	switch {
	case c.Code != limitCode:
		return strings.ReplaceAll(c.Code, "_", " ")
	case c.Of == "":
		return c.short()
	default:
		return c.short() + " of the " + c.Of
	}
}

// short is the cause without whose limit it is.
func (c Cause) short() string {
	switch {
	case c.Code != limitCode:
		return strings.ReplaceAll(c.Code, "_", " ")
	case c.Dimension == "":
		return "limit"
	case c.Window == "concurrent":
		return strings.ReplaceAll(c.Dimension, "_", " ") + " at once"
	default:
		return strings.ReplaceAll(c.Dimension, "_", " ") + " per " + c.Window
	}
}

// value is what some requests are worth.
func (r *Report) value(w Weight) string {
	if r.Weight == weightUSD {
		return dollars(w.MicroUSD)
	}
	return grouped(w.Tokens)
}

func modelName(name string) string {
	if name == "" {
		return "no model"
	}
	return name
}

func wait(t *Tally) string {
	switch {
	case t.Never > 0:
		return "never"
	case t.LongestWait == 0:
		return ""
	case t.LongestWait < time.Second:
		return "1 s"
	case t.LongestWait < 100*time.Second:
		return fmt.Sprintf("%.0f s", t.LongestWait.Seconds())
	case t.LongestWait < 100*time.Minute:
		return fmt.Sprintf("%.0f min", t.LongestWait.Minutes())
	case t.LongestWait < 48*time.Hour:
		return fmt.Sprintf("%.0f h", t.LongestWait.Hours())
	default:
		return fmt.Sprintf("%.0f d", t.LongestWait.Hours()/24)
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func share(n, all int64) string { return percent(float64(n) / float64(max(1, all))) }

func percent(x float64) string {
	if x > 0 && x < 0.001 {
		return "<0.1 %"
	}
	return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
}

func dollars(micro int64) string {
	if micro > 0 && micro < 5_000 {
		return "<$0.01"
	}
	cents := micro/10_000 + micro%10_000/5_000
	return fmt.Sprintf("$%s.%02d", grouped(cents/100), cents%100)
}

// grouped writes n in groups of three digits.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// clean takes out what a terminal would act on: names come from logs of others.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// short is a clean name that is cut to n characters.
func short(s string, n int) string {
	s = clean(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// drop takes a column out when it says nothing.
func drop(rows [][]string, column int, yes bool) [][]string {
	if !yes {
		return rows
	}
	for i, row := range rows {
		rows[i] = append(row[:column:column], row[column+1:]...)
	}
	return rows
}

// columns writes aligned columns: those before column right and those in left to the
// left, the others to the right.
func columns(b *strings.Builder, rows [][]string, right int, left ...int) {
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	toLeft := func(i int) bool { return i < right || slices.Contains(left, i) }
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
			if toLeft(i) {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
