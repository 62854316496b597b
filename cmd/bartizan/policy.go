package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bartizan/internal/config"
	"bartizan/internal/policy"
)

type policyCmd struct {
	Explain policyExplainCmd `cmd:"" help:"Explain what holds for an account, why, and what is left of it."`
	Lint    policyLintCmd    `cmd:"" help:"Name what is legal in the configuration's policy and yet wrong."`
}

type policyLintCmd struct{}

// Help shows an example.
func (*policyLintCmd) Help() string {
	return "Errors say what contradicts itself or never counts, warnings what protects less than it seems\n" +
		"to, notes what is good to know. It ends with 1 when there is more than notes.\n\n" +
		"Example:\n  bartizan policy lint --config ./data/bartizan.yaml"
}

// lintOut is the answer to a program.
type lintOut struct {
	Schema   string          `json:"schema"`
	File     string          `json:"file,omitempty"`
	Errors   int             `json:"errors"`
	Warnings int             `json:"warnings"`
	Notes    int             `json:"notes"`
	Remarks  []policy.Remark `json:"remarks"`
}

// Run prints every remark, the worst first.
func (*policyLintCmd) Run(a *app) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	file, err := a.configFile()
	if err != nil {
		return err
	}
	out := lintOut{Schema: "bartizan.policy-lint/1", File: file, Remarks: lintConfig(cfg)}
	for _, r := range out.Remarks {
		switch r.Severity {
		case policy.Wrong:
			out.Errors++
		case policy.Weak:
			out.Warnings++
		case policy.Notable:
			out.Notes++
		}
	}
	if a.Format == formatJSON {
		err = a.printJSON(out)
	} else {
		a.printLint(out)
	}
	if err == nil && out.Errors+out.Warnings > 0 {
		return errAct
	}
	return err
}

func (a *app) printLint(out lintOut) {
	for _, r := range out.Remarks {
		fmt.Fprintf(a.out, "%-7s  %s: %s\n         fix: %s [%s]\n", r.Severity, r.Path, r.Says, r.Fix, r.Rule)
	}
	name := out.File
	if name == "" {
		name = "The shipped policy"
	}
	a.say("%s: %s, %s, %s.", name, counted(out.Errors, "error"), counted(out.Warnings, "warning"), counted(out.Notes, "note"))
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// lintConfig lints the policy of a configuration. Prices stand with the models in a file,
// and so do the names of upstreams.
func lintConfig(cfg config.Config) []policy.Remark {
	remarks := policy.Lint(cfg.Policy)
	for i, r := range remarks {
		if r.Path == "prices" {
			remarks[i].Path = "models"
		}
		if at, ok := strings.CutPrefix(r.Path, "prices["); ok { // the first prices are those of the first models
			remarks[i].Path = "models[" + at + ".price"
		}
	}
	var unreachable []policy.Remark
	for i, m := range cfg.Models {
		if m.Price != (config.Price{}) && pricedBefore(remarks, i) {
			continue // said of its price
		}
		for k, earlier := range cfg.Models[:i] {
			if policy.Covers(earlier.Match, m.Match) {
				unreachable = append(unreachable, policy.Remark{
					Severity: policy.Wrong, Rule: "unreachable", Path: fmt.Sprintf("models[%d].match", i),
					Says: fmt.Sprintf("never counts for the upstream: models[%d], %q, comes first and matches all of it", k, earlier.Match),
					Fix:  "put it before that one, or remove it",
				})
				break
			}
		}
	}
	return append(unreachable, remarks...)
}

// pricedBefore reports whether a remark says that the price of models[i] never counts.
func pricedBefore(remarks []policy.Remark, i int) bool {
	return slices.ContainsFunc(remarks, func(r policy.Remark) bool {
		return r.Rule == "unreachable" && strings.HasPrefix(r.Path, fmt.Sprintf("models[%d].price", i))
	})
}
