package evaluate

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
)

// The geometry of plots: panels of a grid, in pixels.
const (
	panelWidth, panelHeight = 300.0, 190.0
	panelColumns            = 3
	marginLeft, marginTop   = 46.0, 34.0
	marginBetween           = 26.0
	legendLine              = 18.0
)

// WriteDetectionPlot draws, for each group of collectors, the share that each detector
// has alarmed on over the number of queries; ours with its bounds. The published
// detectors know all strata.
func (r *Report) WriteDetectionPlot(w io.Writer) error {
	return r.plot(w, "Share of collectors alarmed on, over queries (all strata known; band: 95 % bounds of our own)", 0, 1, r.detectionPanel)
}

// WriteEvidencePlot draws, for each group of collectors, the median of the evidence
// over the number of queries with its middle 80 %.
func (r *Report) WriteEvidencePlot(w io.Writer) error {
	low, high := -1.0, 4.0
	for _, c := range r.Curves {
		if c.Evidence != nil {
			low = min(low, slices.Min(c.Evidence.Low))
			high = max(high, slices.Max(c.Evidence.High))
		}
	}
	return r.plot(w, "log10 e over queries: median and middle 80 % of collectors", max(low, -6), min(high, 30), r.evidencePanel)
}

// panelAxes maps values into one panel.
type panelAxes struct {
	x, y       float64 // of the upper left corner
	maxQueries int
	low, high  float64
}

func (a panelAxes) at(queries int, value float64) string {
	x := a.x + panelWidth*math.Log(float64(queries))/math.Log(float64(max(2, a.maxQueries)))
	v := (min(max(value, a.low), a.high) - a.low) / (a.high - a.low)
	return fmt.Sprintf("%.1f,%.1f", x, a.y+panelHeight*(1-v))
}

func (a panelAxes) line(at []int, values []float64) string {
	points := make([]string, len(at))
	for i := range at {
		points[i] = a.at(at[i], values[i])
	}
	return strings.Join(points, " ")
}

// band is the outline of the area between two lines.
func (a panelAxes) band(at []int, low, high []float64) string {
	points := []string{a.line(at, low)}
	for i, q := range slices.Backward(at) {
		points = append(points, a.at(q, high[i]))
	}
	return strings.Join(points, " ")
}

func (r *Report) groups() []string {
	var out []string
	for _, c := range r.Curves {
		if !slices.Contains(out, c.Group) {
			out = append(out, c.Group)
		}
	}
	return out
}

// plot draws the frame of all panels, and lets fill draw the lines of each.
func (r *Report) plot(w io.Writer, title string, low, high float64, fill func(b *strings.Builder, a panelAxes, group string)) error {
	groups := r.groups()
	rows := (len(groups) + panelColumns - 1) / panelColumns
	width := panelColumns*(panelWidth+marginLeft) + marginBetween
	body := marginTop + float64(rows)*(panelHeight+marginTop+marginBetween)
	height := body + legendLine*float64(len(r.Detectors)/panelColumns+2)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%.0f" y="18" font-size="14">%s</text>`+"\n", marginLeft, template.HTMLEscapeString(title))
	for i, group := range groups {
		a := panelAxes{
			x:   marginLeft + float64(i%panelColumns)*(panelWidth+marginLeft),
			y:   marginTop + 20 + float64(i/panelColumns)*(panelHeight+marginTop+marginBetween),
			low: low, high: high, maxQueries: 2,
		}
		streams := 0
		for _, c := range r.Curves {
			if c.Group == group && len(c.At) > 0 {
				a.maxQueries, streams = max(a.maxQueries, c.At[len(c.At)-1]), c.Streams
			}
		}
		a.frame(&b, fmt.Sprintf("%s (%d)", group, streams))
		fill(&b, a, group)
	}
	for i, d := range r.Detectors {
		x, y := marginLeft+float64(i%panelColumns)*(panelWidth+marginLeft), body+legendLine*float64(i/panelColumns+1)
		fmt.Fprintf(&b, `<line x1="%.0f" y1="%.0f" x2="%.0f" y2="%.0f" stroke="%s" stroke-width="%s"/><text x="%.0f" y="%.0f">%s</text>`+"\n",
			x, y-4, x+24, y-4, colour(i), thickness(d.Own), x+30, y, template.HTMLEscapeString(d.Name))
	}
	b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

// frame draws the axes of a panel.
func (a panelAxes) frame(b *strings.Builder, title string) {
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" font-size="12">%s</text><rect x="%.0f" y="%.0f" width="%.0f" height="%.0f" fill="none" stroke="#999"/>`+"\n",
		a.x, a.y-6, template.HTMLEscapeString(title), a.x, a.y, panelWidth, panelHeight)
	for _, q := range []int{1, 3, 10, 30, 100, 300, 1000} {
		if q > a.maxQueries {
			break
		}
		x, _, _ := strings.Cut(a.at(q, a.low), ",")
		fmt.Fprintf(b, `<line x1="%s" x2="%s" y1="%.0f" y2="%.0f" stroke="#eee"/><text x="%s" y="%.0f" text-anchor="middle">%d</text>`+"\n",
			x, x, a.y, a.y+panelHeight, x, a.y+panelHeight+14, q)
	}
	for i := range 5 {
		v := a.low + (a.high-a.low)*float64(i)/4
		_, y, _ := strings.Cut(a.at(1, v), ",")
		fmt.Fprintf(b, `<text x="%.0f" y="%s" text-anchor="end">%.3g</text>`+"\n", a.x-4, y, math.Round(v*100)/100)
	}
}

func (r *Report) detectionPanel(b *strings.Builder, a panelAxes, group string) {
	for i, d := range slices.Backward(r.Detectors) { // our own on top
		for _, c := range r.Curves {
			if c.Detector != d.Name || c.Group != group {
				continue
			}
			if d.Own {
				fmt.Fprintf(b, `<polygon points="%s" fill="%s" opacity=".15"/>`+"\n", a.band(c.At, c.Lower, c.Upper), colour(i))
			}
			fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>`+"\n", a.line(c.At, c.Alarmed), colour(i), thickness(d.Own))
		}
	}
}

// alarmLine is the evidence that is an alarm as shipped.
const alarmLine = 3

func (r *Report) evidencePanel(b *strings.Builder, a panelAxes, group string) {
	fmt.Fprintf(b, `<polyline points="%s %s" stroke="#c00" stroke-dasharray="4 3" fill="none"/>`+"\n", a.at(1, alarmLine), a.at(a.maxQueries, alarmLine))
	for i, d := range r.Detectors {
		for _, c := range r.Curves {
			if c.Detector != d.Name || c.Group != group || c.Evidence == nil {
				continue
			}
			fmt.Fprintf(b, `<polygon points="%s" fill="%s" opacity=".2"/><polyline points="%s" fill="none" stroke="%s" stroke-width="2.5"/>`+"\n",
				a.band(c.At, c.Evidence.Low, c.Evidence.High), colour(i), a.line(c.At, c.Evidence.Median), colour(i))
		}
	}
}

func thickness(own bool) string {
	if own {
		return "2.5"
	}
	return "1.2"
}

// colour is that of the i-th detector.
func colour(i int) string {
	list := []string{"#0b4f9e", "#b15928", "#e3a857", "#33a02c", "#e31a1c", "#fb9a99", "#6a3d9a", "#cab2d6", "#1b9e9e", "#88d0d0", "#666666", "#b0b0b0", "#999900", "#d4d46a"}
	return list[i%len(list)]
}

// WriteHTML writes the plots and the tables as one page without anything from elsewhere.
func (r *Report) WriteHTML(w io.Writer) error {
	var detection, evidence, text strings.Builder
	for _, err := range []error{r.WriteDetectionPlot(&detection), r.WriteEvidencePlot(&evidence), r.WriteText(&text)} {
		if err != nil {
			return err
		}
	}
	page, err := template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Evaluation of detectors</title>
<style>body{font-family:sans-serif;margin:2em;max-width:1150px}pre{overflow-x:auto;font-size:12px}svg{width:100%}</style>
<h1>Evaluation of detectors</h1>
{{.Detection}}{{.Evidence}}<pre>{{.Text}}</pre></html>
`)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	err = page.Execute(w, map[string]any{
		"Detection": template.HTML(detection.String()), //nolint:gosec // made above, with every text escaped
		"Evidence":  template.HTML(evidence.String()),  //nolint:gosec // as above
		"Text":      text.String(),
	})
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}
