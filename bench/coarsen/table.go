package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"bartizan/bench/rig"
)

// result is the file of a run.
type result struct {
	Schema  string       `json:"schema"`
	Started time.Time    `json:"started"`
	Seconds float64      `json:"seconds"`
	Smoke   bool         `json:"smoke,omitempty"`
	Machine rig.Machine  `json:"machine"`
	Before  rig.Pressure `json:"before"`
	Seeds   []uint64     `json:"seeds"`
	Parts   []string     `json:"parts"`
	Tables  []table      `json:"tables"`
}

// table is one table of the report.
type table struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Columns []string `json:"columns"`
	Rows    []row    `json:"rows"`
	Notes   []string `json:"notes,omitempty"`
}

type row struct {
	Name  string `json:"name"`
	Cells []cell `json:"cells"`
}

// cell is a figure as text and, where it has one, as numbers.
type cell struct {
	Text     string    `json:"text"`
	Estimate *estimate `json:"estimate,omitempty"`
	Factor   *factor   `json:"factor,omitempty"`
	// Attack is the one that got the figure.
	Attack string `json:"attack,omitempty"`
}

func estimateCell(values []float64) cell {
	e := newEstimate(values)
	return cell{Text: e.String(), Estimate: &e}
}

func newResult(ctx context.Context, o options, moduleDir string) *result {
	r := &result{
		Schema: "bartizan.bench.coarsening/1", Started: rig.Now().UTC(), Smoke: o.smoke,
		Machine: rig.ThisMachine(ctx, moduleDir, nil), Before: rig.ReadPressure(), Parts: o.parts,
	}
	for i := range o.seeds {
		r.Seeds = append(r.Seeds, o.at(i))
	}
	return r
}

func (r *result) print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores, %s, commit %s, load %.1f, %.0f s\n", r.Machine.CPU, r.Machine.Cores,
		r.Machine.Versions["go"], r.Machine.Commit, r.Before.Load1, r.Seconds)
	fmt.Fprintf(out, "%d seeds from %d; mean ± half of the 95 %% interval over the seeds\n", len(r.Seeds), r.Seeds[0])
	for _, t := range r.Tables {
		t.print(out)
	}
}

func (t table) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s: %s\n", t.Name, t.Title)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\t%s\n", strings.Join(t.Columns, "\t"))
	for _, r := range t.Rows {
		texts := make([]string, len(r.Cells))
		for i, c := range r.Cells {
			texts[i] = c.Text
		}
		fmt.Fprintf(w, "%s\t%s\n", r.Name, strings.Join(texts, "\t"))
	}
	_ = w.Flush()
	for _, note := range t.Notes {
		fmt.Fprintln(out, "  "+note)
	}
}
