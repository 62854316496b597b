package modelserver

import (
	"time"
)

// chatRequest is the body of a chat request.
type chatRequest struct {
	generateRequest
	reasoningRequest

	Messages            []message  `json:"messages"`
	MaxCompletionTokens *int       `json:"max_completion_tokens"`
	Logprobs            bool       `json:"logprobs"`
	TopLogprobs         *int       `json:"top_logprobs"`
	Tools               []tool     `json:"tools"`
	ToolChoice          toolChoice `json:"tool_choice"`
}

// chatAnswer is a whole answer or one event of a stream.
type chatAnswer struct {
	extras

	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *usage       `json:"usage,omitempty"`
}

type chatChoice struct {
	Index    int           `json:"index"`
	Message  *chatMessage  `json:"message,omitempty"`
	Delta    *chatDelta    `json:"delta,omitempty"`
	Logprobs *chatLogprobs `json:"logprobs"`
	Finish   *string       `json:"finish_reason"`
	Stopped  any           `json:"stop_reason,omitempty"`
	TokenIDs []int         `json:"token_ids,omitempty"`
}

// chatMessage is a whole message of the model.
type chatMessage struct {
	Role      string     `json:"role"`
	Content   any        `json:"content"` // a text, parts, or nothing
	Reasoning *string    `json:"reasoning_content,omitempty"`
	Refusal   *string    `json:"refusal"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// chatDelta is a part of a message.
type chatDelta struct {
	Role      string     `json:"role,omitempty"`
	Content   any        `json:"content,omitempty"`
	Reasoning *string    `json:"reasoning_content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// chatJob is a checked chat request, ready to be answered.
type chatJob struct {
	*job

	request  chatRequest
	engine   engineRequest
	thoughts []shownThought // of each choice
	answer   chatAnswer
}

func (s *Server) chat(x *exchange) error {
	job := &chatJob{}
	if err := x.read(&job.request); err != nil {
		return err
	}
	if err := job.prepare(x); err != nil {
		return err
	}
	function, called, err := job.request.calledTool()
	if err != nil {
		return err
	}
	if called {
		return job.callTool(function)
	}
	if job.request.Stream {
		return job.stream()
	}
	return job.whole()
}

// prepare checks the request and builds its choices.
func (j *chatJob) prepare(x *exchange) error {
	r, s := &j.request, x.server
	if err := r.check(s); err != nil {
		return err
	}
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	j.engine = r.engine(s)
	if err := j.engine.checkPrompt(s, r.Stream); err != nil {
		return err
	}
	mode := r.mode(s.thinks(r.Model))
	if mode != thoughtNone {
		a.think = max(valueOr(j.engine.ThinkingBudget, defaultThink), 1)
	}
	if j.job, err = x.begin(a); err != nil {
		return err
	}
	for range j.gens {
		j.thoughts = append(j.thoughts, shownThought{mode: mode})
	}
	j.answer = chatAnswer{ID: j.id("chatcmpl-"), Created: time.Now().Unix(), Model: r.Model}
	return nil
}

// ask says in no API's words what the request wants.
func (r *chatRequest) ask(s *Server) (ask, error) {
	text, err := conversation(r.Messages)
	if err != nil {
		return ask{}, err
	}
	a := ask{
		prompt: s.model.vocabulary.encode(text), about: topicOf(r.Messages), choices: r.choices(), seed: r.Seed, stops: r.Stop,
		limit: r.MaxTokens, otherwise: contextTokens, limitName: "max_tokens", keepStop: r.engine(s).KeepStop,
	}
	if r.MaxCompletionTokens != nil {
		a.limit, a.limitName = r.MaxCompletionTokens, "max_completion_tokens"
	}
	if a.limit != nil && *a.limit < 1 {
		return a, invalid(a.limitName, "Invalid '%s': expected a value of at least 1.", a.limitName)
	}
	if r.TopLogprobs != nil && !r.Logprobs {
		return a, invalid("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	if a.want, err = r.wanted(s, r.Logprobs, valueOr(r.TopLogprobs, 0), maxTop, "top_logprobs"); err != nil {
		return a, err
	}
	if a.stopIDs, err = s.tokensIn(r.engine(s).StopTokenIDs, maxTargetedIDs, "stop_token_ids"); err != nil {
		return a, err
	}
	a.how, err = r.sampling(s)
	return a, err
}

// logprobs turns the tokens of a piece into the chat form; nil when nothing was wanted.
func (j *chatJob) logprobs(p piece) *chatLogprobs {
	if !j.want.logprobs {
		return nil
	}
	v := j.server.model.vocabulary
	out := &chatLogprobs{Content: make([]chatScore, 0, len(p.tokens))}
	for _, r := range p.tokens {
		score := v.chatScore(r)
		if j.engine.TokensAsIDs {
			score.nameByIDs(r)
		}
		out.Content = append(out.Content, score)
	}
	return out
}

// whole answers with one JSON document.
func (j *chatJob) whole() error {
	wholes, err := j.wholes()
	if err != nil {
		return err
	}
	for i, w := range wholes {
		seen := j.thoughts[i].seen(w)
		j.answer.Choices = append(j.answer.Choices, chatChoice{
			Index: i, Message: j.thoughts[i].message(w), Logprobs: j.logprobs(seen), Finish: &w.finish,
			Stopped: j.stopReason(w.gen, w.finish), TokenIDs: j.tokenIDs(seen, j.engine),
		})
	}
	return j.send()
}

// send completes a whole answer.
func (j *chatJob) send() error {
	j.finish()
	j.answer.Object = "chat.completion"
	j.answer.extras = j.promptExtras(j.prompt, j.scorer, j.engine)
	j.timingExtras(&j.answer.extras)
	j.answer.Usage = &j.usage
	return j.exchange.answer(j.answer)
}

// chunk sends one event with one choice.
func (j *chatJob) chunk(c chatChoice) error {
	event := j.answer
	event.Object = "chat.completion.chunk"
	event.Fingerprint = j.fingerprint()
	event.Choices = []chatChoice{c}
	return j.event(event)
}

// stream answers with events as the tokens are drawn.
func (j *chatJob) stream() error {
	if err := j.openStream(); err != nil {
		return err
	}
	err := j.job.stream(func(i int, p piece) error {
		if delta := j.thoughts[i].delta(p); delta != nil {
			c := chatChoice{Index: i, Delta: delta, Logprobs: j.logprobs(p), TokenIDs: j.tokenIDs(p, j.engine)}
			if err := j.chunk(c); err != nil {
				return err
			}
		}
		if p.finish == "" {
			return nil
		}
		return j.chunk(chatChoice{Index: i, Delta: &chatDelta{}, Finish: &p.finish, Stopped: j.stopReason(j.gens[i], p.finish)})
	})
	if err != nil {
		return err
	}
	return j.closeStream()
}

// openStream sends the role of each choice.
func (j *chatJob) openStream() error {
	first := j.answer
	first.Object = "chat.completion.chunk"
	first.extras = j.promptExtras(j.prompt, j.scorer, j.engine)
	empty := ""
	for i := range j.gens {
		first.Choices = []chatChoice{{Index: i, Delta: &chatDelta{Role: "assistant", Content: &empty}}}
		if err := j.event(first); err != nil {
			return err
		}
		first.extras = extras{Fingerprint: j.fingerprint()}
	}
	return nil
}

// closeStream sends the usage, if it was asked for, and the end mark.
func (j *chatJob) closeStream() error {
	if j.request.includeUsage() || j.server.options.Habits.ExtraFields {
		last := j.answer
		last.Object = "chat.completion.chunk"
		j.timingExtras(&last.extras)
		last.Choices = []chatChoice{}
		if j.request.includeUsage() {
			last.Usage = &j.usage
		}
		if err := j.event(last); err != nil {
			return err
		}
	}
	return j.event(doneMark)
}
