package modelserver

import (
	"math"
	"slices"
	"strings"
)

const (
	maxEngineStops = 16  // stop sequences that engines take
	maxHeat        = 100 // temperature above which nothing but noise is left
	defaultThink   = 64  // tokens of a thought that names no limit
)

// ask is a request for text in no API's words.
type ask struct {
	prompt []token // what is counted as the prompt
	about  string  // what the model is asked
	goesOn bool    // the answer goes on after the prompt, as a completion does

	choices   int  // 0 is 1
	number    int  // of the first choice among all of the request
	limit     *int // tokens of a choice, with its thought
	otherwise int  // the limit when none is given
	limitName string

	how      sampling
	seed     *int64
	stops    []string
	stopIDs  []token
	keepStop bool // a stop sequence stays in the text
	want     wanted
	think    int // tokens of thought before the answer; 0 is none
}

// job is a request that is being answered.
type job struct {
	*exchange
	ask

	scorer scorer
	gens   []*generation
}

// begin checks a request and builds its choices.
func (x *exchange) begin(a ask) (*job, error) {
	s := x.server
	if err := a.check(); err != nil {
		return nil, err
	}
	tokens, err := room(len(a.prompt), a.limit, a.otherwise, a.limitName)
	if err != nil {
		return nil, err
	}
	v := s.model.vocabulary
	j := &job{exchange: x, ask: a, scorer: s.model.language.condition(a.about)}
	var context []token
	if a.goesOn {
		context = a.prompt
	}
	for i := range a.choices {
		g := newGeneration(v, j.scorer, newSampler(a.how, x.rng(a.seed, a.number+i), v.size()), context)
		g.limit, g.stops, g.stopIDs, g.keepStop, g.want = tokens, a.stops, a.stopIDs, a.keepStop, a.want
		if a.think > 0 {
			g.thinkFirst(a.about, min(a.think, max(1, tokens/2)), s.model.language)
		}
		j.gens = append(j.gens, g)
	}
	return j, nil
}

// check fills in and bounds the options that every API has.
func (a *ask) check() error {
	if a.choices == 0 {
		a.choices = 1
	}
	if a.limitName == "" {
		a.limitName = "max_tokens"
	}
	switch {
	case a.choices < 0 || a.choices > maxChoices:
		return invalid("n", "Invalid number of choices: expected a value between 1 and %d.", maxChoices)
	case a.limit != nil && *a.limit < 0:
		return invalid(a.limitName, "Invalid '%s': expected a value of at least 0.", a.limitName)
	case len(a.stops) > maxEngineStops || slices.Contains(a.stops, ""):
		return invalid("stop", "Invalid stop sequences: expected at most %d, none of them empty.", maxEngineStops)
	default:
		return a.how.check()
	}
}

// check bounds the options of sampling.
func (h *sampling) check() error {
	switch {
	case h.temperature < 0 || h.temperature > maxHeat:
		return invalid("temperature", "Invalid 'temperature': expected a value between 0 and %d.", maxHeat)
	case h.topP < 0 || h.topP > 1:
		return invalid("top_p", "Invalid 'top_p': expected a value between 0 and 1.")
	case h.topK < 0:
		return invalid("top_k", "Invalid 'top_k': expected a value of at least 0.")
	case math.Abs(h.presence) > maxHeat || math.Abs(h.frequency) > maxHeat:
		return invalid("frequency_penalty", "Invalid penalty: expected a value between -%d and %d.", maxHeat, maxHeat)
	default:
		return nil
	}
}

// finish counts the answer's tokens; call it once all are drawn.
func (j *job) finish() { j.count(len(j.prompt), j.gens) }

// whole is one choice at its end.
type whole struct {
	piece

	reasoning piece // the thought before it
	gen       *generation
}

// stream runs the choices, hands out every piece, and counts at the end.
func (j *job) stream(emit func(i int, p piece) error) error {
	err := j.run(j.r.Context(), j.gens, emit)
	j.finish()
	return err
}

// wholes runs the choices to their end and counts.
func (j *job) wholes() ([]whole, error) {
	out, err := j.collect(j.gens)
	j.finish()
	return out, err
}

// collect runs the choices to their end.
func (x *exchange) collect(gens []*generation) ([]whole, error) {
	out := make([]whole, len(gens))
	texts, thoughts := make([]strings.Builder, len(gens)), make([]strings.Builder, len(gens))
	err := x.run(x.r.Context(), gens, func(i int, p piece) error {
		if p.thought {
			_, _ = thoughts[i].WriteString(p.text) // a Builder does not fail
			out[i].reasoning.tokens = append(out[i].reasoning.tokens, p.tokens...)
			return nil
		}
		_, _ = texts[i].WriteString(p.text)
		out[i].tokens = append(out[i].tokens, p.tokens...)
		out[i].finish = p.finish
		return nil
	})
	for i := range out {
		out[i].text, out[i].reasoning.text, out[i].gen = texts[i].String(), thoughts[i].String(), gens[i]
	}
	return out, err
}

// thinkFirst makes the generation think about the prompt before it answers. The
// thought is drawn like any text, and the answer is asked with the thought.
func (g *generation) thinkFirst(about string, budget int, m language) {
	t := newGeneration(g.vocabulary, g.scorer, newSampler(g.sampler.sampling, g.sampler.rng, g.vocabulary.size()), nil)
	t.limit, t.want = budget, g.want
	g.thinking = t
	g.answerAfter = func(thought string) scorer { return m.condition(about + "\n\n" + thought) }
}

// think draws one token of the thought.
func (g *generation) think() piece {
	p := g.thinking.step()
	p.thought = true
	_, _ = g.thought.WriteString(p.text) // a Builder does not fail
	if g.thinking.done {
		p.finish = ""
		g.scorer = g.answerAfter(g.thought.String())
		g.limit -= g.thinking.drawn
	}
	return p
}

// spent is the number of tokens drawn, with those of the thought.
func (g *generation) spent() int { return g.drawn + g.thoughtTokens() }

func (g *generation) thoughtTokens() int {
	if g.thinking == nil {
		return 0
	}
	return g.thinking.drawn
}

// thoughtTokens sums the tokens of all thoughts.
func thoughtTokens(gens []*generation) int {
	n := 0
	for _, g := range gens {
		n += g.thoughtTokens()
	}
	return n
}

// meanLogprob is the mean log-probability of the answer's tokens.
func (g *generation) meanLogprob() float64 {
	return -g.surprise / float64(max(g.drawn, 1))
}

// tokensOf are the ids of the tokens of a piece.
func tokensOf(p piece) []int {
	out := make([]int, len(p.tokens))
	for i, r := range p.tokens {
		out[i] = int(r.token)
	}
	return out
}

// tokensIn checks ids against the vocabulary; param names their field.
func (s *Server) tokensIn(given []int, most int, param string) ([]token, error) {
	if len(given) > most {
		return nil, invalid(param, "Invalid '%s': expected at most %d ids.", param, most)
	}
	out := make([]token, 0, len(given))
	for _, id := range given {
		t, ok := s.tokenOf(id)
		if !ok {
			return nil, invalid(param, "Invalid '%s': a token id is out of range.", param)
		}
		out = append(out, t)
	}
	return out, nil
}
