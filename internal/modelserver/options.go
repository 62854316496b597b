package modelserver

import (
	"fmt"
	"log/slog"
	"strings"
)

// DefaultName is the API's name of an n-gram model when the options give none.
const DefaultName = "bartizan-small"

const (
	defaultMaxBody = 4 << 20
	contextTokens  = 8192 // prompt and answer together
)

// Options change how a model is served. The zero value is a well-behaved server
// that answers as fast as it can.
type Options struct {
	// Name is the model's id in the API; empty means [DefaultName] or [NeuralName].
	Name string
	// Engine says which engine's pages about itself are served, and who owns the model.
	// The zero value serves none, as hosted APIs do; the shapes are served all the same.
	Engine Engine
	// TokensPerSecond paces each choice of an answer; 0 means no pacing.
	TokensPerSecond float64
	// Habits switches on what real servers do wrong.
	Habits Habits
	// Seed makes the server repeatable: with it, a request that has no seed of its
	// own is answered by its body alone, so equal bodies get equal answers. With 0
	// such requests are answered afresh each time.
	Seed uint64
	// MaxBody bounds a request's body in bytes; 0 means 4 MiB.
	MaxBody int64
	// Log receives one line per request, never text; nil means no log.
	Log *slog.Logger
}

// Engine is an inference engine that a server passes itself off as.
type Engine string

// The engines that have pages about themselves. Proxies look there to find out what
// serves, so a server that is meant to be taken for one of them names that one only.
const (
	EngineVLLM     Engine = "vllm"     // /metrics, /version
	EngineSGLang   Engine = "sglang"   // /get_model_info
	EngineLlamaCpp Engine = "llamacpp" // /props, /slots
	EngineTGI      Engine = "tgi"      // /info
	EngineOllama   Engine = "ollama"   // /api/version, /api/tags, /api/show
	EngineTriton   Engine = "triton"   // /v2, and the config and stats of a model
	EngineEvery    Engine = "every"    // all of the above
)

// Habits are faults that real servers have. They exist so that a gateway and an
// audit have something to find.
type Habits struct {
	// UnrequestedLogprobs returns log-probabilities to callers who did not ask.
	UnrequestedLogprobs bool
	// ExtraFields returns token ids, prompt log-probabilities, timings, metrics,
	// cache handles, usage details and a fingerprint that names the build.
	ExtraFields bool
	// UnboundedLogprobs lets a caller ask for any number of alternatives (-1 for all)
	// and for chosen token ids (logprob_token_ids).
	UnboundedLogprobs bool
	// EngineFields honours what vLLM lets a caller ask for beside OpenAI's fields:
	// prompt_logprobs, logprob_token_ids, return_token_ids and their like.
	EngineFields bool
	// VerboseErrors names the size of the vocabulary and file paths in error texts.
	VerboseErrors bool
}

type habit struct {
	name string
	on   *bool
}

func habitsOf(h *Habits) []habit {
	return []habit{
		{"logprobs", &h.UnrequestedLogprobs},
		{"extra-fields", &h.ExtraFields},
		{"unbounded", &h.UnboundedLogprobs},
		{"engine-fields", &h.EngineFields},
		{"verbose-errors", &h.VerboseErrors},
	}
}

// ParseHabits reads "all", "none", an empty text, or names with commas between
// them: logprobs, extra-fields, unbounded, engine-fields, verbose-errors.
func ParseHabits(text string) (Habits, error) {
	var h Habits
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		known := name == "" || name == "none"
		for _, each := range habitsOf(&h) {
			if name == each.name || name == "all" {
				*each.on = true
				known = true
			}
		}
		if !known {
			return Habits{}, fmt.Errorf("habit %q: no such habit; use all, none, or some of logprobs, extra-fields, unbounded, engine-fields, verbose-errors", name)
		}
	}
	return h, nil
}

// String returns the text that [ParseHabits] reads.
func (h Habits) String() string {
	var on []string
	for _, each := range habitsOf(&h) {
		if *each.on {
			on = append(on, each.name)
		}
	}
	if len(on) == 0 {
		return "none"
	}
	return strings.Join(on, ",")
}
