package tokens_test

import (
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"

	"bartizan/internal/tokens"
)

// The patterns of tiktoken 0.12, tiktoken_ext/openai_public.py. Possessive quantifiers
// are plain here: what follows them never takes back. The group around each keeps the
// engine from the code that the tokenizer module generated for its pattern, which cuts
// white space wrongly.
const (
	o200kPattern = `(?:[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)`
	cl100kPattern = `(?:'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}` +
		`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s)`
)

// oracle counts as the reference is written, slowly: a regular expression splits, and
// each merge looks at all pairs of a piece.
type oracle struct {
	pattern *regexp2.Regexp
	ranks   map[string]int
}

var oracles = map[string]func() *oracle{
	tokens.CL100kBase: sync.OnceValue(func() *oracle { return newOracle(codec.NewCl100kBase(), cl100kPattern) }),
	tokens.O200kBase:  sync.OnceValue(func() *oracle { return newOracle(codec.NewO200kBase(), o200kPattern) }),
}

func newOracle(c *codec.Codec, pattern string) *oracle {
	o := &oracle{pattern: regexp2.MustCompile(pattern), ranks: make(map[string]int)}
	for id := range uint(200_000) {
		if token, err := c.Decode([]uint{id}); err == nil {
			o.ranks[token] = int(id)
		}
	}
	return o
}

func (o *oracle) pieces(tb testing.TB, text string) []string {
	tb.Helper()
	var all []string
	match, err := o.pattern.FindStringMatch(text)
	for ; match != nil && err == nil; match, err = o.pattern.FindNextMatch(match) {
		all = append(all, match.String())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func (o *oracle) merge(piece string) int {
	parts := make([]string, 0, len(piece))
	for i := range len(piece) {
		parts = append(parts, piece[i:i+1])
	}
	for {
		best, at := math.MaxInt, -1
		for i := range len(parts) - 1 {
			if rank, ok := o.ranks[parts[i]+parts[i+1]]; ok && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			return len(parts)
		}
		parts[at] += parts[at+1]
		parts = append(parts[:at+1], parts[at+2:]...)
	}
}

// checkCount compares Count with the oracle, and where text is not UTF-8 with its bounds.
func checkCount(t *testing.T, text string) {
	t.Helper()
	for _, vocabulary := range vocabularies {
		c := open(t, vocabulary)
		if got := c.Count(text); got > len(text) || (got == 0) != (text == "") {
			t.Errorf("%s: Count(%q) = %d; want 1 to %d", vocabulary, text, got, len(text))
		}
		valid := strings.ToValidUTF8(text, "\ufffd")
		o, want := oracles[vocabulary](), 0
		pieces := o.pieces(t, valid)
		for _, piece := range pieces {
			want += o.merge(piece)
		}
		if diff := cmp.Diff(pieces, c.Pieces(valid)); diff != "" {
			t.Errorf("%s: pieces of %q differ (-want +got):\n%s", vocabulary, valid, diff)
		}
		if got := c.Count(valid); got != want {
			t.Errorf("%s: Count(%q) = %d; want %d", vocabulary, valid, got, want)
		}
	}
}

func TestCountIsTheReference(t *testing.T) {
	t.Parallel()
	for _, text := range seeds(t) {
		checkCount(t, text)
	}
	for name, alphabet := range map[string]string{
		"space":   " \n\r\t\u00a0\u3000a.",
		"word":    "aAéÉǅʰ中ß\u0301's 1",
		"quote":   "'sStTrReEvVlLmMdDſ x",
		"symbol":  " !/'\n_-\u0301a1€😀",
		"number":  "12٣½Ⅷ a.",
		"far":     "𝕏𝟘𐐀𐐨𠀀😀 a\U000e0100",
		"unicode": "\u0000\u200b\u200d\ufeff\u2028\u0085\u1680ªº\u0345ﬁ\ufffd\U0010ffff ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 10, 60, -1)
			rapid.Check(t, func(rt *rapid.T) { checkCount(t, text.Draw(rt, "text")) })
		})
	}
}

// What is longer than is merged at once counts as in the module, whose splitter is
// good where there is no newline, or nearly so.
func TestCountLongPiece(t *testing.T) {
	t.Parallel()
	const size = 40_000
	modules := map[string]*codec.Codec{
		tokens.CL100kBase: codec.NewCl100kBase(), tokens.O200kBase: codec.NewO200kBase(),
	}
	for name, unit := range hostile() {
		text := strings.Repeat(unit, size/len(unit))
		if strings.Contains(unit, "\n") || !utf8.ValidString(unit) {
			continue
		}
		for _, vocabulary := range vocabularies {
			want, err := modules[vocabulary].Count(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := open(t, vocabulary).Count(text); got < want || got > want+2*size/4096 {
				t.Errorf("%s: Count(%s) = %d; want %d or a few more", vocabulary, name, got, want)
			}
		}
	}
}

// seeds are texts of many kinds, short enough for the oracle.
func seeds(tb testing.TB) []string {
	tb.Helper()
	code, err := os.ReadFile("split.go")
	if err != nil {
		tb.Fatal(err)
	}
	all := []string{
		"", prose, string(code), "a\n \n \n b", "a\r\n\r\n\t\nb", "end  \n  ", "x   y", "it's IT'S 'tis we'LL", "<|endoftext|>",
		"ABCdefGHI", "中A中A", "\u0301\u0301a", "\xff\xfe\xe4\xb8a", "1234567 ٣٣٣٣", "http://a.b/c//\n/d", "{\"a\":[1,2.50,-3e8]}\n",
	}
	for _, unit := range hostile() {
		all = append(all, strings.Repeat(unit, 200/len(unit)))
	}
	return all
}

func FuzzCount(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkCount(t, text[:min(len(text), 2000)])
	})
}

// FuzzCountRepeated looks for what takes long when there is much of it.
func FuzzCountRepeated(f *testing.F) {
	for _, unit := range hostile() {
		f.Add("", unit, "")
	}
	f.Add("A", "中B", "c")
	f.Fuzz(func(t *testing.T, head, unit, tail string) {
		if unit == "" || len(unit) > 64 || len(head)+len(tail) > 64 {
			t.Skip()
		}
		const size, slow = 1 << 14, time.Second
		text := head + strings.Repeat(unit, size/len(unit)) + tail
		for _, vocabulary := range vocabularies {
			c := open(t, vocabulary)
			begin := time.Now()
			if got := c.Count(text); got > len(text) {
				t.Errorf("%s: Count = %d; want at most %d", vocabulary, got, len(text))
			}
			if took := time.Since(begin); took > slow {
				t.Errorf("%s: 16 KiB of %q took %v; want less than %v", vocabulary, unit, took, slow)
			}
		}
	})
}
