package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Machine says where a measurement was taken.
type Machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	MemoryMB int64             `json:"memory_mb"`
	Kernel   string            `json:"kernel"`
	Commit   string            `json:"commit"`
	Versions map[string]string `json:"versions"`
}

// Pressure says how busy the machine was. Steal is the share of the processor that
// the host gave to others since boot.
type Pressure struct {
	Load1       float64 `json:"load1"`
	CPUSome10   float64 `json:"psi_cpu_some_avg10"`
	StealTicks  int64   `json:"steal_ticks"`
	TotalTicks  int64   `json:"total_ticks"`
	PSIMeasured bool    `json:"psi_measured"`
}

// ThisMachine describes the machine, the source in dir, and the programs named.
func ThisMachine(ctx context.Context, dir string, programs map[string][]string) Machine {
	m := Machine{
		Cores: runtime.NumCPU(), Kernel: strings.TrimSpace(readSmall("/proc/sys/kernel/osrelease")),
		MemoryMB: statusNumbers("/proc/meminfo")["MemTotal"] >> 10,
		Versions: map[string]string{"go": runtime.Version()},
	}
	for line := range strings.Lines(readSmall("/proc/cpuinfo")) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	m.Commit = firstLine(ctx, dir, "git", "rev-parse", "--short=12", "HEAD")
	if firstLine(ctx, dir, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		m.Commit += "+changes"
	}
	for name, command := range programs {
		if version := firstLine(ctx, dir, command[0], command[1:]...); version != "" {
			m.Versions[name] = version
		}
	}
	return m
}

func firstLine(ctx context.Context, dir, name string, args ...string) string {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // names fixed in the measuring programs
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimSpace(line)
}

// ReadPressure reads how busy the machine is now.
func ReadPressure() Pressure {
	var p Pressure
	p.Load1 = float(strings.Fields(readSmall("/proc/loadavg") + " 0")[0])
	for field := range strings.FieldsSeq(readSmall("/proc/pressure/cpu")) {
		if value, ok := strings.CutPrefix(field, "avg10="); ok {
			p.CPUSome10, p.PSIMeasured = float(value), true
			break
		}
	}
	line, _, _ := strings.Cut(readSmall("/proc/stat"), "\n")
	const steal = 8
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			continue
		}
		p.TotalTicks += n
		if i == steal {
			p.StealTicks = n
		}
	}
	return p
}

func float(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return f
}

// ModuleDir is the nearest folder with a go.mod, from the working folder upwards.
func ModuleDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", fmt.Errorf("find the module: no go.mod above the working folder: %w", os.ErrNotExist)
		}
		dir = above
	}
}

// WriteResult writes a result as indented JSON.
func WriteResult(name string, result any) error {
	text, err := json.MarshalIndent(result, "", " ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
