package modelserver

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"
)

// token is an index into the vocabulary.
type token int32

const (
	byteTokens  = 256          // ids 0 to 255 are the bytes, so that any text can be written
	endToken    = token(256)   // begins and ends a passage; no text encodes to it
	endText     = "<|end|>"    // how the end token is shown in lists of alternatives
	maxTokens   = 8192         // largest vocabulary that training makes
	minPair     = 2            // a pair of pieces is merged when it occurs so often
	maxChunk    = 64           // bytes of a chunk; bounds the cost of encoding hostile text
	firstMerge  = endToken + 1 // ids from here on are merges, in the order they were learned
	replacement = string(utf8.RuneError)
)

// vocabulary is a byte-pair vocabulary: frequent words are one token with their
// leading space, rare words are pieces, and anything else is bytes. Decoding an
// encoded text gives the text back, byte for byte.
type vocabulary struct {
	pieces []string
	merges map[pair]token
	// known holds the encoding of each chunk of the training text.
	known map[string][]token
}

// pair is two adjacent tokens.
type pair struct{ left, right token }

func (p pair) compare(q pair) int {
	return cmp.Or(cmp.Compare(p.left, q.left), cmp.Compare(p.right, q.right))
}

// size returns the number of tokens.
func (v *vocabulary) size() int { return len(v.pieces) }

// learnVocabulary learns the merges that shorten the text most, until there are most
// tokens.
func learnVocabulary(text string, most int) *vocabulary {
	v := &vocabulary{merges: map[pair]token{}, known: map[string][]token{}}
	for b := range byteTokens {
		v.pieces = append(v.pieces, string([]byte{byte(b)}))
	}
	v.pieces = append(v.pieces, endText)

	counts := map[string]int{}
	for chunk := range chunks(text) {
		counts[chunk]++
	}
	learner := newMergeLearner(counts)
	for v.size() < most {
		best, ok := learner.best()
		if !ok {
			break
		}
		id := token(v.size()) //nolint:gosec // at most maxTokens
		v.pieces = append(v.pieces, v.pieces[best.left]+v.pieces[best.right])
		v.merges[best] = id
		learner.merge(best, id)
	}
	for _, w := range learner.words {
		v.known[w.text] = w.tokens
	}
	return v
}

// encode splits text into tokens.
func (v *vocabulary) encode(text string) []token {
	out := make([]token, 0, len(text)/4+1)
	for chunk := range chunks(text) {
		if known, ok := v.known[chunk]; ok {
			out = append(out, known...)
			continue
		}
		out = append(out, v.encodeChunk(chunk)...)
	}
	return out
}

// encodeChunk applies the merges to one chunk, earliest learned first.
func (v *vocabulary) encodeChunk(chunk string) []token {
	tokens := bytesOf(chunk)
	for {
		best, found := token(maxTokens), false
		for i := 1; i < len(tokens); i++ {
			if id, ok := v.merges[pair{tokens[i-1], tokens[i]}]; ok && id < best {
				best, found = id, true
			}
		}
		if !found {
			return tokens
		}
		tokens = v.applyMerge(tokens, best)
	}
}

func (v *vocabulary) applyMerge(tokens []token, id token) []token {
	out := tokens[:0]
	for i := 0; i < len(tokens); i++ {
		if i+1 < len(tokens) && v.merges[pair{tokens[i], tokens[i+1]}] == id {
			out = append(out, id)
			i++
			continue
		}
		out = append(out, tokens[i])
	}
	return out
}

// decode joins the bytes of tokens; end tokens have none.
func (v *vocabulary) decode(tokens []token) string {
	var out []byte
	for _, t := range tokens {
		if t != endToken {
			out = append(out, v.pieces[t]...)
		}
	}
	return string(out)
}

// bytesOf returns the byte tokens of a chunk.
func bytesOf(chunk string) []token {
	tokens := make([]token, len(chunk))
	for i := range len(chunk) {
		tokens[i] = token(chunk[i])
	}
	return tokens
}

// rune classes that the chunks of a text are made of.
const (
	classLetter = iota
	classDigit
	classBlank
	classNewline
	classOther
)

func classOf(r rune) int {
	switch {
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return classLetter
	case unicode.IsDigit(r):
		return classDigit
	case r == '\n' || r == '\r':
		return classNewline
	case unicode.IsSpace(r):
		return classBlank
	default:
		return classOther
	}
}

// chunks yields the units inside which tokens are merged: a run of letters, of
// digits or of punctuation with one space before it, a run of blanks, a run of line
// ends. Joined, the chunks are the text.
func chunks(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > 0 {
			n := chunkLen(text)
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// chunkLen returns the length of the chunk that text, which is not empty, begins with.
func chunkLen(text string) int {
	start := 0
	if text[0] == ' ' && len(text) > 1 {
		if r, _ := utf8.DecodeRuneInString(text[1:]); classOf(r) != classBlank && classOf(r) != classNewline {
			start = 1
		}
	}
	first, n := utf8.DecodeRuneInString(text[start:])
	class, end := classOf(first), start+n
	for end < len(text) {
		r, size := utf8.DecodeRuneInString(text[end:])
		if end+size > maxChunk || !continues(class, r, text[end+size:]) {
			break
		}
		if class == classBlank && r == ' ' && lastBlank(text[end+size:]) {
			break // the last space belongs to the word after it
		}
		end += size
	}
	return end
}

// continues reports whether rune r, with rest behind it, goes on a run of class.
func continues(class int, r rune, rest string) bool {
	if classOf(r) == class {
		return true
	}
	if class != classLetter || (r != '\'' && r != '’') {
		return false
	}
	next, _ := utf8.DecodeRuneInString(rest)
	return classOf(next) == classLetter
}

// lastBlank reports whether rest begins with something that takes a leading space.
func lastBlank(rest string) bool {
	if rest == "" {
		return false
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return classOf(r) != classBlank && classOf(r) != classNewline
}

// mergeLearner keeps the count of each adjacent pair while merges are applied.
type mergeLearner struct {
	words  []word
	counts map[pair]int
	where  map[pair]map[int]struct{} // words that may hold the pair
	queue  pairQueue
}

// word is a distinct chunk of the text, its present tokens and how often it occurs.
type word struct {
	text   string
	tokens []token
	count  int
}

func newMergeLearner(counts map[string]int) *mergeLearner {
	l := &mergeLearner{counts: map[pair]int{}, where: map[pair]map[int]struct{}{}}
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		l.words = append(l.words, word{text: text, tokens: bytesOf(text), count: counts[text]})
	}
	for i := range l.words {
		l.add(i, 1)
	}
	for p, n := range l.counts {
		l.queue = append(l.queue, pairCount{p, n})
	}
	heap.Init(&l.queue)
	return l
}

// add counts the pairs of word i, sign times.
func (l *mergeLearner) add(i, sign int) {
	w := &l.words[i]
	for j := 1; j < len(w.tokens); j++ {
		p := pair{w.tokens[j-1], w.tokens[j]}
		l.counts[p] += sign * w.count
		if sign < 0 {
			continue
		}
		if l.where[p] == nil {
			l.where[p] = map[int]struct{}{}
		}
		l.where[p][i] = struct{}{}
	}
}

// best returns the pair that occurs most; ok is false when none occurs often enough.
func (l *mergeLearner) best() (p pair, ok bool) {
	for len(l.queue) > 0 {
		top := l.queue[0]
		switch now := l.counts[top.pair]; {
		case now == top.count && now >= minPair:
			return top.pair, true
		case now < minPair:
			heap.Pop(&l.queue)
		default: // the count fell since it was queued
			l.queue[0].count = now
			heap.Fix(&l.queue, 0)
		}
	}
	return pair{}, false
}

// merge replaces the pair by the token id in every word and recounts.
func (l *mergeLearner) merge(p pair, id token) {
	risen := map[pair]struct{}{}
	for i := range l.where[p] {
		l.add(i, -1)
		w := &l.words[i]
		out := w.tokens[:0]
		for j := 0; j < len(w.tokens); j++ {
			if j+1 < len(w.tokens) && w.tokens[j] == p.left && w.tokens[j+1] == p.right {
				out = append(out, id)
				j++
				continue
			}
			out = append(out, w.tokens[j])
		}
		w.tokens = out
		l.add(i, 1)
		for j := 1; j < len(out); j++ {
			if out[j-1] == id || out[j] == id {
				risen[pair{out[j-1], out[j]}] = struct{}{}
			}
		}
	}
	delete(l.where, p)
	delete(l.counts, p)
	for q := range risen {
		heap.Push(&l.queue, pairCount{q, l.counts[q]})
	}
}

// pairCount is a pair and how often it occurred when it was queued.
type pairCount struct {
	pair  pair
	count int
}

// pairQueue is a heap with the most frequent pair first, ties by the pair itself,
// so that training is repeatable.
type pairQueue []pairCount //nolint:recvcheck // container/heap asks for this mixture

func (q pairQueue) Len() int      { return len(q) }
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q pairQueue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[j].count, q[i].count), q[i].pair.compare(q[j].pair)) < 0
}

// Push and Pop serve container/heap.
func (q *pairQueue) Push(x any) {
	if p, ok := x.(pairCount); ok {
		*q = append(*q, p)
	}
}

// Pop removes the last entry.
func (q *pairQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
