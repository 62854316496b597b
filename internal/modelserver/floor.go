package modelserver

import (
	"unicode"
	"unicode/utf8"
)

// The classes of tokens that the floor tells apart.
const (
	kindWord    = iota // begins with a blank or a line end, or is the end of a passage
	kindCapital        // begins with a capital letter and no blank before it
	kindPiece          // goes on a word, or a number
	kindMark           // anything else: punctuation, stray bytes
	kinds
)

const kindPrior = 0.05 // weight of the general mix of kinds beside a token's own

// floor is the distribution that remains when no context is known. It is a class
// model: the token before says which kind of token follows (whether a word goes on,
// ends or meets a comma), and the kind says which token. So an unknown context does
// not break words in the middle.
type floor struct {
	kind   []uint8
	within []float64        // by token: its share of its kind
	after  [][kinds]float64 // by token before: the share of each kind
}

func newFloor(v *vocabulary, b *ngramBuilder) *floor {
	f := &floor{
		kind:   make([]uint8, v.size()),
		within: make([]float64, v.size()),
		after:  make([][kinds]float64, v.size()),
	}
	var total, mix [kinds]float64
	for i := range f.kind {
		f.kind[i] = kindOf(v.pieces[i])
		if token(i) == endToken {
			f.kind[i] = kindWord
		}
		f.within[i] = unseenCount + b.counts[0][token(i)]
		total[f.kind[i]] += f.within[i]
	}
	all := 0.0
	for _, n := range total {
		all += n
	}
	for k := range mix {
		mix[k] = total[k] / all
	}
	for i := range f.within {
		f.within[i] /= total[f.kind[i]]
		f.after[i] = f.kindsAfter(b, token(i), mix)
	}
	return f
}

// kindsAfter smooths the kinds seen after a token with the general mix.
func (f *floor) kindsAfter(b *ngramBuilder, before token, mix [kinds]float64) [kinds]float64 {
	var seen [kinds]float64 // whole numbers, so their order does not matter
	n := 0.0
	if node, ok := b.children[edge{0, before}]; ok {
		for t, c := range b.counts[node] {
			seen[f.kind[t]] += c
			n += c
		}
	}
	for k := range mix {
		mix[k] = (kindPrior*mix[k] + seen[k]) / (kindPrior + n)
	}
	return mix
}

// fill sets dst to the floor after context, times scale.
func (f *floor) fill(dst []float64, context []token, scale float64) {
	last := endToken
	if len(context) > 0 {
		last = context[len(context)-1]
	}
	shares := f.after[last]
	for k := range shares {
		shares[k] *= scale
	}
	for i, p := range f.within {
		dst[i] = shares[f.kind[i]] * p
	}
}

func kindOf(piece string) uint8 {
	r, _ := utf8.DecodeRuneInString(piece)
	switch {
	case unicode.IsSpace(r):
		return kindWord
	case unicode.IsUpper(r):
		return kindCapital
	case unicode.IsLetter(r), unicode.IsDigit(r):
		return kindPiece
	default:
		return kindMark
	}
}
