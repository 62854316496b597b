package modelserver

import (
	"encoding/json"
	"fmt"
	"strings"
)

// tool is a function that the caller offers.
type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// toolChoice is "none", "auto", "required" or the name of one function.
type toolChoice struct {
	mode string
	name string
}

// UnmarshalJSON reads a word or a named function.
func (t *toolChoice) UnmarshalJSON(data []byte) error {
	var word *string
	if json.Unmarshal(data, &word) == nil {
		t.mode = valueOr(word, "")
		switch t.mode {
		case "", "none", "auto", "required":
			return nil
		}
		return invalid("tool_choice", "Invalid 'tool_choice': expected 'none', 'auto', 'required' or a function.")
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if json.Unmarshal(data, &named) != nil || named.Type != "function" || named.Function.Name == "" {
		return invalid("tool_choice", "Invalid 'tool_choice': expected 'none', 'auto', 'required' or a function.")
	}
	t.mode, t.name = "function", named.Function.Name
	return nil
}

// calledTool returns the function that must be called; called is false when the
// model answers in words. Left to itself ("auto"), this model talks.
func (r *chatRequest) calledTool() (f function, called bool, err error) {
	for i, t := range r.Tools {
		if t.Type != "function" || t.Function.Name == "" {
			return f, false, invalid(fmt.Sprintf("tools[%d]", i), "Invalid 'tools': each is a function with a name.")
		}
	}
	switch r.ToolChoice.mode {
	case "required":
		if len(r.Tools) == 0 {
			return f, false, invalid("tool_choice", "Invalid 'tool_choice': it is only allowed when 'tools' are given.")
		}
		return r.Tools[0].Function, true, nil
	case "function":
		for _, t := range r.Tools {
			if t.Function.Name == r.ToolChoice.name {
				return t.Function, true, nil
			}
		}
		return f, false, invalid("tool_choice", "Invalid 'tool_choice': there is no such function among 'tools'.")
	default:
		return f, false, nil
	}
}

// toolCall is a call, or a part of one in a stream.
type toolCall struct {
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function calledByName `json:"function"`
}

type calledByName struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// callTool answers every choice with a call of f.
func (j *chatJob) callTool(f function) error {
	arguments := make([][]token, len(j.gens))
	finishes := make([]string, len(j.gens))
	for i, g := range j.gens {
		text, err := j.arguments(f, i)
		if err != nil {
			return err
		}
		arguments[i] = j.server.model.vocabulary.encode(text)
		finishes[i] = finishToolCalls
		if len(arguments[i]) > g.limit {
			arguments[i], finishes[i] = arguments[i][:g.limit], finishLength
		}
		g.drawn = len(arguments[i])
	}
	if j.request.Stream {
		return j.streamCalls(f, arguments, finishes)
	}
	j.first = j.began
	pace := newPacer(j.server.options.TokensPerSecond)
	defer pace.stop()
	for i, tokens := range arguments {
		for range tokens {
			if err := pace.wait(j.r.Context()); err != nil {
				return err
			}
		}
		call := toolCall{ID: j.id("call_"), Type: "function", Function: calledByName{f.Name, j.text(tokens)}}
		j.answer.Choices = append(j.answer.Choices, chatChoice{
			Index: i, Message: &chatMessage{Role: "assistant", ToolCalls: []toolCall{call}}, Finish: &finishes[i],
		})
	}
	return j.send()
}

// text is what tokens say, made valid.
func (j *chatJob) text(tokens []token) string {
	return strings.ToValidUTF8(j.server.model.vocabulary.decode(tokens), replacement)
}

// streamCalls sends the head of each call and then its arguments token by token.
func (j *chatJob) streamCalls(f function, arguments [][]token, finishes []string) error {
	pace := newPacer(j.server.options.TokensPerSecond)
	defer pace.stop()
	j.first = j.began
	zero := 0
	for i, tokens := range arguments {
		head := toolCall{Index: &zero, ID: j.id("call_"), Type: "function", Function: calledByName{Name: f.Name}}
		if err := j.chunk(chatChoice{Index: i, Delta: &chatDelta{Role: "assistant", ToolCalls: []toolCall{head}}}); err != nil {
			return err
		}
		pending := ""
		for n, t := range tokens {
			if err := pace.wait(j.r.Context()); err != nil {
				return err
			}
			pending += j.server.model.vocabulary.pieces[t]
			ready := len(pending)
			if n+1 < len(tokens) {
				ready -= held(pending, nil)
			}
			if ready == 0 {
				continue
			}
			part := toolCall{Index: &zero, Function: calledByName{Arguments: strings.ToValidUTF8(pending[:ready], replacement)}}
			pending = pending[ready:]
			if err := j.chunk(chatChoice{Index: i, Delta: &chatDelta{ToolCalls: []toolCall{part}}}); err != nil {
				return err
			}
		}
		if err := j.chunk(chatChoice{Index: i, Delta: &chatDelta{}, Finish: &finishes[i]}); err != nil {
			return err
		}
	}
	j.finish()
	return j.closeStream()
}
