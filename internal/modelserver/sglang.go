package modelserver

import "time"

const sglangDefault = 128 // tokens of an answer that names no limit

// sglangRequest is the body of SGLang's own API.
type sglangRequest struct {
	Text     textInput `json:"text"`
	InputIDs textInput `json:"input_ids"`
	Stream   bool      `json:"stream"`
	Logprob  bool      `json:"return_logprob"`
	Start    *int      `json:"logprob_start_len"`
	Top      int       `json:"top_logprobs_num"`
	Targets  []int     `json:"token_ids_logprob"`
	Texts    bool      `json:"return_text_in_logprobs"`
	Sampling struct {
		MaxTokens   *int               `json:"max_new_tokens"`
		Temperature *float64           `json:"temperature"`
		TopP        *float64           `json:"top_p"`
		TopK        *int               `json:"top_k"`
		N           *int               `json:"n"`
		Seed        *int64             `json:"sampling_seed"`
		Stop        stopList           `json:"stop"`
		StopIDs     []int              `json:"stop_token_ids"`
		IgnoreEnd   bool               `json:"ignore_eos"`
		Presence    float64            `json:"presence_penalty"`
		Frequency   float64            `json:"frequency_penalty"`
		LogitBias   map[string]float64 `json:"logit_bias"`
	} `json:"sampling_params"`
}

// ask says in no API's words what the request wants, but for the prompt.
func (r *sglangRequest) ask(s *Server) (ask, error) {
	p := &r.Sampling
	if r.Top < 0 {
		return ask{}, invalid("top_logprobs_num", "top_logprobs_num must be at least 0")
	}
	shared := generateRequest{
		Temperature: p.Temperature, TopP: p.TopP, LogitBias: p.LogitBias, Presence: &p.Presence, Frequency: &p.Frequency,
	}
	how, err := shared.sampling(s)
	if err != nil {
		return ask{}, err
	}
	e := engineRequest{IgnoreEnd: p.IgnoreEnd, TopK: p.TopK}
	e.sampling(&how)
	a := ask{
		goesOn: true, choices: valueOr(p.N, 1), limit: p.MaxTokens, otherwise: sglangDefault, limitName: "max_new_tokens", seed: p.Seed,
		stops: p.Stop, how: how, want: wanted{logprobs: r.Logprob, top: min(r.Top, s.model.VocabularySize())},
	}
	if a.stopIDs, err = s.tokensIn(p.StopIDs, maxTargetedIDs, "stop_token_ids"); err != nil {
		return a, err
	}
	a.want.ids, err = s.tokensIn(r.Targets, s.model.VocabularySize(), "token_ids_logprob")
	return a, err
}

// sglangGenerate answers a body that is loaded.
func (s *Server) sglangGenerate(x *exchange) error {
	var r sglangRequest
	if err := x.decode(&r); err != nil {
		return err
	}
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	prompts, err := r.prompts(s)
	if err != nil {
		return err
	}
	many := r.Text.many || len(r.InputIDs.tokens) > 1 || a.choices > 1
	if len(prompts)*a.choices > maxChoices || many && r.Stream {
		return invalid("text", "Too many prompts times choices, or several in one stream.")
	}
	all := []object{}
	total := 0
	for i, prompt := range prompts {
		a.prompt, a.about, a.number = prompt, s.model.vocabulary.decode(prompt), i*a.choices
		g, err := r.begin(x, a)
		if err != nil {
			return err
		}
		if r.Stream {
			return g.stream()
		}
		wholes, err := g.wholes()
		if err != nil {
			return err
		}
		total += x.usage.CompletionTokens
		for _, w := range wholes {
			all = append(all, g.result(w))
		}
	}
	x.usage.CompletionTokens = total
	if !many {
		return x.answer(all[0])
	}
	return x.answer(all)
}

// begin builds the choices of one prompt, and scores it if that was asked for.
func (r *sglangRequest) begin(x *exchange, a ask) (*sglangJob, error) {
	j, err := x.begin(a)
	if err != nil {
		return nil, err
	}
	g := &sglangJob{job: j, request: *r, id: x.id("")}
	if start := valueOr(r.Start, -1); r.Logprob && start >= 0 && start < len(a.prompt) {
		g.input = x.server.score(a.prompt, j.scorer, a.want)[start:]
	}
	return g, nil
}

// prompts are the tokens of each prompt, given as text or as ids.
func (r *sglangRequest) prompts(s *Server) ([][]token, error) {
	in, name := r.Text, "text"
	if len(r.InputIDs.tokens) > 0 {
		in, name = r.InputIDs, "input_ids"
	}
	prompts, err := in.encode(s, name)
	if err != nil {
		return nil, err
	}
	if len(prompts) == 0 {
		return nil, invalid(name, "Either text or input_ids should be provided.")
	}
	return prompts, nil
}

// sglangJob is a request that is being answered.
type sglangJob struct {
	*job

	request sglangRequest
	id      string
	input   []report // of the prompt, from the place that was asked for
}

// entry is a token as SGLang writes it: log-probability, id, text.
func (g *sglangJob) entry(t token, logprob any) []any {
	var text any
	if g.request.Texts {
		text = g.server.model.vocabulary.shown(t)
	}
	return []any{logprob, int(t), text}
}

func (g *sglangJob) entries(list []scored) [][]any {
	out := [][]any{}
	for _, a := range list {
		out = append(out, g.entry(a.token, a.logprob))
	}
	return out
}

// logprobs adds what is known about tokens under names that begin alike. The first
// token of a prompt has no log-probability.
func (g *sglangJob) logprobs(meta object, name string, tokens []report, prompt bool) {
	chosen, tops, targets := [][]any{}, []any{}, []any{}
	for i, r := range tokens {
		if prompt && i == 0 && r.offset == 0 {
			chosen, tops, targets = append(chosen, g.entry(r.token, nil)), append(tops, nil), append(targets, nil)
			continue
		}
		chosen = append(chosen, g.entry(r.token, r.logprob))
		tops, targets = append(tops, g.entries(r.top)), append(targets, g.entries(r.targets))
	}
	meta[name+"_token_logprobs"] = chosen
	if g.want.top > 0 {
		meta[name+"_top_logprobs"] = tops
	}
	if len(g.want.ids) > 0 {
		meta[name+"_token_ids_logprobs"] = targets
	}
}

// result is one choice, whole or so far.
func (g *sglangJob) result(w whole) object {
	reason := any(nil)
	switch {
	case w.finish == finishLength:
		reason = object{"type": "length", "length": w.gen.drawn}
	case w.finish != "" && w.gen.matched != "":
		reason = object{"type": "stop", "matched": w.gen.matched}
	case w.finish != "" && w.gen.stopID >= 0:
		reason = object{"type": "stop", "matched": int(w.gen.stopID)}
	case w.finish != "":
		reason = object{"type": "stop", "matched": int(endToken)}
	}
	meta := object{
		"id": g.id, "finish_reason": reason, "prompt_tokens": len(g.prompt), "completion_tokens": w.gen.drawn, "cached_tokens": 0,
		"weight_version": "default", "e2e_latency": time.Since(g.began).Seconds(),
	}
	if g.want.logprobs {
		g.logprobs(meta, "output", w.tokens, false)
		g.logprobs(meta, "input", g.input, true)
	}
	return object{"text": w.text, "output_ids": tokensOf(w.piece), "meta_info": meta}
}

// stream sends the answer so far with every event.
func (g *sglangJob) stream() error {
	so := whole{gen: g.gens[0]}
	err := g.job.stream(func(_ int, p piece) error {
		so.text += p.text
		so.tokens = append(so.tokens, p.tokens...)
		so.finish = p.finish
		return g.event(g.result(so))
	})
	if err != nil {
		return err
	}
	return g.event(doneMark)
}
