package modelserver

import (
	"slices"
	"strconv"
)

// engineRequest holds the fields that vLLM adds to the requests of OpenAI. They are
// read when the server has the habit [Habits.EngineFields], and ignored otherwise.
type engineRequest struct {
	PromptLogprobs *int  `json:"prompt_logprobs"`
	TargetedIDs    []int `json:"logprob_token_ids"`
	ReturnTokenIDs bool  `json:"return_token_ids"`
	TokensAsIDs    bool  `json:"return_tokens_as_token_ids"`
	StopTokenIDs   []int `json:"stop_token_ids"`
	KeepStop       bool  `json:"include_stop_str_in_output"`
	IgnoreEnd      bool  `json:"ignore_eos"`
	TopK           *int  `json:"top_k"`
	ThinkingBudget *int  `json:"thinking_token_budget"`
}

// engine are the engine's fields that count on this server.
func (r *generateRequest) engine(s *Server) engineRequest {
	switch h := s.options.Habits; {
	case h.EngineFields:
		return r.engineRequest
	case h.UnboundedLogprobs:
		return engineRequest{TargetedIDs: r.TargetedIDs}
	default:
		return engineRequest{}
	}
}

// engineSampling adds the engine's part to what the sampler needs.
func (e *engineRequest) sampling(h *sampling) {
	if e.IgnoreEnd {
		h.bias = append(h.bias, bias{endToken, never})
	}
	h.topK = max(valueOr(e.TopK, 0), 0) // -1 is all, too
}

// never is the bias of a token that must not be drawn.
const never = -1e9

// checkPrompt refuses what cannot be told about a prompt.
func (e *engineRequest) checkPrompt(s *Server, streamed bool) error {
	k := valueOr(e.PromptLogprobs, 0)
	if e.PromptLogprobs != nil && streamed {
		return invalid("prompt_logprobs", "`prompt_logprobs` are not available when `stream=True`.")
	}
	if k < -1 || k == -1 && !s.options.Habits.UnboundedLogprobs || k > maxTop && !s.options.Habits.UnboundedLogprobs {
		return invalid("prompt_logprobs", "Invalid 'prompt_logprobs': expected a value between 0 and %d.", maxTop)
	}
	return nil
}

// promptScores are the log-probabilities of a prompt with its k best alternatives at
// each place, as vLLM spells them: nothing for the first token.
func (x *exchange) promptScores(prompt []token, s scorer, k int) []any {
	v := x.server.model.vocabulary
	if k < 0 {
		k = v.size()
	}
	var out []any
	for i, r := range x.server.score(prompt, s, wanted{logprobs: true, top: k}) {
		if i == 0 {
			out = append(out, nil)
			continue
		}
		entry := object{}
		for _, a := range append(r.top, scored{r.token, r.logprob, r.rank}) {
			entry[strconv.Itoa(int(a.token))] = object{"logprob": a.logprob, "rank": a.rank, "decoded_token": v.shown(a.token)}
		}
		out = append(out, entry)
	}
	return out
}

// stopReason is the stop sequence or token that ended an answer; nil for the model's
// own end.
func (x *exchange) stopReason(g *generation, finish string) any {
	switch {
	case !x.server.options.Habits.EngineFields || finish == "":
		return nil
	case g.stopID >= 0:
		return int(g.stopID)
	case g.matched != "":
		return g.matched
	default:
		return nil
	}
}

// alternatives are all tokens that are reported beside the one drawn.
func (r report) alternatives() []scored { return slices.Concat(r.top, r.targets) }
