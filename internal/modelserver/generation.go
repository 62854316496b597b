package modelserver

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// The reasons for the end of an answer, in the API's words.
const (
	finishStop      = "stop"
	finishLength    = "length"
	finishToolCalls = "tool_calls"
)

// wanted says what is reported about each token.
type wanted struct {
	logprobs bool
	top      int
	ids      []token // alternatives that are reported whatever their rank
	sampled  bool    // log-probabilities are those of the draw, after bias and cut-off
}

// report is what is known about one token of an answer.
type report struct {
	token   token
	logprob float64
	top     []scored
	targets []scored // of the ids that were asked for
	// offset is where the token's text begins in the answer, in bytes.
	offset int
	rank   int // among all tokens, from one; known for prompts only
}

// piece is a part of an answer: text that can be sent, and the tokens it is made of.
type piece struct {
	text    string
	tokens  []report
	finish  string // set on the last piece
	thought bool   // it belongs to what the model thinks before it answers
}

// generation is one choice of an answer in the making.
type generation struct {
	scorer     scorer
	sampler    *sampler
	vocabulary *vocabulary
	want       wanted
	limit      int
	stops      []string
	stopIDs    []token
	keepStop   bool // a stop sequence stays in the text

	thinking    *generation // draws the thought before the answer, if there is one
	thought     strings.Builder
	answerAfter func(thought string) scorer

	context  []token
	drawn    int
	surprise float64 // sum of negative log-probabilities
	dist     []float64
	pending  string // text that may yet turn out to be a stop sequence or half a rune
	sent     int    // bytes of text given out
	waiting  []report
	done     bool
	ended    *report // the end token, when the model drew it
	matched  string  // the stop sequence that ended the answer
	stopID   token   // the token of stopIDs that ended the answer, or -1
}

func newGeneration(v *vocabulary, s scorer, smp *sampler, context []token) *generation {
	return &generation{
		vocabulary: v, scorer: s, sampler: smp,
		context: append([]token{endToken}, context...),
		dist:    make([]float64, v.size()),
		stopID:  -1,
	}
}

// step draws one token and returns what can be sent because of it.
func (g *generation) step() piece {
	if g.thinking != nil && !g.thinking.done {
		return g.think()
	}
	if g.drawn >= g.limit {
		return g.finish(finishLength)
	}
	g.scorer.next(g.dist, g.context)
	t := g.sampler.draw(g.dist)
	if t == endToken {
		end := g.report(t)
		g.ended = &end
		return g.finish(finishStop)
	}
	if slices.Contains(g.stopIDs, t) {
		g.stopID = t
		return g.finish(finishStop)
	}
	g.drawn++
	g.surprise -= math.Log(g.dist[t])
	g.context = append(g.context, t)
	g.waiting = append(g.waiting, g.report(t))
	g.pending += g.vocabulary.pieces[t]
	if at, stop := firstStop(g.pending, g.stops); at >= 0 {
		g.matched = stop
		if g.keepStop {
			at += len(stop)
		}
		g.pending = g.pending[:at]
		return g.finish(finishStop)
	}
	if g.drawn >= g.limit {
		return g.finish(finishLength)
	}
	return g.release(len(g.pending)-held(g.pending, g.stops), "")
}

// report looks up what is wanted about the token just drawn.
func (g *generation) report(t token) report {
	r := report{token: t, offset: g.sent + len(g.pending)}
	if !g.want.logprobs {
		return r
	}
	dist := g.dist
	if g.want.sampled {
		dist = g.sampler.chances()
	}
	r.logprob = math.Log(dist[t])
	r.top = top(dist, g.want.top)
	for _, id := range g.want.ids {
		r.targets = append(r.targets, scored{id, math.Log(dist[id]), 0})
	}
	return r
}

// finish gives out the rest.
func (g *generation) finish(reason string) piece {
	g.done = true
	end := g.sent + len(g.pending)
	g.waiting = slices.DeleteFunc(g.waiting, func(r report) bool { return r.offset >= end })
	return g.release(len(g.pending), reason)
}

// release gives out n bytes of the pending text with the tokens that begin in it.
func (g *generation) release(n int, reason string) piece {
	p := piece{text: strings.ToValidUTF8(g.pending[:n], replacement), finish: reason}
	g.pending = g.pending[n:]
	g.sent += n
	ready := 0
	for ready < len(g.waiting) && (g.waiting[ready].offset < g.sent || reason != "") {
		ready++
	}
	p.tokens = g.waiting[:ready:ready]
	g.waiting = g.waiting[ready:]
	return p
}

// firstStop returns where the first stop sequence begins and which it is; at is -1
// when there is none.
func firstStop(text string, stops []string) (at int, which string) {
	at = -1
	for _, stop := range stops {
		if i := strings.Index(text, stop); i >= 0 && (at < 0 || i < at) {
			at, which = i, stop
		}
	}
	return at, which
}

// held returns how many bytes at the end of text must wait: they may be the
// beginning of a stop sequence or of a rune.
func held(text string, stops []string) int {
	longest := 0
	for _, stop := range stops {
		for n := min(len(stop)-1, len(text)); n > longest; n-- {
			if strings.HasSuffix(text, stop[:n]) {
				longest = n
			}
		}
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				longest = max(longest, n)
			}
			break
		}
	}
	return longest
}

// say draws a short phrase for an argument of a tool call: a few words, without the
// blank before them and without the mark after them.
func (g *generation) say(words int) string {
	g.limit = words
	var out strings.Builder
	for !g.done {
		p := g.step()
		if at := strings.IndexAny(p.text, ".,;:!?()\n\""); at >= 0 {
			out.WriteString(p.text[:at])
			if strings.TrimSpace(out.String()) != "" {
				break
			}
			continue
		}
		out.WriteString(p.text)
	}
	if said := strings.TrimSpace(out.String()); said != "" {
		return said
	}
	return "text"
}
