package modelserver

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxChoices     = 128 // prompts times choices of one request
	maxStops       = 4
	maxBias        = 1024
	maxBiasValue   = 100
	maxTop         = 20  // alternatives that the API documents
	maxLegacyTop   = 5   // the same for completions
	maxTargetedIDs = 128 // of logprob_token_ids, on a server that has it
	unaskedTop     = 5   // alternatives that a talkative server adds
)

// generateRequest holds the options that chat and completions share.
type generateRequest struct {
	engineRequest

	Model         string             `json:"model"`
	MaxTokens     *int               `json:"max_tokens"`
	Temperature   *float64           `json:"temperature"`
	TopP          *float64           `json:"top_p"`
	N             *int               `json:"n"`
	Seed          *int64             `json:"seed"`
	Stop          stopList           `json:"stop"`
	Stream        bool               `json:"stream"`
	StreamOptions *streamOptions     `json:"stream_options"`
	LogitBias     map[string]float64 `json:"logit_bias"`
	Presence      *float64           `json:"presence_penalty"`
	Frequency     *float64           `json:"frequency_penalty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// stopList is one stop sequence or several.
type stopList []string

// UnmarshalJSON reads a string, a list of strings or null.
func (l *stopList) UnmarshalJSON(data []byte) error {
	var one *string
	if json.Unmarshal(data, &one) == nil {
		if one != nil {
			*l = stopList{*one}
		}
		return nil
	}
	var many []string
	if json.Unmarshal(data, &many) != nil {
		return invalid("stop", "Invalid type for 'stop': expected a string or a list of strings.")
	}
	*l = many
	return nil
}

// includeUsage reports whether a stream ends with its usage.
func (r *generateRequest) includeUsage() bool {
	return r.StreamOptions != nil && r.StreamOptions.IncludeUsage
}

func (r *generateRequest) choices() int { return valueOr(r.N, 1) }

func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// check validates the shared options.
func (r *generateRequest) check(s *Server) error {
	if err := s.checkModel(r.Model); err != nil {
		return err
	}
	ranges := []struct {
		name     string
		value    *float64
		low, top float64
	}{
		{"temperature", r.Temperature, 0, 2},
		{"top_p", r.TopP, 0, 1},
		{"presence_penalty", r.Presence, -2, 2},
		{"frequency_penalty", r.Frequency, -2, 2},
	}
	for _, x := range ranges {
		if x.value != nil && (*x.value < x.low || *x.value > x.top || math.IsNaN(*x.value)) {
			return invalid(x.name, "Invalid '%s': expected a value between %g and %g.", x.name, x.low, x.top)
		}
	}
	if n := r.choices(); n < 1 || n > maxChoices {
		return invalid("n", "Invalid 'n': expected a value between 1 and %d.", maxChoices)
	}
	if len(r.Stop) > maxStops || slices.Contains(r.Stop, "") {
		return invalid("stop", "Invalid 'stop': expected at most %d sequences, none of them empty.", maxStops)
	}
	if r.StreamOptions != nil && !r.Stream {
		return invalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	if r.MaxTokens != nil && *r.MaxTokens < 0 {
		return invalid("max_tokens", "Invalid 'max_tokens': expected a value of at least 0.")
	}
	return nil
}

// sampling turns the options into what the sampler needs.
func (r *generateRequest) sampling(s *Server) (sampling, error) {
	out := sampling{
		temperature: valueOr(r.Temperature, 1),
		topP:        valueOr(r.TopP, 1),
		presence:    valueOr(r.Presence, 0),
		frequency:   valueOr(r.Frequency, 0),
	}
	if len(r.LogitBias) > maxBias {
		return out, invalid("logit_bias", "Invalid 'logit_bias': expected at most %d entries.", maxBias)
	}
	for key, value := range r.LogitBias {
		id, err := strconv.Atoi(key)
		if err != nil || value < -maxBiasValue || value > maxBiasValue {
			return out, invalid("logit_bias", "Invalid 'logit_bias': keys are token ids, values lie between -100 and 100.")
		}
		t, ok := s.tokenOf(id)
		if !ok {
			return out, invalid("logit_bias", "Invalid 'logit_bias': a token id is out of range.")
		}
		out.bias = append(out.bias, bias{t, value})
	}
	e := r.engine(s)
	e.sampling(&out)
	return out, nil
}

// tokenOf reports whether id is in the vocabulary.
func (s *Server) tokenOf(id int) (token, bool) {
	if id < 0 || id >= s.model.VocabularySize() {
		return 0, false
	}
	return token(id), true //nolint:gosec // less than the vocabulary's size
}

// wanted checks what the caller asks about tokens; asked says whether anything was.
func (r *generateRequest) wanted(s *Server, asked bool, k, most int, param string) (wanted, error) {
	h := s.options.Habits
	if h.UnboundedLogprobs {
		most = s.model.VocabularySize()
		if k < 0 {
			k = most
		}
	}
	if k < 0 || k > most {
		return wanted{}, invalid(param, "Invalid '%s': expected a value between 0 and %d.", param, most)
	}
	w := wanted{logprobs: asked, top: k}
	if h.UnrequestedLogprobs && !asked {
		w.logprobs, w.top = true, unaskedTop
	}
	targets := r.engine(s).TargetedIDs
	if len(targets) == 0 {
		return w, nil
	}
	w.logprobs, w.top = true, 0
	var err error
	w.ids, err = s.tokensIn(targets, maxTargetedIDs, "logprob_token_ids")
	return w, err
}

// room returns the number of tokens that the answer may have.
func room(prompt int, asked *int, otherwise int, param string) (int, error) {
	left := contextTokens - prompt
	if left < 1 {
		return 0, tooLong(prompt, 0, "messages")
	}
	if asked == nil {
		return min(left, otherwise), nil
	}
	if *asked > left {
		return 0, tooLong(prompt, *asked, param)
	}
	return *asked, nil
}

func tooLong(prompt, answer int, param string) error {
	e := invalid(param, "This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the prompt, %d for the answer). Please reduce the length of either.",
		contextTokens, prompt+answer, prompt, answer)
	e.Code = "context_length_exceeded"
	return e
}

// message is one turn of a conversation.
type message struct {
	Role      string          `json:"role"`
	Content   messageText     `json:"content"`
	ToolCalls json.RawMessage `json:"tool_calls"`
}

// messageText is a text or a list of parts that are texts.
type messageText string

// UnmarshalJSON joins the parts; null is the empty text.
func (t *messageText) UnmarshalJSON(data []byte) error {
	var one *string
	if json.Unmarshal(data, &one) == nil {
		*t = messageText(valueOr(one, ""))
		return nil
	}
	var parts []struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	}
	if json.Unmarshal(data, &parts) != nil {
		return invalid("messages", "Invalid type for 'messages': a message's content is a string or a list of parts.")
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Type != "text" && p.Type != "refusal" {
			return invalid("messages", "Invalid 'messages': this model reads text only.")
		}
		b.WriteString(p.Text + p.Refusal)
	}
	*t = messageText(b.String())
	return nil
}

// conversation renders messages as the text that the model is prompted with.
func conversation(messages []message) (string, error) {
	if len(messages) == 0 {
		return "", invalid("messages", "Invalid 'messages': expected at least one message.")
	}
	var b strings.Builder
	for i, m := range messages {
		switch m.Role {
		case "system", "developer", "user", "assistant", "tool", "function":
		default:
			return "", invalid("messages["+strconv.Itoa(i)+"].role", "Invalid value for the role of a message: '%s'.", m.Role)
		}
		b.WriteString(m.Role + "\n" + string(m.Content) + "\n\n")
	}
	return b.String(), nil
}

// topicOf is what a conversation is about: its last two user messages.
func topicOf(messages []message) string {
	var said []string
	for _, m := range slices.Backward(messages) {
		if m.Role == "user" && len(said) < 2 {
			said = append(said, string(m.Content))
		}
	}
	slices.Reverse(said)
	return strings.Join(said, "\n\n")
}
