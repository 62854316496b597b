package evidence

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// NormalizePrompt brings a prompt into the form that is hashed, so that the same
// words in another layout are the same prompt: Unicode NFC, no white space at either
// end, and each run of white space within as one line feed when it holds a line end
// (LF, CR or both), else as one space. Bytes that are not UTF-8 stay as they are.
// Normalising twice changes nothing.
func NormalizePrompt(text string) string {
	text = norm.NFC.String(text)
	out := make([]byte, 0, len(text))
	var pending byte
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '\n' || r == '\r':
			pending = '\n'
		case unicode.IsSpace(r):
			if pending == 0 {
				pending = ' '
			}
		default:
			if pending != 0 && len(out) > 0 {
				out = append(out, pending)
			}
			pending = 0
			out = append(out, text[i:i+n]...)
		}
		i += n
	}
	return string(out)
}
