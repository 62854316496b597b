package wire

import (
	"encoding/json"
	"strings"

	"bartizan"
)

// Text returns what was said in a request: of a chat the last user message, the
// system and developer messages and the number of user messages; of other requests
// the prompt or the joined inputs. It never fails: what cannot be read has no text.
func (r *Route) Text(body []byte) bartizan.Text {
	var request struct {
		Messages json.RawMessage `json:"messages"`
		Prompt   json.RawMessage `json:"prompt"`
		Input    json.RawMessage `json:"input"`
	}
	if json.Unmarshal(body, &request) != nil {
		return bartizan.Text{}
	}
	switch r.prompt {
	case promptMessages:
		return chatText(request.Messages)
	case promptPlain:
		return plainText(request.Prompt)
	case promptInput:
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

func chatText(raw json.RawMessage) bartizan.Text {
	var messages []json.RawMessage
	if json.Unmarshal(raw, &messages) != nil {
		return bartizan.Text{}
	}
	var text bartizan.Text
	var system []string
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
			text.Turns++
			text.Prompt = contentText(message.Content)
		}
	}
	text.System = strings.Join(system, "\n")
	return text
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
