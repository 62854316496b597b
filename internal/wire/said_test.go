package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/wire"
)

// The spans give what the standard decoder gives, for every request that Peek takes.
func FuzzText(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b\\u00e4\\n"},{"type":"image_url","image_url":{"url":"x"}}]},{"role":"assistant","content":null},{"role":"user","content":"c \\ud83d\\ude00"}]}`,
		`{"messages":[{"role":"developer","content":"a"},{"content":"no role"},{"role":"user"},7,{"role":"user","content":["x","y"]}],"model":"m"}`,
		`{"model":"m","prompt":["one","two"]}`, `{"model":"m","prompt":"one"}`, `{"model":"m","input":[[1,2],[3]]}`, `{"model":"m","input":["a","b"]}`,
		`{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}`,
		`{"model":"m","max_tokens":1,"system":[{"type":"text","text":"a"},"b"],"messages":[{"role":"user","content":"x"},{"role":"user","content":[{"type":"tool_result","content":"y"}]}]}`,
		`{"model":"m","max_tokens":1,"system":"a","messages":[{"role":"user","content":[{"type":"tool_result"},{"type":"text","text":"z"}]}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, name := range []string{"openai.chat", "openai.completions", "openai.embeddings", "anthropic.messages"} {
			for _, r := range wire.Routes() {
				if r.Name != name {
					continue
				}
				got := r.Text(body) // must not panic, whatever comes
				if _, err := r.Peek(body); err != nil || !exactKeys(body) {
					continue
				}
				if diff := cmp.Diff(slowText(name, body), got); diff != "" {
					t.Errorf("%s %q (-decoder +spans):\n%s", name, body, diff)
				}
			}
		}
	})
}

// exactKeys reports whether no key can be another one's twin for the standard decoder,
// which does not tell letter case.
func exactKeys(body []byte) bool {
	for _, c := range body {
		if c >= 0x80 || 'A' <= c && c <= 'Z' || c == '\\' {
			return false
		}
	}
	return true
}

// slowText is Text by the standard decoder.
func slowText(route string, body []byte) bartizan.Text {
	var request struct {
		System   json.RawMessage `json:"system"`
		Messages json.RawMessage `json:"messages"`
		Prompt   json.RawMessage `json:"prompt"`
		Input    json.RawMessage `json:"input"`
	}
	if json.Unmarshal(body, &request) != nil {
		return bartizan.Text{}
	}
	switch route {
	case "openai.chat":
		return chatText(nil, request.Messages)
	case "anthropic.messages":
		return chatText(request.System, request.Messages)
	case "openai.completions":
		return plainText(request.Prompt)
	case "openai.embeddings":
		return plainText(request.Input)
	default:
		return bartizan.Text{}
	}
}

func plainText(raw json.RawMessage) bartizan.Text {
	text := contentText(raw)
	if text == "" {
		return bartizan.Text{}
	}
	return bartizan.Text{Prompt: text, Turns: 1}
}

func chatText(beside, raw json.RawMessage) bartizan.Text {
	var messages []json.RawMessage
	if json.Unmarshal(raw, &messages) != nil {
		return bartizan.Text{}
	}
	var text bartizan.Text
	var system []string
	if said := contentText(beside); said != "" {
		system = append(system, said)
	}
	for _, rawMessage := range messages {
		var message struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		}
		if json.Unmarshal(rawMessage, &message) != nil {
			continue
		}
		switch message.Role {
		case "system", "developer":
			system = append(system, contentText(message.Content))
		case "user":
			if onlyToolResults(message.Content) {
				continue
			}
			text.Turns++
			text.Prompt = contentText(message.Content)
		}
	}
	text.System = strings.Join(system, "\n")
	return text
}

// onlyToolResults reports whether every part of a list is the result of a tool.
func onlyToolResults(raw json.RawMessage) bool {
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return false
	}
	for _, rawPart := range parts {
		var part struct {
			Type json.RawMessage `json:"type"`
		}
		if json.Unmarshal(rawPart, &part) != nil || string(part.Type) != `"tool_result"` {
			return false
		}
	}
	return len(parts) > 0
}

// contentText returns the text of a string, of a list of strings, or of a list of
// content parts.
func contentText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	var texts []string
	for _, rawPart := range parts {
		var part struct {
			Text string `json:"text"`
		}
		if json.Unmarshal(rawPart, &text) == nil {
			texts = append(texts, text)
		} else if json.Unmarshal(rawPart, &part) == nil && part.Text != "" {
			texts = append(texts, part.Text)
		}
	}
	return strings.Join(texts, "\n")
}
