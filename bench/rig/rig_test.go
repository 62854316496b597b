package rig_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bartizan/bench/rig"
)

func upstream(t *testing.T) *rig.Upstream {
	t.Helper()
	u, err := rig.StartUpstream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// TestDirect runs every mode without a proxy: each answer must arrive as it was sent.
func TestDirect(t *testing.T) {
	t.Parallel()
	u := upstream(t)
	for _, mode := range rig.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			load := rig.Load{Addr: u.Addr(), Keys: []string{"a", "b"}, Mode: mode, Requests: 6, Conns: 3, CheckEvery: 1, Times: true}
			out := load.Run(t.Context())
			if out.Done != 6 || out.Checked != 6 || len(out.Faults) != 0 || len(out.Answers) != 6 {
				t.Errorf("Run(%s) = %+v; want 6 answers done, checked and timed, no faults", mode, out)
			}
			wantEvents := 0
			if mode.Stream() {
				wantEvents = 600
			}
			if out.Events != wantEvents {
				t.Errorf("Run(%s) saw %d events; want %d", mode, out.Events, wantEvents)
			}
			if timed := len(out.EventDelays); (mode.Gap() > 0) != (timed > 0) || timed > wantEvents {
				t.Errorf("Run(%s) timed %d events of %d", mode, timed, wantEvents)
			}
			for _, delay := range out.EventDelays {
				if delay < 0 || delay > 10*time.Second {
					t.Fatalf("Run(%s) saw an event %s after it was sent", mode, delay)
				}
			}
		})
	}
}

// TestLeakIsSeen gives the strict expectation an upstream that nobody strips.
func TestLeakIsSeen(t *testing.T) {
	t.Parallel()
	u := upstream(t)
	for _, mode := range rig.Modes() {
		load := rig.Load{Addr: u.Addr(), Keys: []string{"a"}, Mode: mode, Requests: 1, Conns: 1, CheckEvery: 1, Check: rig.Stripped}
		if mode.Gap() > 0 {
			continue // half a second each, and the same bytes
		}
		out := load.Run(t.Context())
		if leaks := len(out.Faults) > 0; leaks != mode.HasLogprobs() {
			t.Errorf("Run(%s) without a guard has faults %v; the answer holds log-probabilities: %t", mode, out.Faults, mode.HasLogprobs())
		}
	}
}

func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	u := upstream(t)
	unknown := rig.Load{Addr: u.Addr(), Keys: []string{"a"}, Mode: rig.Small, Requests: 2, Conns: 1}
	addr, err := rig.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unknown.Addr = addr
	if out := unknown.Run(t.Context()); out.Done != 0 || len(out.Faults) == 0 {
		t.Errorf("Run against nobody = %+v; want faults", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := rig.Load{Addr: u.Addr(), Keys: []string{"a"}, Mode: rig.Small, Requests: 1000, Conns: 2}
	if out := ended.Run(ctx); out.Done != 0 {
		t.Errorf("Run with an ended context did %d requests; want none", out.Done)
	}
}

func TestOpenLoopKeepsItsPace(t *testing.T) {
	t.Parallel()
	u := upstream(t)
	load := rig.Load{Addr: u.Addr(), Keys: []string{"a"}, Mode: rig.Small, Requests: 11, Conns: 1, Every: 5 * time.Millisecond, Times: true}
	if out := load.Run(t.Context()); out.Done != 11 || out.Wall < 50*time.Millisecond {
		t.Errorf("Run = %d done in %s; want 11 in at least 50 ms", out.Done, out.Wall)
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	needProc(t)
	usage, err := rig.SelfUsage()
	if err != nil || usage.CPU <= 0 || usage.RSS <= 0 || usage.Peak < usage.RSS/2 || usage.Switches <= 0 {
		t.Errorf("SelfUsage() = %+v, %v; want all above zero", usage, err)
	}
	addr, err := rig.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	sh := exec.CommandContext(t.Context(), "sh", "-c", "echo no such thing >&2; exit 3")
	if p, err := rig.Start(t.Context(), sh, addr, log); err == nil {
		p.Stop()
		t.Error("Start of a program that ends at once returned no error")
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "no such thing\n" {
		t.Errorf("its log = %q, %v", text, err)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	if got := rig.Median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("Median(3,1,2) = %v; want 2", got)
	}
	if got := rig.Median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("Median(4,1,2,3) = %v; want 2.5", got)
	}
	if got := rig.Quantile([]float64{0, 10}, 0.99); math.Abs(got-9.9) > 1e-9 {
		t.Errorf("Quantile(0..10, 0.99) = %v; want 9.9", got)
	}
	if got := rig.Median(nil); !math.IsNaN(got) {
		t.Errorf("Median() = %v; want NaN", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var x, y, noise []float64
	for i := range 200 {
		x = append(x, float64(i))
		y = append(y, 100+0.5*float64(i)+random.NormFloat64())
		noise = append(noise, 10+random.NormFloat64())
	}
	y[50], y[51], y[52] = 900, -900, 5000
	if got := rig.Slope(x, y); math.Abs(got-0.5) > 0.02 {
		t.Errorf("Slope = %v; want 0.5 in spite of outliers", got)
	}
	low, high := rig.Interval(noise, random)
	if !(low < 10.1 && high > 9.9 && low < high && high-low < 0.8) {
		t.Errorf("Interval = %v to %v; want a narrow one around 10", low, high)
	}
}

func needProc(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("SKIP: no /proc/self/schedstat here; measuring needs Linux")
	}
}

func TestMachine(t *testing.T) {
	t.Parallel()
	needProc(t)
	dir, err := rig.ModuleDir()
	if err != nil {
		t.Fatal(err)
	}
	m := rig.ThisMachine(t.Context(), dir, map[string][]string{"none": {"no-such-program-here"}})
	if m.Cores < 1 || m.MemoryMB < 1 || m.Kernel == "" || m.Versions["go"] == "" || m.Versions["none"] != "" {
		t.Errorf("ThisMachine = %+v", m)
	}
	if p := rig.ReadPressure(); p.TotalTicks == 0 {
		t.Errorf("ReadPressure = %+v; want ticks", p)
	}
}
