package detect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// material returns the path of a development file, or skips the test: the files are
// not part of the repository.
func material(t testing.TB, name string) string {
	t.Helper()
	elsewhere := os.Getenv("BARTIZAN_SHARED")
	for _, root := range []string{elsewhere, "../../../shared"} {
		if root == "" {
			continue
		}
		if path := filepath.Join(root, "data", "traffic", name); exists(path) {
			return path
		}
	}
	t.Skipf("development material %s is not here; set BARTIZAN_SHARED to the folder that holds data/traffic", name)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(material(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// objects reads a JSON array or JSON lines.
func objects(t testing.TB, name string) []map[string]any {
	t.Helper()
	b := contents(t, name)
	var out []map[string]any
	if json.Unmarshal(b, &out) == nil {
		return out
	}
	for line := range bytes.SplitSeq(b, []byte{'\n'}) {
		var o map[string]any
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, o)
	}
	return out
}

// prompts returns the prompts of a development file, by its source's name.
func prompts(t testing.TB, source string) []string {
	t.Helper()
	get := func(o map[string]any, key string) string { s, _ := o[key].(string); return s }
	instruction := func(o map[string]any) string {
		if in := get(o, "input"); in != "" {
			return get(o, "instruction") + "\n\n" + in
		}
		return get(o, "instruction")
	}
	prompt := func(o map[string]any) string { return get(o, "prompt") }
	var out []string
	read := func(name string, of func(map[string]any) string) {
		for _, o := range objects(t, name) {
			out = append(out, of(o))
		}
	}
	switch {
	case source == "alpaca":
		read("alpaca_random_9k.json.gz", instruction)
	case source == "codegen":
		read("gpteacher_codegen.json.gz", instruction)
	case source == "arena":
		read("arena_hard_v0.1_question.jsonl", prompt)
	case source == "koala":
		read("koala_test_set.jsonl", prompt)
	case source == "wild":
		read("instructionwild_seed_prompts_en.jsonl", instruction)
	case source == "svamp":
		read("svamp.json", func(o map[string]any) string {
			return strings.TrimRight(get(o, "Body"), ". ") + ". " + get(o, "Question")
		})
	case strings.HasPrefix(source, "dolly-"):
		for _, o := range objects(t, "dolly_3k.json.gz") {
			if get(o, "category") == source[len("dolly-"):] {
				out = append(out, instruction(o))
			}
		}
	default:
		t.Fatalf("no source %q", source)
	}
	return out
}

// turn is one request of a real programmer.
type turn struct {
	at     float64 // seconds since the session's start
	prompt string
	turns  int
}

// programmers returns the requests of each programmer in order of time, and the
// programmers in the order of their numbers.
func programmers(t testing.TB) [][]turn {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(contents(t, "realhumaneval_chat.csv.gz")))
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	who, when, what := column("programmer_id"), column("timestamp"), column("request")
	by := map[int][]turn{}
	for _, row := range rows[1:] {
		id, err := strconv.Atoi(row[who])
		if err != nil {
			t.Fatal(err)
		}
		at, err := strconv.ParseFloat(row[when], 64)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := pythonMessages(row[what])
		if err != nil {
			t.Fatal(err)
		}
		one := turn{at: at}
		for _, m := range messages {
			if m["role"] == "user" {
				one.prompt, one.turns = m["content"], one.turns+1
			}
		}
		by[id] = append(by[id], one)
	}
	ids := make([]int, 0, len(by))
	for id := range by {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	out := make([][]turn, 0, len(ids))
	for _, id := range ids {
		slices.SortStableFunc(by[id], func(a, b turn) int {
			switch {
			case a.at < b.at:
				return -1
			case a.at > b.at:
				return 1
			}
			return 0
		})
		out = append(out, by[id])
	}
	return out
}

// pythonMessages reads a Python literal: a list of dictionaries of strings.
func pythonMessages(s string) ([]map[string]string, error) {
	var out []map[string]string
	var strs []string
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"':
			text, next, err := pythonString(s, i)
			if err != nil {
				return nil, err
			}
			strs, i = append(strs, text), next
		case '}':
			m := map[string]string{}
			for k := 0; k+1 < len(strs); k += 2 {
				m[strs[k]] = strs[k+1]
			}
			out, strs = append(out, m), nil
		}
	}
	return out, nil
}

// pythonString reads the string that begins at s[at] and returns the index of its
// closing quote.
func pythonString(s string, at int) (string, int, error) {
	var b strings.Builder
	for i := at + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[at]:
			return b.String(), i, nil
		case c == '\\' && i+1 < len(s):
			i++
			width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
			if width > 0 && i+width < len(s) {
				if n, err := strconv.ParseInt(s[i+1:i+1+width], 16, 32); err == nil {
					b.WriteRune(rune(n))
					i += width
					continue
				}
			}
			if plain, known := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r'}[s[i]]; known {
				b.WriteByte(plain)
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("string at %d has no end", at)
}
