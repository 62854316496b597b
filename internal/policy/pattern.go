package policy

import (
	"path"
	"slices"
)

// Covers reports whether the pattern a matches every name that b matches; both are as of
// [path.Match]. It may miss that it does, such as that [a-z] is within [a-zA-Z], but what
// it says holds.
func Covers(a, b string) bool {
	as, bs := tokens(a), tokens(b)
	covers := make([][]bool, len(as)+1) // whether as[i:] covers bs[k:]
	for i := range covers {
		covers[i] = make([]bool, len(bs)+1)
	}
	covers[len(as)][len(bs)] = true
	for i := range slices.Backward(as) {
		for k := len(bs); k >= 0; k-- {
			switch {
			case as[i] == "*":
				covers[i][k] = covers[i+1][k] || k < len(bs) && !matches(bs[k], "/") && covers[i][k+1]
			case k < len(bs) && bs[k] != "*":
				covers[i][k] = within(as[i], bs[k]) && covers[i+1][k+1]
			}
		}
	}
	return covers[0][0]
}

// tokens splits a good pattern into what matches one character, and stars.
func tokens(pattern string) []string {
	var out []string
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		first := i
		switch runes[i] {
		case '\\':
			i++
		case '[':
			for i++; i < len(runes) && (runes[i] != ']' || i == first+1); i++ {
				if runes[i] == '\\' {
					i++
				}
			}
		}
		out = append(out, string(runes[first:min(i+1, len(runes))]))
	}
	return out
}

// within reports whether one token of a, no star, matches all that a token of b does.
func within(a, b string) bool {
	switch {
	case a == b:
		return true
	case b[0] == '[' || b == "?":
		return a == "?" && !matches(b, "/")
	case b[0] == '\\':
		b = b[1:]
	}
	return matches(a, b)
}

func matches(token, name string) bool {
	ok, err := path.Match(token, name)
	return ok && err == nil
}
