package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ErrAbsent says that a program to measure is not here.
var ErrAbsent = errors.New("absent")

// Bartizan is a gateway that runs for measuring, with every guard on.
type Bartizan struct {
	*Process
	// Keys are API keys of as many accounts. Limits are per account: spreading the
	// requests keeps a load that no customer has inside the limits customers have.
	Keys []string
	// Args are the flags it was started with, without folders and addresses.
	Args []string

	program, data string
}

// BuildBartizan builds cmd/bartizan of the module into dir, as it ships.
func BuildBartizan(ctx context.Context, moduleDir, dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(moduleDir, "cmd", "bartizan", "*.go"))
	if err != nil || len(files) == 0 {
		return "", fmt.Errorf("build bartizan: no Go files in cmd/bartizan: %w", ErrAbsent)
	}
	program := filepath.Join(dir, "bartizan")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./cmd/bartizan") //nolint:gosec // our own folder
	command.Dir = moduleDir
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bartizan: %w: %s", err, bytes.TrimSpace(output))
	}
	return program, nil
}

// StartBartizan makes a data folder with partner accounts below dir and serves the
// upstream from it. Detectors run and record, but leave levels alone: the load looks
// like a copying campaign, and a raised level would change what is measured. The
// prefix comes before the program on its command line and must become it.
func StartBartizan(ctx context.Context, program, dir, upstream string, accounts int, prefix []string) (*Bartizan, error) {
	b := &Bartizan{program: program, data: filepath.Join(dir, "data"), Args: []string{"--detect", "observe"}}
	for i := range accounts {
		name := fmt.Sprintf("bench-%02d", i)
		if _, err := b.Run(ctx, "accounts", "create", name, "--tier", "partner"); err != nil {
			return nil, err
		}
		output, err := b.Run(ctx, "keys", "create", "--account", name, "--format", "json")
		if err != nil {
			return nil, err
		}
		var made struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(output, &made); err != nil || made.Key == "" {
			return nil, fmt.Errorf("keys create: no key in %.80q: %w", output, err)
		}
		b.Keys = append(b.Keys, made.Key)
	}
	listen, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	words := slices.Concat(prefix, []string{
		program, "serve", "--upstream", "http://" + upstream, "--data", b.data, "--listen", listen, "--admin-listen", admin,
	}, b.Args)
	command := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the program that was just built
	command.Dir = dir
	b.Process, err = Start(ctx, command, listen, filepath.Join(dir, "bartizan.log"))
	return b, err
}

// Run runs one command of the program on the data folder and returns what it printed.
func (b *Bartizan) Run(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, b.program, append(args, "--data", b.data)...) //nolint:gosec // as above
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("bartizan %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return output, nil
}

// Ledger is what the ledger says it holds.
type Ledger struct {
	Records int64 `json:"records"`
	Gaps    int64 `json:"gaps"`
}

// Ledger asks the running server's ledger how many records it holds.
func (b *Bartizan) Ledger(ctx context.Context) (Ledger, error) {
	var ledger Ledger
	output, err := b.Run(ctx, "ledger", "stats", "--format", "json")
	if err != nil {
		return ledger, err
	}
	if err := json.Unmarshal(output, &ledger); err != nil {
		return ledger, fmt.Errorf("read ledger stats: %w", err)
	}
	return ledger, nil
}
