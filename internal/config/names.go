package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// names is a list of names. It replaces what was there, and an empty one says that there
// are none.
type names struct {
	to   *[]string
	form *regexp.Regexp
	want string // one of them
}

func (k names) decode(d *decoder, n ast.Node, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(n, path, "a list")
		return
	}
	if len(s.Values) > maxEntries {
		d.fault(placeOf(n.GetToken()), path, "%d entries; want at most %d", len(s.Values), maxEntries)
		return
	}
	*k.to = nil
	for i, entry := range s.Values {
		here := path + "[" + strconv.Itoa(i) + "]"
		d.places[here] = placeOf(firstToken(entry))
		word, ok := scalar(entry)
		switch {
		case !ok || !k.form.MatchString(word):
			d.wrong(entry, here, k.want)
		case slices.Contains(*k.to, word):
			d.fault(placeOf(firstToken(entry)), here, "comes twice")
		default:
			*k.to = append(*k.to, word)
		}
	}
}

func (k names) schema() schema {
	return schema{
		"type": "array", "maxItems": maxEntries,
		"items": schema{"type": "string", "pattern": k.form.String()},
	}
}

func (k names) print() (printed, bool) {
	words := make([]string, len(*k.to))
	for i, word := range *k.to {
		words[i] = string(quoted(word))
	}
	return printed("[" + strings.Join(words, ", ") + "]"), true
}
