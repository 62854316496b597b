package modelserver

import (
	"encoding/json"
	"net/http"
	"strings"
)

const (
	leastThinking    = 1024 // tokens of a thought that the API allows
	anthropicDefault = 1.0  // temperature
)

// anthropicRoutes serve the shape of Anthropic's messages.
func (s *Server) anthropicRoutes() []route {
	return []route{
		{http.MethodPost, "/v1/messages", anthropicError, s.messages},
		{http.MethodPost, "/v1/messages/count_tokens", anthropicError, s.countMessageTokens},
	}
}

// messagesRequest is the body of a messages request.
type messagesRequest struct {
	Model       string             `json:"model"`
	MaxTokens   *int               `json:"max_tokens"`
	System      anthropicContent   `json:"system"`
	Messages    []anthropicMessage `json:"messages"`
	Stop        []string           `json:"stop_sequences"`
	Stream      bool               `json:"stream"`
	Temperature *float64           `json:"temperature"`
	TopP        *float64           `json:"top_p"`
	TopK        *int               `json:"top_k"`
	Thinking    *anthropicThinking `json:"thinking"`
	ToolChoice  struct {
		Type string `json:"type"`
	} `json:"tool_choice"`
}

type anthropicThinking struct {
	Type    string `json:"type"`
	Budget  int    `json:"budget_tokens"`
	Display string `json:"display"` // omitted, or the thought as it is
}

type anthropicMessage struct {
	Role    string           `json:"role"`
	Content anthropicContent `json:"content"`
}

// anthropicContent is a text or a list of blocks.
type anthropicContent []anthropicBlock

type anthropicBlock struct {
	Type      string           `json:"type"`
	Text      string           `json:"text"`
	Thinking  string           `json:"thinking"`
	Signature string           `json:"signature"`
	Content   anthropicContent `json:"content"` // of a tool's result
}

// UnmarshalJSON reads either form.
func (c *anthropicContent) UnmarshalJSON(data []byte) error {
	var text *string
	if json.Unmarshal(data, &text) == nil {
		if text != nil {
			*c = anthropicContent{{Type: "text", Text: *text}}
		}
		return nil
	}
	var blocks []anthropicBlock
	if json.Unmarshal(data, &blocks) != nil {
		return invalid("", "messages: Input should be a valid string or list of content blocks")
	}
	*c = blocks
	return nil
}

// text joins what the blocks say.
func (c anthropicContent) text() string {
	var out strings.Builder
	for _, b := range c {
		_, _ = out.WriteString(b.Text + b.Content.text()) // a Builder does not fail
	}
	return out.String()
}

// conversation checks the messages and puts them into the model's words.
func (r *messagesRequest) conversation(s *Server) ([]message, error) {
	var out []message
	if system := r.System.text(); system != "" {
		out = append(out, message{Role: "system", Content: messageText(system)})
	}
	if len(r.Messages) == 0 {
		return nil, invalid("", "messages: at least one message is required")
	}
	for _, m := range r.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			return nil, invalid("", `messages: Unexpected role "%s".`, m.Role)
		}
		for _, b := range m.Content {
			switch b.Type {
			case "text", "tool_use", "tool_result", "redacted_thinking":
			case "thinking":
				if thought, ok := s.unseal(b.Signature); b.Thinking != "" && (!ok || thought != b.Thinking) {
					return nil, invalid("", "messages: Invalid `signature` in `thinking` block")
				}
			default:
				return nil, invalid("", "messages: this model reads text only")
			}
		}
		out = append(out, message{Role: m.Role, Content: messageText(m.Content.text())})
	}
	return out, nil
}

// ask says in no API's words what the request wants.
func (r *messagesRequest) ask(s *Server) (ask, error) {
	if err := s.checkModel(r.Model); err != nil {
		return ask{}, err
	}
	if r.MaxTokens == nil {
		return ask{}, invalid("", "max_tokens: Field required")
	}
	if *r.MaxTokens < 1 {
		return ask{}, invalid("", "max_tokens: Input should be greater than or equal to 1")
	}
	if r.ToolChoice.Type == "any" || r.ToolChoice.Type == "tool" {
		return ask{}, invalid("", "tool_choice: this model calls no tools in this API")
	}
	said, err := r.conversation(s)
	if err != nil {
		return ask{}, err
	}
	text, err := conversation(said)
	if err != nil {
		return ask{}, err
	}
	a := ask{
		prompt: s.model.vocabulary.encode(text), about: topicOf(said), stops: r.Stop, limit: r.MaxTokens,
		how: sampling{temperature: valueOr(r.Temperature, anthropicDefault), topP: valueOr(r.TopP, 1), topK: valueOr(r.TopK, 0)},
	}
	a.think, err = r.budget(s)
	return a, err
}

// budget is the number of tokens that the model may think for; 0 is none.
func (r *messagesRequest) budget(s *Server) (int, error) {
	switch {
	case r.Thinking == nil || r.Thinking.Type == "disabled":
		if s.thinks(r.Model) {
			return defaultThink, nil
		}
		return 0, nil
	case r.Thinking.Type == "adaptive":
		return defaultThink, nil
	case r.Thinking.Type != "enabled":
		return 0, invalid("", "thinking.type: Input should be 'enabled', 'adaptive' or 'disabled'")
	case r.Thinking.Budget < leastThinking:
		return 0, invalid("", "thinking.enabled.budget_tokens: Input should be greater than or equal to %d", leastThinking)
	case r.Thinking.Budget >= *r.MaxTokens:
		return 0, invalid("", "`max_tokens` must be greater than `thinking.budget_tokens`.")
	default:
		return r.Thinking.Budget, nil
	}
}

func (s *Server) messages(x *exchange) error {
	var r messagesRequest
	if err := x.read(&r); err != nil {
		return err
	}
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	j, err := x.begin(a)
	if err != nil {
		return err
	}
	m := &messageJob{job: j, omit: r.Thinking != nil && r.Thinking.Display == "omitted", model: r.Model}
	if r.Stream {
		return m.stream()
	}
	return m.whole()
}

func (s *Server) countMessageTokens(x *exchange) error {
	var r messagesRequest
	if err := x.read(&r); err != nil {
		return err
	}
	if err := s.checkModel(r.Model); err != nil {
		return err
	}
	said, err := r.conversation(s)
	if err != nil {
		return err
	}
	text, err := conversation(said)
	if err != nil {
		return err
	}
	return x.answer(object{"input_tokens": len(s.model.vocabulary.encode(text))})
}

// messageJob is a messages request that is being answered.
type messageJob struct {
	*job

	model string
	omit  bool // the thought is sealed but not shown
	block int  // number of the block that the stream is in
	open  string
}

// ending is the end of an answer in the API's words.
func (m *messageJob) ending(finish string) (reason string, sequence any) {
	switch {
	case finish == finishLength:
		return "max_tokens", nil
	case m.gens[0].matched != "":
		return "stop_sequence", m.gens[0].matched
	default:
		return "end_turn", nil
	}
}

func (m *messageJob) message(content []object, reason, sequence any, output int) object {
	return object{
		"id": m.id("msg_"), "type": "message", "role": "assistant", "model": m.model, "content": content,
		"stop_reason": reason, "stop_sequence": sequence, "usage": m.messageUsage(output),
	}
}

func (m *messageJob) messageUsage(output int) object {
	u := object{
		"input_tokens": len(m.prompt), "output_tokens": output, "service_tier": "standard",
		"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
	}
	if n := m.gens[0].thoughtTokens(); n > 0 {
		u["output_tokens_details"] = object{"thinking_tokens": n}
	}
	return u
}

func (m *messageJob) whole() error {
	wholes, err := m.wholes()
	if err != nil {
		return err
	}
	w := wholes[0]
	content := []object{}
	if m.gens[0].thinking != nil {
		block := object{"type": "thinking", "thinking": w.reasoning.text, "signature": m.server.seal(w.reasoning.text)}
		if m.omit {
			block["thinking"] = ""
		}
		content = append(content, block)
	}
	content = append(content, object{"type": "text", "text": w.text})
	reason, sequence := m.ending(w.finish)
	return m.answer(m.message(content, reason, sequence, m.usage.CompletionTokens))
}

// send sends one event, whose type is its name.
func (m *messageJob) send(name string, v object) error {
	v["type"] = name
	return m.named(name, v)
}

func (m *messageJob) stream() error {
	if err := m.send("message_start", object{"message": m.message([]object{}, nil, nil, 1)}); err != nil {
		return err
	}
	if err := m.send("ping", object{}); err != nil {
		return err
	}
	finish := ""
	err := m.job.stream(func(_ int, p piece) error {
		finish = p.finish
		kind := "text"
		if p.thought {
			kind = "thinking"
		}
		if err := m.enter(kind); err != nil {
			return err
		}
		if p.text == "" || p.thought && m.omit {
			return nil
		}
		return m.delta(object{"type": kind + "_delta", kind: p.text})
	})
	if err != nil {
		return err
	}
	if err := m.enter(""); err != nil {
		return err
	}
	reason, sequence := m.ending(finish)
	err = m.send("message_delta", object{
		"delta": object{"stop_reason": reason, "stop_sequence": sequence}, "usage": m.messageUsage(m.usage.CompletionTokens),
	})
	if err != nil {
		return err
	}
	return m.send("message_stop", object{})
}

func (m *messageJob) delta(v object) error {
	return m.send("content_block_delta", object{"index": m.block, "delta": v})
}

// enter closes the open block, unless it is of that kind, and opens one; a thought is
// signed at its end. The empty kind opens none.
func (m *messageJob) enter(kind string) error {
	if m.open == kind {
		return nil
	}
	if m.open == "thinking" {
		if err := m.delta(object{"type": "signature_delta", "signature": m.server.seal(m.gens[0].thought.String())}); err != nil {
			return err
		}
	}
	if m.open != "" {
		if err := m.send("content_block_stop", object{"index": m.block}); err != nil {
			return err
		}
		m.block++
	}
	m.open = kind
	block := object{"type": kind, kind: ""}
	switch kind {
	case "":
		return nil
	case "thinking":
		block["signature"] = ""
	}
	return m.send("content_block_start", object{"index": m.block, "content_block": block})
}
