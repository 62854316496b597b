package wire

import (
	"math"
	"strconv"
	"strings"

	"bartizan"
)

// TokenLists is the log-probabilities of one choice, read from any of the shapes that
// providers have: the lists of chat completions, one such list alone, or the parallel
// arrays of completions. It keeps what does not pass through [bartizan.TokenScore]: bytes,
// ids and offsets.
type TokenLists struct {
	// Lists are the lists of tokens, in order: the content, then the refusal.
	Lists [2][]bartizan.TokenScore

	span   []byte
	legacy bool
	alone  bool    // one list, not in an object
	hidden bool    // some tokens are
	ids    bool    // ids in place of tokens may pass
	has    [2]bool // the list was there; otherwise it is null
	tokens [2][]tokenSpans
	offset [2]int // of text_offset in span
	text   []byte // decoded tokens
	cuts   []cut
}

// tokenSpans are the places of what is copied of a token and of its alternatives.
type tokenSpans struct {
	own  entrySpans
	tops []entrySpans
}

// entrySpans are the places of an entry's bytes and id.
type entrySpans struct{ bytes, id [2]int }

// cut is where a decoded token lies in TokenLists.text.
type cut struct {
	from, to int
	into     *string
}

// ParseTokens reads the value of a "logprobs" field. A log-probability that is null
// is NaN. It returns [ErrNotUnderstood] for any other shape.
func ParseTokens(span []byte) (*TokenLists, error) {
	if len(span) == 0 {
		return nil, ErrNotUnderstood
	}
	t := &TokenLists{span: span, alone: span[0] == '['}
	if !t.read() {
		return nil, ErrNotUnderstood
	}
	t.settle()
	return t, nil
}

// read reads the span; false is for what is of none of the shapes.
func (t *TokenLists) read() bool {
	span := t.span
	if t.alone {
		return t.list(0, 0) == len(span)
	}
	if span[0] != '{' {
		return false
	}
	var legacy legacyArrays
	m := members{b: span, i: 0}
	for m.next() {
		switch string(m.name()) {
		case "content":
			m.end(t.list(0, m.value))
		case "refusal":
			m.end(t.list(1, m.value))
		case "tokens":
			t.legacy = true
			legacy.tokens = m.value
			m.end(checkValue(span, m.value, 0))
		case "token_logprobs":
			legacy.logprobs = m.value
			m.end(checkValue(span, m.value, 0))
		case "top_logprobs":
			legacy.tops = m.value
			m.end(checkValue(span, m.value, 0))
		case "text_offset":
			t.offset[0] = m.value
			m.end(checkValue(span, m.value, 0))
			t.offset[1] = m.i
		default:
			m.end(skipValue(span, m.value))
		}
	}
	return m.done() == len(span) && (!t.legacy || t.arrays(legacy))
}

// settle turns the decoded bytes into strings with one allocation.
func (t *TokenLists) settle() {
	all := string(t.text)
	for _, c := range t.cuts {
		*c.into = all[c.from:c.to]
	}
	t.cuts = nil
}

// list reads one list of a chat completion and returns the index after it, or -1.
func (t *TokenLists) list(which, i int) int {
	if t.span[i] != '[' {
		return literal(t.span, i, "null")
	}
	t.has[which] = true
	t.Lists[which], t.tokens[which] = nil, nil
	// Strings are filled in by pointer at the end, so the slices must not move.
	count := t.count(i)
	if count < 0 {
		return -1
	}
	t.Lists[which] = make([]bartizan.TokenScore, 0, count)
	t.tokens[which] = make([]tokenSpans, 0, count)
	e := elements{b: t.span, i: i}
	for e.next() {
		t.Lists[which] = append(t.Lists[which], bartizan.TokenScore{Logprob: math.NaN()})
		t.tokens[which] = append(t.tokens[which], tokenSpans{})
		at := len(t.Lists[which]) - 1
		e.end(t.score(&t.Lists[which][at], &t.tokens[which][at], e.value))
	}
	return e.done()
}

// count returns how many elements the array at i has, or -1.
func (t *TokenLists) count(i int) int {
	count := 0
	e := elements{b: t.span, i: i}
	for e.next() {
		count++
		e.end(skipValue(t.span, e.value))
	}
	if e.done() < 0 {
		return -1
	}
	return count
}

// score reads one token of a chat completion.
func (t *TokenLists) score(score *bartizan.TokenScore, spans *tokenSpans, i int) int {
	if t.span[i] != '{' {
		return -1
	}
	m := members{b: t.span, i: i}
	for m.next() {
		switch string(m.name()) {
		case "token":
			m.end(t.token(&score.Token, m.value))
		case "logprob":
			m.end(t.number(&score.Logprob, m.value))
		case "bytes":
			m.end(checkValue(t.span, m.value, 0))
			spans.own.bytes = [2]int{m.value, m.i}
		case "id":
			m.end(checkValue(t.span, m.value, 0))
			spans.own.id = [2]int{m.value, m.i}
		case "top_logprobs":
			m.end(t.alternatives(score, spans, m.value))
		default:
			m.end(skipValue(t.span, m.value))
		}
	}
	return m.done()
}

func (t *TokenLists) alternatives(score *bartizan.TokenScore, spans *tokenSpans, i int) int {
	if t.span[i] != '[' {
		return literal(t.span, i, "null")
	}
	count := t.count(i)
	if count < 0 {
		return -1
	}
	score.Top = make([]bartizan.TokenAlternative, 0, count)
	spans.tops = make([]entrySpans, 0, count)
	e := elements{b: t.span, i: i}
	for e.next() {
		if t.span[e.value] != '{' {
			return -1
		}
		score.Top = append(score.Top, bartizan.TokenAlternative{Logprob: math.NaN()})
		top := &score.Top[len(score.Top)-1]
		var at entrySpans
		m := members{b: t.span, i: e.value}
		for m.next() {
			switch string(m.name()) {
			case "token":
				m.end(t.token(&top.Token, m.value))
			case "logprob":
				m.end(t.number(&top.Logprob, m.value))
			case "bytes":
				m.end(checkValue(t.span, m.value, 0))
				at.bytes = [2]int{m.value, m.i}
			case "id":
				m.end(checkValue(t.span, m.value, 0))
				at.id = [2]int{m.value, m.i}
			default:
				m.end(skipValue(t.span, m.value))
			}
		}
		spans.tops = append(spans.tops, at)
		e.end(m.done())
	}
	return e.done()
}

// token decodes a string; null is an empty token.
func (t *TokenLists) token(into *string, i int) int {
	if t.span[i] != '"' {
		return literal(t.span, i, "null")
	}
	end, _ := checkString(t.span, i)
	if end < 0 {
		return -1
	}
	from := len(t.text)
	t.text = appendDecoded(t.text, t.span[i:end])
	t.cuts = append(t.cuts, cut{from, len(t.text), into})
	return end
}

// number reads a log-probability; null is NaN and what is below every float is
// minus infinity.
func (t *TokenLists) number(into *float64, i int) int {
	if t.span[i] == 'n' {
		return literal(t.span, i, "null")
	}
	end := checkNumber(t.span, i)
	if end < 0 {
		return -1
	}
	number, _ := strconv.ParseFloat(string(t.span[i:end]), 64) // too large is an infinity
	*into = number
	return end
}

// legacyArrays are the places of the parallel arrays; 0 means absent.
type legacyArrays struct{ tokens, logprobs, tops int }

// arrays joins the parallel arrays of a completion. They must be of one length.
func (t *TokenLists) arrays(at legacyArrays) bool {
	if t.has[0] || t.has[1] || t.span[at.tokens] != '[' {
		return false
	}
	count := t.count(at.tokens)
	if count < 0 {
		return false
	}
	t.has[0] = true
	t.Lists[0] = make([]bartizan.TokenScore, count)
	e := elements{b: t.span, i: at.tokens}
	for k := 0; e.next(); k++ {
		t.Lists[0][k].Logprob = math.NaN()
		e.end(t.token(&t.Lists[0][k].Token, e.value))
	}
	return e.done() >= 0 &&
		t.each(at.logprobs, func(k, i int) int { return t.number(&t.Lists[0][k].Logprob, i) }) &&
		t.each(at.tops, func(k, i int) int { return t.alternativeMap(&t.Lists[0][k], i) })
}

// each calls read for the elements of a parallel array; an array that is absent or
// null has none.
func (t *TokenLists) each(at int, read func(k, i int) int) bool {
	if at == 0 || t.span[at] == 'n' {
		return true
	}
	if t.span[at] != '[' {
		return false
	}
	k := 0
	e := elements{b: t.span, i: at}
	for e.next() {
		if k == len(t.Lists[0]) {
			return false
		}
		e.end(read(k, e.value))
		k++
	}
	return e.done() >= 0 && k == len(t.Lists[0])
}

// alternativeMap reads an object of token to log-probability.
func (t *TokenLists) alternativeMap(score *bartizan.TokenScore, i int) int {
	if t.span[i] != '{' {
		return literal(t.span, i, "null")
	}
	count := 0
	for m := (members{b: t.span, i: i}); m.next(); count++ {
		m.end(skipValue(t.span, m.value))
	}
	score.Top = make([]bartizan.TokenAlternative, 0, count)
	m := members{b: t.span, i: i}
	for m.next() {
		score.Top = append(score.Top, bartizan.TokenAlternative{Logprob: math.NaN()})
		top := &score.Top[len(score.Top)-1]
		t.token(&top.Token, m.key)
		m.end(t.number(&top.Logprob, m.value))
	}
	return m.done()
}

// Append writes the lists in the shape that they were read from, with the given
// scores in place of their own. A list must have as many scores as it was read with;
// the alternatives may be fewer. Unless ids is set, tokens that engines write as ids
// are left empty.
func (t *TokenLists) Append(dst []byte, scores [2][]bartizan.TokenScore, ids bool) []byte {
	t.ids = ids
	switch {
	case t.legacy:
		return t.appendArrays(dst, scores[0])
	case t.alone:
		return t.appendList(dst, 0, scores[0])
	}
	dst = append(dst, `{"content":`...)
	dst = t.appendList(dst, 0, scores[0])
	dst = append(dst, `,"refusal":`...)
	dst = t.appendList(dst, 1, scores[1])
	return append(dst, '}')
}

// hide takes out of a list what a token is.
func (t *TokenLists) hide(which, k int) {
	t.hidden = true
	t.Lists[which][k] = bartizan.TokenScore{Logprob: math.NaN()}
	if !t.legacy {
		t.tokens[which][k] = tokenSpans{}
	}
}

func (t *TokenLists) appendList(dst []byte, which int, scores []bartizan.TokenScore) []byte {
	if !t.has[which] {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for k, score := range scores {
		if k > 0 {
			dst = append(dst, ',')
		}
		spans := t.tokens[which][k]
		dst = t.appendEntry(dst, score.Token, score.Logprob, spans.own)
		dst = append(dst, `,"top_logprobs":[`...)
		for j, top := range score.Top {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = t.appendEntry(dst, top.Token, top.Logprob, t.spansOf(which, k, top.Token))
			dst = append(dst, '}')
		}
		dst = append(dst, ']', '}')
	}
	return append(dst, ']')
}

func (t *TokenLists) appendEntry(dst []byte, token string, logprob float64, at entrySpans) []byte {
	dst = append(dst, '{')
	if id := at.id; t.ids && id[1] > id[0] && digits(t.span, id[0]) == id[1] {
		dst = append(append(append(dst, `"id":`...), t.span[id[0]:id[1]]...), ',')
	}
	dst = append(dst, `"token":`...)
	dst = t.appendToken(dst, token)
	dst = append(dst, `,"logprob":`...)
	dst = appendLogprob(dst, logprob)
	dst = append(dst, `,"bytes":`...)
	if !t.isByteList(at.bytes) {
		return append(dst, "null"...)
	}
	return append(dst, t.span[at.bytes[0]:at.bytes[1]]...)
}

// appendToken writes a token's text.
func (t *TokenLists) appendToken(dst []byte, token string) []byte {
	if number, isID := strings.CutPrefix(token, "token_id:"); isID && !t.ids {
		if _, err := strconv.ParseUint(number, 10, 64); err == nil {
			token = ""
		}
	}
	return appendQuoted(dst, token)
}

// isByteList reports whether the span is a list of whole numbers from 0 to 255, which
// is all that may pass under the name of bytes.
func (t *TokenLists) isByteList(at [2]int) bool {
	if at[1] <= at[0] || t.span[at[0]] != '[' {
		return false
	}
	e := elements{b: t.span, i: at[0]}
	for e.next() {
		end := digits(t.span, e.value)
		if end == e.value || end > e.value+3 {
			return false
		}
		if n, err := strconv.Atoi(string(t.span[e.value:end])); err != nil || n > math.MaxUint8 {
			return false
		}
		e.end(end)
	}
	return e.done() == at[1]
}

// spansOf finds an alternative by its text.
func (t *TokenLists) spansOf(which, k int, token string) entrySpans {
	for j, top := range t.Lists[which][k].Top {
		if top.Token == token {
			return t.tokens[which][k].tops[j]
		}
	}
	return entrySpans{}
}

func (t *TokenLists) appendArrays(dst []byte, scores []bartizan.TokenScore) []byte {
	dst = append(dst, `{"tokens":[`...)
	for k, score := range scores {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = t.appendToken(dst, score.Token)
	}
	dst = append(dst, `],"token_logprobs":[`...)
	tops := false
	for k, score := range scores {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = appendLogprob(dst, score.Logprob)
		tops = tops || len(score.Top) > 0
	}
	dst = append(dst, `],"top_logprobs":`...)
	if !tops {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '[')
		for k, score := range scores {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = t.appendAlternatives(dst, score.Top)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"text_offset":`...)
	if !t.isOffsets() {
		dst = append(dst, '[', ']')
	} else {
		dst = append(dst, t.span[t.offset[0]:t.offset[1]]...)
	}
	return append(dst, '}')
}

func (t *TokenLists) appendAlternatives(dst []byte, tops []bartizan.TokenAlternative) []byte {
	dst = append(dst, '{')
	for j, top := range tops {
		if j > 0 {
			dst = append(dst, ',')
		}
		dst = t.appendToken(dst, top.Token)
		dst = append(dst, ':')
		dst = appendLogprob(dst, top.Logprob)
	}
	return append(dst, '}')
}

// isOffsets reports whether the offsets are one whole number per token.
func (t *TokenLists) isOffsets() bool {
	if t.hidden || t.offset[1] == 0 || t.span[t.offset[0]] != '[' {
		return false
	}
	count := 0
	e := elements{b: t.span, i: t.offset[0]}
	for e.next() {
		end := digits(t.span, e.value)
		if end == e.value || end > e.value+9 {
			return false
		}
		e.end(end)
		count++
	}
	return e.done() >= 0 && count == len(t.Lists[0])
}

// appendLogprob writes a log-probability; the withheld one as the provider writes it.
func appendLogprob(dst []byte, f float64) []byte {
	if f == bartizan.LogprobWithheld || math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "-9999.0"...)
	}
	return appendNumber(dst, f)
}
