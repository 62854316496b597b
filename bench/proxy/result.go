package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bartizan/bench/rig"
)

// result is the file of a run.
type result struct {
	Schema    string            `json:"schema"`
	Started   time.Time         `json:"started"`
	Smoke     bool              `json:"smoke,omitempty"`
	Machine   rig.Machine       `json:"machine"`
	Settings  map[string]any    `json:"settings"`
	Bytes     map[rig.Mode]int  `json:"answer_bytes"`
	Absent    map[string]string `json:"absent,omitempty"`
	Summary   []summary         `json:"summary"`
	Delays    []delaySummary    `json:"delays,omitempty"`
	Ledger    *ledgerCount      `json:"ledger,omitempty"`
	Notes     []string          `json:"notes,omitempty"`
	Faults    map[string]int    `json:"faults,omitempty"`
	Rounds    []round           `json:"rounds"`
	rowsAsked []string
}

type round struct {
	Before    rig.Pressure `json:"before"`
	Cells     []cell       `json:"cells"`
	Latencies []delays     `json:"latencies,omitempty"`
}

// cell is one mode of one row in one round. Times are microseconds on a core.
type cell struct {
	Row           string         `json:"row"`
	Mode          rig.Mode       `json:"mode"`
	Requests      int            `json:"requests"`
	Done          int            `json:"done"`
	Events        int            `json:"events,omitempty"`
	Checked       int            `json:"checked"`
	CPUPerRequest float64        `json:"cpu_us_per_request"`
	CPUPerEvent   float64        `json:"cpu_us_per_event,omitempty"`
	Switches      float64        `json:"switches_per_request"`
	PerSecond     float64        `json:"requests_per_second"`
	RSS           int64          `json:"rss_bytes"`
	Peak          int64          `json:"peak_rss_bytes"`
	Statuses      map[int]int    `json:"statuses"`
	Faults        map[string]int `json:"faults,omitempty"`
}

// delays are microseconds that one client alone waited.
type delays struct {
	Row       string  `json:"row"`
	Load1     float64 `json:"load1"`
	Answers   int     `json:"answers"`
	Events    int     `json:"events"`
	AnswerP50 float64 `json:"answer_p50_us"`
	AnswerP99 float64 `json:"answer_p99_us"`
	EventP50  float64 `json:"event_p50_us"`
	EventP99  float64 `json:"event_p99_us"`
}

// ratio is the median of per-round ratios with its 95 % bootstrap interval.
type ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

type summary struct {
	Row           string   `json:"row"`
	Mode          rig.Mode `json:"mode"`
	Kept          int      `json:"rounds_kept"`
	CPUPerRequest float64  `json:"cpu_us_per_request"`
	Least         float64  `json:"cpu_us_per_request_least"`
	CPUPerEvent   float64  `json:"cpu_us_per_event,omitempty"`
	PerSecond     float64  `json:"requests_per_second"`
	PeakMB        float64  `json:"peak_rss_mb"`
	ToNginx       *ratio   `json:"to_nginx,omitempty"`
	ToProxy       *ratio   `json:"to_rp,omitempty"`
}

// delaySummary is what a row adds to the direct way, medians of the rounds.
type delaySummary struct {
	Row       string  `json:"row"`
	Loaded    bool    `json:"loaded"`
	AnswerP50 float64 `json:"added_answer_p50_us"`
	AnswerP99 float64 `json:"added_answer_p99_us"`
	EventP50  float64 `json:"added_event_p50_us"`
	EventP99  float64 `json:"added_event_p99_us"`
}

type ledgerCount struct {
	Sent    int   `json:"sent"`
	Records int64 `json:"records"`
	Gaps    int64 `json:"gaps"`
}

func (b *bench) newResult(ctx context.Context) *result {
	r := &result{
		Schema: "bartizan.bench.proxy/1", Started: rig.Now().UTC(), Smoke: b.o.smoke,
		Machine: rig.ThisMachine(ctx, b.moduleDir, map[string][]string{rowNginx: {"nginx", "-v"}}),
		Settings: map[string]any{
			"rounds": b.o.rounds, "keep": b.o.keep, "conns": b.o.conns, "paced_conns": b.o.pacedConns,
			"accounts": b.o.accounts, "seed": b.o.seed, "pinned": b.o.pin, "scale": b.o.scale,
		},
		Bytes: map[rig.Mode]int{}, Absent: map[string]string{}, Faults: map[string]int{}, rowsAsked: b.o.rows,
	}
	for _, mode := range b.o.modes {
		r.Bytes[mode] = b.upstream.Size(mode)
	}
	for _, row := range b.rows {
		if row.absent != "" {
			r.Absent[row.name] = row.absent
		}
		if row.gateway != nil {
			r.Settings["bartizan_flags"] = strings.Join(row.gateway.Args, " ")
		}
	}
	return r
}

func (r *round) cell(row string, mode rig.Mode) (cell, bool) {
	i := slices.IndexFunc(r.Cells, func(c cell) bool { return c.Row == row && c.Mode == mode })
	if i < 0 {
		return cell{}, false
	}
	return r.Cells[i], true
}

// kept returns the rounds in which no control is over a quarter off its median.
func (r *result) kept(mode rig.Mode) []*round {
	medians := map[string]float64{}
	for _, control := range controls() {
		var values []float64
		for i := range r.Rounds {
			if c, ok := r.Rounds[i].cell(control, mode); ok {
				values = append(values, c.CPUPerRequest)
			}
		}
		if len(values) > 0 {
			medians[control] = rig.Median(values)
		}
	}
	var kept []*round
	for i := range r.Rounds {
		steady := true
		for control, median := range medians {
			c, ok := r.Rounds[i].cell(control, mode)
			steady = steady && ok && math.Abs(c.CPUPerRequest/median-1) <= 0.25
		}
		if steady {
			kept = append(kept, &r.Rounds[i])
		}
	}
	return kept
}

func (r *result) fewestKept(o options) int {
	fewest := len(r.Rounds)
	for _, mode := range o.modes {
		fewest = min(fewest, len(r.kept(mode)))
	}
	return fewest
}

func (r *result) summarise(o options) {
	random := rand.New(rand.NewPCG(o.seed, o.seed)) //nolint:gosec // a seeded bootstrap; the seed is in the result
	for _, mode := range o.modes {
		kept := r.kept(mode)
		if len(kept) < o.keep {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: only %d rounds with steady controls; the machine was too busy", mode, len(kept)))
		}
		for _, row := range o.rows {
			if s, ok := summariseRow(kept, row, mode, random); ok {
				r.Summary = append(r.Summary, s)
			}
		}
	}
	for _, round := range r.Rounds {
		for _, c := range round.Cells {
			for fault, n := range c.Faults {
				r.Faults[c.Row+" "+string(c.Mode)+": "+fault] += n
			}
		}
	}
	r.summariseDelays(o)
}

func summariseRow(kept []*round, row string, mode rig.Mode, random *rand.Rand) (summary, bool) {
	var cpu, perEvent, perSecond, peak []float64
	ratios := map[string][]float64{}
	for _, round := range kept {
		c, ok := round.cell(row, mode)
		if !ok || c.Done == 0 {
			continue
		}
		cpu = append(cpu, c.CPUPerRequest)
		perEvent = append(perEvent, c.CPUPerEvent)
		perSecond = append(perSecond, c.PerSecond)
		peak = append(peak, float64(c.Peak)/(1<<20))
		for _, base := range []string{rowNginx, rowReverseProxy} {
			if other, ok := round.cell(base, mode); ok && other.CPUPerRequest > 0 {
				ratios[base] = append(ratios[base], c.CPUPerRequest/other.CPUPerRequest)
			}
		}
	}
	if len(cpu) == 0 {
		return summary{}, false // its faults say why
	}
	s := summary{
		Row: row, Mode: mode, Kept: len(cpu), CPUPerRequest: rig.Median(cpu), Least: slices.Min(cpu),
		CPUPerEvent: rig.Median(perEvent), PerSecond: rig.Median(perSecond), PeakMB: slices.Max(peak),
	}
	if row != rowDirect { // its cost is that of client and upstream, not of a proxy
		s.ToNginx, s.ToProxy = newRatio(ratios[rowNginx], random), newRatio(ratios[rowReverseProxy], random)
	}
	return s, true
}

func newRatio(values []float64, random *rand.Rand) *ratio {
	if len(values) == 0 {
		return nil
	}
	low, high := rig.Interval(values, random)
	return &ratio{Median: rig.Median(values), Low: low, High: high}
}

func (r *result) summariseDelays(o options) {
	for _, row := range o.rows {
		var added [4][]float64
		loaded := false
		for _, round := range r.Rounds {
			direct := slices.IndexFunc(round.Latencies, func(d delays) bool { return d.Row == rowDirect })
			mine := slices.IndexFunc(round.Latencies, func(d delays) bool { return d.Row == row })
			if direct < 0 || mine < 0 || row == rowDirect {
				continue
			}
			d, m := round.Latencies[direct], round.Latencies[mine]
			loaded = loaded || m.Load1 > float64(r.Machine.Cores)
			for i, value := range []float64{
				m.AnswerP50 - d.AnswerP50, m.AnswerP99 - d.AnswerP99, m.EventP50 - d.EventP50, m.EventP99 - d.EventP99,
			} {
				added[i] = append(added[i], value)
			}
		}
		if len(added[0]) > 0 {
			r.Delays = append(r.Delays, delaySummary{
				Row: row, Loaded: loaded, AnswerP50: rig.Median(added[0]), AnswerP99: rig.Median(added[1]),
				EventP50: rig.Median(added[2]), EventP99: rig.Median(added[3]),
			})
		}
	}
}

// fault is the error of a run whose answers were not what they should be, whoever gave
// them.
func (r *result) fault() error {
	total := 0
	for _, n := range r.Faults {
		total += n
	}
	if total == 0 {
		return nil
	}
	return fmt.Errorf("%d answers were wrong; the numbers above do not count", total)
}

func (r *result) print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores, %s, commit %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Versions["go"], r.Machine.Commit)
	fmt.Fprintf(out, "%d rounds; processor time in microseconds; ratios are medians of rounds with 95 %% intervals (seed %v)\n\n",
		len(r.Rounds), r.Settings["seed"])
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "mode\trow\tkept\tper request\tleast\tper event\trequests/s\tto nginx\tto rp\tpeak MB\t")
	for _, s := range r.Summary {
		name, event := s.Row, "-"
		if s.Row == rowDirect {
			name = "(direct)"
		}
		if s.CPUPerEvent > 0 {
			event = fmt.Sprintf("%.2f", s.CPUPerEvent)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%.1f\t%.1f\t%s\t%.0f\t%s\t%s\t%.0f\t\n",
			s.Mode, name, s.Kept, s.CPUPerRequest, s.Least, event, s.PerSecond, s.ToNginx, s.ToProxy, s.PeakMB)
	}
	_ = table.Flush()
	if len(r.Delays) > 0 {
		fmt.Fprintln(out, "\nadded delay of one client alone, microseconds")
		fmt.Fprintln(table, "row\tanswer p50\tp99\tevent p50\tp99\t\t")
		for _, d := range r.Delays {
			mark := ""
			if d.Loaded {
				mark = "loaded"
			}
			fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t\n", d.Row, d.AnswerP50, d.AnswerP99, d.EventP50, d.EventP99, mark)
		}
		_ = table.Flush()
	}
	r.printRest(out)
}

func (r *result) printRest(out io.Writer) {
	fmt.Fprintln(out)
	for _, row := range r.rowsAsked {
		if why, ok := r.Absent[row]; ok {
			fmt.Fprintf(out, "absent: %s (%s)\n", row, why)
		}
	}
	if r.Ledger != nil {
		fmt.Fprintf(out, "ledger: %d requests sent, %d records, %d gaps\n", r.Ledger.Sent, r.Ledger.Records, r.Ledger.Gaps)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, "note:", note)
	}
	for fault, n := range r.Faults {
		fmt.Fprintf(out, "FAULT %d times: %s\n", n, fault)
	}
}

// String shows a ratio with its interval.
func (r *ratio) String() string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", r.Median, r.Low, r.High)
}
