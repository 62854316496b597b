package tokens_test

import (
	"os"
	"strings"
	"testing"
)

// hostile are texts, made of repeats, that cost a careless tokenizer dearly.
func hostile() map[string]string {
	return map[string]string{
		"letter": "a", "capital": "A", "capital_small": "aA", "space": " ", "newline": "\n",
		"space_newline": " \n", "newline_spaces": "\n   \t", "tab": "\t", "wide_space": "\u3000",
		"cjk": "中", "cjk_mixed": "中A", "combining": "\u0301", "combining_capital": "\u0301A",
		"emoji": "😀", "invalid": "\xff", "torn": "\xe4\xb8", "mark": "!", "digit": "1", "nul": "\x00",
		"quote": "'s", "quotes": "''", "long_s": "'ſ", "slash": "/\n", "astral": "𝕏", "worst": "zq",
	}
}

func BenchmarkCount(b *testing.B) {
	code, err := os.ReadFile("split.go")
	if err != nil {
		b.Fatal(err)
	}
	const size = 1 << 16
	texts := map[string]string{
		"prose": strings.Repeat(prose, size/len(prose)),
		"code":  strings.Repeat(string(code), size/len(code)),
		"short": prose[:64],
	}
	for name, unit := range hostile() {
		texts["hostile/"+name] = strings.Repeat(unit, size/len(unit))
	}
	for name, text := range texts {
		for _, vocabulary := range vocabularies {
			b.Run(name+"/"+vocabulary, func(b *testing.B) {
				c := open(b, vocabulary)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					c.Count(text)
				}
			})
		}
	}
}
