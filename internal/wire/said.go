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
	var system, messages []byte
	var said []string
	if r.system != "" {
		system = valueOf(body, r.system)
		if system == nil && r.twins {
			system = valueOf(body, snakeCase(r.system))
		}
	}
	for _, key := range r.said {
		value := lookup(body, key)
		switch {
		case value == nil:
		case isMessages(value):
			messages = value
		default:
			if text := anyText(value); text != "" {
				said = append(said, text)
			}
		}
	}
	if messages != nil {
		text := chatText(system, messages)
		if text.Prompt == "" && len(said) > 0 {
			text.Prompt, text.Turns = strings.Join(said, "\n"), len(said)
		}
		return text
	}
	if len(said) == 0 {
		return bartizan.Text{}
	}
	return bartizan.Text{Prompt: strings.Join(said, "\n"), System: anyText(system), Turns: 1}
}

// lookup is valueOf along a path of keys with dots between them.
func lookup(object []byte, path string) []byte {
	for key := range strings.SplitSeq(path, ".") {
		if object = valueOf(object, key); object == nil {
			return nil
		}
	}
	return object
}

// isMessages reports whether the value is a list in which something has a role.
func isMessages(value []byte) (is bool) {
	items(value, func(item []byte) {
		is = is || valueOf(item, "role") != nil || valueOf(item, "parts") != nil
	})
	return is
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

// eachMember calls fn with the name and the value of each member of an object, if it is
// one.
func eachMember(object []byte, fn func(name string, value []byte)) {
	eachPair(object, func(key, value []byte) {
		if name, ok := plain(key); ok {
			fn(name, value)
		}
	})
}

// eachPair is eachMember with the key as it is written, its quotes included.
func eachPair(object []byte, fn func(key, value []byte)) {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return
	}
	m := members{b: object, i: i}
	for m.next() {
		end := skipValue(object, m.value)
		if end >= 0 {
			fn(object[m.key:m.keyEnd], object[m.value:end])
		}
		m.end(end)
	}
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

func chatText(beside, messages []byte) bartizan.Text {
	var text bartizan.Text
	var prompt []byte
	var system []string
	said := contentText(beside)
	if len(beside) > 0 && beside[0] == '{' {
		said = contentText(valueOf(beside, "parts"))
	}
	if said != "" {
		system = append(system, said)
	}
	items(messages, func(message []byte) {
		role, _ := plain(valueOf(message, "role"))
		if role == "" && valueOf(message, "parts") != nil {
			role = "user" // Gemini lets it out
		}
		switch role {
		case "system", "developer":
			system = append(system, contentText(contentOf(message)))
		case "user", "USER":
			content := contentOf(message)
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

// contentOf returns what a message says, under whichever key.
func contentOf(message []byte) []byte {
	for _, key := range [...]string{"content", "parts", "message"} {
		if content := valueOf(message, key); content != nil {
			return content
		}
	}
	return nil
}

// anyText joins the texts of a value, whatever holds them.
func anyText(value []byte) string {
	if len(value) > 0 && value[0] == '{' {
		for _, key := range [...]string{"text", "content", "parts", "data", "inputs"} {
			if inner := valueOf(value, key); inner != nil {
				return anyText(inner)
			}
		}
		return ""
	}
	if text, ok := plain(value); ok {
		return text
	}
	var texts []string
	items(value, func(item []byte) {
		if text := anyText(item); text != "" {
			texts = append(texts, text)
		}
	})
	return strings.Join(texts, "\n")
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
