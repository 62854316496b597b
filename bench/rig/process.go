package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Process is a proxy that runs for measuring.
type Process struct {
	// Addr is the host and port it listens on.
	Addr string

	command *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

// Start runs the command with its output in logFile and waits until addr answers.
func Start(ctx context.Context, command *exec.Cmd, addr, logFile string) (*Process, error) {
	log, err := os.Create(filepath.Clean(logFile))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	command.Stdout, command.Stderr = log, log
	// An interrupt lets a program end its children too.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = stopLimit
	if err := command.Start(); err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	p := &Process{Addr: addr, command: command, log: log, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	if err := p.await(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("start %s: %w; its last words: %s", filepath.Base(command.Path), err, lastWords(logFile))
	}
	return p, nil
}

const readyLimit = 30 * time.Second

func (p *Process) await(ctx context.Context) error {
	dialer := net.Dialer{Timeout: time.Second}
	for end := Now().Add(readyLimit); Now().Before(end); {
		select {
		case <-p.ended:
			return errors.New("it ended at once")
		default:
		}
		conn, err := dialer.DialContext(ctx, "tcp", p.Addr)
		if err == nil {
			return conn.Close()
		}
		if err := Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("nothing listens on %s after %s", p.Addr, readyLimit)
}

// stopLimit is how long a process may take to end when asked.
const stopLimit = 10 * time.Second

// Stop asks the process to end, makes it end when it takes too long, and waits for it.
func (p *Process) Stop() {
	_ = p.command.Process.Signal(os.Interrupt)
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.command.Process.Kill()
		<-p.ended
	}
	_ = p.log.Close()
}

// Alive reports whether the process still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func lastWords(logFile string) string {
	text, err := os.ReadFile(filepath.Clean(logFile))
	if err != nil || len(strings.TrimSpace(string(text))) == 0 {
		return "none"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}

// FreeAddr returns a loopback address that nobody listens on now.
func FreeAddr(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// Usage is what a process tree has used so far.
type Usage struct {
	// CPU is the time on a core. It is read from the scheduler in nanoseconds; the
	// ticks of /proc/PID/stat are a hundred times too coarse.
	CPU time.Duration
	// Switches counts context switches, wanted or not.
	Switches int64
	// RSS and Peak are the resident memory now and at its highest, in bytes.
	RSS, Peak int64
}

// Usage reads what the process and its descendants have used. Threads that ended
// before took their share with them.
func (p *Process) Usage() (Usage, error) { return treeUsage(p.command.Process.Pid) }

// SelfUsage reads what this process has used.
func SelfUsage() (Usage, error) { return treeUsage(os.Getpid()) }

func treeUsage(pid int) (Usage, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		return Usage{}, fmt.Errorf("read /proc/%d: no such process", pid)
	}
	var total Usage
	for _, thread := range threads {
		total.CPU += time.Duration(firstNumber(filepath.Join(thread, "schedstat")))
		status := statusNumbers(filepath.Join(thread, "status"))
		total.Switches += status["voluntary_ctxt_switches"] + status["nonvoluntary_ctxt_switches"]
		for child := range strings.FieldsSeq(readSmall(filepath.Join(thread, "children"))) {
			if id, err := strconv.Atoi(child); err == nil && pid != os.Getpid() {
				if below, err := treeUsage(id); err == nil {
					total.CPU += below.CPU
					total.Switches += below.Switches
					total.RSS += below.RSS
					total.Peak += below.Peak
				}
			}
		}
	}
	status := statusNumbers(fmt.Sprintf("/proc/%d/status", pid))
	total.RSS += status["VmRSS"] << 10
	total.Peak += status["VmHWM"] << 10
	return total, nil
}

func readSmall(name string) string {
	file, err := os.Open(filepath.Clean(name))
	if err != nil {
		return "" // the thread has ended
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, 64<<10))
	if err != nil {
		return ""
	}
	return string(text)
}

func firstNumber(name string) int64 {
	fields := strings.Fields(readSmall(name))
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// statusNumbers reads the lines of a status file that hold a number.
func statusNumbers(name string) map[string]int64 {
	numbers := map[string]int64{}
	scanner := bufio.NewScanner(strings.NewReader(readSmall(name)))
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			numbers[key] = n
		}
	}
	return numbers
}

// Quiet waits until the process has nothing more to do, so that work it put off is
// counted to the requests that caused it. It gives up after limit.
func (p *Process) Quiet(ctx context.Context, limit time.Duration) error {
	const (
		look = 60 * time.Millisecond
		idle = look / 50
	)
	before, err := p.Usage()
	if err != nil {
		return err
	}
	for end := Now().Add(limit); Now().Before(end); {
		if err := Pause(ctx, look); err != nil {
			return err
		}
		now, err := p.Usage()
		if err != nil {
			return err
		}
		if now.CPU-before.CPU < idle {
			return nil
		}
		before = now
	}
	return nil
}
