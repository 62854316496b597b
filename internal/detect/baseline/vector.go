package baseline

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"

	"bartizan"
)

// The bounds of what is read of a prompt, and the number of bins of a vector.
const (
	maxRunes  = 4000
	maxTokens = 400
	binBits   = 18
	bins      = 1 << binBits
)

// Vector is a sparse vector of length 1, or the empty one; indexes ascend.
type Vector []Component

// Component is one value of a [Vector].
type Component struct {
	Index uint32
	Value float32
}

// Dot returns the inner product of v and w.
func (v Vector) Dot(w Vector) float64 {
	sum := 0.0
	for i, j := 0, 0; i < len(v) && j < len(w); {
		switch {
		case v[i].Index < w[j].Index:
			i++
		case v[i].Index > w[j].Index:
			j++
		default:
			sum += float64(v[i].Value) * float64(w[j].Value)
			i, j = i+1, j+1
		}
	}
	return sum
}

// Vectorise returns the hashed vector of a prompt: its distinct words, pairs of
// neighbouring words, first word and length, each counted once, in 2^18 bins. Words
// are runs of lower-cased letters, runs of digits as one "0", and every other visible
// character alone; letters of scripts without spaces stand alone too.
func Vectorise(prompt string) Vector {
	grams := gramsOf(wordsOf(prompt))
	if len(grams) == 0 {
		return nil
	}
	slices.Sort(grams)
	grams = slices.Compact(grams)
	v := make(Vector, 0, len(grams))
	for _, g := range grams {
		v = append(v, Component{Index: uint32(g>>(64-binBits)) ^ uint32(g&(bins-1)), Value: 1})
	}
	slices.SortFunc(v, func(a, b Component) int { return cmp.Compare(a.Index, b.Index) })
	merged, squares := v[:1], 0.0
	for _, c := range v[1:] {
		if last := &merged[len(merged)-1]; last.Index == c.Index {
			last.Value += c.Value
		} else {
			merged = append(merged, c)
		}
	}
	for _, c := range merged {
		squares += float64(c.Value) * float64(c.Value)
	}
	scale := float32(1 / math.Sqrt(squares))
	for i := range merged {
		merged[i].Value *= scale
	}
	return slices.Clip(merged)
}

// wordsOf cuts a prompt into words.
func wordsOf(prompt string) [][]byte {
	var words [][]byte
	var word []byte
	end := func() {
		if len(word) > 0 {
			words, word = append(words, word), nil
		}
	}
	inNumber := false
	runes := 0
	for _, r := range prompt {
		if runes++; runes > maxRunes || len(words) >= maxTokens {
			break
		}
		number := unicode.IsDigit(r)
		switch {
		case number && inNumber:
			continue
		case number:
			end()
			words = append(words, []byte{'0'})
		case unicode.IsLetter(r) || unicode.IsMark(r):
			if dense(r) {
				end()
			}
			word = utf8.AppendRune(word, unicode.ToLower(r))
			if dense(r) {
				end()
			}
		case unicode.IsGraphic(r) && !unicode.IsSpace(r):
			end()
			words = append(words, utf8.AppendRune(nil, r))
		default:
			end()
		}
		inNumber = number
	}
	end()
	return words[:min(len(words), maxTokens)]
}

// dense holds for letters of scripts that put no spaces between words.
func dense(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana,
		unicode.Thai, unicode.Khmer, unicode.Lao, unicode.Myanmar)
}

func gramsOf(words [][]byte) []uint64 {
	if len(words) == 0 {
		return nil
	}
	grams := make([]uint64, 0, 2*len(words)+2)
	for i, w := range words {
		one := fnv(offset, w)
		grams = append(grams, spread(one))
		if i+1 < len(words) {
			grams = append(grams, spread(fnv(fnv(one, []byte{' '}), words[i+1])))
		}
	}
	length := byte(bits.Len16(uint16(len(words)+1)) - 1) //nolint:gosec // floor(log2(len+1)), len at most 400
	return append(grams, spread(fnv(fnv(offset, []byte{'^'}), words[0])), spread(fnv(offset, []byte{'L', ' ', length})))
}

const (
	offset = 14695981039346656037
	prime  = 1099511628211
)

// fnv continues an FNV-1a hash.
func fnv(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	return h
}

// spread mixes the bits of a hash, whose high ones are few for short words.
func spread(h uint64) uint64 {
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// Space remembers the vectors of prompts that will be seen often. A nil Space works
// and remembers nothing. It may be shared once nothing is added any more.
type Space struct{ known map[string]Vector }

// NewSpace returns the space of the given prompts.
func NewSpace(prompts []string) *Space {
	s := &Space{known: make(map[string]Vector, len(prompts))}
	for _, p := range prompts {
		if _, ok := s.known[p]; !ok {
			s.known[p] = Vectorise(p)
		}
	}
	return s
}

// Of returns the vector of the prompt of x, empty when it has none.
func (s *Space) Of(x *bartizan.Exchange) Vector {
	if x.Text == nil {
		return nil
	}
	if s != nil {
		if v, ok := s.known[x.Text.Prompt]; ok {
			return v
		}
	}
	return Vectorise(x.Text.Prompt)
}

// all returns the vectors of the accounts' exchanges that have text, account by account.
func (s *Space) all(accounts []Account) []Vector {
	var out []Vector
	for _, a := range accounts {
		for _, x := range a {
			if v := s.Of(x); len(v) > 0 {
				out = append(out, v)
			}
		}
	}
	return out
}

// index finds inner products with all vectors that were added.
type index struct {
	postings map[uint32][]posting
	n        int
	dots     []float32
}

type posting struct {
	at    int
	value float32
}

func (i *index) add(v Vector) {
	if i.postings == nil {
		i.postings = make(map[uint32][]posting)
	}
	for _, c := range v {
		i.postings[c.Index] = append(i.postings[c.Index], posting{at: i.n, value: c.Value})
	}
	i.n++
}

// products returns the inner product of v with each added vector, in their order. The
// slice is good until the next call.
func (i *index) products(v Vector) []float32 {
	i.dots = append(i.dots[:0], make([]float32, i.n)...)
	for _, c := range v {
		for _, p := range i.postings[c.Index] {
			i.dots[p.at] += c.Value * p.value
		}
	}
	return i.dots
}

// distance of two unit vectors with the given inner product.
func distance(dot float64) float64 { return math.Sqrt(max(0, 2-2*dot)) }
