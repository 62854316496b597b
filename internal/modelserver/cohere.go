package modelserver

import "net/http"

const (
	cohereTemperature = 0.3
	cohereTopP        = 0.75
)

// cohereRoutes serve the shape of Cohere's second chat API.
func (s *Server) cohereRoutes() []route {
	return []route{{http.MethodPost, "/v2/chat", cohereError, s.cohereChat}}
}

// cohereRequest is the body of a chat request.
type cohereRequest struct {
	Model       string    `json:"model"`
	Messages    []message `json:"messages"`
	MaxTokens   *int      `json:"max_tokens"`
	Temperature *float64  `json:"temperature"`
	TopP        *float64  `json:"p"`
	TopK        *int      `json:"k"`
	Seed        *int64    `json:"seed"`
	Stop        []string  `json:"stop_sequences"`
	Presence    float64   `json:"presence_penalty"`
	Frequency   float64   `json:"frequency_penalty"`
	Logprobs    bool      `json:"logprobs"`
	Stream      bool      `json:"stream"`
	Thinking    *struct {
		Type   string `json:"type"`
		Budget *int   `json:"token_budget"`
	} `json:"thinking"`
}

func (r *cohereRequest) ask(s *Server) (ask, error) {
	if err := s.checkModel(r.Model); err != nil {
		return ask{}, err
	}
	text, err := conversation(r.Messages)
	if err != nil {
		return ask{}, err
	}
	a := ask{
		prompt: s.model.vocabulary.encode(text), about: topicOf(r.Messages), limit: r.MaxTokens, otherwise: contextTokens, seed: r.Seed, stops: r.Stop,
		how: sampling{
			temperature: valueOr(r.Temperature, cohereTemperature), topP: valueOr(r.TopP, cohereTopP), topK: valueOr(r.TopK, 0),
			presence: r.Presence, frequency: r.Frequency,
		},
		want: wanted{logprobs: r.Logprobs},
	}
	if s.thinks(r.Model) || r.Thinking != nil && r.Thinking.Type == "enabled" {
		a.think = defaultThink
	}
	switch {
	case r.Thinking != nil && r.Thinking.Type == "disabled":
		a.think = 0
	case r.Thinking != nil && r.Thinking.Budget != nil && a.think > 0:
		a.think = max(*r.Thinking.Budget, 0)
	}
	return a, nil
}

func (s *Server) cohereChat(x *exchange) error {
	var r cohereRequest
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
	c := &cohereJob{job: j, id: j.id("")}
	if r.Stream {
		return c.stream()
	}
	return c.whole()
}

// cohereJob is a chat request that is being answered.
type cohereJob struct {
	*job

	id    string
	block int
	open  string
}

// logprobs are the tokens of a piece as one chunk: ids come with the numbers.
func (c *cohereJob) logprobs(p piece) object {
	numbers := []float64{}
	for _, r := range p.tokens {
		numbers = append(numbers, r.logprob)
	}
	return object{"token_ids": tokensOf(p), "text": p.text, "logprobs": numbers}
}

// ending is the end of an answer in the API's words.
func (c *cohereJob) ending(finish string) string {
	switch {
	case finish == finishLength:
		return "MAX_TOKENS"
	case c.gens[0].matched != "":
		return "STOP_SEQUENCE"
	default:
		return "COMPLETE"
	}
}

func (c *cohereJob) cohereUsage() object {
	count := object{"input_tokens": c.usage.PromptTokens, "output_tokens": c.usage.CompletionTokens}
	return object{"billed_units": count, "tokens": count}
}

func (c *cohereJob) whole() error {
	wholes, err := c.wholes()
	if err != nil {
		return err
	}
	w := wholes[0]
	content := []object{}
	if c.think > 0 {
		content = append(content, object{"type": "thinking", "thinking": w.reasoning.text})
	}
	content = append(content, object{"type": "text", "text": w.text})
	v := object{
		"id": c.id, "finish_reason": c.ending(w.finish), "message": object{"role": "assistant", "content": content}, "usage": c.cohereUsage(),
	}
	if c.want.logprobs {
		v["logprobs"] = []object{c.logprobs(w.piece)}
	}
	return c.answer(v)
}

// send sends one event, whose type is its name.
func (c *cohereJob) send(name string, v object) error {
	v["type"] = name
	return c.named(name, v)
}

func (c *cohereJob) stream() error {
	err := c.send("message-start", object{"id": c.id, "delta": object{"message": object{"role": "assistant", "content": []any{}, "tool_plan": "", "tool_calls": []any{}, "citations": []any{}}}})
	if err != nil {
		return err
	}
	finish := ""
	err = c.job.stream(func(_ int, p piece) error {
		finish = p.finish
		kind := "text"
		if p.thought {
			kind = "thinking"
		}
		if err := c.enter(kind); err != nil {
			return err
		}
		if p.text == "" && len(p.tokens) == 0 {
			return nil
		}
		v := object{"index": c.block, "delta": object{"message": object{"content": object{kind: p.text}}}}
		if c.want.logprobs && !p.thought {
			v["logprobs"] = c.logprobs(p)
		}
		return c.send("content-delta", v)
	})
	if err != nil {
		return err
	}
	if err := c.enter(""); err != nil {
		return err
	}
	return c.send("message-end", object{"id": c.id, "delta": object{"finish_reason": c.ending(finish), "usage": c.cohereUsage()}})
}

// enter closes the open block, unless it is of that kind, and opens one; the empty
// kind opens none.
func (c *cohereJob) enter(kind string) error {
	if c.open == kind {
		return nil
	}
	if c.open != "" {
		if err := c.send("content-end", object{"index": c.block}); err != nil {
			return err
		}
		c.block++
	}
	c.open = kind
	if kind == "" {
		return nil
	}
	return c.send("content-start", object{"index": c.block, "delta": object{"message": object{"content": object{"type": kind, kind: ""}}}})
}
