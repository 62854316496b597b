package main

import (
	"fmt"
	"path"

	"bartizan/internal/config"
	"bartizan/internal/guard"
	"bartizan/internal/tokens"
)

// tokenCounters opens the vocabularies that the configuration names. It returns nil when
// it names none, so that nobody pays for them.
func tokenCounters(models []config.Model) (func(model string) guard.Counter, error) {
	type entry struct {
		match   string
		counter guard.Counter
	}
	var entries []entry
	found := false
	for _, m := range models {
		c, err := tokens.Open(m.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("models, %s: %w", m.Match, err)
		}
		e := entry{match: m.Match}
		if c != nil {
			e.counter, found = c.Count, true
		}
		entries = append(entries, e)
	}
	if !found {
		return nil, nil //nolint:nilnil // no counter is an answer
	}
	return func(model string) guard.Counter {
		for _, e := range entries {
			if ok, _ := path.Match(e.match, model); ok {
				return e.counter
			}
		}
		return nil
	}, nil
}
