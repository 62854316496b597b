package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bartizan"
	"bartizan/internal/config"
	"bartizan/internal/logread"
	"bartizan/internal/policy"
	"bartizan/internal/replay"
)

type replayCmd struct {
	Files   []string `arg:"" help:"Logs: JSONL of exchanges or of OpenAI-style requests, plain, gzip or zstd. Several are merged by time." type:"path"`
	Policy  string   `help:"Configuration file with the policy to try; default is that in force."                                        placeholder:"FILE" type:"path"`
	Against string   `help:"Configuration file with the policy to compare with; default is what the log says."                           placeholder:"FILE" type:"path"`
	Tier    string   `default:"standard" help:"Tier of records that name none, of accounts that are not known."`
	Model   string   `help:"Model that the attacker's bill is for; default is the one asked most."`
	Sort    bool     `help:"Hold the whole log in memory to put it into order."`
	Reorder string   `default:"20m" help:"How far lines may be out of order."`
	Workers int      `help:"Goroutines besides those that read; default is one for each processor."`
	HTML    string   `help:"Also write the report to this file, as a page with plots."                                                    name:"html" placeholder:"FILE" type:"path"`
	Strict  bool     `help:"Stop at the first line that cannot be read."`
}

// Help shows an example.
func (*replayCmd) Help() string {
	return "Example:\n  bartizan replay --policy new.yaml --against data/bartizan.yaml requests.jsonl.gz\n\n" +
		"Accounts of the data folder, if there is one, keep their organisation and grants.\n" +
		"Exit code 1 means that the policy refuses something that was let pass before,\n" +
		"3 that something could not be read or came too late to be put into order."
}

// Run replays the logs under the policy.
func (c *replayCmd) Run(a *app) error {
	o, err := c.options(a)
	if err != nil {
		return err
	}
	stats := make([]logread.Stats, len(c.Files))
	sources := make([]replay.Source, len(c.Files))
	for i, file := range c.Files {
		if info, err := os.Stat(file); err != nil {
			return usageError(fmt.Errorf("replay: %w", err))
		} else if info.IsDir() {
			return usageError(fmt.Errorf("replay: %s is a folder; want a log", file))
		}
		sources[i] = func(ctx context.Context, yield func(*bartizan.Exchange) error) (err error) {
			stats[i], err = logread.Open(ctx, file, logread.Options{Strict: c.Strict, Name: file}, yield)
			return err
		}
	}
	report, err := replay.Run(a.ctx, o, sources...)
	if err != nil {
		return incompleteError(err)
	}
	for i, s := range stats {
		report.Skipped += s.Bad
		for _, f := range s.Faults {
			a.hint("%s:%d: %s", c.Files[i], f.Line, f.Reason)
		}
	}
	if err := c.print(a, report); err != nil {
		return err
	}
	switch {
	case report.Skipped > 0:
		return incompleteError(fmt.Errorf("%d lines could not be read; the report holds for the rest", report.Skipped))
	case report.Late > 0:
		return incompleteError(fmt.Errorf("%d records came too late to be put into order; use --sort, or a longer --reorder", report.Late))
	case report.Worse():
		return errAct
	default:
		return nil
	}
}

func (c *replayCmd) print(a *app, r *replay.Report) error {
	if c.HTML != "" {
		if err := writeHTML(c.HTML, r); err != nil {
			return usageError(err)
		}
		a.hint("The page is in %s.", c.HTML)
	}
	if a.Format == formatJSON {
		return a.printJSON(r)
	}
	if err := r.WriteText(a.out); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// writeHTML writes the page whole or not at all. It names customers, so that only its
// owner may read it.
func writeHTML(file string, r *replay.Report) error {
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		return fmt.Errorf("make page: %w", err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func (c *replayCmd) options(a *app) (o replay.Options, err error) {
	o = replay.Options{
		Tier: bartizan.Tier(c.Tier), Model: c.Model, Workers: c.Workers,
		Progress: func(n int64, at time.Time) { a.progress("replaying: %d exchanges, %s", n, stamp(at)) },
	}
	if o.New, err = a.replayPolicy(c.Policy); err != nil {
		return o, err
	}
	if c.Against != "" {
		against, err := a.replayPolicy(c.Against)
		if err != nil {
			return o, err
		}
		o.Against = &against
	}
	if _, ok := o.New.Rules.Rules(o.Tier, bartizan.LevelNormal); !ok {
		return o, usageError(fmt.Errorf("tier %q: the policy has no such tier; name another with --tier", c.Tier))
	}
	if o.Reorder, err = time.ParseDuration(c.Reorder); err != nil || o.Reorder <= 0 {
		return o, usageError(fmt.Errorf("--reorder %q: want a time such as 20m", c.Reorder))
	}
	if c.Sort {
		o.Reorder = -1
	}
	o.Account, err = a.knownAccounts()
	return o, err
}

// replayPolicy reads the policy of a configuration file, or that in force.
func (a *app) replayPolicy(file string) (replay.Policy, error) {
	name, load := "policy in force", a.loadConfig
	if file != "" {
		name = filepath.Base(file)
		load = func() (config.Config, error) {
			raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
			if err != nil {
				return config.Config{}, usageError(fmt.Errorf("read policy: %w", err))
			}
			cfg, err := config.Load(file, raw)
			if err != nil {
				return cfg, usageError(err)
			}
			return cfg, nil
		}
	}
	cfg, err := load()
	if err != nil {
		return replay.Policy{}, err
	}
	p, err := policy.Compile(cfg.Policy)
	if err != nil {
		return replay.Policy{}, usageError(err)
	}
	return replay.Policy{Name: name, Rules: p}, nil
}

// knownAccounts returns a function that looks accounts up among those of the data
// folder; nil without one.
func (a *app) knownAccounts() (func(id string) (bartizan.Account, bool), error) {
	if _, err := os.Stat(filepath.Join(a.Data, "bartizan.db")); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	_, st, err := a.openStore()
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.Close() }()
	list, err := allAccounts(a.ctx, st)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bartizan.Account, len(list))
	for _, x := range list {
		known[x.ID] = x
	}
	return func(id string) (bartizan.Account, bool) { x, ok := known[id]; return x, ok }, nil
}
