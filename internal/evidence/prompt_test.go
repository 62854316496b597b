package evidence_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bartizan/internal/evidence"

	"golang.org/x/text/unicode/norm"
)

func TestNormalizePrompt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"empty":             {"", ""},
		"white space alone": {" \t\r\n ", ""},
		"plain":             {"a b", "a b"},
		"outer":             {"\n  a \t", "a"},
		"runs":              {"a \t\u00a0 b", "a b"},
		"line ends":         {"a\r\nb\rc\nd", "a\nb\nc\nd"},
		"blank lines":       {"a \n\n \r\n\tb", "a\nb"},
		"composed":          {"Cafe\u0301", "Caf\u00e9"},
		"not UTF-8":         {"a\xff  \xfeb", "a\xff \xfeb"},
		"case stays":        {"A a", "A a"},
	} {
		if got := evidence.NormalizePrompt(c.in); got != c.want {
			t.Errorf("%s: NormalizePrompt(%q) = %q; want %q", name, c.in, got, c.want)
		}
	}
}

func FuzzNormalizePrompt(f *testing.F) {
	for _, s := range []string{"", "a  b", "\r\n\u2028x", "e\u0301 \u0301", "\xff \xc3", strings.Repeat("\u0300", 70)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := evidence.NormalizePrompt(s)
		if again := evidence.NormalizePrompt(got); again != got {
			t.Fatalf("twice: %q, then %q", got, again)
		}
		if strings.Contains(got, "  ") || strings.Contains(got, "\r") || strings.Contains(got, "\n\n") ||
			strings.Contains(got, " \n") || strings.Contains(got, "\n ") || strings.TrimFunc(got, unicode.IsSpace) != got {
			t.Fatalf("blanks remain: %q", got)
		}
		if utf8.ValidString(s) && !norm.NFC.IsNormalString(got) {
			t.Fatalf("not NFC: %q", got)
		}
		if spaced := evidence.NormalizePrompt(" " + strings.ReplaceAll(s, " ", " \t ") + "\n"); spaced != got {
			t.Fatalf("layout matters: %q and %q", got, spaced)
		}
	})
}
