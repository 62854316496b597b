package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run the real program under its own name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bartizan": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
			stop()
			os.Exit(code)
		},
	})
}

// Each script in testdata/script names the promise that it guards.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"MODEL", "GATEWAY", "ADMIN"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"waitfor": waitFor, "post": post, "capture": capture,
		},
	})
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// waitFor waits until an HTTP address answers: waitfor URL.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor URL")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(args[0])
		if err == nil {
			_ = response.Body.Close()
			return
		}
	}
	ts.Fatalf("%s does not answer", args[0])
}

// post sends a file and checks the status: post STATUS URL KEY FILE. The answer goes
// to the file "answer".
func post(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: post STATUS URL KEY FILE")
	}
	status, url, key, file := args[0], args[1], args[2], args[3]
	deadline := time.Now().Add(3 * time.Second)
	for {
		request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(ts.ReadFile(file)))
		ts.Check(err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(key))
		response, err := http.DefaultClient.Do(request)
		ts.Check(err)
		body, err := io.ReadAll(response.Body)
		ts.Check(err)
		_ = response.Body.Close()
		if strings.HasPrefix(response.Status, status) {
			ts.Check(os.WriteFile(ts.MkAbs("answer"), body, 0o600))
			return
		}
		// A new or revoked key may take up to a second to be seen.
		if time.Now().After(deadline) {
			ts.Fatalf("status %s, body %s; want %s", response.Status, body, status)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// capture puts a JSON string field of the last output into a variable: capture VAR FIELD.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture VAR FIELD")
	}
	_, rest, ok := strings.Cut(ts.ReadFile("stdout"), `"`+args[1]+`": "`)
	value, _, ends := strings.Cut(rest, `"`)
	if !ok || !ends {
		ts.Fatalf("no field %s in the output", args[1])
	}
	ts.Setenv(args[0], value)
}
