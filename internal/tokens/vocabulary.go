package tokens

import (
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

const (
	o200kTokens  = 199_998
	cl100kTokens = 100_256
)

//nolint:gochecknoglobals // constants in spirit: too big to build at start, the same for everybody
var (
	o200k = sync.OnceValues(func() (*vocabulary, error) {
		return newVocabulary(codec.NewO200kBase(), o200kTokens, scanner.nextO200k)
	})
	cl100k = sync.OnceValues(func() (*vocabulary, error) {
		return newVocabulary(codec.NewCl100kBase(), cl100kTokens, scanner.nextCL100k)
	})
)

// vocabulary is a table of tokens and the pattern that cuts a text into the pieces
// which tokens never cross.
type vocabulary struct {
	// ranks holds every token of two bytes and more. Each single byte is a token too.
	ranks map[string]uint32
	// pairs holds the ranks of the tokens of two bytes, by their bytes.
	pairs   []uint32
	longest int
	scanner scanner
	next    func(scanner, string) int
	scratch sync.Pool
}

// noRank is the rank of what is no token.
const noRank = math.MaxUint32

// newVocabulary reads the first n tokens out of c. The module keeps its table to
// itself, so they are asked for one by one.
func newVocabulary(c *codec.Codec, n uint, next func(scanner, string) int) (*vocabulary, error) {
	v := &vocabulary{
		ranks: make(map[string]uint32, n), pairs: make([]uint32, 1<<16),
		scanner: newScanner(), next: next,
		scratch: sync.Pool{New: func() any { return new(scratch) }},
	}
	for i := range v.pairs {
		v.pairs[i] = noRank
	}
	var text strings.Builder // of all tokens, so that they share one allocation
	ends := make([]int, 0, n)
	for id := range n {
		token, err := c.Decode([]uint{id})
		if err != nil {
			return nil, fmt.Errorf("read token %d: %w", id, err)
		}
		text.WriteString(token)
		ends = append(ends, text.Len())
	}
	all, start, single := text.String(), 0, 0
	for id, end := range ends {
		token, rank := all[start:end], uint32(id)
		start = end
		switch len(token) {
		case 1:
			single++
			continue
		case 2:
			v.pairs[pairOf(token)] = rank
		}
		v.ranks[token] = rank
		v.longest = max(v.longest, len(token))
	}
	if single != 256 {
		return nil, fmt.Errorf("read tokens: %d of 256 bytes are tokens", single)
	}
	return v, nil
}

func pairOf(s string) int { return int(s[0])<<8 | int(s[1]) }

// rank returns the rank of the token s, or noRank. s has two bytes or more.
func (v *vocabulary) rank(s string) uint32 {
	if len(s) == 2 {
		return v.pairs[pairOf(s)]
	}
	if len(s) <= v.longest {
		if rank, ok := v.ranks[s]; ok {
			return rank
		}
	}
	return noRank
}

// split returns the end of the first piece of text.
func (v *vocabulary) split(text string) int { return v.next(v.scanner, text) }
