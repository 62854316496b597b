package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bartizan"
	"bartizan/internal/config"
	"bartizan/internal/cost"
	"bartizan/internal/guard"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

type costCmd struct {
	Policy       string        `help:"Configuration file with the policy; the same as --config."                      placeholder:"FILE" type:"path"`
	Accounts     []string      `default:"1,10,100,1000"                                                               help:"How many accounts collect."`
	Answers      []string      `default:"1e5,1e6,1e7"                                                                 help:"How many answers they want."`
	PromptTokens string        `default:"200"                                                                         help:"Tokens of each prompt."`
	AnswerTokens string        `default:"500"                                                                         help:"Tokens of each answer."`
	Model        string        `help:"Model that is copied: its limits, its price and, where its hidden_size is known, what copying it takes; without it the tier's own limits and the lowest price."   placeholder:"NAME"`
	AccountCost  float64       `default:"0"                                                                           help:"Dollars to make an account."`
	Keys         int64         `default:"1"                                                                           help:"Keys of each account."`
	Latency      time.Duration `default:"0"                                                                           help:"How long an answer takes; limits on what is under way bind by it."`
	Tier         []string      `help:"Only these tiers."                                                              placeholder:"NAME"`
	Level        string        `default:"normal"                                                                      enum:"normal,watch,restricted,suspended" help:"Compare with this level: ${enum}."`
	Grant        []string      `help:"Compare with a limit raised to this, such as tokens.per_day=5M; may be given again." placeholder:"LIMIT=N"`
}

// Help shows an example.
func (*costCmd) Help() string {
	return "The least time and money that it takes to collect answers, or enough numbers for a known attack,\n" +
		"by an attacker who is never noticed. With --level or --grant: before and after.\n\n" +
		"Examples:\n  bartizan cost --accounts 1,100\n  bartizan cost --tier standard --grant tokens.per_day=5M"
}

// costChange is the answer to a program that compares.
type costChange struct {
	Schema  string           `json:"schema"`
	Level   bartizan.Level   `json:"level"`
	Granted []bartizan.Bound `json:"granted"`
	Before  cost.Table       `json:"before"`
	After   cost.Table       `json:"after"`
	Shifts  []cost.Shift     `json:"shifts"`
}

// Run prints one table, or two side by side.
func (c *costCmd) Run(a *app) error {
	p, cfg, err := c.policy(a)
	if err != nil {
		return err
	}
	targets := c.targets(a, cfg)
	level, granted, err := c.change(p)
	if err != nil {
		return usageError(err)
	}
	before, err := c.table(p, targets, bartizan.LevelNormal, nil)
	if err != nil {
		return usageError(err)
	}
	if level == bartizan.LevelNormal && len(granted) == 0 {
		if a.Format == formatJSON {
			return a.printJSON(before)
		}
		if err := before.WriteText(a.out); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		return nil
	}
	after, err := c.table(p, targets, level, granted)
	if err != nil {
		return usageError(err)
	}
	out := costChange{
		Schema: "bartizan.cost-change/1", Level: level, Granted: guard.Bounds(granted), Before: before, After: after,
		Shifts: cost.CompareTables(before, after),
	}
	if a.Format == formatJSON {
		return a.printJSON(out)
	}
	a.say("The attacker's bill now, and %s:", c.says(level))
	if err := cost.WriteShifts(a.out, out.Shifts); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// says names what the second table is.
func (c *costCmd) says(level bartizan.Level) string {
	var parts []string
	if level != bartizan.LevelNormal {
		parts = append(parts, "at level "+level.String())
	}
	if len(c.Grant) > 0 {
		parts = append(parts, "with "+strings.Join(c.Grant, " and "))
	}
	return strings.Join(parts, " ")
}

// targets are the usual ones and what is known of the model that is copied.
func (c *costCmd) targets(a *app, cfg config.Config) []cost.Target {
	targets := cost.Targets()
	if c.Model != "" {
		m, _ := cfg.Model(c.Model)
		return append(targets, cost.ModelTargets(c.Model, m.HiddenSize, m.Vocabulary)...)
	}
	if slices.ContainsFunc(cfg.Models, func(m config.Model) bool { return m.HiddenSize > 0 }) {
		a.hint("bartizan: the width of a model is known; name it with --model for the bill of copying it")
	}
	return targets
}

// policy compiles the policy of the file that the flags name.
func (c *costCmd) policy(a *app) (*policy.Policy, config.Config, error) {
	if c.Policy != "" {
		if a.Config != "" && a.Config != c.Policy {
			return nil, config.Config{}, usageError(errors.New("--policy and --config name different files; give one"))
		}
		a.Config = c.Policy
	}
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, cfg, err
	}
	p, err := policy.Compile(cfg.Policy)
	if err != nil {
		return nil, cfg, usageError(err)
	}
	switch n := cfg.Policy.Priced(); {
	case n == 0:
		a.hint("bartizan: no model has a price, so that only accounts cost anything; see price below models in the configuration")
	case n > 1 && c.Model == "":
		a.hint("bartizan: prices are the lowest of all models; name one with --model")
	}
	if cfg.Policy.Shadow {
		a.hint("bartizan: the policy is in shadow mode, in which no limit holds anybody up")
	}
	return p, cfg, nil
}

// table bills the wanted tiers at a level.
func (c *costCmd) table(p *policy.Policy, targets []cost.Target, level bartizan.Level, granted ratelimit.Limits) (cost.Table, error) {
	var faults []error
	whole := func(flag, text string) int64 {
		n, err := parseAmount(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s %w", flag, err))
		}
		return n
	}
	list := func(flag string, texts []string) []int64 {
		var out []int64
		for _, text := range texts {
			out = append(out, whole(flag, text))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	grid := cost.Grid{Accounts: list("accounts", c.Accounts), Answers: list("answers", c.Answers), Targets: targets}
	attacker := cost.Attacker{
		PromptTokens: whole("prompt-tokens", c.PromptTokens), AnswerTokens: whole("answer-tokens", c.AnswerTokens),
		KeysPerAccount: c.Keys, Latency: c.Latency, AccountMicroUSD: int64(math.Round(c.AccountCost * 1e6)),
	}
	if !(c.AccountCost >= 0 && c.AccountCost <= 1e9) {
		faults = append(faults, fmt.Errorf("--account-cost %v: give 0 to 1e9 dollars", c.AccountCost))
	}
	var tiers []cost.Tier
	for _, t := range p.CostTiers(level, c.Model, granted) {
		if len(c.Tier) == 0 || slices.Contains(c.Tier, t.Name) {
			tiers = append(tiers, t)
		}
	}
	for _, name := range c.Tier {
		if _, ok := p.Tier(bartizan.Tier(name)); !ok {
			faults = append(faults, fmt.Errorf("--tier %s: no such tier", name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return cost.Table{}, err
	}
	return cost.NewTable(tiers, attacker, grid) //nolint:wrapcheck // it names what is wrong
}

// change reads what the second table has other than the first.
func (c *costCmd) change(p *policy.Policy) (level bartizan.Level, granted ratelimit.Limits, err error) {
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return 0, nil, fmt.Errorf("--level: %w", err)
	}
	for _, name := range p.Tiers() {
		if r, ok := p.Rules(name, level); ok && r.Deny {
			return 0, nil, fmt.Errorf("--level %s: nothing is served there, so that nothing can be collected", level)
		}
	}
	for _, text := range c.Grant {
		l, err := parseLimit(text)
		if err == nil && !c.raises(p, l) {
			err = errors.New("no tier that is shown has such a limit, and a grant raises only what is there")
		}
		if err != nil {
			return 0, nil, fmt.Errorf("--grant %s: %w", text, err)
		}
		granted = append(granted, l)
	}
	return level, granted, nil
}

// raises reports whether a tier that is shown has a limit in place of which l could stand.
func (c *costCmd) raises(p *policy.Policy, l ratelimit.Limit) bool {
	for _, name := range p.Tiers() {
		if len(c.Tier) > 0 && !slices.Contains(c.Tier, string(name)) {
			continue
		}
		spec, _ := p.Tier(name)
		if slices.ContainsFunc(spec.Limits, func(x ratelimit.Limit) bool {
			return x.Dimension == l.Dimension && x.Window == l.Window && x.Amount > 0
		}) {
			return true
		}
	}
	return false
}

// parseLimit reads a limit as in tokens.per_day=5M, streams=20 or cost.per_month=12.50.
func parseLimit(text string) (ratelimit.Limit, error) {
	place, amount, ok := strings.Cut(text, "=")
	if !ok {
		return ratelimit.Limit{}, errors.New("want a limit and an amount, such as tokens.per_day=5M")
	}
	dimension, window, timed := strings.Cut(place, ".per_")
	if !timed {
		window = ratelimit.Concurrent.String()
	}
	var n int64
	var err error
	if dimension == ratelimit.Cost.String() {
		var dollars float64
		if dollars, err = strconv.ParseFloat(amount, 64); err != nil || !(dollars >= 0 && dollars <= 1e9) {
			return ratelimit.Limit{}, fmt.Errorf("%q: want dollars, such as 12.50", amount)
		}
		n = int64(math.Round(dollars * 1e6))
	} else if n, err = parseAmount(amount); err != nil {
		return ratelimit.Limit{}, err
	}
	if n == 0 {
		return ratelimit.Limit{}, errors.New("0 is no limit; want 1 or more")
	}
	l, err := ratelimit.ParseLimit(dimension, window, n)
	if err != nil {
		return l, fmt.Errorf("read limit: %w", err)
	}
	return l, nil
}

// parseAmount reads a whole number such as 500, 1e6, 1.5M or 100k, at most 10^15.
func parseAmount(text string) (int64, error) {
	digits, unit := text, 1.0
	if n := len(text) - 1; n > 0 {
		if k := strings.IndexByte("kMG", text[n]); k >= 0 {
			digits, unit = text[:n], math.Pow(1000, float64(k+1))
		}
	}
	x, err := strconv.ParseFloat(digits, 64)
	x *= unit
	if err != nil || !(x >= 0 && x <= 1e15) || x != math.Trunc(x) {
		return 0, fmt.Errorf("%q: want a whole number from 0 to 1e15, such as 500, 1e6 or 5M", text)
	}
	return int64(x), nil
}
