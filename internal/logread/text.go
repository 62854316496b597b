package logread

import (
	"strings"

	"bartizan"
)

// conversation reads what was said; nil when nothing was.
func conversation(request object, answer string) *bartizan.Text {
	t := &bartizan.Text{Answer: answer}
	switch {
	case request.has("messages"):
		readMessages(t, request.raw("messages"))
	case request.has("prompt"):
		t.Prompt, t.Turns = strings.Join(texts(request.raw("prompt")), "\n"), 1
	case request.has("input"):
		t.System = request.text("instructions")
		if !readMessages(t, request.raw("input")) {
			t.Prompt, t.Turns = strings.Join(texts(request.raw("input")), "\n"), 1
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
func readMessages(t *bartizan.Text, raw []byte) bool {
	messages := list(raw)
	if messages == nil && len(raw) > 0 && raw[0] == '{' {
		messages = [][]byte{raw}
	}
	found := false
	var system []string
	var last object
	for _, m := range messages {
		message := objectOf(m)
		if !message.has("role") {
			continue
		}
		found = true
		switch message.text("role") {
		case "system", "developer":
			system = append(system, contentOf(message))
		case "user":
			last = message
			t.Turns++
		}
	}
	if last != nil {
		t.Prompt = contentOf(last)
	}
	if len(system) > 0 {
		t.System = strings.Join(system, "\n")
	}
	if s := text(raw); s != "" && !found {
		t.Prompt, t.Turns, found = s, 1, true
	}
	return found
}

func contentOf(message object) string { return strings.Join(texts(message.raw("content")), "\n") }

// texts returns the texts of a content: a text, a list of texts, or a list of parts
// {"text": ...}. Anything else, such as images and token numbers, has none.
func texts(raw []byte) []string {
	if s := text(raw); s != "" {
		return []string{s}
	}
	var out []string
	for _, part := range list(raw) {
		s := text(part)
		if s == "" {
			s = objectOf(part).text("text")
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
		raw := request.raw(key)
		if raw == nil {
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
	for _, c := range list(answer.raw("choices")) {
		choice := objectOf(c)
		out = append(out, texts(choice.object("message").raw("content"))...)
		out = append(out, texts(choice.raw("text"))...)
	}
	if s := answer.text("output_text"); s != "" {
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}
