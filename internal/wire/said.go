package wire

import (
	"strings"

	"bartizan"
)

// Text returns what was said in a request: of a chat the last user message, the
// system's text and the system and developer messages, and the number of user
// messages; of other requests the prompt or the joined inputs. Results of tools that
// come as a user message are none. It never fails: what cannot be read has no text.
// The body should have passed [Route.Peek]; of one that has not, parts may be missed.
func (r *Route) Text(body []byte) bartizan.Text {
	switch r.prompt {
	case promptMessages:
		var system []byte
		if r.KnowsOption("system") {
			system = valueOf(body, "system")
		}
		return chatText(system, valueOf(body, "messages"))
	case promptPlain:
		return plainText(valueOf(body, "prompt"))
	case promptInput:
		return plainText(valueOf(body, "input"))
	default:
		return bartizan.Text{}
	}
}

// valueOf returns the value of an object's member; the last one counts, and nil means
// that there is none.
func valueOf(object []byte, name string) (value []byte) {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return nil
	}
	m := members{b: object, i: i}
	for m.next() {
		end := skipValue(object, m.value)
		if end >= 0 && string(m.name()) == name {
			value = object[m.value:end]
		}
		m.end(end)
	}
	return value
}

// items calls fn with each element of list, if it is an array.
func items(list []byte, fn func(item []byte)) {
	i := skipSpace(list, 0)
	if i >= len(list) || list[i] != '[' {
		return
	}
	e := elements{b: list, i: i}
	for e.next() {
		end := skipValue(list, e.value)
		if end >= 0 {
			fn(list[e.value:end])
		}
		e.end(end)
	}
}

// plain returns the text of a JSON string.
func plain(value []byte) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	end, unescaped := checkString(value, 0)
	switch {
	case end < 0:
		return "", false
	case unescaped:
		return string(value[1 : end-1]), true
	default:
		return string(appendDecoded(nil, value[:end])), true
	}
}

func plainText(value []byte) bartizan.Text {
	text := contentText(value)
	if text == "" {
		return bartizan.Text{}
	}
	return bartizan.Text{Prompt: text, Turns: 1}
}

func chatText(beside, messages []byte) bartizan.Text {
	var text bartizan.Text
	var prompt []byte
	var system []string
	if said := contentText(beside); said != "" {
		system = append(system, said)
	}
	items(messages, func(message []byte) {
		role, _ := plain(valueOf(message, "role"))
		switch role {
		case "system", "developer":
			system = append(system, contentText(valueOf(message, "content")))
		case "user":
			content := valueOf(message, "content")
			if onlyToolResults(content) {
				return
			}
			text.Turns++
			prompt = content
		}
	})
	text.Prompt, text.System = contentText(prompt), strings.Join(system, "\n")
	return text
}

// onlyToolResults reports whether content is a list of parts that all are results of
// tools.
func onlyToolResults(content []byte) bool {
	results, others := 0, 0
	items(content, func(part []byte) {
		if kind, _ := plain(valueOf(part, "type")); kind == "tool_result" {
			results++
		} else {
			others++
		}
	})
	return results > 0 && others == 0
}

// contentText returns the text of a string, of a list of strings, or of a list of
// content parts.
func contentText(content []byte) string {
	if text, ok := plain(content); ok {
		return text
	}
	var texts []string
	items(content, func(part []byte) {
		if text, ok := plain(part); ok {
			texts = append(texts, text)
		} else if text, _ := plain(valueOf(part, "text")); text != "" {
			texts = append(texts, text)
		}
	})
	return strings.Join(texts, "\n")
}
