package modelserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What include may name.
const (
	includeLogprobs  = "message.output_text.logprobs"
	includeEncrypted = "reasoning.encrypted_content"
)

// responsesRoutes serve the shape of OpenAI's responses.
func (s *Server) responsesRoutes() []route {
	return []route{{http.MethodPost, "/v1/responses", openAIError, s.responses}}
}

// responsesRequest is the body of a responses request.
type responsesRequest struct {
	Model        string         `json:"model"`
	Input        responsesInput `json:"input"`
	Instructions string         `json:"instructions"`
	MaxTokens    *int           `json:"max_output_tokens"`
	Temperature  *float64       `json:"temperature"`
	TopP         *float64       `json:"top_p"`
	TopLogprobs  *int           `json:"top_logprobs"`
	Include      []string       `json:"include"`
	Stream       bool           `json:"stream"`
	Store        *bool          `json:"store"`
	Reasoning    *struct {
		Effort  string `json:"effort"`
		Summary string `json:"summary"`
	} `json:"reasoning"`
}

// responsesInput is a text or a list of items; what is no message is passed over.
type responsesInput []message

// UnmarshalJSON reads either form.
func (in *responsesInput) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*in = responsesInput{{Role: "user", Content: messageText(text)}}
		return nil
	}
	var items []struct {
		Type    string          `json:"type"`
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(data, &items) != nil {
		return invalid("input", "Invalid type for 'input': expected a string or a list of items.")
	}
	for _, item := range items {
		if item.Type != "" && item.Type != "message" {
			continue
		}
		text, ok := partsText(item.Content)
		if !ok {
			return invalid("input", "Invalid 'input': this model reads text only.")
		}
		*in = append(*in, message{Role: item.Role, Content: messageText(text)})
	}
	return nil
}

// partsText joins a text or a list of parts that are texts, whatever they are called.
func partsText(data json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return text, true
	}
	var parts []struct {
		Text *string `json:"text"`
	}
	if json.Unmarshal(data, &parts) != nil {
		return "", false
	}
	var joined strings.Builder
	for _, p := range parts {
		if p.Text == nil {
			return "", false
		}
		_, _ = joined.WriteString(*p.Text) // a Builder does not fail
	}
	return joined.String(), true
}

// ask says in no API's words what the request wants.
func (r *responsesRequest) ask(s *Server) (ask, error) {
	if err := s.checkModel(r.Model); err != nil {
		return ask{}, err
	}
	said := []message(r.Input)
	if r.Instructions != "" {
		said = append([]message{{Role: "system", Content: messageText(r.Instructions)}}, said...)
	}
	text, err := conversation(said)
	if err != nil {
		return ask{}, err
	}
	k := valueOr(r.TopLogprobs, 0)
	if k < 0 || k > maxTop {
		return ask{}, invalid("top_logprobs", "Invalid 'top_logprobs': expected a value between 0 and %d.", maxTop)
	}
	a := ask{
		prompt: s.model.vocabulary.encode(text), about: topicOf(said), limit: r.MaxTokens, otherwise: contextTokens, limitName: "max_output_tokens",
		how:  sampling{temperature: valueOr(r.Temperature, 1), topP: valueOr(r.TopP, 1)},
		want: wanted{logprobs: slices.Contains(r.Include, includeLogprobs), top: k},
	}
	if s.thinks(r.Model) || r.Reasoning != nil && r.Reasoning.Effort != "none" && r.Reasoning.Effort != "" {
		a.think = defaultThink
	}
	return a, nil
}

func (s *Server) responses(x *exchange) error {
	var r responsesRequest
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
	job := &responseJob{
		job: j, request: r, id: j.id("resp_"), thoughtID: j.id("rs_"), messageID: j.id("msg_"), created: time.Now().Unix(),
		open: s.thinks(r.Model),
	}
	if r.Stream {
		return job.stream()
	}
	return job.whole()
}

// responseJob is a responses request that is being answered.
type responseJob struct {
	*job

	request                  responsesRequest
	id, thoughtID, messageID string
	created                  int64
	open                     bool // the thought itself is shown, as servers of open models do
}

// logprobs are the tokens of a piece, when they were asked for.
func (r *responseJob) logprobs(p piece) []chatScore {
	out := []chatScore{}
	if !r.want.logprobs {
		return out
	}
	for _, each := range p.tokens {
		out = append(out, r.server.model.vocabulary.chatScore(each))
	}
	return out
}

// reasoningItem is the thought: sealed, summed up or as it is.
func (r *responseJob) reasoningItem(thought string) object {
	item := object{"type": "reasoning", "id": r.thoughtID, "summary": []object{}, "status": "completed"}
	if summary := r.summary(thought); summary != "" {
		item["summary"] = []object{{"type": "summary_text", "text": summary}}
	}
	if r.open {
		item["content"] = []object{{"type": "reasoning_text", "text": thought}}
	}
	if slices.Contains(r.request.Include, includeEncrypted) {
		item["encrypted_content"] = r.server.seal(thought)
	}
	return item
}

// summary is the thought's first sentence, or all of it where detail was asked for.
func (r *responseJob) summary(thought string) string {
	if r.request.Reasoning == nil || r.request.Reasoning.Summary == "" {
		return ""
	}
	if at := strings.IndexAny(thought, ".!?\n"); at >= 0 && r.request.Reasoning.Summary != "detailed" {
		return thought[:at+1]
	}
	return thought
}

func (r *responseJob) textPart(w piece) object {
	return object{"type": "output_text", "text": w.text, "annotations": []any{}, "logprobs": r.logprobs(w)}
}

func (r *responseJob) messageItem(status string, content ...object) object {
	if content == nil {
		content = []object{}
	}
	return object{"type": "message", "id": r.messageID, "status": status, "role": "assistant", "content": content}
}

// response is the object that the answer consists of, in any of its states.
func (r *responseJob) response(status string, output []object) object {
	v := object{
		"id": r.id, "object": "response", "created_at": r.created, "status": status, "error": nil, "incomplete_details": nil,
		"instructions": orNull(r.request.Instructions), "max_output_tokens": r.request.MaxTokens, "model": r.request.Model, "output": output,
		"parallel_tool_calls": true, "previous_response_id": nil, "reasoning": object{"effort": nil, "summary": nil},
		"store": valueOr(r.request.Store, true), "temperature": r.how.temperature, "text": object{"format": object{"type": "text"}},
		"tool_choice": "auto", "tools": []any{}, "top_logprobs": r.want.top, "top_p": r.how.topP, "truncation": "disabled", "usage": nil, "user": nil, "metadata": object{},
	}
	if reasoning := r.request.Reasoning; reasoning != nil {
		v["reasoning"] = object{"effort": orNull(reasoning.Effort), "summary": orNull(reasoning.Summary)}
	}
	if status == "incomplete" {
		v["incomplete_details"] = object{"reason": "max_output_tokens"}
	}
	if status != "in_progress" {
		v["usage"] = object{
			"input_tokens": r.usage.PromptTokens, "input_tokens_details": object{"cached_tokens": 0},
			"output_tokens": r.usage.CompletionTokens, "output_tokens_details": object{"reasoning_tokens": thoughtTokens(r.gens)},
			"total_tokens": r.usage.TotalTokens,
		}
	}
	return v
}

// statusOf is the status of an answer with this end.
func statusOf(finish string) string {
	if finish == finishLength {
		return "incomplete"
	}
	return "completed"
}

// output are the items of a whole answer.
func (r *responseJob) output(w whole) []object {
	var out []object
	if r.think > 0 {
		out = append(out, r.reasoningItem(w.reasoning.text))
	}
	return append(out, r.messageItem(statusOf(w.finish), r.textPart(w.piece)))
}

func (r *responseJob) whole() error {
	wholes, err := r.wholes()
	if err != nil {
		return err
	}
	return r.answer(r.response(statusOf(wholes[0].finish), r.output(wholes[0])))
}
