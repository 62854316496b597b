package modelserver

import (
	"strings"
	"unicode"
)

const (
	stemRunes = 7 // letters of a word that count for likeness
	leastStem = 3 // letters that cutting an ending leaves at least
)

// stems yields the words of a text in the form in which they are compared.
func stems(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if !yield(stem(w)) {
				return
			}
		}
	}
}

// stem brings the forms of an English word together by cutting common endings. It
// is crude on purpose: it has to meet itself, not a dictionary.
func stem(word string) string {
	w := strings.ToLower(word)
	for _, ending := range []string{"s", "ing", "ed", "ly", "e"} {
		cut := strings.TrimSuffix(w, ending)
		if len(cut) >= leastStem && (ending != "s" || !strings.HasSuffix(cut, "s")) {
			w = cut
		}
	}
	runes := []rune(w)
	return string(runes[:min(len(runes), stemRunes)])
}
