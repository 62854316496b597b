// Command soak loads a bartizan for minutes and watches its memory: many streams at
// once and short answers beside them, against canned answers. It fails when memory
// grows by more than a slope or beyond a bound, and when an answer is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"bartizan/bench/rig"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := soak(ctx, args, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errMissed):
		fmt.Fprintln(stderr, "bench/soak:", err)
		return 1
	default:
		fmt.Fprintln(stderr, "bench/soak:", err)
		return 2
	}
}

// errMissed says that a target was missed.
var errMissed = errors.New("target missed")

type options struct {
	duration  time.Duration
	warmUp    time.Duration
	streams   int
	perSecond int
	accounts  int
	slopeMiB  float64
	peakMB    float64
	program   string
	out       string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.duration, "duration", 10*time.Minute, "how long to load")
	flags.DurationVar(&o.warmUp, "warm-up", time.Minute, "how much of the beginning the slope leaves out")
	flags.IntVar(&o.streams, "streams", 64, "streams at once")
	flags.IntVar(&o.perSecond, "unary", 100, "short answers a second beside them")
	flags.IntVar(&o.accounts, "accounts", 16, "accounts to spread the load over")
	flags.Float64Var(&o.slopeMiB, "slope", 1, "MiB a minute that memory may grow")
	flags.Float64Var(&o.peakMB, "peak", 120, "MB of memory at most")
	flags.StringVar(&o.program, "bartizan", "", "a built bartizan; default: build cmd/bartizan")
	flags.StringVar(&o.out, "out", "", "result file; default bench/soak-DATE.json, - for none")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.duration < time.Second || o.warmUp >= o.duration || o.streams < 1 || o.perSecond < 1 || o.accounts < 1 {
		return o, fmt.Errorf("at least one second, stream, answer and account, and a warm-up shorter than the whole: %+v", o)
	}
	return o, nil
}

func soak(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	moduleDir, err := rig.ModuleDir()
	if err != nil {
		return err
	}
	temporary, err := os.MkdirTemp("", "bench-soak-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	upstream, err := rig.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer upstream.Close()
	program := o.program
	if program == "" {
		if program, err = rig.BuildBartizan(ctx, moduleDir, temporary); err != nil {
			return err
		}
	}
	gateway, err := rig.StartBartizan(ctx, program, temporary, upstream.Addr(), o.accounts, nil)
	if err != nil {
		return err
	}
	defer gateway.Stop()
	result := newResult(ctx, o, moduleDir)
	result.load(ctx, o, gateway, stderr)
	if err := ctx.Err(); err != nil {
		return err
	}
	if ledger, err := gateway.Ledger(ctx); err == nil {
		result.Records, result.Gaps = ledger.Records, ledger.Gaps
	}
	result.conclude(o)
	result.print(stdout)
	if o.out != "-" {
		name := o.out
		if name == "" {
			name = filepath.Join(moduleDir, "bench", "soak-"+result.Started.Format("2006-01-02")+".json")
		}
		if err := rig.WriteResult(name, result); err != nil {
			return err
		}
		fmt.Fprintln(stderr, "wrote", name)
	}
	return result.fault()
}

// result is the file of a run.
type result struct {
	Schema      string         `json:"schema"`
	Started     time.Time      `json:"started"`
	Machine     rig.Machine    `json:"machine"`
	Before      rig.Pressure   `json:"before"`
	Seconds     float64        `json:"seconds"`
	Streams     int            `json:"streams"`
	PerSecond   int            `json:"unary_per_second"`
	Accounts    int            `json:"accounts"`
	SlopeMiB    float64        `json:"slope_mib_per_minute"`
	SlopeTarget float64        `json:"slope_target_mib_per_minute"`
	PeakMB      float64        `json:"peak_mb"`
	PeakTarget  float64        `json:"peak_target_mb"`
	EarlyMB     float64        `json:"median_mb_after_warm_up"`
	LateMB      float64        `json:"median_mb_at_the_end"`
	Answers     int            `json:"answers"`
	Events      int            `json:"events"`
	Checked     int            `json:"checked"`
	Records     int64          `json:"ledger_records"`
	Gaps        int64          `json:"ledger_gaps"`
	Faults      map[string]int `json:"faults,omitempty"`
	RSS         []sample       `json:"rss"`
}

// sample is the resident memory at a second of the run.
type sample struct {
	At    float64 `json:"s"`
	Bytes int64   `json:"bytes"`
}

func newResult(ctx context.Context, o options, moduleDir string) *result {
	return &result{
		Schema: "bartizan.bench.soak/1", Started: rig.Now().UTC(), Machine: rig.ThisMachine(ctx, moduleDir, nil),
		Before: rig.ReadPressure(), Streams: o.streams, PerSecond: o.perSecond, Accounts: o.accounts,
		SlopeTarget: o.slopeMiB, PeakTarget: o.peakMB, Faults: map[string]int{},
	}
}

// load runs both loads for the duration and samples memory every second. A quarter of
// the streams carry log-probabilities that must be stripped.
func (r *result) load(ctx context.Context, o options, gateway *rig.Bartizan, progress io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	heavy := o.streams / 4
	const noEnd = 1 << 30 // the context ends the load
	base := rig.Load{Addr: gateway.Addr, Keys: gateway.Keys, Requests: noEnd, CheckEvery: 50, Check: rig.Stripped}
	light, scored, short := base, base, base
	light.Mode, light.Conns = rig.Paced, o.streams-heavy
	scored.Mode, scored.Conns = rig.PacedLogprobs, heavy
	short.Mode, short.Conns, short.Every = rig.Small, 8, time.Second/time.Duration(o.perSecond)
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
	)
	for _, load := range []rig.Load{light, scored, short} {
		if load.Conns == 0 {
			continue
		}
		wait.Go(func() {
			out := load.Run(ctx)
			mu.Lock()
			defer mu.Unlock()
			r.Answers += out.Done
			r.Events += out.Events
			r.Checked += out.Checked
			for fault, n := range out.Faults {
				r.Faults[string(load.Mode)+": "+fault] += n
			}
		})
	}
	r.sample(ctx, gateway, progress)
	wait.Wait()
}

func (r *result) sample(ctx context.Context, gateway *rig.Bartizan, progress io.Writer) {
	start := rig.Now()
	for second := 1; ; second++ {
		if rig.Pause(ctx, start.Add(time.Duration(second)*time.Second).Sub(rig.Now())) != nil {
			break
		}
		usage, err := gateway.Usage()
		if err != nil {
			r.Faults["memory: "+err.Error()]++
			break
		}
		r.RSS = append(r.RSS, sample{At: rig.Now().Sub(start).Seconds(), Bytes: usage.RSS})
		r.PeakMB = max(r.PeakMB, float64(usage.Peak)/1e6)
		if second%30 == 0 {
			fmt.Fprintf(progress, "%4d s  %.1f MB\n", second, float64(usage.RSS)/1e6)
		}
	}
	r.Seconds = rig.Now().Sub(start).Seconds()
}

func (r *result) conclude(o options) {
	var minutes, mebibytes []float64
	for _, s := range r.RSS {
		if s.At >= o.warmUp.Seconds() {
			minutes = append(minutes, s.At/60)
			mebibytes = append(mebibytes, float64(s.Bytes)/(1<<20))
		}
	}
	if len(minutes) < 2 {
		r.Faults["too few samples after the warm-up"]++
		return
	}
	r.SlopeMiB = rig.Slope(minutes, mebibytes)
	tenth := max(1, len(mebibytes)/10)
	const mib = float64(1<<20) / 1e6
	r.EarlyMB = rig.Median(mebibytes[:tenth]) * mib
	r.LateMB = rig.Median(mebibytes[len(mebibytes)-tenth:]) * mib
}

func (r *result) fault() error {
	switch {
	case len(r.Faults) > 0:
		return fmt.Errorf("%w: wrong answers: %v", errMissed, r.Faults)
	case r.SlopeMiB >= r.SlopeTarget:
		return fmt.Errorf("%w: memory grows by %.2f MiB a minute; the bound is %.2f", errMissed, r.SlopeMiB, r.SlopeTarget)
	case r.PeakMB >= r.PeakTarget:
		return fmt.Errorf("%w: memory reached %.0f MB; the bound is %.0f", errMissed, r.PeakMB, r.PeakTarget)
	default:
		return nil
	}
}

func (r *result) print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d cores, %s, commit %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Versions["go"], r.Machine.Commit)
	fmt.Fprintf(out, "%.0f s, %d streams at once and %d short answers a second: %d answers, %d events, %d read whole\n",
		r.Seconds, r.Streams, r.PerSecond, r.Answers, r.Events, r.Checked)
	fmt.Fprintf(out, "memory: peak %.1f MB (bound %.0f), slope %+.2f MiB a minute (bound %.2f), %.1f MB after the warm-up, %.1f MB at the end\n",
		r.PeakMB, r.PeakTarget, r.SlopeMiB, r.SlopeTarget, r.EarlyMB, r.LateMB)
	fmt.Fprintf(out, "ledger: %d records, %d gaps\n", r.Records, r.Gaps)
	faults := make([]string, 0, len(r.Faults))
	for fault, n := range r.Faults {
		faults = append(faults, fmt.Sprintf("FAULT %d times: %s", n, fault))
	}
	slices.Sort(faults)
	for _, line := range faults {
		fmt.Fprintln(out, line)
	}
}
