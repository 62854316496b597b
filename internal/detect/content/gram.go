package content

import (
	"math/bits"
	"unicode"
	"unicode/utf8"

	"bartizan/internal/sketch"
)

const (
	// Tokeniser names how a text becomes grams; models of another one are refused.
	Tokeniser = "words-1"

	textRunes  = 4000
	maxTokens  = 400
	maxGrams   = 2 * (maxTokens + 1)
	tableSize  = 2048 // a power of two above twice maxGrams
	tokenBytes = 48   // of a longer word the rest is ignored

	seedUnigram = 1
	seedFirst   = 2
	seedLength  = 3
)

// grams collects the distinct grams of one text. It is reused from text to text and
// allocates nothing.
type grams struct {
	hashes [maxGrams]uint64
	n      int
	// slots hold the round in which they were filled and an index into hashes.
	slots [tableSize]slot
	round uint32
}

type slot struct {
	round uint32
	index uint16
}

// read replaces the content by the grams of text: its distinct words and pairs of
// neighbours, the first word once more as such, and the number of words in powers of
// two. Words are runs of letters in lower case, runs of digits all alike, and every
// other visible character; a letter of a script without spaces is a word, so its
// pairs are the bigrams of that script.
func (g *grams) read(text string) {
	g.n = 0
	if g.round++; g.round == 0 {
		g.slots = [tableSize]slot{}
		g.round = 1
	}
	tokens, previous := 0, uint64(0)
	w := words{rest: text}
	for tokens < maxTokens {
		h, ok := w.next()
		if !ok {
			break
		}
		g.add(sketch.Mix(seedUnigram, h))
		if tokens == 0 {
			g.add(sketch.Mix(seedFirst, h))
		} else {
			g.add(sketch.Mix(previous, h))
		}
		previous = h
		tokens++
	}
	g.add(sketch.Mix(seedLength, uint64(bits.Len(uint(tokens)+1)))) //nolint:gosec // 1 to 9
}

func (g *grams) add(h uint64) {
	if g.n == maxGrams {
		return
	}
	at := h % tableSize
	for g.slots[at].round == g.round {
		if g.hashes[g.slots[at].index] == h {
			return
		}
		at = (at + 1) % tableSize
	}
	g.slots[at] = slot{g.round, uint16(g.n)} //nolint:gosec // at most maxGrams
	g.hashes[g.n] = h
	g.n++
}

// words takes the words of a text one by one.
type words struct {
	rest  string
	runes int
	buf   [tokenBytes + utf8.UTFMax]byte
}

// next returns the hash of the next word.
func (w *words) next() (hash uint64, ok bool) {
	for len(w.rest) > 0 && w.runes < textRunes {
		r, size := w.peek()
		switch {
		case r == ' ' || unicode.IsSpace(r) || unicode.IsControl(r):
			w.skip(size)
		case unicode.IsDigit(r):
			for unicode.IsDigit(r) {
				w.skip(size)
				r, size = w.peek()
			}
			return sketch.Hash([]byte{'0'}, 0), true
		case joins(r):
			n := w.plain()
			r, size = w.peek()
			for joins(r) {
				if n < tokenBytes {
					n += utf8.EncodeRune(w.buf[n:], unicode.ToLower(r))
				}
				w.skip(size)
				r, size = w.peek()
			}
			return sketch.Hash(w.buf[:n], 0), true
		default:
			n := utf8.EncodeRune(w.buf[:], r)
			w.skip(size)
			return sketch.Hash(w.buf[:n], 0), true
		}
	}
	return 0, false
}

// plain takes the ASCII letters ahead into buf, in lower case, and returns how many
// bytes of it are filled.
func (w *words) plain() (n int) {
	i := 0
	for most := min(len(w.rest), textRunes-w.runes); i < most; i++ {
		c := w.rest[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c < 'a' || c > 'z' {
			break
		}
		if n < tokenBytes {
			w.buf[n] = c
			n++
		}
	}
	w.rest = w.rest[i:]
	w.runes += i
	return n
}

// peek returns the character ahead; its size is 0 at the end.
func (w *words) peek() (rune, int) {
	if w.runes >= textRunes {
		return 0, 0
	}
	if len(w.rest) > 0 && w.rest[0] < utf8.RuneSelf {
		return rune(w.rest[0]), 1
	}
	r, size := utf8.DecodeRuneInString(w.rest)
	if size == 0 {
		return 0, 0
	}
	return r, size
}

func (w *words) skip(size int) {
	w.rest = w.rest[size:]
	w.runes++
}

// joins holds for letters of scripts that put spaces between words.
func joins(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return (unicode.IsLetter(r) || unicode.IsMark(r)) && !unicode.In(r, unicode.Han, unicode.Hiragana,
		unicode.Katakana, unicode.Thai, unicode.Khmer, unicode.Lao, unicode.Myanmar)
}
