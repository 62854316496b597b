package datadir_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bartizan/internal/datadir"
)

// child makes TestChild act as another process on the folder that it names.
var child = flag.String("child", "", "data `folder` that TestChild works on; without it TestChild does nothing")

func open(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(path string) error{
		"missing":    func(string) error { return nil },
		"empty":      func(path string) error { return os.MkdirAll(path, 0o755) },
		"with files": func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a", "data")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			d := open(t, path)
			if m := mode(t, path); name != "with files" && m != 0o700 {
				t.Errorf("the folder has mode %04o; want 0700", m)
			}
			if m := mode(t, d.Path("version")); m != 0o600 {
				t.Errorf("the version file has mode %04o; want 0600", m)
			}
			if want := filepath.Join(path, "ledger", "x"); d.Path("ledger", "x") != want {
				t.Errorf("Path() = %s; want %s", d.Path("ledger", "x"), want)
			}
			open(t, path) // Again, as every command does.
		})
	}
}

func TestOpenKeepsMode(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "bartizan.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o750); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if m := mode(t, path); m != 0o750 {
		t.Errorf("the mode of a folder in use became %04o; want 0750 as before", m)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		version string
		want    error
		says    string
	}{
		"newer":   {fmt.Sprintf("%d\n", datadir.Version+1), datadir.ErrNewer, "layout 2"},
		"garbage": {"one", nil, "no version number"},
		"empty":   {"", nil, "no version number"},
		"zero":    {"0", nil, "no version number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			if err := os.WriteFile(filepath.Join(path, "version"), []byte(test.version), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := datadir.Open(path)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("Open() = %v; want %v", err, test.want)
			}
			for _, part := range []string{path, test.says} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Open() = %q; want it to say %q", err, part)
				}
			}
			entries, err := os.ReadDir(path)
			if err != nil || len(entries) != 1 {
				t.Errorf("the folder holds %v, %v; want the version file alone", entries, err)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open(a file) = %v; want an error that names it", err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first, second := open(t, path), open(t, path)
	release, err := first.Lock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Lock()
	if !errors.Is(err, datadir.ErrInUse) {
		t.Fatalf("Lock() of a locked folder = %v; want ErrInUse", err)
	}
	if want := fmt.Sprintf("data folder %s is in use by bartizan serve, pid %d", path, os.Getpid()); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Lock() = %q; want %q", err, want)
	}
	if _, err := second.Secret("beside"); err != nil {
		t.Errorf("Secret() beside the server: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = second.Lock()
	if err != nil {
		t.Fatalf("Lock() after release: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// TestLockOfTheDead kills a process that holds the lock: its pid is named until then,
// and nothing has to be removed after.
func TestLockOfTheDead(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(binary, "-test.run=^TestChild$", "-test.count=1", "-child="+d.Path())
	in, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len("ready"))
	if _, err := out.Read(ready); err != nil || string(ready) != "ready" {
		t.Fatalf("the child says %q, %v; want ready", ready, err)
	}
	_, err = d.Lock()
	if want := fmt.Sprintf("pid %d", process.Process.Pid); !errors.Is(err, datadir.ErrInUse) || !strings.Contains(err.Error(), want) {
		t.Errorf("Lock() = %v; want ErrInUse, naming %s", err, want)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // It was killed.
	release, err := d.Lock()
	if err != nil {
		t.Fatalf("Lock() after the holder's death: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// TestChild is the process that another test starts.
func TestChild(t *testing.T) {
	t.Parallel()
	if *child == "" {
		t.Skip("only for the process that another test starts")
	}
	if _, err := open(t, *child).Lock(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(os.Stdout, "ready")
	_, _ = os.Stdin.Read(make([]byte, 1)) // Until it is killed.
}

func TestSecret(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	one, err := d.Secret("installation")
	if err != nil {
		t.Fatal(err)
	}
	again, err := open(t, d.Path()).Secret("installation")
	if err != nil || !bytes.Equal(one, again) {
		t.Errorf("Secret() again = %d bytes, %v; want the same as at first", len(again), err)
	}
	other, err := d.Secret("ledger")
	if err != nil || bytes.Equal(one, other) || len(one) != 32 || len(other) != 32 {
		t.Errorf("Secret() gave %d and %d bytes, equal %t, %v; want 32 and 32 that differ",
			len(one), len(other), bytes.Equal(one, other), err)
	}
	if m := mode(t, d.Path("secrets")); m != 0o700 {
		t.Errorf("the folder of secrets has mode %04o; want 0700", m)
	}
	entries, err := os.ReadDir(d.Path("secrets"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if m := mode(t, d.Path("secrets", entry.Name())); m != 0o600 {
			t.Errorf("%s has mode %04o; want 0600", entry.Name(), m)
		}
	}
	if want := 3; len(entries) != want { // Two secrets and the lock; nothing half-written.
		t.Errorf("the folder of secrets holds %v; want %d files", entries, want)
	}
	for _, name := range []string{"", "..", "../version", "a/b", "Big", ".lock", strings.Repeat("x", 65)} {
		if _, err := d.Secret(name); err == nil {
			t.Errorf("Secret(%q) = nil; want an error", name)
		}
	}
}

// TestSecretAtOnce lets many handles ask first: all must get the same.
func TestSecretAtOnce(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	const n = 32
	secrets, tokens, fresh := make([][]byte, n), make([]string, n), make([]bool, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			d, err := datadir.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			var tokenErr error
			secrets[i], err = d.Secret("installation")
			tokens[i], fresh[i], tokenErr = d.Token("admin")
			if err := errors.Join(err, tokenErr); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	made := 0
	for i := range n {
		if !bytes.Equal(secrets[i], secrets[0]) || tokens[i] != tokens[0] {
			t.Errorf("handle %d got another secret or token than handle 0", i)
		}
		if fresh[i] {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d handles were told that the token is fresh; want 1", made)
	}
}

func TestSecretDamaged(t *testing.T) {
	t.Parallel()
	const canary = "canary"
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"short":            {canary, 0o600, "6 bytes"},
		"long":             {strings.Repeat(canary, 6), 0o600, "36 bytes"},
		"empty":            {"", 0o600, "0 bytes"},
		"open to everyone": {canary + strings.Repeat("x", 26), 0o604, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, t.TempDir())
			if _, err := d.Secret("installation"); err != nil {
				t.Fatal(err)
			}
			path := d.Path("secrets", "installation")
			if err := errors.Join(os.WriteFile(path, []byte(test.content), 0o600), os.Chmod(path, test.mode)); err != nil {
				t.Fatal(err)
			}
			_, err := d.Secret("installation")
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("Secret() = %v; want an error that says %q and %s", err, test.says, path)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("Secret() = %v; the error carries the content", err)
			}
			if kept, err := os.ReadFile(path); err != nil || string(kept) != test.content {
				t.Errorf("the file was changed (%v); want it left for a person to look at", err)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	d := open(t, t.TempDir())
	token, fresh, err := d.Token("admin")
	if err != nil || !fresh || !strings.HasPrefix(token, "bza_") || len(token) != 47 {
		t.Fatalf("Token() = %d characters, fresh %t, %v; want 47 that begin with bza_, true", len(token), fresh, err)
	}
	again, fresh, err := d.Token("admin")
	if err != nil || fresh || again != token {
		t.Errorf("Token() again = same %t, fresh %t, %v; want the same, false", again == token, fresh, err)
	}
}
