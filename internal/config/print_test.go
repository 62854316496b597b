package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/config"
)

// again prints c, loads what was printed, and compares.
func again(t testing.TB, c config.Config) {
	t.Helper()
	text := config.Print(c)
	back, err := config.Load("printed.yaml", text)
	if err != nil {
		t.Fatalf("Load(Print()) = %v; want nil; printed:\n%s", err, text)
	}
	c.Warnings, back.Warnings = nil, nil
	if diff := cmp.Diff(c, back); diff != "" {
		t.Errorf("Load(Print()) differs (-printed +loaded):\n%s\n%s", diff, text)
	}
}

func TestPrintLoadsBack(t *testing.T) {
	t.Parallel()
	again(t, config.Default())
	for _, file := range []string{"example.yaml", "full.yaml"} {
		again(t, load(t, string(read(t, file))))
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	golden(t, "full.golden", string(config.Print(load(t, string(read(t, "full.yaml"))))))
}

func TestPrintQuotes(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"null", "true", "no", "y", "1", "1.0", "1k", "~", "-", "a: b", "a #b", "'", `"`, `\`, "é", "[a]", "{a}", "*a", "&a", "!a", "|", ">", "@", "`", "%", "a ", " a", "a<b&c>"} {
		c := config.Default()
		c.DataDir = word
		again(t, c)
	}
}
