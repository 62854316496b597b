package rig

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Mode names a kind of answer. The upstream picks it from the request's model, which
// is "bench-" and the mode.
type Mode string

// The modes.
const (
	Small         Mode = "small"   // a short completion in one body
	Big           Mode = "big"     // 70 tokens with 20 alternatives each, in one body
	Burst         Mode = "sse"     // 100 events at once
	BurstLogprobs Mode = "sselp"   // the same with 20 alternatives each
	Paced         Mode = "paced"   // 100 events, 5 ms apart
	PacedLogprobs Mode = "pacedlp" // the same with 20 alternatives each
)

// Modes lists every mode, cheapest first.
func Modes() []Mode { return []Mode{Small, Big, Burst, BurstLogprobs, Paced, PacedLogprobs} }

// Stream reports whether the mode's answer comes as events.
func (m Mode) Stream() bool { return m != Small && m != Big }

// Gap is the time between two events; zero sends them all at once.
func (m Mode) Gap() time.Duration {
	if m == Paced || m == PacedLogprobs {
		return 5 * time.Millisecond
	}
	return 0
}

// HasLogprobs reports whether the upstream discloses log-probabilities nobody asked for.
func (m Mode) HasLogprobs() bool { return m == Big || m == BurstLogprobs || m == PacedLogprobs }

// The payloads' sizes. They stay fixed, so that results of different days compare.
const (
	smallBytes = 1096
	bigBytes   = 113058
	bigTokens  = 70
	events     = 100
	sseBytes   = 28975
	sselpBytes = 191420
)

// payload is an answer as canned bytes.
type payload struct {
	mode  Mode
	body  []byte   // of a body answer
	parts [][]byte // of a stream: one event each, with its blank line, without the end mark
	usage []byte   // the event that a client gets when it asked for usage
	text  string   // what the answer says
}

const doneEvent = "data: [DONE]\n\n"

// idMark comes before the 19 digits in an answer's id. A paced event carries the time
// it was sent in them.
const idMark = `"id":"chatcmpl-`

const idDigits = 19

func newPayload(mode Mode) *payload {
	random := rand.New(rand.NewPCG(7, uint64(len(mode)))) //nolint:gosec // canned bytes, the same every time
	p := &payload{mode: mode}
	if !mode.Stream() {
		p.fillBody(random)
		return p
	}
	p.fillStream(random)
	return p
}

func (p *payload) fillBody(random *rand.Rand) {
	size, count := smallBytes, 0
	if p.mode == Big {
		size, count = bigBytes, bigTokens
	}
	var text, logprobs strings.Builder
	logprobs.WriteString(`{"content":[`)
	for i := range count {
		word := token(random)
		text.WriteString(word)
		if i > 0 {
			logprobs.WriteByte(',')
		}
		writeScore(&logprobs, random, word, 78)
	}
	logprobs.WriteString(`],"refusal":null}`)
	if count == 0 {
		logprobs.Reset()
		logprobs.WriteString("null")
	}
	build := func() []byte {
		return fmt.Appendf(nil, `{%s%019d","object":"chat.completion","created":1760000000,"model":"bench-%s",`+
			`"choices":[{"index":0,"message":{"role":"assistant","content":%q,"refusal":null},"logprobs":%s,"finish_reason":"stop"}],`+
			`"usage":{"prompt_tokens":120,"completion_tokens":70,"total_tokens":190},"system_fingerprint":"fp_bench"}`,
			idMark, 0, p.mode, text.String(), logprobs.String())
	}
	for short := size - len(build()); short > 0; short = size - len(build()) {
		word := token(random)
		text.WriteString(word[:min(len(word), short)])
	}
	p.body, p.text = build(), text.String()
}

func (p *payload) fillStream(random *rand.Rand) {
	total, perScore := sseBytes, 0
	if p.mode.HasLogprobs() {
		total, perScore = sselpBytes, 77
	}
	each := (total - len(doneEvent)) / events
	for i := range events {
		word, finish, role := token(random), "null", ""
		switch i {
		case 0:
			word, role = "", `"role":"assistant",`
		case events - 1:
			word, finish = "", `"stop"`
		}
		p.text += word
		logprobs := "null"
		if perScore > 0 && word != "" {
			var b strings.Builder
			b.WriteString(`{"content":[`)
			writeScore(&b, random, word, perScore)
			b.WriteString(`],"refusal":null}`)
			logprobs = b.String()
		}
		build := func(pad int) []byte {
			return fmt.Appendf(nil, `data: {%s%019d","object":"chat.completion.chunk","created":1760000000,"model":"bench-%s",`+
				`"system_fingerprint":"fp_%s","choices":[{"index":0,"delta":{%s"content":%q},"logprobs":%s,"finish_reason":%s}]}`+"\n\n",
				idMark, 0, p.mode, strings.Repeat("0", pad), role, word, logprobs, finish)
		}
		short := each - len(build(0))
		if p.mode.HasLogprobs() {
			short = min(short, 60) // the first and the last event carry no scores
		}
		p.parts = append(p.parts, build(max(short, 0)))
	}
	p.usage = fmt.Appendf(nil, `data: {%s%019d","object":"chat.completion.chunk","created":1760000000,"model":"bench-%s","choices":[],`+
		`"usage":{"prompt_tokens":120,"completion_tokens":98,"total_tokens":218}}`+"\n\n", idMark, 0, p.mode)
}

// token makes a word as a tokenizer would cut it: a space and 3 to 7 letters.
func token(random *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	word := []byte{' '}
	for range 3 + random.IntN(5) {
		word = append(word, letters[random.IntN(len(letters))])
	}
	return string(word)
}

// writeScore writes one token with 20 alternatives of about size bytes each.
func writeScore(b *strings.Builder, random *rand.Rand, word string, size int) {
	writeOne(b, random, word, 0)
	b.WriteString(`,"top_logprobs":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		writeOne(b, random, token(random), size-1)
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
}

// writeOne writes a score without its closing brace. The number takes as many digits
// as it needs to come near size bytes.
func writeOne(b *strings.Builder, random *rand.Rand, word string, size int) {
	var list strings.Builder
	for i := range len(word) {
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString(strconv.Itoa(int(word[i])))
	}
	head := fmt.Sprintf(`{"token":%q,"logprob":`, word)
	digits := max(6, min(16, size-len(head)-len(list.String())-len(`-1.,"bytes":[]`)))
	number := strconv.FormatFloat(-1-random.Float64()*8, 'f', digits, 64)
	fmt.Fprintf(b, `%s%s,"bytes":[%s]`, head, number, list.String())
}

// size is the number of bytes of the whole answer.
func (p *payload) size() int {
	if !p.mode.Stream() {
		return len(p.body)
	}
	return len(bytes.Join(p.parts, nil)) + len(doneEvent)
}
