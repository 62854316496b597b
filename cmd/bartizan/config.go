package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"bartizan/internal/config"
	"bartizan/internal/policy"
)

type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Check a configuration file: every fault with line and column."`
	Print  configPrintCmd  `cmd:"" help:"Print the configuration in force, defaults included."`
	Schema configSchemaCmd `cmd:"" help:"Print a JSON Schema that editors complete from."`
}

type configCheckCmd struct {
	File string `arg:"" help:"Configuration file." type:"path"`
}

// Help shows an example.
func (*configCheckCmd) Help() string { return "Example:\n  bartizan config check ./data/bartizan.yaml" }

// Run checks the file.
func (c *configCheckCmd) Run(a *app) error {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return usageError(fmt.Errorf("read configuration: %w", err))
	}
	cfg, err := config.Load(c.File, raw)
	if a.Format == formatJSON {
		return a.checkJSON(c.File, cfg.Warnings, err)
	}
	if err != nil {
		return usageError(err)
	}
	for _, w := range cfg.Warnings {
		a.say("%s", w)
	}
	a.say("%s: good; tiers %s", c.File, tierNames(cfg.Policy))
	return nil
}

// checkJSON reports faults as a list.
func (a *app) checkJSON(file string, warnings []string, fault error) error {
	out := struct {
		Schema   string   `json:"schema"`
		File     string   `json:"file"`
		Good     bool     `json:"good"`
		Faults   []string `json:"faults"`
		Warnings []string `json:"warnings"`
	}{"bartizan.config-check/1", file, fault == nil, []string{}, append([]string{}, warnings...)}
	if fault != nil {
		out.Faults = strings.Split(fault.Error(), "\n")
	}
	if err := a.printJSON(out); err != nil {
		return err
	}
	if fault != nil {
		return usageError(fmt.Errorf("%s: %d faults", file, len(out.Faults)))
	}
	return nil
}

func tierNames(s policy.Spec) string {
	names := make([]string, 0, len(s.Tiers))
	for _, t := range slices.Sorted(maps.Keys(s.Tiers)) {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

type configPrintCmd struct{}

// Run prints the configuration as YAML that loads back to the same.
func (*configPrintCmd) Run(a *app) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	if _, err := a.out.Write(config.Print(cfg)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

type configSchemaCmd struct{}

// Run prints the schema.
func (*configSchemaCmd) Run(a *app) error {
	if _, err := a.out.Write(config.Schema()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
