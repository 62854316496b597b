package modelserver

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// usage counts tokens in the API's shape.
type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`

	PromptDetails     map[string]int `json:"prompt_tokens_details,omitempty"`
	CompletionDetails map[string]int `json:"completion_tokens_details,omitempty"`
}

// count sums the answer's tokens.
func (x *exchange) count(prompt int, gens []*generation) {
	x.usage = usage{PromptTokens: prompt}
	for _, g := range gens {
		x.usage.CompletionTokens += g.drawn
	}
	x.finishUsage()
}

func (x *exchange) finishUsage() {
	u := &x.usage
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	if x.server.options.Habits.ExtraFields {
		u.PromptDetails = map[string]int{"cached_tokens": u.PromptTokens / 16 * 16, "audio_tokens": 0}
		u.CompletionDetails = map[string]int{"reasoning_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
	}
}

// run draws the choices in turn, one token each, and hands every piece that can be
// sent to emit. It ends at once when ctx is done. With a pace it waits for each
// round of tokens.
func (x *exchange) run(ctx context.Context, gens []*generation, emit func(i int, p piece) error) error {
	pace := newPacer(x.server.options.TokensPerSecond)
	defer pace.stop()
	for active := len(gens); active > 0; {
		if err := pace.wait(ctx); err != nil {
			return err
		}
		for i, g := range gens {
			if g.done {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err //nolint:wrapcheck // the client left; nobody reads this
			}
			p := g.step()
			if x.first.IsZero() {
				x.first = time.Now()
			}
			if g.done {
				active--
			}
			if p.text == "" && len(p.tokens) == 0 && p.finish == "" {
				continue
			}
			if err := emit(i, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect runs the choices to their end.
func (x *exchange) collect(gens []*generation) ([]piece, error) {
	whole := make([]piece, len(gens))
	texts := make([]strings.Builder, len(gens))
	err := x.run(x.r.Context(), gens, func(i int, p piece) error {
		_, _ = texts[i].WriteString(p.text) // a Builder does not fail
		whole[i].tokens = append(whole[i].tokens, p.tokens...)
		whole[i].finish = p.finish
		return nil
	})
	for i := range whole {
		whole[i].text = texts[i].String()
	}
	return whole, err
}

// pacer spaces rounds of tokens.
type pacer struct {
	every time.Duration
	next  time.Time
	timer *time.Timer
}

func newPacer(perSecond float64) *pacer {
	p := &pacer{}
	if perSecond > 0 {
		p.every = time.Duration(float64(time.Second) / perSecond)
		p.next = time.Now().Add(p.every)
		p.timer = time.NewTimer(p.every)
	}
	return p
}

// wait blocks until the next round is due or ctx is done.
func (p *pacer) wait(ctx context.Context) error {
	if p.timer == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the client left; nobody reads this
	case <-p.timer.C:
		p.next = p.next.Add(p.every)
		p.timer.Reset(time.Until(p.next))
		return nil
	}
}

func (p *pacer) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// shown is the text of a token as the API shows it; bytes that are no text are
// spelled out.
func (v *vocabulary) shown(t token) string {
	piece := v.pieces[t]
	if utf8.ValidString(piece) {
		return piece
	}
	var b strings.Builder
	b.WriteString("bytes:")
	for i := range len(piece) {
		const hex = "0123456789abcdef"
		b.WriteString(`\x`)
		b.WriteByte(hex[piece[i]>>4])
		b.WriteByte(hex[piece[i]&15])
	}
	return b.String()
}

// chatLogprobs is the chat form of what is known about tokens.
type chatLogprobs struct {
	Content []chatScore `json:"content"`
	Refusal []chatScore `json:"refusal"`
}

// alternative is one token that was likely; its bytes are numbers, not text.
type alternative struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// chatScore is a token with its alternatives.
type chatScore struct {
	alternative

	Top []alternative `json:"top_logprobs"`
}

func (v *vocabulary) alternative(t token, logprob float64) alternative {
	a := alternative{Token: v.shown(t), Logprob: logprob, Bytes: make([]int, len(v.pieces[t]))}
	for i := range len(v.pieces[t]) {
		a.Bytes[i] = int(v.pieces[t][i])
	}
	return a
}

// legacyLogprobs is the completions form: parallel lists.
type legacyLogprobs struct {
	Tokens  []string             `json:"tokens"`
	Scores  []*float64           `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
	Offsets []int                `json:"text_offset"`
}

// add appends one token. Where alternatives are asked for, the token itself is
// always among them.
func (l *legacyLogprobs) add(v *vocabulary, r report, w wanted, base int) {
	l.Tokens = append(l.Tokens, v.shown(r.token))
	l.Scores = append(l.Scores, &r.logprob)
	l.Offsets = append(l.Offsets, base+r.offset)
	if w.top == 0 && len(w.ids) == 0 {
		l.Top = nil
		return
	}
	alternatives := map[string]float64{v.shown(r.token): r.logprob}
	for _, a := range r.top {
		alternatives[v.shown(a.token)] = a.logprob
	}
	l.Top = append(l.Top, alternatives)
}

// best orders candidates by mean log-probability and keeps n of them.
func best(gens []*generation, pieces []piece, n int) []piece {
	order := make([]int, len(gens))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(gens[a].surprise/float64(max(gens[a].drawn, 1)), gens[b].surprise/float64(max(gens[b].drawn, 1)))
	})
	out := make([]piece, 0, n)
	for _, i := range order[:n] {
		out = append(out, pieces[i])
	}
	return out
}
