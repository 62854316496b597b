package modelserver

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

// llama.cpp's sampling when nothing else is asked.
const (
	llamaTemperature = 0.8
	llamaTopP        = 0.95
	llamaTopK        = 40
)

// llamaRoutes serve the shape of llama.cpp's own server.
func (s *Server) llamaRoutes() []route {
	return []route{
		{http.MethodPost, "/completion", llamaError, s.llamaCompletion},
		{http.MethodPost, "/completions", llamaError, s.llamaCompletion},
	}
}

// llamaRequest is the body of a completion request.
type llamaRequest struct {
	Prompt       textInput `json:"prompt"`
	NumPredict   *int      `json:"n_predict"`
	Temperature  *float64  `json:"temperature"`
	TopP         *float64  `json:"top_p"`
	TopK         *int      `json:"top_k"`
	Seed         *int64    `json:"seed"`
	Stop         stopList  `json:"stop"`
	Stream       bool      `json:"stream"`
	NumProbs     int       `json:"n_probs"`
	PostSampling bool      `json:"post_sampling_probs"`
	ReturnTokens bool      `json:"return_tokens"`
	IgnoreEnd    bool      `json:"ignore_eos"`
	LogitBias    llamaBias `json:"logit_bias"`
	Presence     float64   `json:"presence_penalty"`
	Frequency    float64   `json:"frequency_penalty"`
}

// llamaBias is a list of pairs of an id or a text and a number or false, or an object
// of the same.
type llamaBias []llamaBiasEntry

type llamaBiasEntry struct {
	key   any // a number or a text
	value float64
}

// UnmarshalJSON reads either form.
func (b *llamaBias) UnmarshalJSON(data []byte) error {
	var pairs [][]any
	var named map[string]any
	switch {
	case json.Unmarshal(data, &pairs) == nil:
	case json.Unmarshal(data, &named) == nil:
		for key, value := range named {
			entry := any(key)
			if id, err := strconv.Atoi(key); err == nil {
				entry = float64(id)
			}
			pairs = append(pairs, []any{entry, value})
		}
	default:
		return invalid("logit_bias", "logit_bias must be a list of pairs or an object")
	}
	for _, pair := range pairs {
		if len(pair) != 2 {
			return invalid("logit_bias", "an entry of logit_bias must be a pair")
		}
		value, ok := pair[1].(float64)
		if off, isBool := pair[1].(bool); isBool && !off {
			value, ok = never, true
		}
		if !ok {
			return invalid("logit_bias", "a value of logit_bias must be a number or false")
		}
		*b = append(*b, llamaBiasEntry{pair[0], value})
	}
	return nil
}

// biases turns the entries into tokens; a text stands for each of its tokens.
func (b llamaBias) biases(s *Server) ([]bias, error) {
	var out []bias
	for _, e := range b {
		switch key := e.key.(type) {
		case float64:
			t, ok := s.tokenOf(int(key))
			if !ok || key != math.Trunc(key) {
				return nil, invalid("logit_bias", "a token of logit_bias is out of range")
			}
			out = append(out, bias{t, e.value})
		case string:
			for _, t := range s.model.vocabulary.encode(key) {
				out = append(out, bias{t, e.value})
			}
		default:
			return nil, invalid("logit_bias", "a key of logit_bias must be a token or a text")
		}
		if len(out) > maxBias {
			return nil, invalid("logit_bias", "logit_bias must name at most %d tokens", maxBias)
		}
	}
	return out, nil
}

// llamaDefaults are the settings of a request that has none.
func llamaDefaults() object {
	return object{"temperature": llamaTemperature, "top_p": llamaTopP, "top_k": llamaTopK, "n_predict": -1, "n_probs": 0, "post_sampling_probs": false, "ignore_eos": false}
}

// ask says in no API's words what the request wants.
func (r *llamaRequest) ask(s *Server) (ask, error) {
	prompts, err := r.Prompt.encode(s, "prompt")
	switch {
	case err != nil:
		return ask{}, err
	case len(prompts) != 1:
		return ask{}, invalid("prompt", "\"prompt\" must be one string or one list of tokens")
	case r.NumProbs < 0:
		return ask{}, invalid("n_probs", "n_probs must be at least 0")
	}
	a := ask{
		prompt: prompts[0], about: s.model.vocabulary.decode(prompts[0]), goesOn: true,
		otherwise: contextTokens, limitName: "n_predict", stops: r.Stop,
		how: sampling{
			temperature: max(valueOr(r.Temperature, llamaTemperature), 0), topP: valueOr(r.TopP, llamaTopP), topK: max(valueOr(r.TopK, llamaTopK), 0),
			presence: r.Presence, frequency: r.Frequency,
		},
		want: wanted{logprobs: r.NumProbs > 0, top: min(r.NumProbs, s.model.VocabularySize()), sampled: r.PostSampling},
	}
	if valueOr(r.NumPredict, -1) >= 0 { // -1 is no limit
		a.limit = r.NumPredict
	}
	if valueOr(r.Seed, -1) >= 0 { // -1 is any
		a.seed = r.Seed
	}
	if a.how.bias, err = r.LogitBias.biases(s); err != nil {
		return a, err
	}
	if r.IgnoreEnd {
		a.how.bias = append(a.how.bias, bias{endToken, never})
	}
	return a, nil
}

func (s *Server) llamaCompletion(x *exchange) error {
	var r llamaRequest
	if err := x.read(&r); err != nil {
		return err
	}
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	begun, err := x.begin(a)
	if err != nil {
		return err
	}
	j := &llamaJob{job: begun, request: r}
	if r.Stream {
		return j.stream()
	}
	return j.whole()
}

// llamaJob is a completion request that is being answered.
type llamaJob struct {
	*job

	request llamaRequest
}

// probabilities are the tokens of a piece: their log-probabilities as the model gives
// them, or the probabilities of the draw.
func (j *llamaJob) probabilities(p piece) []object {
	entry := func(t token, logprob float64) object {
		a := j.server.model.vocabulary.alternative(t, logprob)
		v := object{"id": int(t), "token": a.Token, "bytes": a.Bytes}
		if j.request.PostSampling {
			v["prob"] = math.Exp(logprob)
		} else {
			v["logprob"] = logprob
		}
		return v
	}
	key := "top_logprobs"
	if j.request.PostSampling {
		key = "top_probs"
	}
	out := []object{}
	for _, r := range p.tokens {
		v, alternatives := entry(r.token, r.logprob), []object{}
		for _, a := range r.top {
			alternatives = append(alternatives, entry(a.token, a.logprob))
		}
		v[key] = alternatives
		out = append(out, v)
	}
	return out
}

func (j *llamaJob) whole() error {
	wholes, err := j.wholes()
	if err != nil {
		return err
	}
	w := wholes[0]
	v := j.end(w.finish)
	v["content"], v["tokens"] = w.text, []int{}
	if j.request.ReturnTokens {
		v["tokens"] = tokensOf(w.piece)
	}
	if j.request.NumProbs > 0 {
		v["completion_probabilities"] = j.probabilities(w.piece)
	}
	return j.answer(v)
}

// stream answers with events; each has the ids of its tokens, asked or not.
func (j *llamaJob) stream() error {
	finish := ""
	predicted := 0
	err := j.job.stream(func(_ int, p piece) error {
		finish = p.finish
		predicted += len(p.tokens)
		if p.text == "" && len(p.tokens) == 0 {
			return nil
		}
		v := object{
			"index": 0, "content": p.text, "tokens": tokensOf(p), "stop": false, "id_slot": 0,
			"tokens_predicted": predicted, "tokens_evaluated": len(j.prompt),
		}
		if j.request.NumProbs > 0 {
			v["completion_probabilities"] = j.probabilities(p)
		}
		return j.event(v)
	})
	if err != nil {
		return err
	}
	v := j.end(finish)
	v["content"], v["tokens"] = "", []int{}
	return j.event(v)
}

// end is what the server tells when the answer is there.
func (j *llamaJob) end(finish string) object {
	g, kind := j.gens[0], "eos"
	switch {
	case finish == finishLength:
		kind = "limit"
	case g.matched != "":
		kind = "word"
	}
	settings := llamaDefaults()
	settings["temperature"], settings["top_p"], settings["top_k"] = j.how.temperature, j.how.topP, j.how.topK
	settings["n_predict"], settings["n_probs"], settings["post_sampling_probs"] = valueOr(j.request.NumPredict, -1), j.request.NumProbs, j.request.PostSampling
	settings["ignore_eos"], settings["stop"], settings["model"] = j.request.IgnoreEnd, append(make([]string, 0, len(j.stops)), j.stops...), modelPath(j.server.options.Name)
	return object{
		"index": 0, "id_slot": 0, "stop": true, "model": j.server.options.Name, "tokens_predicted": g.drawn, "tokens_evaluated": len(j.prompt),
		"generation_settings": settings, "prompt": j.about, "has_new_line": false, "truncated": false,
		"stop_type": kind, "stopping_word": g.matched, "tokens_cached": len(j.prompt) + g.drawn, "timings": j.llamaTimings(),
	}
}

func (j *llamaJob) llamaTimings() object {
	now := time.Now()
	if j.first.IsZero() {
		j.first = now
	}
	part := func(name string, n int, d time.Duration) object {
		ms := float64(d.Nanoseconds()) / 1e6
		each, rate := 0.0, 0.0
		if n > 0 && ms > 0 {
			each, rate = ms/float64(n), float64(n)/ms*1e3
		}
		return object{name + "_n": n, name + "_ms": ms, name + "_per_token_ms": each, name + "_per_second": rate}
	}
	out := part("prompt", len(j.prompt), j.first.Sub(j.began))
	maps.Copy(out, part("predicted", j.gens[0].drawn, now.Sub(j.first)))
	return out
}
