// Command proxy measures what it costs to put bartizan in front of a model server, as
// ratios to nginx and to a plain Go reverse proxy taken in the same run.
//
// Absolute numbers of a shared machine mean little; ratios inside one round mean more.
// So every round runs all rows one after another, and the report holds the median of
// the rounds' ratios with its interval. See bench/README.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"bartizan/bench/rig"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	rounds, maxRounds, keep int
	conns, pacedConns       int
	scale                   float64
	latency                 int
	modes                   []rig.Mode
	rows                    []string
	accounts                int
	seed                    uint64
	pin                     bool
	smoke                   bool
	program                 string
	out                     string
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(args) > 0 && args[0] == childWord {
		err = child(ctx, args[1:])
	} else {
		err = measure(ctx, args, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench/proxy:", err)
		return 2
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var modes, rows string
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 9, "rounds to run")
	flags.IntVar(&o.maxRounds, "max-rounds", 15, "rounds to run at most when some are dropped")
	flags.IntVar(&o.keep, "keep", 7, "rounds to keep at least")
	flags.IntVar(&o.conns, "conns", 16, "connections at once")
	flags.IntVar(&o.pacedConns, "paced-conns", 64, "connections at once in the paced modes")
	flags.Float64Var(&o.scale, "scale", 1, "factor for the number of requests of every mode")
	flags.IntVar(&o.latency, "latency", 400, "requests of the latency pass, one at a time; 0 leaves it out")
	flags.StringVar(&modes, "modes", "small,big,sse,sselp,paced,pacedlp", "answers to measure")
	flags.StringVar(&rows, "rows", strings.Join(allRows(), ","), "proxies to measure; the controls nginx and nh are best kept")
	flags.IntVar(&o.accounts, "accounts", 16, "bartizan's accounts to spread the load over")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the bootstrap intervals")
	flags.BoolVar(&o.pin, "pin", false, "one core for the proxies (Go ones with GOMAXPROCS=1), the others for the rest")
	flags.BoolVar(&o.smoke, "smoke", false, "one tiny round to see that everything works; its numbers mean nothing")
	flags.StringVar(&o.program, "bartizan", "", "a built bartizan; default: build cmd/bartizan")
	flags.StringVar(&o.out, "out", "", "result file; default bench/proxy-DATE.json, none with -smoke")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for name := range strings.SplitSeq(modes, ",") {
		if !slices.Contains(rig.Modes(), rig.Mode(name)) {
			return o, fmt.Errorf("-modes: no mode %q; there are %v", name, rig.Modes())
		}
		o.modes = append(o.modes, rig.Mode(name))
	}
	for name := range strings.SplitSeq(rows, ",") {
		if !slices.Contains(allRows(), name) {
			return o, fmt.Errorf("-rows: no row %q; there are %v", name, allRows())
		}
		o.rows = append(o.rows, name)
	}
	if o.smoke {
		o.rounds, o.maxRounds, o.keep, o.latency, o.accounts = 1, 1, 1, min(o.latency, 20), min(o.accounts, 2)
		o.scale, o.pacedConns, o.conns = 0.002, 2, 2
	}
	if o.rounds < 1 || o.conns < 1 || o.pacedConns < 1 || o.accounts < 1 || o.scale <= 0 {
		return o, fmt.Errorf("rounds, connections, accounts and scale must be above zero: %+v", o)
	}
	o.maxRounds = max(o.maxRounds, o.rounds)
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
	if o.pin {
		if err := pinHarness(ctx); err != nil {
			return err
		}
	}
	temporary, err := os.MkdirTemp("", "bench-proxy-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	upstream, err := rig.StartUpstream(ctx)
	if err != nil {
		return err
	}
	defer upstream.Close()
	b := &bench{o: o, upstream: upstream, dir: temporary, moduleDir: moduleDir, progress: stderr}
	defer b.stop()
	b.start(ctx)
	result, err := b.rounds(ctx)
	if err != nil {
		return err
	}
	result.print(stdout)
	name := o.out
	if name == "" && !o.smoke {
		name = filepath.Join(moduleDir, "bench", "proxy-"+result.Started.Format("2006-01-02")+".json")
	}
	if name != "" {
		if err := rig.WriteResult(name, result); err != nil {
			return err
		}
		fmt.Fprintln(stderr, "wrote", name)
	}
	return result.fault()
}
