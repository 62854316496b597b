package modelserver

import (
	"time"
)

// chatRequest is the body of a chat request.
type chatRequest struct {
	generateRequest

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
	TokenIDs []int         `json:"token_ids,omitempty"`
}

// chatMessage is a whole message of the model.
type chatMessage struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	Refusal   *string    `json:"refusal"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// chatDelta is a part of a message.
type chatDelta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

// chatJob is a checked chat request, ready to be answered.
type chatJob struct {
	*exchange

	request chatRequest
	prompt  []token
	scorer  scorer
	gens    []*generation
	want    wanted
	answer  chatAnswer
}

func (s *Server) chat(x *exchange) error {
	job := &chatJob{exchange: x}
	if err := x.read(&job.request); err != nil {
		return err
	}
	if err := job.prepare(); err != nil {
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
func (j *chatJob) prepare() error {
	r, s := &j.request, j.server
	if err := r.check(s); err != nil {
		return err
	}
	text, err := conversation(r.Messages)
	if err != nil {
		return err
	}
	j.prompt = s.model.vocabulary.encode(text)
	limit, param := r.MaxTokens, "max_tokens"
	if r.MaxCompletionTokens != nil {
		limit, param = r.MaxCompletionTokens, "max_completion_tokens"
	}
	if limit != nil && *limit < 1 {
		return invalid(param, "Invalid '%s': expected a value of at least 1.", param)
	}
	tokens, err := room(len(j.prompt), limit, contextTokens, param)
	if err != nil {
		return err
	}
	if r.TopLogprobs != nil && !r.Logprobs {
		return invalid("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	if j.want, err = r.wanted(s, r.Logprobs, valueOr(r.TopLogprobs, 0), maxTop, "top_logprobs"); err != nil {
		return err
	}
	how, err := r.sampling(s)
	if err != nil {
		return err
	}
	j.scorer = s.model.language.condition(topicOf(r.Messages))
	for i := range r.choices() {
		g := newGeneration(s.model.vocabulary, j.scorer, newSampler(how, j.rng(r.Seed, i), s.model.VocabularySize()), nil)
		g.limit, g.stops, g.want = tokens, r.Stop, j.want
		j.gens = append(j.gens, g)
	}
	j.answer = chatAnswer{ID: j.id("chatcmpl-"), Created: time.Now().Unix(), Model: s.options.Name}
	return nil
}

// logprobs turns the tokens of a piece into the chat form; nil when nothing was wanted.
func (j *chatJob) logprobs(p piece) *chatLogprobs {
	if !j.want.logprobs {
		return nil
	}
	v := j.server.model.vocabulary
	out := &chatLogprobs{Content: make([]chatScore, 0, len(p.tokens))}
	for _, r := range p.tokens {
		score := chatScore{alternative: v.alternative(r.token, r.logprob), Top: make([]alternative, 0, len(r.top))}
		for _, a := range r.top {
			score.Top = append(score.Top, v.alternative(a.token, a.logprob))
		}
		out.Content = append(out.Content, score)
	}
	return out
}

// whole answers with one JSON document.
func (j *chatJob) whole() error {
	pieces, err := j.collect(j.gens)
	if err != nil {
		return err
	}
	for i, p := range pieces {
		j.answer.Choices = append(j.answer.Choices, chatChoice{
			Index: i, Message: &chatMessage{Role: "assistant", Content: &p.text},
			Logprobs: j.logprobs(p), Finish: &p.finish, TokenIDs: j.tokenIDs(p),
		})
	}
	return j.send()
}

// send completes a whole answer.
func (j *chatJob) send() error {
	j.count(len(j.prompt), j.gens)
	j.answer.Object = "chat.completion"
	j.answer.extras = j.promptExtras(j.prompt, j.scorer)
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
	err := j.run(j.r.Context(), j.gens, func(i int, p piece) error {
		if p.text != "" || len(p.tokens) > 0 {
			c := chatChoice{Index: i, Delta: &chatDelta{Content: &p.text}, Logprobs: j.logprobs(p), TokenIDs: j.tokenIDs(p)}
			if err := j.chunk(c); err != nil {
				return err
			}
		}
		if p.finish == "" {
			return nil
		}
		return j.chunk(chatChoice{Index: i, Delta: &chatDelta{}, Finish: &p.finish})
	})
	j.count(len(j.prompt), j.gens)
	if err != nil {
		return err
	}
	return j.closeStream()
}

// openStream sends the role of each choice.
func (j *chatJob) openStream() error {
	first := j.answer
	first.Object = "chat.completion.chunk"
	first.extras = j.promptExtras(j.prompt, j.scorer)
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
	return j.event("[DONE]")
}
