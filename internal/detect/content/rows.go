package content

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ReadRows takes the prompts out of a file: a JSON array or JSON lines of objects, or
// CSV with a head line. The field is the name of a member, or a template such as
// "{Body} {Question}"; without one the first of the usual names is taken. A value
// that is a list of chat messages, in JSON or as Python writes it, gives its last user
// message. Rows without a prompt are left out.
func ReadRows(data []byte, field string) ([]string, error) {
	objects, err := objectsOf(data)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range objects {
		if text := strings.TrimSpace(promptOf(o, field)); text != "" {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of %d rows has a prompt; name its field", len(objects))
	}
	return out, nil
}

func objectsOf(data []byte) ([]map[string]string, error) {
	data = bytes.TrimSpace(data)
	var raw []map[string]json.RawMessage
	switch {
	case len(data) == 0:
		return nil, errors.New("the file is empty")
	case data[0] == '[':
		if err := json.Unmarshal(data, &raw); err != nil {
			return nil, fmt.Errorf("read a JSON array: %w", err)
		}
	case data[0] == '{':
		n := 0
		for line := range bytes.SplitSeq(data, []byte{'\n'}) {
			n++
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var o map[string]json.RawMessage
			if err := json.Unmarshal(line, &o); err != nil {
				return nil, fmt.Errorf("read line %d: %w", n, err)
			}
			raw = append(raw, o)
		}
	default:
		return csvRows(data)
	}
	out := make([]map[string]string, 0, len(raw))
	for _, o := range raw {
		row := make(map[string]string, len(o))
		for key, value := range o {
			var s string
			if json.Unmarshal(value, &s) != nil {
				s = string(value)
			}
			row[key] = s
		}
		out = append(out, row)
	}
	return out, nil
}

func csvRows(data []byte) ([]map[string]string, error) {
	lines, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read CSV: %w", err)
	}
	var out []map[string]string
	for _, line := range lines[1:] {
		row := make(map[string]string, len(line))
		for i, value := range line {
			row[lines[0][i]] = value
		}
		out = append(out, row)
	}
	return out, nil
}

func promptOf(o map[string]string, field string) string {
	switch {
	case strings.Contains(field, "{"):
		return fill(o, field)
	case field != "":
		return lastMessage(o[field])
	}
	for _, name := range []string{"prompt", "instruction", "messages", "request", "text", "question"} {
		text := lastMessage(o[name])
		if text == "" {
			continue
		}
		if in := o["input"]; name == "instruction" && in != "" {
			text += "\n\n" + in
		}
		return text
	}
	return ""
}

// fill puts members in the place of their names in braces.
func fill(o map[string]string, template string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(o[name])
		template = after
	}
}

// lastMessage returns the content of the last user message of a list of chat messages,
// and any other text as it is.
func lastMessage(s string) string {
	if !strings.HasPrefix(s, "[{") {
		return s
	}
	var list []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal([]byte(s), &list) != nil {
		return lastPython(s)
	}
	for _, m := range slices.Backward(list) {
		var text string
		if m.Role == "user" && json.Unmarshal(m.Content, &text) == nil {
			return text
		}
	}
	return ""
}

// lastPython reads a list of messages as Python prints it.
func lastPython(s string) string {
	last := ""
	var strs []string
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"':
			text, next := pythonString(s, i)
			strs, i = append(strs, text), next
		case '}':
			role, content := "", ""
			for k := 0; k+1 < len(strs); k += 2 {
				switch strs[k] {
				case "role":
					role = strs[k+1]
				case "content":
					content = strs[k+1]
				}
			}
			if role == "user" {
				last = content
			}
			strs = nil
		}
	}
	return last
}

// pythonString reads the literal that begins at s[at] and returns the index of its
// closing quote.
func pythonString(s string, at int) (text string, end int) {
	var b strings.Builder
	for i := at + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[at]:
			return b.String(), i
		case c == '\\' && i+1 < len(s):
			i++
			if plain, known := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r'}[s[i]]; known {
				b.WriteByte(plain)
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), len(s)
}
