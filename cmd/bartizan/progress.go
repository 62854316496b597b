package main

import (
	"fmt"
	"os"
	"time"
)

// progress shows how far long work has come: one line that is rewritten on a
// terminal, else a plain line at most every ten seconds.
func (a *app) progress(format string, args ...any) {
	if a.Quiet {
		return
	}
	terminal := isTerminal(a.err)
	every := 10 * time.Second
	if terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(a.lastProgress) < every {
		return
	}
	a.lastProgress = time.Now()
	line := fmt.Sprintf(format, args...)
	if terminal {
		fmt.Fprintf(a.err, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(a.err, line)
}

// isTerminal reports whether w is one.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
