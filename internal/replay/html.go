package replay

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"
	"unicode"

	"bartizan/internal/cost"
)

//go:embed page.html
var pageText string

// WriteHTML writes the report as one page that needs no other file and no script.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{"whole": whole}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.page()); err != nil {
		return fmt.Errorf("make page: %w", err)
	}
	_, err = b.WriteTo(w)
	return err //nolint:wrapcheck // it is the writer's
}

// whole keeps the groups of a number on one line, and the sign of percent with it.
func whole(s string) string {
	runes := []rune(s)
	for i := 1; i < len(runes)-1; i++ {
		if runes[i] == ' ' && unicode.IsDigit(runes[i-1]) && (unicode.IsDigit(runes[i+1]) || runes[i+1] == '%') {
			runes[i] = '\u202f'
		}
	}
	return string(runes)
}

// page is what the page shows. Every text in it is escaped by the template.
type page struct {
	New, Old, Model    string
	Requests, Accounts string
	From, To           string
	Figures            []figure
	Chart              *chart
	Worst              []barList
	Tables             []sheet
	Bills              []billBar
	Notes              []string
}

type figure struct {
	Name, Value string
	Loud        bool
}

// chart holds the plots over time, on a plane of 1000 by 100.
type chart struct {
	Step, Peak, PeakRefused string
	HasWould                bool
	Bars                    []chartBar
	Before, Recorded        string
}

type chartBar struct {
	Says               string
	X, W               float64
	PassedY, PassedH   float64
	WouldY, WouldH     float64
	RefusedY, RefusedH float64
	OnlyY, OnlyH       float64
}

type barList struct {
	Title string
	Bars  []bar
}

type bar struct {
	Name, Value, Says string
	W                 float64
}

type billBar struct {
	Name, Value   string
	Before, After float64
}

type sheet struct {
	Title string
	Head  []string
	Rows  [][]string
}

func (r *Report) page() page {
	p := page{
		New: clean(r.Policy.Name), Model: clean(modelName(r.Bill.Model)), Requests: grouped(r.Replayed),
		Accounts: grouped(r.Total.Accounts), From: stamp(r.From), To: stamp(r.To),
		Figures: r.figures(), Chart: r.chart(), Notes: r.notes(),
		Tables: []sheet{r.tierSheet(), r.limitSheet()},
	}
	if r.Against != nil {
		p.Old = clean(r.Against.Name)
	}
	if len(r.Worst.ByValue) > 0 {
		p.Worst = []barList{
			{"Hit worst, by " + r.unit() + " refused", r.bars(r.Worst.ByValue, true)},
			{"Hit worst, by share of requests refused", r.bars(r.Worst.ByShare, false)},
		}
	}
	for _, x := range r.bills() {
		p.Bills = append(p.Bills, billBar{
			Name:  fmt.Sprintf("%s, %s, accounts: %s", clean(x.tier), x.what, grouped(x.accounts)),
			Value: x.says, Before: long(x.before), After: long(x.after),
		})
	}
	return p
}

func (r *Report) figures() []figure {
	t := &r.Total
	out := []figure{
		{"Refused", grouped(t.After.Refused.Requests) + " (" + share(t.After.Refused.Requests, t.All.Requests) + ")", true},
		{"Accounts hit", grouped(t.Hit), false},
		{strings.ToUpper(r.unit()[:1]) + r.unit()[1:] + " refused", r.value(t.After.Refused), false},
		{"Refused now and not before", grouped(t.After.NewlyRefused), false},
		{"Let pass now and not before", grouped(t.After.NewlyAllowed), false},
	}
	if t.After.Would.Requests > 0 {
		out = append(out, figure{"Shadow limits would refuse", grouped(t.After.Would.Requests), true})
	}
	if t.Before != nil {
		out = append(out, figure{"Refused by the old policy", grouped(t.Before.Refused.Requests), false})
	}
	return append(out, figure{"Refused as recorded", grouped(t.Recorded.Requests), false})
}

// chart plots the series; nil when there is nothing.
func (r *Report) chart() *chart {
	points := r.Series.Points
	if len(points) == 0 {
		return nil
	}
	peak, refused := int64(1), int64(1)
	c := &chart{Step: width(r.Series.StepSeconds)}
	for i := range points {
		peak = max(peak, points[i].Requests)
		refused = max(refused, points[i].Refused, points[i].Before, points[i].Recorded)
		c.HasWould = c.HasWould || points[i].Would > 0
	}
	c.Peak, c.PeakRefused = grouped(peak), grouped(refused)
	w := 1000 / float64(len(points))
	high := func(n, of int64) float64 { return round(100 * float64(n) / float64(of)) }
	var before, recorded strings.Builder
	for i := range points {
		p := &points[i]
		b := chartBar{X: round(float64(i) * w), W: round(w), Says: r.says(p)}
		b.PassedH = high(p.Requests-p.Refused-p.Would, peak)
		b.WouldH = high(p.Would, peak)
		b.RefusedH = high(p.Refused, peak)
		b.PassedY = round(100 - b.PassedH)
		b.WouldY = round(b.PassedY - b.WouldH)
		b.RefusedY = round(b.WouldY - b.RefusedH)
		b.OnlyH = high(p.Refused, refused)
		b.OnlyY = round(100 - b.OnlyH)
		c.Bars = append(c.Bars, b)
		stair(&before, i, w, 100-high(p.Before, refused))
		stair(&recorded, i, w, 100-high(p.Recorded, refused))
	}
	c.Recorded = recorded.String()
	if r.Against != nil {
		c.Before = before.String()
	}
	return c
}

// stair draws one step of a line.
func stair(b *strings.Builder, i int, w, y float64) {
	fmt.Fprintf(b, "%c%.2f %.2fH%.2f", "ML"[min(i, 1)], float64(i)*w, y, float64(i+1)*w)
}

func (r *Report) says(p *Point) string {
	text := fmt.Sprintf("%s: %s requests, %s refused", stamp(p.At), grouped(p.Requests), grouped(p.Refused))
	if p.Would > 0 {
		text += ", " + grouped(p.Would) + " by shadow limits"
	}
	if r.Against != nil {
		text += ", " + grouped(p.Before) + " by the old policy"
	}
	return text + ", " + grouped(p.Recorded) + " as recorded"
}

func (r *Report) bars(names []string, byValue bool) []bar {
	most := 1.0
	out := make([]bar, 0, len(names))
	for i, name := range names {
		a := r.account(name)
		stopped := a.After.stopped()
		b := bar{
			Name: short(name, 128), Value: percent(a.Share), W: round(1000 * a.Share),
			Says: fmt.Sprintf("%s: %s of %s requests, mostly by %s, %s in a row", clean(string(a.Tier)), grouped(stopped.Requests),
				grouped(a.All.Requests), a.After.By[0].short(), grouped(a.After.LongestRun)),
		}
		if byValue {
			if i == 0 {
				most = float64(max(1, r.worth(stopped)))
			}
			b.Value, b.W = r.value(stopped), round(1000*float64(r.worth(stopped))/most)
		} else {
			b.Says += ", " + r.value(stopped)
		}
		out = append(out, b)
	}
	return out
}

func (r *Report) tierSheet() sheet {
	s := sheet{"Tiers", []string{"Tier", "Accounts", "Hit", "Requests", "As recorded", "Before", "Refused", "Would", "Share", r.unit()}, nil}
	for i := range r.Tiers {
		s.Rows = append(s.Rows, r.tierRow(&r.Tiers[i], 64))
	}
	if r.Against == nil {
		s.Head = append(s.Head[:5:5], s.Head[6:]...)
		drop(s.Rows, 5, true)
	}
	return s
}

func (r *Report) limitSheet() sheet {
	s := sheet{"What stops them", []string{"Limit", "Requests", "Accounts", r.unit()}, nil}
	for i := range r.Limits {
		l := &r.Limits[i]
		s.Rows = append(s.Rows, []string{l.String(), grouped(l.Requests), grouped(l.Accounts), r.value(l.Weight)})
	}
	return s
}

// long places a bill on a scale of powers of ten, from a minute to a thousand years.
func long(b cost.Bill) float64 {
	const whole, minutesPerDay, most = 1000, 24 * 60, 1000 * 365.2425 * 24 * 60
	minutes := b.Days * minutesPerDay
	switch {
	case b.Never || minutes >= most:
		return whole
	case minutes <= 1:
		return 0
	default:
		return round(whole * math.Log(minutes) / math.Log(most))
	}
}

func round(x float64) float64 { return math.Round(100*x) / 100 }

// width says how long a step is.
func width(seconds int64) string {
	switch d := time.Duration(seconds) * time.Second; {
	case d < time.Minute:
		return fmt.Sprintf("%d s", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%d min", seconds/60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h", seconds/3600)
	default:
		return fmt.Sprintf("%d d", seconds/86400)
	}
}
