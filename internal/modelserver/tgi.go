package modelserver

import (
	"maps"
	"slices"
)

const (
	textDefault = 100 // tokens of an answer that names no limit
	textTop     = 5   // alternatives of a token, at most
	textBest    = 2   // candidates of an answer, at most
)

// textRequest is the body of Text Generation Inference.
type textRequest struct {
	Inputs     string `json:"inputs"`
	Stream     bool   `json:"stream"`
	Parameters struct {
		MaxTokens   *int     `json:"max_new_tokens"`
		Temperature *float64 `json:"temperature"`
		TopP        *float64 `json:"top_p"`
		TopK        *int     `json:"top_k"`
		Sample      bool     `json:"do_sample"`
		Seed        *int64   `json:"seed"`
		Stop        stopList `json:"stop"`
		Frequency   *float64 `json:"frequency_penalty"`
		Details     bool     `json:"details"`
		Prefill     bool     `json:"decoder_input_details"`
		Top         *int     `json:"top_n_tokens"`
		BestOf      *int     `json:"best_of"`
		Full        bool     `json:"return_full_text"`
	} `json:"parameters"`
}

// ask says in no API's words what the request wants. Without any option of sampling
// the most probable token is taken.
func (r *textRequest) ask(s *Server) (ask, error) {
	p := &r.Parameters
	switch {
	case r.Inputs == "":
		return ask{}, invalid("inputs", "`inputs` cannot be empty")
	case p.MaxTokens != nil && *p.MaxTokens < 1:
		return ask{}, invalid("max_new_tokens", "`max_new_tokens` must be strictly positive")
	case p.Temperature != nil && *p.Temperature <= 0:
		return ask{}, invalid("temperature", "`temperature` must be strictly positive")
	case valueOr(p.Top, 0) < 0 || valueOr(p.Top, 0) > textTop:
		return ask{}, invalid("top_n_tokens", "`top_n_tokens` must be between 0 and %d", textTop)
	case valueOr(p.BestOf, 1) < 1 || valueOr(p.BestOf, 1) > textBest:
		return ask{}, invalid("best_of", "`best_of` must be between 1 and %d", textBest)
	}
	a := ask{
		prompt: s.model.vocabulary.encode(r.Inputs), about: r.Inputs, goesOn: true, choices: valueOr(p.BestOf, 1),
		limit: p.MaxTokens, otherwise: textDefault, limitName: "max_new_tokens", seed: p.Seed, stops: p.Stop, keepStop: true,
		how:  sampling{temperature: valueOr(p.Temperature, 1), topP: valueOr(p.TopP, 1), topK: valueOr(p.TopK, 0), frequency: valueOr(p.Frequency, 0)},
		want: wanted{logprobs: true, top: valueOr(p.Top, 0)},
	}
	if !p.Sample && p.Temperature == nil && p.TopP == nil && p.TopK == nil {
		a.how.temperature = 0
	}
	return a, nil
}

// textGenerate answers a body that is loaded.
func (s *Server) textGenerate(x *exchange, stream bool) error {
	var r textRequest
	if err := x.decode(&r); err != nil {
		return err
	}
	stream = stream || r.Stream
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	if stream && (a.choices > 1 || r.Parameters.Prefill) {
		return invalid("best_of", "`best_of` != 1 and `decoder_input_details` are not supported when streaming tokens")
	}
	j, err := x.begin(a)
	if err != nil {
		return err
	}
	t := &textJob{job: j, request: r}
	if stream {
		return t.stream()
	}
	return t.whole()
}

// textJob is a request that is being answered.
type textJob struct {
	*job

	request textRequest
}

// textToken is what is known about a token.
type textToken struct {
	ID      int      `json:"id"`
	Text    string   `json:"text"`
	Logprob *float64 `json:"logprob"`
	Special bool     `json:"special"`
}

func (t *textJob) token(id token, logprob float64) textToken {
	return textToken{int(id), t.server.model.vocabulary.shown(id), &logprob, id == endToken}
}

func (t *textJob) alternatives(r report) []textToken {
	out := []textToken{}
	for _, a := range r.top {
		out = append(out, t.token(a.token, a.logprob))
	}
	return out
}

// reported are the tokens of a choice, with the end token when the model drew it.
func reported(p piece, g *generation) []report {
	if g.ended == nil || p.finish == "" {
		return p.tokens
	}
	return append(slices.Clone(p.tokens), *g.ended)
}

// textFinish is the end of an answer in the engine's words.
func textFinish(g *generation, finish string) string {
	switch {
	case finish == finishLength:
		return "length"
	case g.matched != "":
		return "stop_sequence"
	default:
		return "eos_token"
	}
}

// details are those of one choice.
func (t *textJob) details(w whole) object {
	tokens, tops := []textToken{}, [][]textToken{}
	for _, r := range reported(w.piece, w.gen) {
		tokens = append(tokens, t.token(r.token, r.logprob))
		tops = append(tops, t.alternatives(r))
	}
	v := object{
		"finish_reason": textFinish(w.gen, w.finish), "generated_tokens": len(tokens), "seed": t.seed, "prefill": []textToken{}, "tokens": tokens,
	}
	if t.want.top > 0 {
		v["top_tokens"] = tops
	}
	if t.request.Parameters.Prefill {
		prefill := []textToken{}
		for i, r := range t.server.score(t.prompt, t.scorer, wanted{}) {
			one := t.token(r.token, r.logprob)
			if i == 0 {
				one.Logprob = nil
			}
			prefill = append(prefill, one)
		}
		v["prefill"] = prefill
	}
	return v
}

func (t *textJob) text(said string) string {
	if t.request.Parameters.Full {
		return t.request.Inputs + said
	}
	return said
}

func (t *textJob) whole() error {
	wholes, err := t.wholes()
	if err != nil {
		return err
	}
	ranked := best(wholes, len(wholes))
	answer := object{"generated_text": t.text(ranked[0].text)}
	if t.request.Parameters.Details {
		details := t.details(ranked[0])
		var others []object
		for _, w := range ranked[1:] {
			other := t.details(w)
			other["generated_text"] = t.text(w.text)
			others = append(others, other)
		}
		if others != nil {
			details["best_of_sequences"] = others
		}
		answer["details"] = details
	}
	return t.answer(answer)
}

// stream sends one event per token, each with its id and log-probability; the last
// has the whole text.
func (t *textJob) stream() error {
	said, index := "", 0
	var held *report // the last token is sent with the end
	send := func(r report, last object) error {
		index++
		event := object{"index": index, "token": t.token(r.token, r.logprob), "generated_text": nil, "details": nil}
		if t.want.top > 0 {
			event["top_tokens"] = t.alternatives(r)
		}
		maps.Copy(event, last)
		return t.event(event)
	}
	finish := ""
	err := t.job.stream(func(_ int, p piece) error {
		said += p.text
		finish = p.finish
		for _, r := range reported(p, t.gens[0]) {
			if held != nil {
				if err := send(*held, nil); err != nil {
					return err
				}
			}
			held = &r
		}
		return nil
	})
	if err != nil || held == nil {
		return err
	}
	return send(*held, object{"generated_text": t.text(said), "details": object{
		"finish_reason": textFinish(t.gens[0], finish), "generated_tokens": index + 1, "input_length": len(t.prompt), "seed": t.seed,
	}})
}
