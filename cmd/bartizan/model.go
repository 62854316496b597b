package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"bartizan/docs"
	"bartizan/internal/modelserver"
)

type modelCmd struct {
	Listen    string   `default:"127.0.0.1:8000" help:"Address to listen on."`
	Corpus    []string `help:"Text files to train on, instead of the project's own documentation." placeholder:"FILE" type:"existingfile"`
	Name      string   `default:"bartizan-small" help:"Model name."`
	BadHabits string   `help:"Faults of real servers to switch on: all, or some of logprobs, extra-fields, unbounded, verbose-errors." placeholder:"LIST"`
	Pace      float64  `help:"Tokens a second of one answer; 0 is as fast as possible." placeholder:"N"`
}

// Help shows an example.
func (*modelCmd) Help() string {
	return "Example:\n  bartizan model --listen 127.0.0.1:8000 --bad-habits all\n\n" +
		"A small real language model behind the OpenAI-compatible API, for demonstrations and tests."
}

// Run trains and serves the model.
func (c *modelCmd) Run(a *app) error {
	habits, err := modelserver.ParseHabits(c.BadHabits)
	if err != nil {
		return usageError(err)
	}
	text := docs.Corpus()
	if len(c.Corpus) > 0 {
		if text, err = readCorpus(c.Corpus); err != nil {
			return usageError(err)
		}
	}
	start := time.Now()
	model, err := modelserver.Train(text)
	if err != nil {
		return usageError(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(a.ctx, "tcp", c.Listen)
	if err != nil {
		return usageError(fmt.Errorf("listen: %w; choose another address with --listen", err))
	}
	fmt.Fprintf(a.err, "bartizan: model %s ready on http://%s after %.1f s of training\n", c.Name, l.Addr(), time.Since(start).Seconds())
	server := &http.Server{
		Handler:           modelserver.NewServer(model, modelserver.Options{Name: c.Name, Habits: habits, TokensPerSecond: c.Pace, Log: a.log}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return serveUntil(a.ctx, server, l)
}

// serveUntil serves until ctx ends, then lets open answers end.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("stop: %w", err), server.Close())
	}
	return nil
}

func readCorpus(files []string) (string, error) {
	var text strings.Builder
	for _, f := range files {
		raw, err := os.ReadFile(f) //nolint:gosec // the operator names the file
		if err != nil {
			return "", fmt.Errorf("read corpus: %w", err)
		}
		text.Write(raw)
		text.WriteString("\n\n")
	}
	return text.String(), nil
}
