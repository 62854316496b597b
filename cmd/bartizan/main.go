// Command bartizan stands in front of a model API and makes copying the model slow,
// visible and provable. Each subcommand has a file of its own; what a server is made
// of is wired in one function, openNode.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
