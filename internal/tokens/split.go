package tokens

import (
	"unicode"
	"unicode/utf8"
)

// class is what the patterns of the vocabularies ask about a character.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	upper                     // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]: what may begin a word
	lower                     // [\p{Ll}\p{Lm}\p{Lo}\p{M}]: what may end one
	number                    // \p{N}
	space                     // \s
	newline                   // [\r\n]
)

// scanner cuts pieces off the front of a text as the patterns of the vocabularies do,
// but in time linear in the piece. It holds the classes of the basic plane.
type scanner struct{ classes []class }

func newScanner() scanner {
	sc := scanner{classes: make([]class, 1<<16)}
	for _, m := range []struct {
		table *unicode.RangeTable
		class class
	}{
		{unicode.L, letter},
		{unicode.Lu, upper},
		{unicode.Lt, upper},
		{unicode.Lm, upper | lower},
		{unicode.Lo, upper | lower},
		{unicode.M, upper | lower},
		{unicode.Ll, lower},
		{unicode.N, number},
		{unicode.White_Space, space},
	} {
		for _, r := range m.table.R16 {
			for c := uint32(r.Lo); c <= uint32(r.Hi); c += uint32(r.Stride) {
				sc.classes[c] |= m.class
			}
		}
	}
	sc.classes['\r'] |= newline
	sc.classes['\n'] |= newline
	return sc
}

// at returns the class and the size of the character at i; the size is 0 at the end.
func (sc scanner) at(text string, i int) (class, int) {
	if i >= len(text) {
		return 0, 0
	}
	if b := text[i]; b < utf8.RuneSelf {
		return sc.classes[b], 1
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	if int(r) < len(sc.classes) {
		return sc.classes[r], size
	}
	return farClass(r), size
}

// farClass is the class of a character beyond the basic plane.
func farClass(r rune) class {
	switch {
	case unicode.In(r, unicode.Lo, unicode.Lm):
		return letter | upper | lower
	case unicode.Is(unicode.Lu, r):
		return letter | upper
	case unicode.Is(unicode.Ll, r):
		return letter | lower
	case unicode.Is(unicode.M, r):
		return upper | lower
	case unicode.Is(unicode.N, r):
		return number
	}
	return 0
}

// run returns the end of the characters from i on that have a class of want.
func (sc scanner) run(text string, i int, want class) int {
	for {
		c, size := sc.at(text, i)
		if c&want == 0 {
			return i
		}
		i += size
	}
}

// nextO200k returns the end of the first piece of text, which is not empty, under
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	\p{N}{1,3}
//	 ?[^\s\p{L}\p{N}]+[\r\n/]*
//	\s*[\r\n]+
//	\s+(?!\S)
//	\s+
//
// where the first alternative that matches wins.
func (sc scanner) nextO200k(text string) int {
	first, size := sc.at(text, 0)
	mayLead := first&(letter|number|newline) == 0
	end := 0
	if mayLead {
		end = sc.lowerWord(text, size)
	}
	if end == 0 {
		end = sc.lowerWord(text, 0)
	}
	if end == 0 && mayLead {
		end = sc.upperWord(text, size)
	}
	if end == 0 {
		end = sc.upperWord(text, 0)
	}
	if end > 0 {
		return end + contraction(text[end:])
	}
	if first&number != 0 {
		return sc.digits(text)
	}
	if end = sc.symbols(text); end > 0 {
		for end < len(text) && (text[end] == '\r' || text[end] == '\n' || text[end] == '/') {
			end++
		}
		return end
	}
	return sc.blank(text)
}

// nextCL100k returns the end of the first piece of text, which is not empty, under
//
//	'(?i:[sdmt]|ll|ve|re)
//	[^\r\n\p{L}\p{N}]?+\p{L}++
//	\p{N}{1,3}+
//	 ?[^\s\p{L}\p{N}]++[\r\n]*+
//	\s++$
//	\s*[\r\n]
//	\s+(?!\S)
//	\s
//
// where the first alternative that matches wins.
func (sc scanner) nextCL100k(text string) int {
	if end := contraction(text); end > 0 {
		return end
	}
	first, size := sc.at(text, 0)
	lead := size
	if first&(letter|number|newline) != 0 {
		lead = 0
	}
	if end := sc.run(text, lead, letter); end > lead {
		return end
	}
	if first&number != 0 {
		return sc.digits(text)
	}
	if end := sc.symbols(text); end > 0 {
		return sc.run(text, end, newline)
	}
	if sc.run(text, 0, space) == len(text) {
		return len(text)
	}
	return sc.blank(text)
}

// lowerWord matches upper*lower+ at i and returns its end, or 0. The upper* takes all
// it can and gives back no more than it must, up to the last character of both sets.
func (sc scanner) lowerWord(text string, i int) int {
	both := 0 // the end of the last character so far that is upper and lower
	for {
		c, size := sc.at(text, i)
		if c&upper == 0 {
			break
		}
		i += size
		if c&lower != 0 {
			both = i
		}
	}
	if end := sc.run(text, i, lower); end > i {
		return end
	}
	return both
}

// upperWord matches upper+lower* at i, where lowerWord found nothing, and returns its
// end, or 0.
func (sc scanner) upperWord(text string, i int) int {
	if end := sc.run(text, i, upper); end > i {
		return end
	}
	return 0
}

// contraction returns the length of the ending like 's or 're that text begins with.
func contraction(text string) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	fold := func(b byte) byte { return b | 0x20 }
	switch fold(text[1]) {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) < 3 {
		return 0
	}
	switch [2]byte{fold(text[1]), fold(text[2])} {
	case [2]byte{'r', 'e'}, [2]byte{'v', 'e'}, [2]byte{'l', 'l'}:
		return 3
	}
	if text[1:3] == "\u017f" { // the long s folds to s
		return 3
	}
	return 0
}

// digits returns the end of the one to three numbers that text begins with.
func (sc scanner) digits(text string) int {
	i := 0
	for range 3 {
		c, size := sc.at(text, i)
		if c&number == 0 {
			break
		}
		i += size
	}
	return i
}

// symbols matches " ?[^\s\p{L}\p{N}]+" and returns its end, or 0.
func (sc scanner) symbols(text string) int {
	i := 0
	if text[0] == ' ' {
		i = 1
	}
	start := i
	for {
		c, size := sc.at(text, i)
		if size == 0 || c&(space|letter|number) != 0 {
			break
		}
		i += size
	}
	if i == start {
		return 0
	}
	return i
}

// blank returns the end of the piece of the white space that text begins with: up to
// the last newline of it, else all of it at the end of text, else all but the last
// character, which leads the next piece, unless there is just one.
func (sc scanner) blank(text string) int {
	end, last, afterNewline := 0, 0, 0
	for {
		c, size := sc.at(text, end)
		if c&space == 0 {
			break
		}
		last, end = end, end+size
		if c&newline != 0 {
			afterNewline = end
		}
	}
	switch {
	case afterNewline > 0:
		return afterNewline
	case end == len(text) || last == 0:
		return end
	}
	return last
}
