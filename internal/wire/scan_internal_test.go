package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// valid reports whether the scanner takes b for one JSON value.
func valid(b []byte) bool {
	i := skipSpace(b, 0)
	end := checkValue(b, i, 0)
	return end >= 0 && skipSpace(b, end) == len(b)
}

// jsonText draws text that is JSON or close to it.
func jsonText() *rapid.Generator[string] {
	pieces := []string{
		`{`, `}`, `[`, `]`, `,`, `:`, `"a"`, `"long enough for a word"`, `"\u00e9\ud83d\ude00\\\""`, `"\x"`, `"`, `1`, `-0`, `-`, `01`,
		`1.5e-3`, `1.`, `1e`, `true`, `false`, `null`, `nul`, ` `, "\n", "\t", "\x01", `"\u12"`, `{"a":1}`, `[1,2]`, `{"b":[{}]}`,
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
	})
}

func TestCheckAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(jsonText().Draw(t, "text"))
		if got, want := valid(text), json.Valid(text); got != want {
			t.Fatalf("checkValue takes %q for JSON: %v; encoding/json: %v", text, got, want)
		}
	})
}

func TestSkipAgreesWithCheck(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(jsonText().Draw(t, "text"))
		if end := checkValue(text, 0, 0); end >= 0 && skipValue(text, 0) != end {
			t.Fatalf("skipValue(%q) = %d; want %d", text, skipValue(text, 0), end)
		}
	})
}

func TestStringsAgreeWithEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "text")
		quoted := appendQuoted(nil, want)
		var read string
		if err := json.Unmarshal(quoted, &read); err != nil || read != want {
			t.Fatalf("appendQuoted(%q) = %s, read as %q: %v", want, quoted, read, err)
		}
		std, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for _, literal := range [][]byte{quoted, std} {
			if got := appendDecoded(nil, literal); string(got) != want || decodedLen(literal) != len(want) {
				t.Fatalf("%s decodes to %q of %d bytes; want %q of %d", literal, got, decodedLen(literal), want, len(want))
			}
		}
	})
}
