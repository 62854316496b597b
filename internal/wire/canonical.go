package wire

import (
	"bytes"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// AppendInput appends the canonical form of the row-th input of a request: what the model
// was asked about, without what a caller can vary and still get the same answer. Case and
// white space of text, digits of numbers beyond the fourth, and the order of an object's
// keys do not count. A row that the request does not have stands for the whole input.
func (r *Route) AppendInput(dst, body []byte, row int) []byte {
	for _, key := range r.said {
		value := lookup(body, key)
		if value == nil {
			continue
		}
		dst = append(dst, 0)
		if value[0] == '[' {
			if one := elementAt(value, row); one != nil {
				dst = appendCanonical(dst, one)
				continue
			}
		}
		dst = appendCanonical(dst, value)
	}
	return dst
}

// elementAt returns an element of a list, or nil.
func elementAt(list []byte, at int) (element []byte) {
	k := 0
	items(list, func(item []byte) {
		if k == at {
			element = item
		}
		k++
	})
	return element
}

func appendCanonical(dst, value []byte) []byte {
	switch value[0] {
	case '"':
		text, ok := plain(value)
		if !ok {
			return dst
		}
		return appendFolded(append(dst, '"'), text)
	case '[':
		dst = append(dst, '[')
		items(value, func(item []byte) { dst = append(appendCanonical(dst, item), ',') })
		return append(dst, ']')
	case '{':
		var members [][]byte
		eachPair(value, func(key, inner []byte) {
			members = append(members, appendCanonical(append(bytes.Clone(key), ':'), inner))
		})
		slices.SortFunc(members, bytes.Compare)
		return append(append(append(dst, '{'), bytes.Join(members, []byte{','})...), '}')
	case 't', 'f', 'n':
		return append(dst, value...)
	default:
		const digits = 4
		f, err := strconv.ParseFloat(string(value), 64)
		if err != nil {
			return append(dst, value...)
		}
		return strconv.AppendFloat(dst, f+0, 'e', digits-1, 64) // +0 takes the sign off zero
	}
}

// appendFolded appends text in lower case, with one space for each run of white space
// within and none around.
func appendFolded(dst []byte, text string) []byte {
	space := false
	from := len(dst)
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case !unicode.IsGraphic(r): // zero-width and control characters
			continue
		}
		if space && len(dst) > from {
			dst = append(dst, ' ')
		}
		space = false
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
	}
	return dst
}
