package logread

import (
	"encoding/json"
	"strings"

	"bartizan"
)

// conversation reads what was said; nil when nothing was.
func conversation(request object, answer string) *bartizan.Text {
	t := &bartizan.Text{Answer: answer}
	switch {
	case request.has("messages"):
		readMessages(t, request["messages"])
	case request.has("prompt"):
		t.Prompt, t.Turns = strings.Join(texts(request["prompt"]), "\n"), 1
	case request.has("input"):
		t.System = request.text("instructions")
		if !readMessages(t, request["input"]) {
			t.Prompt, t.Turns = strings.Join(texts(request["input"]), "\n"), 1
		}
	}
	if t.Prompt == "" && t.System == "" && t.Answer == "" {
		return nil
	}
	return t
}

// readMessages takes system prompts, the last user message and the number of user
// messages from a list of messages, a single message, or a text that stands for one.
// It reports whether there was a message.
func readMessages(t *bartizan.Text, raw json.RawMessage) bool {
	messages := list(raw)
	if messages == nil && len(raw) > 0 && raw[0] == '{' {
		messages = []json.RawMessage{raw}
	}
	found := false
	var system []string
	for _, m := range messages {
		var message object
		if json.Unmarshal(m, &message) != nil || !message.has("role") {
			continue
		}
		found = true
		content := strings.Join(texts(message["content"]), "\n")
		switch message.text("role") {
		case "system", "developer":
			system = append(system, content)
		case "user":
			t.Prompt = content
			t.Turns++
		}
	}
	if len(system) > 0 {
		t.System = strings.Join(system, "\n")
	}
	if s := text(raw); s != "" && !found {
		t.Prompt, t.Turns, found = s, 1, true
	}
	return found
}

// texts returns the texts of a content: a text, a list of texts, or a list of parts
// {"text": ...}. Anything else, such as images and token numbers, has none.
func texts(raw json.RawMessage) []string {
	if s := text(raw); s != "" {
		return []string{s}
	}
	var out []string
	for _, part := range list(raw) {
		s := text(part)
		if s == "" {
			var o object
			if json.Unmarshal(part, &o) == nil {
				s = o.text("text")
			}
		}
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// inputs counts the prompts or embedding inputs of a request.
func inputs(request object) int {
	for _, key := range [...]string{"prompt", "input"} {
		raw, ok := request[key]
		if !ok {
			continue
		}
		l := list(raw)
		if len(l) > 0 && l[0][0] != '{' && (l[0][0] < '0' || l[0][0] > '9') {
			return len(l)
		}
		return 1
	}
	if request.has("messages") {
		return 1
	}
	return 0
}

// answerOf joins the texts of an answer's choices.
func answerOf(answer object) string {
	var out []string
	for _, c := range list(answer["choices"]) {
		var choice object
		if json.Unmarshal(c, &choice) != nil {
			continue
		}
		out = append(out, texts(choice.object("message")["content"])...)
		out = append(out, texts(choice["text"])...)
	}
	if s := answer.text("output_text"); s != "" {
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}
