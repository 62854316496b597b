package modelserver

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

// extras are the fields that a talkative server adds to the top of an answer. All
// are left out by a well-behaved one.
type extras struct {
	Fingerprint    string         `json:"system_fingerprint,omitempty"`
	PromptTokenIDs []int          `json:"prompt_token_ids,omitempty"`
	PromptLogprobs []any          `json:"prompt_logprobs,omitempty"`
	Timings        map[string]any `json:"timings,omitempty"`
	Metrics        map[string]any `json:"metrics,omitempty"`
	KVTransfer     map[string]any `json:"kv_transfer_params,omitempty"`
}

// fingerprint names the build, as some servers do.
func (x *exchange) fingerprint() string {
	if !x.server.options.Habits.ExtraFields {
		return ""
	}
	return fmt.Sprintf("%s-v%d-tp1-%s", x.server.model.kind, x.server.model.VocabularySize(), runtime.Version())
}

// promptExtras tell about the prompt, what was asked and what nobody asked.
func (x *exchange) promptExtras(prompt []token, s scorer, asked engineRequest) extras {
	unasked := x.server.options.Habits.ExtraFields
	e := extras{Fingerprint: x.fingerprint()}
	if unasked || asked.ReturnTokenIDs {
		e.PromptTokenIDs = ids(prompt)
	}
	switch {
	case asked.PromptLogprobs != nil:
		e.PromptLogprobs = x.promptScores(prompt, s, *asked.PromptLogprobs)
	case unasked:
		e.PromptLogprobs = x.promptScores(prompt, s, 1)
	}
	return e
}

// timingExtras tell about time and machinery, once the answer is there.
func (x *exchange) timingExtras(e *extras) {
	if !x.server.options.Habits.ExtraFields {
		return
	}
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
	now := time.Now()
	prompt, predicted := x.first.Sub(x.began), now.Sub(x.first)
	e.Fingerprint = x.fingerprint()
	e.Timings = map[string]any{
		"prompt_n": x.usage.PromptTokens, "prompt_ms": ms(prompt),
		"predicted_n": x.usage.CompletionTokens, "predicted_ms": ms(predicted),
	}
	e.Metrics = map[string]any{"time_to_first_token_ms": ms(prompt), "queue_time_ms": 0.0, "finished_time": float64(now.UnixNano()) / 1e9}
	e.KVTransfer = map[string]any{"do_remote_prefill": false, "remote_engine_id": "engine-0", "remote_block_ids": []int{0, 1, x.usage.PromptTokens / 16}}
}

// tokenIDs are the ids of a piece, for who asked and on a server that gives them away.
func (x *exchange) tokenIDs(p piece, asked engineRequest) []int {
	if !x.server.options.Habits.ExtraFields && !asked.ReturnTokenIDs {
		return nil
	}
	return tokensOf(p)
}

func ids(tokens []token) []int {
	out := make([]int, len(tokens))
	for i, t := range tokens {
		out[i] = int(t)
	}
	return out
}

// score reads a text with the model and reports on each of its tokens.
func (s *Server) score(text []token, with scorer, w wanted) []report {
	v := s.model.vocabulary
	dist := make([]float64, v.size())
	context := append([]token{endToken}, text...)
	out := make([]report, len(text))
	offset := 0
	for i, t := range text {
		with.next(dist, context[:i+1])
		out[i] = report{token: t, logprob: math.Log(dist[t]), top: top(dist, w.top), offset: offset, rank: rankOf(dist, t)}
		for _, id := range w.ids {
			out[i].targets = append(out[i].targets, scored{id, math.Log(dist[id]), 0})
		}
		offset += len(v.pieces[t])
	}
	return out
}
