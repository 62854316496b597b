package modelserver

import (
	"encoding/json"
	"strings"
	"time"
)

const defaultCompletion = 16 // tokens of a completion that names no limit, as the API documents

// completionRequest is the body of a completion request.
type completionRequest struct {
	generateRequest

	Prompt   textInput `json:"prompt"`
	Logprobs *int      `json:"logprobs"`
	Echo     bool      `json:"echo"`
	BestOf   *int      `json:"best_of"`
}

// textInput is a text, a list of texts, a list of tokens or a list of such lists.
type textInput struct {
	texts  []string
	tokens [][]int
	many   bool // it was a list of texts
}

// UnmarshalJSON reads any of the four forms; null is no input.
func (t *textInput) UnmarshalJSON(data []byte) error {
	var text *string
	var ids []int
	if json.Unmarshal(data, &text) == nil {
		if text != nil {
			t.texts = []string{*text}
		}
		return nil
	}
	if json.Unmarshal(data, &ids) == nil && len(ids) > 0 {
		t.tokens = [][]int{ids}
		return nil
	}
	if json.Unmarshal(data, &t.texts) == nil {
		t.many = true
		return nil
	}
	t.texts = nil
	if json.Unmarshal(data, &t.tokens) == nil {
		return nil
	}
	return invalid("", "Invalid type for the input: expected a string, a list of strings, a list of tokens or a list of such lists.")
}

// encode returns the tokens of each input.
func (t *textInput) encode(s *Server, param string) ([][]token, error) {
	var out [][]token
	for _, text := range t.texts {
		out = append(out, s.model.vocabulary.encode(text))
	}
	for _, ids := range t.tokens {
		tokens := make([]token, len(ids))
		for i, id := range ids {
			var ok bool
			if tokens[i], ok = s.tokenOf(id); !ok {
				return nil, invalid(param, "Invalid '%s': a token id is out of range.", param)
			}
		}
		out = append(out, tokens)
	}
	return out, nil
}

// completionAnswer is a whole answer or one event of a stream.
type completionAnswer struct {
	extras

	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *usage             `json:"usage,omitempty"`
}

type completionChoice struct {
	Text     string          `json:"text"`
	Index    int             `json:"index"`
	Logprobs *legacyLogprobs `json:"logprobs"`
	Finish   *string         `json:"finish_reason"`
	Stopped  any             `json:"stop_reason,omitempty"`
	TokenIDs []int           `json:"token_ids,omitempty"`

	PromptLogprobs []any `json:"prompt_logprobs,omitempty"`
	PromptTokenIDs []int `json:"prompt_token_ids,omitempty"`
}

// completionJob is a checked completion request.
type completionJob struct {
	*exchange

	request    completionRequest
	engine     engineRequest
	prompts    [][]token
	scorers    []scorer
	gens       []*generation // candidates, prompt by prompt
	candidates int           // for each prompt
	want       wanted
	answer     completionAnswer
}

func (s *Server) completions(x *exchange) error {
	job := &completionJob{exchange: x}
	if err := x.read(&job.request); err != nil {
		return err
	}
	if err := job.prepare(); err != nil {
		return err
	}
	if job.request.Stream {
		return job.stream()
	}
	return job.whole()
}

// prepare checks the request and builds its candidates.
func (j *completionJob) prepare() error {
	r, s := &j.request, j.server
	if err := r.check(s); err != nil {
		return err
	}
	j.engine = r.engine(s)
	if err := j.engine.checkPrompt(s, r.Stream); err != nil {
		return err
	}
	var err error
	if j.prompts, err = r.Prompt.encode(s, "prompt"); err != nil {
		return err
	}
	if len(j.prompts) == 0 {
		j.prompts = [][]token{nil}
	}
	j.candidates = max(valueOr(r.BestOf, 1), r.choices())
	switch {
	case r.BestOf != nil && *r.BestOf < r.choices():
		return invalid("best_of", "Invalid 'best_of': expected at least the value of 'n'.")
	case r.Stream && j.candidates > r.choices():
		return invalid("best_of", "Invalid 'best_of': results cannot be streamed.")
	case len(j.prompts)*j.candidates > maxChoices:
		return invalid("prompt", "Invalid 'prompt': expected at most %d prompts times choices.", maxChoices)
	}
	if j.want, err = r.wanted(s, r.Logprobs != nil, valueOr(r.Logprobs, 0), maxLegacyTop, "logprobs"); err != nil {
		return err
	}
	how, err := r.sampling(s)
	if err != nil {
		return err
	}
	a := ask{
		goesOn: true, choices: j.candidates, seed: r.Seed, stops: r.Stop, keepStop: j.engine.KeepStop, want: j.want, how: how,
		limit: r.MaxTokens, otherwise: defaultCompletion,
	}
	if a.stopIDs, err = s.tokensIn(j.engine.StopTokenIDs, maxTargetedIDs, "stop_token_ids"); err != nil {
		return err
	}
	for i, prompt := range j.prompts {
		a.prompt, a.about, a.number = prompt, s.model.vocabulary.decode(prompt), i*j.candidates
		one, err := j.begin(a)
		if err != nil {
			return err
		}
		j.scorers = append(j.scorers, one.scorer)
		j.gens = append(j.gens, one.gens...)
	}
	j.answer = completionAnswer{ID: j.id("cmpl-"), Object: "text_completion", Created: time.Now().Unix(), Model: s.options.Name}
	return nil
}

// echo returns the prompt as the beginning of the answer, when that was asked for.
func (j *completionJob) echo(prompt int) (string, *legacyLogprobs) {
	if !j.request.Echo {
		return "", j.logprobs(piece{}, 0)
	}
	v := j.server.model.vocabulary
	text := strings.ToValidUTF8(v.decode(j.prompts[prompt]), replacement)
	if !j.want.logprobs {
		return text, nil
	}
	out := j.logprobs(piece{tokens: j.server.score(j.prompts[prompt], j.scorers[prompt], j.want)}, 0)
	if len(out.Scores) > 0 { // the first token follows nothing that the caller wrote
		out.Scores[0] = nil
		if out.Top != nil {
			out.Top[0] = nil
		}
	}
	return text, out
}

// logprobs turns tokens into the legacy form; nil when nothing was wanted.
func (j *completionJob) logprobs(p piece, base int) *legacyLogprobs {
	if !j.want.logprobs {
		return nil
	}
	out := &legacyLogprobs{Tokens: []string{}, Scores: []*float64{}, Offsets: []int{}, Top: []map[string]float64{}}
	if j.want.top == 0 && len(j.want.ids) == 0 {
		out.Top = nil
	}
	for _, r := range p.tokens {
		out.add(j.server.model.vocabulary, r, j.want, base)
	}
	return out
}

// promptTokens counts all prompts.
func (j *completionJob) promptTokens() int {
	n := 0
	for _, p := range j.prompts {
		n += len(p)
	}
	return n
}

// promptAsked is what the request asked about one of its prompts.
func (j *completionJob) promptAsked(prompt int) extras {
	var e extras
	if j.engine.PromptLogprobs != nil {
		e.PromptLogprobs = j.promptScores(j.prompts[prompt], j.scorers[prompt], *j.engine.PromptLogprobs)
	}
	if j.engine.ReturnTokenIDs {
		e.PromptTokenIDs = ids(j.prompts[prompt])
	}
	return e
}

// whole answers with one JSON document.
func (j *completionJob) whole() error {
	wholes, err := j.collect(j.gens)
	if err != nil {
		return err
	}
	n := j.request.choices()
	for i := range j.prompts {
		from, to := i*j.candidates, (i+1)*j.candidates
		for c, p := range best(wholes[from:to], n) {
			text, logprobs := j.echo(i)
			if logprobs != nil {
				rest := j.logprobs(p.piece, len(text))
				logprobs.Tokens = append(logprobs.Tokens, rest.Tokens...)
				logprobs.Scores = append(logprobs.Scores, rest.Scores...)
				logprobs.Top = append(logprobs.Top, rest.Top...)
				logprobs.Offsets = append(logprobs.Offsets, rest.Offsets...)
			}
			asked := j.promptAsked(i)
			j.answer.Choices = append(j.answer.Choices, completionChoice{
				Text: text + p.text, Index: i*n + c, Logprobs: logprobs, Finish: &p.finish,
				Stopped: j.stopReason(p.gen, p.finish), TokenIDs: j.tokenIDs(p.piece, j.engine),
				PromptLogprobs: asked.PromptLogprobs, PromptTokenIDs: asked.PromptTokenIDs,
			})
		}
	}
	j.count(j.promptTokens(), j.gens)
	j.answer.extras = j.promptExtras(j.prompts[0], j.scorers[0], engineRequest{})
	j.timingExtras(&j.answer.extras)
	j.answer.Usage = &j.usage
	return j.exchange.answer(j.answer)
}

// chunk sends one event with one choice.
func (j *completionJob) chunk(c completionChoice) error {
	event := j.answer
	event.Fingerprint = j.fingerprint()
	event.Choices = []completionChoice{c}
	return j.event(event)
}

// stream answers with events as the tokens are drawn.
func (j *completionJob) stream() error {
	bases := make([]int, len(j.gens))
	for i := range j.gens {
		text, logprobs := j.echo(i / j.candidates)
		bases[i] = len(text)
		if text == "" {
			continue
		}
		if err := j.chunk(completionChoice{Text: text, Index: i, Logprobs: logprobs}); err != nil {
			return err
		}
	}
	err := j.run(j.r.Context(), j.gens, func(i int, p piece) error {
		c := completionChoice{Text: p.text, Index: i, Logprobs: j.logprobs(p, bases[i]), TokenIDs: j.tokenIDs(p, j.engine)}
		if p.finish != "" {
			c.Finish, c.Stopped = &p.finish, j.stopReason(j.gens[i], p.finish)
		}
		return j.chunk(c)
	})
	j.count(j.promptTokens(), j.gens)
	if err != nil {
		return err
	}
	if j.request.includeUsage() || j.server.options.Habits.ExtraFields {
		last := j.answer
		j.timingExtras(&last.extras)
		last.Choices = []completionChoice{}
		if j.request.includeUsage() {
			last.Usage = &j.usage
		}
		if err := j.event(last); err != nil {
			return err
		}
	}
	return j.event(doneMark)
}
