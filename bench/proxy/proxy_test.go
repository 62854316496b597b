package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bartizan/bench/rig"
)

// TestMain lets the test binary be the proxies that it measures.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestSmoke runs a tiny round over real sockets and processes. It guards that the
// harness works and checks answers; its numbers mean nothing and are not looked at.
func TestSmoke(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: starts processes; run without -short")
	}
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("SKIP: no /proc/self/schedstat here; measuring needs Linux")
	}
	file := filepath.Join(t.TempDir(), "result.json")
	var stdout, stderr strings.Builder
	args := []string{
		"-smoke", "-modes", "small,big,sselp,paced", "-rows", "direct,nginx,rp,nh,bartizan", "-out", file,
		"-bartizan", filepath.Join(t.TempDir(), "no-such-program"), // its own smoke is in the end-to-end tests
	}
	if code := run(args, &stdout, &stderr); code != 0 {
		t.Fatalf("run = %d; want 0\n%s\n%s", code, stdout.String(), stderr.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got result
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema != "bartizan.bench.proxy/1" || !got.Smoke || len(got.Rounds) != 1 || got.Absent[rowBartizan] == "" {
		t.Errorf("result = %s, smoke %t, %d rounds, absent %v", got.Schema, got.Smoke, len(got.Rounds), got.Absent)
	}
	if !strings.Contains(stdout.String(), "absent: bartizan") {
		t.Errorf("the table does not name the absent row:\n%s", stdout.String())
	}
	rows := []string{rowDirect, rowReverseProxy, rowHandler}
	if _, err := exec.LookPath("nginx"); err == nil {
		rows = append(rows, rowNginx)
	} else if got.Absent[rowNginx] == "" {
		t.Error("nginx is neither on PATH nor absent in the result")
	}
	for _, row := range rows {
		cpu := 0.0 // of all modes: the kernel's clock may not move within a few requests
		for _, mode := range []rig.Mode{rig.Small, rig.Big, rig.BurstLogprobs, rig.Paced} {
			c, ok := got.Rounds[0].cell(row, mode)
			if !ok || c.Done != c.Requests || c.Checked == 0 || c.Peak <= 0 || len(c.Faults) != 0 {
				t.Errorf("cell %s %s = %+v, %t; want all answers done, some checked, none wrong", row, mode, c, ok)
			}
			cpu += c.CPUPerRequest
		}
		if cpu <= 0 {
			t.Errorf("row %s used no CPU in any mode", row)
		}
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"mode": {"-modes", "small,huge"}, "row": {"-rows", "apache"}, "flag": {"-nonsense"}, "zero": {"-rounds", "0"},
		"child": {childWord, "-kind", "nginx"},
	} {
		var stdout, stderr strings.Builder
		if code := run(args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%s: run(%v) = %d, %q; want 2 and a message", name, args, code, stderr.String())
		}
	}
}

// TestDropsUnsteadyRounds plants one round in which the machine was busy elsewhere.
func TestDropsUnsteadyRounds(t *testing.T) {
	t.Parallel()
	o := options{modes: []rig.Mode{rig.Small}, rows: []string{rowNginx, rowHandler, rowBartizan}, keep: 7, seed: 1}
	r := &result{Faults: map[string]int{}}
	for i := range 9 {
		nginx := 20.0
		if i == 4 {
			nginx = 30
		}
		r.Rounds = append(r.Rounds, round{Cells: []cell{
			{Row: rowNginx, Mode: rig.Small, Done: 1, CPUPerRequest: nginx},
			{Row: rowHandler, Mode: rig.Small, Done: 1, CPUPerRequest: 80 + float64(i)},
			{Row: rowBartizan, Mode: rig.Small, Done: 1, CPUPerRequest: 60 + float64(i), Faults: map[string]int{"status 500": 1}},
		}})
	}
	if got := r.fewestKept(o); got != 8 {
		t.Errorf("kept %d rounds; want 8 of 9", got)
	}
	r.summarise(o)
	if len(r.Summary) != 3 || len(r.Notes) != 0 {
		t.Fatalf("summary = %+v, notes %q; want 3 rows and no notes", r.Summary, r.Notes)
	}
	s := r.Summary[2]
	if s.Kept != 8 || s.ToNginx.Median != 3.2 || s.ToNginx.Low > 3.2 || s.ToNginx.High < 3.2 || s.ToProxy != nil {
		t.Errorf("bartizan = %+v, to nginx %+v; want 8 rounds at 3.2 and no ratio to a row that is not there", s, s.ToNginx)
	}
	if r.fault() == nil {
		t.Error("a run with wrong answers has no fault")
	}
	o.keep = 9
	r.Notes, r.Summary = nil, nil
	if r.summarise(o); len(r.Notes) != 1 {
		t.Errorf("notes = %q; want one that says too few rounds were kept", r.Notes)
	}
}
