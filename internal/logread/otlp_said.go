package logread

import (
	"strings"

	"bartizan"
)

// said gathers what was said in a call from the places where instrumentations put it.
type said struct {
	t      bartizan.Text
	system []string
	answer []string
	any    bool
}

// newSaid reads the attributes of a span or log record.
func newSaid(own object) *said {
	s := &said{}
	s.read(own)
	if !s.any {
		s.indexed(own)
	}
	return s
}

// read takes the attributes of the conventions from 1.37 in. They stand on a span, on
// one of its events, or in a log record.
func (s *said) read(own object) {
	if raw := own.raw("gen_ai.system_instructions"); raw != nil && len(s.system) == 0 {
		s.system = append(s.system, partsOf(raw)...)
	}
	if raw := own.raw("gen_ai.input.messages"); raw != nil && !s.any {
		s.any = true
		s.messages(raw)
	}
	if raw := own.raw("gen_ai.output.messages"); raw != nil && len(s.answer) == 0 {
		list := list(content(raw))
		for _, m := range list {
			s.answer = append(s.answer, partsText(objectOf(m))...)
		}
		if list == nil {
			s.answer = append(s.answer, textOf(raw))
		}
	}
	if raw := own.raw("gen_ai.prompt"); raw != nil && !s.any {
		s.any = true
		s.messages(raw)
	}
	if raw := own.raw("gen_ai.completion"); raw != nil && len(s.answer) == 0 {
		s.answer = append(s.answer, textOf(raw))
	}
}

// messages takes a chat history in: a list of messages, or a text that stands for one.
func (s *said) messages(raw []byte) {
	all := list(content(raw))
	if all == nil {
		if prompt := textOf(raw); prompt != "" {
			s.message("user", prompt)
		}
		return
	}
	for _, m := range all {
		message := objectOf(m)
		s.message(message.text("role"), strings.Join(partsText(message), "\n"))
	}
}

func (s *said) message(role, content string) {
	switch role {
	case "system", "developer":
		s.system = append(s.system, content)
	case "user":
		s.t.Prompt = content
		s.t.Turns++
	}
}

// event takes an event of a span in, in the form of any version of the conventions.
func (s *said) event(name string, own object) {
	if own == nil {
		return
	}
	body := strings.Join(partsOf(own.raw("content")), "\n")
	switch name {
	case "gen_ai.system.message":
		s.message("system", body)
	case "gen_ai.user.message":
		s.message("user", body)
	case "gen_ai.choice":
		message := objectOf(structured(own.raw("message")))
		s.answer = append(s.answer, partsText(message)...)
		if message == nil && body != "" {
			s.answer = append(s.answer, body)
		}
	default:
		s.read(own)
	}
}

// indexed takes attributes such as gen_ai.prompt.0.content in, which some libraries
// write instead of the conventions.
func (s *said) indexed(own object) {
	roles := map[string]string{}
	for _, m := range own {
		if n, ok := strings.CutPrefix(string(m.key), "gen_ai.prompt."); ok {
			if n, ok = strings.CutSuffix(n, ".role"); ok {
				roles[n] = stringOf(m.value)
			}
		}
	}
	for _, m := range own {
		if n, ok := strings.CutPrefix(string(m.key), "gen_ai.prompt."); ok {
			if n, ok = strings.CutSuffix(n, ".content"); ok {
				s.message(roles[n], strings.Join(partsOf(m.value), "\n"))
			}
			continue
		}
		if n, ok := strings.CutPrefix(string(m.key), "gen_ai.completion."); ok && strings.HasSuffix(n, ".content") {
			s.answer = append(s.answer, stringOf(m.value))
		}
	}
}

// text returns what was said; nil when nothing was.
func (s *said) text() *bartizan.Text {
	t := s.t
	t.System, t.Answer = strings.Join(s.system, "\n"), strings.Join(s.answer, "\n")
	if t.Prompt == "" && t.System == "" && t.Answer == "" {
		return nil
	}
	return &t
}

// content returns a list or object under an attribute. Inside the body of a log record
// it is plain JSON already.
func content(raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '[' {
		return raw
	}
	return structured(raw)
}

func textOf(raw []byte) string {
	if s := text(raw); s != "" {
		return s
	}
	return stringOf(raw)
}

// partsOf returns the texts of a value: a text, or a list of parts or texts.
func partsOf(raw []byte) []string {
	if parts := content(raw); parts != nil {
		return partTexts(parts)
	}
	if s := textOf(raw); s != "" {
		return []string{s}
	}
	return nil
}

// partsText returns the texts of a message, whose parts stand under parts or content.
func partsText(message object) []string {
	if raw := message.raw("parts"); raw != nil {
		return partTexts(raw)
	}
	return texts(message.raw("content"))
}

// partTexts returns the texts among parts such as {"type": "text", "content": ...}.
// Reasoning, tool calls and their results are no part of it.
func partTexts(raw []byte) []string {
	var out []string
	for _, p := range list(raw) {
		if s := text(p); s != "" {
			out = append(out, s)
			continue
		}
		part := objectOf(p)
		if kind := part.text("type"); kind != "" && kind != "text" {
			continue
		}
		if s := first([]string{"content", "text"}, part.text); s != "" {
			out = append(out, s)
		}
	}
	return out
}
