package evaluate

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxFile bounds a source once decompressed.
const maxFile = 1 << 30

// charsPerToken turns lengths of answers into tokens.
const charsPerToken = 4

// contents reads a file, through gzip when its first bytes say so.
func contents(path string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if len(plain) > maxFile {
		return nil, fmt.Errorf("decompress: larger than %d bytes", maxFile)
	}
	return plain, nil
}

// readRows reads the prompts of a JSON array, of JSON lines or of a CSV.
func readRows(b []byte, spec Spec) ([]Row, error) {
	objects, err := readObjects(b, strings.Contains(spec.File, ".csv"))
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(objects))
	for _, o := range objects {
		text := func(field string) string { s, _ := o[field].(string); return s }
		prompt := ""
		for _, field := range spec.Prompt {
			switch part := text(field); {
			case part == "":
			case prompt == "":
				prompt = part
			default: // "A cow eats" and "A cow eats. " both join to "A cow eats. How much?"
				prompt = strings.TrimRight(prompt, spec.Join) + spec.Join + part
			}
		}
		rows = append(rows, Row{
			Prompt: prompt, Answer: len(text(spec.Answer)) / charsPerToken, Topic: text(spec.Topic), Turns: 1,
		})
	}
	if len(rows) == 0 {
		return nil, errors.New("no rows")
	}
	return rows, nil
}

func readObjects(b []byte, table bool) ([]map[string]any, error) {
	if table {
		return readTable(b)
	}
	var out []map[string]any
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		if err := json.Unmarshal(b, &out); err != nil {
			return nil, fmt.Errorf("read JSON array: %w", err)
		}
		return out, nil
	}
	line := 0
	for text := range bytes.SplitSeq(b, []byte{'\n'}) {
		line++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var o map[string]any
		if err := json.Unmarshal(text, &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, o)
	}
	return out, nil
}

func readTable(b []byte) ([]map[string]any, error) {
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read CSV: %w", err)
	}
	if len(records) == 0 {
		return nil, errors.New("read CSV: no head")
	}
	out := make([]map[string]any, 0, len(records)-1)
	for _, record := range records[1:] {
		o := make(map[string]any, len(record))
		for i, cell := range record {
			o[records[0][i]] = cell
		}
		out = append(out, o)
	}
	return out, nil
}

// readPeople reads a table of requests with programmer_id, timestamp (seconds) and
// request, a Python list of messages; each person's requests in order of time, the
// people in the order of their numbers.
func readPeople(b []byte) ([][]Turn, error) {
	objects, err := readTable(b)
	if err != nil {
		return nil, err
	}
	by := map[int][]Turn{}
	for i, o := range objects {
		text := func(field string) string { s, _ := o[field].(string); return s }
		id, err := strconv.Atoi(text("programmer_id"))
		if err != nil {
			return nil, fmt.Errorf("row %d: programmer_id: %w", i+2, err)
		}
		at, err := strconv.ParseFloat(text("timestamp"), 64)
		if err != nil {
			return nil, fmt.Errorf("row %d: timestamp: %w", i+2, err)
		}
		messages, err := pythonMessages(text("request"))
		if err != nil {
			return nil, fmt.Errorf("row %d: request: %w", i+2, err)
		}
		turn := Turn{At: time.Duration(at * float64(time.Second)), Row: Row{Answer: len(text("response")) / charsPerToken}}
		for _, m := range messages {
			if m["role"] == "user" {
				turn.Prompt = m["content"]
				turn.Turns++
			}
		}
		by[id] = append(by[id], turn)
	}
	ids := make([]int, 0, len(by))
	for id := range by {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	out := make([][]Turn, 0, len(ids))
	for _, id := range ids {
		slices.SortStableFunc(by[id], func(a, b Turn) int { return int(max(-1, min(1, a.At-b.At))) })
		out = append(out, by[id])
	}
	return out, nil
}

// readArrivals reads a table with TIMESTAMP and GeneratedTokens.
func readArrivals(b []byte) (at []time.Duration, tokens []int, err error) {
	objects, err := readTable(b)
	if err != nil {
		return nil, nil, err
	}
	var first time.Time
	for i, o := range objects {
		text := func(field string) string { s, _ := o[field].(string); return s }
		t, err := time.Parse("2006-01-02 15:04:05", text("TIMESTAMP"))
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", i+2, err)
		}
		n, err := strconv.Atoi(text("GeneratedTokens"))
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: GeneratedTokens: %w", i+2, err)
		}
		if i == 0 {
			first = t
		}
		at, tokens = append(at, t.Sub(first)), append(tokens, n)
	}
	return at, tokens, nil
}

// pythonMessages reads a Python literal: a list of dictionaries of strings.
func pythonMessages(s string) ([]map[string]string, error) {
	var out []map[string]string
	var texts []string
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"':
			text, next, err := pythonString(s, i)
			if err != nil {
				return nil, err
			}
			texts, i = append(texts, text), next
		case '}':
			m := map[string]string{}
			for k := 0; k+1 < len(texts); k += 2 {
				m[texts[k]] = texts[k+1]
			}
			out, texts = append(out, m), nil
		}
	}
	return out, nil
}

// pythonString reads the string that begins at s[at] and returns the index of its
// closing quote.
func pythonString(s string, at int) (text string, end int, err error) {
	var b strings.Builder
	for i := at + 1; i < len(s); i++ {
		switch {
		case s[i] == s[at]:
			return b.String(), i, nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			i += escape(&b, s, i)
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, fmt.Errorf("string at %d has no end", at)
}

// escape writes what the escape at s[at], behind its backslash, stands for and returns
// the number of further bytes that it took.
func escape(b *strings.Builder, s string, at int) int {
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[at]]
	if width > 0 && at+width < len(s) {
		if n, err := strconv.ParseInt(s[at+1:at+1+width], 16, 32); err == nil {
			b.WriteRune(rune(n))
			return width
		}
	}
	if plain, known := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r'}[s[at]]; known {
		b.WriteByte(plain)
	} else {
		b.WriteByte(s[at])
	}
	return 0
}
