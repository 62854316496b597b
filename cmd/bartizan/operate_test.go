package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bartizan/internal/modelserver"
)

const standardAt = "tiers:\n  standard: {limits: {requests: {per_minute: "

// A changed file, or a hangup, puts a new policy in force within two seconds; a broken
// file changes nothing and every fault is printed with its place.
func TestReload(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	writeConfig(t, data, standardAt+"50}}}\n")
	p := serveProgram(t, data, modelServer(t, modelserver.Options{}))
	key := newKey(t, data, "acme", "standard")
	inForce := func(want string) func() bool {
		return func() bool {
			return p.ask(t, key, chat(t, "What is a tier?")).header.Get("X-Ratelimit-Limit-Requests") == want
		}
	}
	within(t, time.Second, "the first policy", inForce("50"))
	writeConfig(t, data, standardAt+"70}}}\n")
	within(t, 2*time.Second, "the changed file", inForce("70"))

	const broken = "tiers:\n  standard:\n    limits:\n      requests: {per_minuet: 90}\ndetekt: {mode: act}\n"
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"changed file", func() { writeConfig(t, data, broken) }},
		{"hangup", func() { p.signal(t, syscall.SIGHUP) }}, // reads the same broken file again
	} {
		before := len(p.errs.String())
		step.do()
		within(t, 2*time.Second, "both faults after a "+step.name, func() bool {
			said := p.errs.String()[before:]
			return strings.Contains(said, "bartizan.yaml:4:18:") && strings.Contains(said, "bartizan.yaml:5:1:") &&
				strings.Contains(said, "the old one stays in force")
		})
		if !inForce("70")() {
			t.Errorf("a broken file, read after a %s, changed the policy in force", step.name)
		}
	}

	// A file behind a link changes without a change in the folder that is watched.
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.yaml")
	if err := os.WriteFile(elsewhere, []byte(standardAt+"80}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(data, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(data, "link"), filepath.Join(data, "bartizan.yaml")); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Second, "the linked file", inForce("80"))
	if err := os.WriteFile(elsewhere, []byte(standardAt+"90}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGHUP)
	within(t, 2*time.Second, "the policy after a hangup", inForce("90"))
	p.stop(t)
}

// A stop lets an open stream end, refuses new connections meanwhile, and is no error.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	p := serveProgram(t, t.TempDir(), modelServer(t, modelserver.Options{TokensPerSecond: 12}))
	key := newKey(t, p.data, "acme", "standard")
	body := chat(t, "Explain what a ledger is for.", "stream", true, "max_tokens", 24, "ignore_eos", true, "seed", 1)
	response, err := (&http.Client{Transport: &http.Transport{}}).Do(askRequest(t, p.base, key, body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stream := bufio.NewReader(response.Body)
	if first, err := stream.ReadString('\n'); err != nil || !strings.HasPrefix(first, "data: {") {
		t.Fatalf("first line %q, %v", first, err)
	}
	p.signal(t, syscall.SIGTERM)
	address := strings.TrimPrefix(p.base, "http://")
	within(t, time.Second, "new connections to be refused", func() bool {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			connection.Close()
		}
		return err != nil
	})
	select {
	case <-p.ended:
		t.Fatal("the program ended before its open stream")
	default:
	}
	rest, err := io.ReadAll(stream)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") || strings.Count(string(rest), "data: {") < 3 {
		t.Errorf("the open stream ended with %v after %q; want it whole", err, rest)
	}
	p.stop(t)
	stats := result[ledgerStats](t, p.data, "ledger", "stats")
	if stats.Records != 1 || len(stats.Accounts) != 1 || stats.Accounts[0].Answered != 1 {
		t.Errorf("ledger %+v; want the one stream, answered", stats)
	}
}
