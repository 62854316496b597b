package modelserver

import (
	"cmp"
	"context"
	"slices"
	"strconv"
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
		x.usage.CompletionTokens += g.spent()
	}
	x.finishUsage(thoughtTokens(gens))
}

func (x *exchange) finishUsage(thoughts int) {
	u := &x.usage
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	if thoughts > 0 {
		u.CompletionDetails = map[string]int{"reasoning_tokens": thoughts}
	}
	if x.server.options.Habits.ExtraFields {
		u.PromptDetails = map[string]int{"cached_tokens": u.PromptTokens / 16 * 16, "audio_tokens": 0}
		u.CompletionDetails = map[string]int{"reasoning_tokens": thoughts, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
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

// chatScore is the chat form of one token.
func (v *vocabulary) chatScore(r report) chatScore {
	score := chatScore{alternative: v.alternative(r.token, r.logprob), Top: []alternative{}}
	for _, a := range r.alternatives() {
		score.Top = append(score.Top, v.alternative(a.token, a.logprob))
	}
	return score
}

// nameByIDs shows tokens by their ids instead of their texts.
func (c *chatScore) nameByIDs(r report) {
	c.Token = "token_id:" + strconv.Itoa(int(r.token))
	for i, a := range r.alternatives() {
		c.Top[i].Token = "token_id:" + strconv.Itoa(int(a.token))
	}
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
	for _, a := range r.alternatives() {
		alternatives[v.shown(a.token)] = a.logprob
	}
	l.Top = append(l.Top, alternatives)
}

// best orders candidates by mean log-probability and keeps n of them.
func best(candidates []whole, n int) []whole {
	order := slices.Clone(candidates)
	slices.SortStableFunc(order, func(a, b whole) int {
		return cmp.Compare(b.gen.meanLogprob(), a.gen.meanLogprob())
	})
	return order[:n]
}
