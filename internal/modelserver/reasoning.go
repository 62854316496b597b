package modelserver

import "slices"

// The ways in which the chat API shows a thought.
const (
	thoughtNone   = iota // the model does not think
	thoughtHidden        // it is counted, and kept
	thoughtTags          // in the text, between tags
	thoughtField         // in a field of its own
	thoughtParts         // as a part of the content, as Mistral does
)

const (
	openTag  = "<think>\n"
	closeTag = "\n</think>\n\n"
)

// reasoningRequest holds what a chat request says about thoughts, in the words of
// vLLM (include_reasoning), SGLang (separate_reasoning) and Mistral (prompt_mode).
type reasoningRequest struct {
	Include    *bool  `json:"include_reasoning"`
	Separate   *bool  `json:"separate_reasoning"`
	PromptMode string `json:"prompt_mode"`
}

// mode says how a thought is shown; named tells that the model's name asks for one.
func (r *reasoningRequest) mode(named bool) int {
	switch {
	case r.PromptMode == "reasoning":
		return thoughtParts
	case valueOr(r.Include, false) || valueOr(r.Separate, false):
		return thoughtField
	case !named:
		return thoughtNone
	case r.Include != nil:
		return thoughtHidden
	default:
		return thoughtTags
	}
}

// shownThought puts the thought of one choice into its messages.
type shownThought struct {
	mode   int
	opened bool
	closed bool
}

// delta is the part of a message that shows a piece; nil when it shows nothing.
func (t *shownThought) delta(p piece) *chatDelta {
	text := p.text
	if t.mode == thoughtTags {
		text = t.tagged(p)
	}
	if text == "" && len(p.tokens) == 0 {
		return nil
	}
	if p.thought {
		switch t.mode {
		case thoughtHidden:
			return nil
		case thoughtField:
			return &chatDelta{Reasoning: &text}
		case thoughtParts:
			return &chatDelta{Content: []any{thinkingPart(text)}}
		}
	}
	return &chatDelta{Content: &text}
}

// tagged puts the tags around the thought.
func (t *shownThought) tagged(p piece) string {
	text := p.text
	if !t.opened && p.thought {
		t.opened = true
		text = openTag + text
	}
	if t.opened && !t.closed && !p.thought {
		t.closed = true
		text = closeTag + text
	}
	return text
}

// message is a whole message with its thought.
func (t *shownThought) message(w whole) *chatMessage {
	m := &chatMessage{Role: "assistant"}
	switch t.mode {
	case thoughtTags:
		m.Content = openTag + w.reasoning.text + closeTag + w.text
	case thoughtField:
		m.Content, m.Reasoning = w.text, &w.reasoning.text
	case thoughtParts:
		m.Content = []any{thinkingPart(w.reasoning.text), object{"type": "text", "text": w.text}}
	default:
		m.Content = w.text
	}
	return m
}

// thinkingPart is a thought as Mistral spells it.
func thinkingPart(text string) object {
	return object{"type": "thinking", "thinking": []object{{"type": "text", "text": text}}}
}

// seen are the tokens of a choice that its message shows.
func (t *shownThought) seen(w whole) piece {
	if t.mode == thoughtHidden || t.mode == thoughtNone {
		return w.piece
	}
	p := w.reasoning
	p.tokens = slices.Concat(p.tokens, w.tokens)
	return p
}
