package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// Print returns c as YAML, from which [Load] makes an equal Config but for Warnings. It
// spells out defaults, and names the files of secrets without reading them.
func Print(c Config) []byte {
	c.Warnings = nil
	f := openFile(&c)
	text, _ := object{f.fields()}.print()
	return []byte(strings.TrimPrefix(string(text), "\n"))
}

// printed is YAML text: a scalar, or a block that begins with a line end.
type printed string

type pair struct {
	key   string
	value printed
}

var plainScalar = regexp.MustCompile(`^[a-z][a-z0-9_./-]*$`)

// quoted writes a string so that it cannot be read as anything else.
func quoted(s string) printed {
	switch s {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainScalar.MatchString(s) {
			return printed(s)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b) // a JSON string is a YAML string
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // never happens for a string
		return `""`
	}
	return printed(strings.TrimSuffix(b.String(), "\n"))
}

func printMapping(pairs []pair) printed {
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString("\n" + string(quoted(p.key)) + ":")
		if !strings.HasPrefix(string(p.value), "\n") {
			b.WriteString(" ")
		}
		b.WriteString(strings.ReplaceAll(string(p.value), "\n", "\n  "))
	}
	return printed(b.String())
}

func printList(entries []printed) printed {
	var b strings.Builder
	for _, entry := range entries {
		inner := strings.TrimPrefix(string(entry), "\n")
		b.WriteString("\n- " + strings.ReplaceAll(inner, "\n", "\n  "))
	}
	return printed(b.String())
}
