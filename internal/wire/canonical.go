package wire

import (
	"maps"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// AppendInput appends the canonical form of the row-th input of a request: what the model
// was asked about, without what a caller can vary and still get the same answer. Case and
// white space of text, digits of numbers beyond the fourth, the order of an object's keys,
// and what else stands in the request do not count. Rows beyond those that the request has
// begin with its first again, as where an answer has several scores of each.
func (r *Route) AppendInput(dst, body []byte, row int) []byte {
	for _, key := range r.said {
		value := lookup(body, key)
		if value == nil {
			continue
		}
		dst = append(dst, 0)
		if r.texts[key] == textMessages && isMessages(value) {
			dst = appendCanonical(dst, value)
			continue
		}
		dst = appendRow(dst, value, row)
	}
	return dst
}

// appendRow appends the row-th input of a value: an element of a list that is not of
// numbers alone, of each tensor in a list, or of each list in an object of columns.
func appendRow(dst, value []byte, row int) []byte {
	switch value[0] {
	case '[':
		count, numbers, tensors := 0, 0, 0
		items(value, func(item []byte) {
			count++
			switch {
			case valueOf(item, "data") != nil && valueOf(item, "datatype") != nil:
				tensors++
			case checkNumber(item, 0) == len(item):
				numbers++
			}
		})
		switch count {
		case 0, numbers: // the ids or features of one input
			return appendCanonical(dst, value)
		case tensors:
			items(value, func(item []byte) { dst = appendTensorRow(append(dst, ','), item, row) })
			return dst
		default:
			return appendCanonical(dst, elementAt(value, row%count))
		}
	case '{':
		columns := map[string][]byte{}
		eachMember(value, func(name string, inner []byte) {
			if count := countOf(inner); count > 0 {
				inner = elementAt(inner, row%count)
			}
			columns[name] = appendCanonical(nil, inner)
		})
		return appendMembers(dst, columns)
	default:
		return appendCanonical(dst, value)
	}
}

// appendTensorRow appends the row-th input of a tensor: its share of the data, however that
// nests and whatever the tensor is called.
func appendTensorRow(dst, tensor []byte, row int) []byte {
	var flat [][]byte
	flatten(valueOf(tensor, "data"), &flat)
	rows, _ := wholeNumber(firstOf(valueOf(tensor, "shape")))
	if rows <= 0 || len(flat)%rows != 0 {
		rows = 1
	}
	each := len(flat) / rows
	at := row % rows * each
	for _, item := range flat[at : at+each] {
		dst = append(appendCanonical(dst, item), ',')
	}
	return dst
}

// flatten appends the elements of nested lists.
func flatten(value []byte, flat *[][]byte) {
	if len(value) > 0 && value[0] == '[' {
		items(value, func(item []byte) { flatten(item, flat) })
	} else if value != nil {
		*flat = append(*flat, value)
	}
}

// countOf is how many elements a list has; what is no list has none.
func countOf(list []byte) (count int) {
	items(list, func([]byte) { count++ })
	return count
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

// appendMembers appends an object's members, which are canonical, in the order of their
// names. An object that is nothing but a text is that text.
func appendMembers(dst []byte, members map[string][]byte) []byte {
	if text := members["text"]; len(members) == 1 && text != nil {
		return append(dst, text...)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		dst = append(append(appendQuoted(append(dst, '{'), name), ':'), members[name]...)
	}
	return append(dst, '}')
}

func appendCanonical(dst, value []byte) []byte {
	switch value[0] {
	case '"':
		text, ok := plain(value)
		if !ok {
			return dst
		}
		return append(appendFolded(append(dst, '"'), text), 0) // which no folded text has
	case '[':
		dst = append(dst, '[')
		items(value, func(item []byte) { dst = append(appendCanonical(dst, item), ',') })
		return append(dst, ']')
	case '{':
		members := map[string][]byte{}
		eachMember(value, func(name string, inner []byte) { members[name] = appendCanonical(nil, inner) })
		return appendMembers(dst, members)
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
