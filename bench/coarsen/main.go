// Command coarsen measures what each knob of coarsening buys and what it does not: it
// copies models of its own making through the shipped engine with the best of several
// attacks, and says how many more answers a copy takes, in which cases none is slower,
// and what honest callers lose.
//
// Everything follows from the seed. The victims are small and synthetic, so that a run
// takes minutes; the ratios between the rows are what is to be read.
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
	"runtime"
	"slices"
	"strings"
	"syscall"

	"bartizan/bench/rig"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, args, stdout, stderr); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("stopped; nothing was written")
		}
		fmt.Fprintln(stderr, "bench/coarsen:", err)
		return 2
	}
	return 0
}

type options struct {
	seed    uint64
	seeds   int
	parts   []string
	workers int
	smoke   bool
	out     string
}

// at is the seed of one of the runs.
func (o options) at(run int) uint64 { return o.seed + uint64(run) } //nolint:gosec // an index

// parts are what can be measured, in the order of the report.
func parts() []part {
	return []part{
		{"argmax", argmaxPart},
		{"linear", linearPart},
		{"lowrank", lowRankPart},
		{"mlp", mlpPart},
		{"embed", embedPart},
	}
}

// part makes the jobs of one part of the report. The tables may be read when all jobs
// are done.
type part struct {
	name string
	plan func(o options) plan
}

type plan struct {
	jobs   []job
	tables func() []table
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	var wanted string
	flags := flag.NewFlagSet("coarsen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&o.seed, "seed", 20261127, "the first seed; the others follow it")
	flags.IntVar(&o.seeds, "seeds", 5, "how many seeds, at least 2")
	flags.StringVar(&wanted, "parts", strings.Join(names, ","), "what to measure")
	flags.IntVar(&o.workers, "workers", runtime.NumCPU(), "jobs at once; the numbers do not depend on it")
	flags.BoolVar(&o.smoke, "smoke", false, "tiny sizes, to see that everything works; the numbers mean nothing")
	flags.StringVar(&o.out, "out", "", "result file; default bench/coarsening-DATE.json with a text beside it, none with -smoke, - for none")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for name := range strings.SplitSeq(wanted, ",") {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("-parts: no part %q; there are %v", name, names)
		}
		o.parts = append(o.parts, name)
	}
	if o.smoke {
		o.seeds = min(o.seeds, 2)
	}
	if o.seeds < 2 || o.workers < 1 {
		return o, fmt.Errorf("want at least 2 seeds and 1 worker: %+v", o)
	}
	return o, nil
}

func measure(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	moduleDir, err := rig.ModuleDir()
	if err != nil {
		return err
	}
	r := newResult(ctx, o, moduleDir)
	var plans []plan
	var jobs []job
	for _, p := range parts() {
		if slices.Contains(o.parts, p.name) {
			made := p.plan(o)
			plans, jobs = append(plans, made), append(jobs, made.jobs...)
		}
	}
	if err := perform(ctx, jobs, o.workers, stderr); err != nil {
		return err
	}
	for _, p := range plans {
		r.Tables = append(r.Tables, p.tables()...)
	}
	r.Seconds = rig.Now().Sub(r.Started).Seconds()
	r.print(stdout)
	return r.write(o, moduleDir, stderr)
}

// write writes the result and its text.
func (r *result) write(o options, moduleDir string, stderr io.Writer) error {
	name := o.out
	if name == "-" || name == "" && o.smoke {
		return nil
	}
	if name == "" {
		name = filepath.Join(moduleDir, "bench", "coarsening-"+r.Started.Format("2006-01-02")+".json")
	}
	if err := rig.WriteResult(name, r); err != nil {
		return err
	}
	var text strings.Builder
	r.print(&text)
	beside := strings.TrimSuffix(name, ".json") + ".txt"
	if err := os.WriteFile(beside, []byte(text.String()), 0o644); err != nil { //nolint:gosec // a report that everybody may read
		return fmt.Errorf("write the text: %w", err)
	}
	fmt.Fprintln(stderr, "wrote", name, "and", beside)
	return nil
}
