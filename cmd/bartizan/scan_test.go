package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An interrupted scan says how to go on, and going on gives what was asked for.
func TestScanInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, saved := filepath.Join(dir, "log.jsonl"), filepath.Join(dir, "saved")
	line := `{"account":"acme","timestamp":"2026-03-01T12:00:02Z","model":"m","messages":[{"role":"user","content":"hello"}]}` + "\n"
	if err := os.WriteFile(log, []byte(strings.Repeat(line, 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	call := func(ctx context.Context, more ...string) (code int, out, errs string) {
		var o, e bytes.Buffer
		args := append([]string{"scan", log, "--data", filepath.Join(dir, "none"), "--format", "json"}, more...)
		code = run(ctx, args, streams{in: strings.NewReader(""), out: &o, err: &e})
		return code, o.String(), e.String()
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	code, out, errs := call(stopped, "--checkpoint", saved)
	if code != exitIncomplete || out != "" || !strings.Contains(errs, "--resume "+saved) {
		t.Fatalf("interrupted: code %d, %q, %q; want 3 and how to go on", code, out, errs)
	}
	info, err := os.Stat(saved)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("checkpoint: %v, %v; want a file for its owner alone", info, err)
	}
	_, want, _ := call(t.Context())
	code, out, errs = call(t.Context(), "--resume", saved)
	if code != exitDone || errs != "" {
		t.Errorf("gone on: code %d, %q; want 0", code, errs)
	}
	if diff := cmp.Diff(want, out); diff != "" || !strings.Contains(want, "acme") {
		t.Errorf("gone on differs from at once (-once +on):\n%s", diff)
	}
}
