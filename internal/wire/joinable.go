package wire

import "bartizan"

// TextSpan returns where in an answer's document its one piece of generated text lies, its
// quotes left out; ok is false when it has none or more than one. Documents that differ in
// nothing else can be joined into one with both texts.
func (r *Route) TextSpan(doc []byte) (from, to int, ok bool) {
	s := spanSearch{doc: doc}
	i := skipSpace(doc, 0)
	if i < len(doc) && doc[i] == '{' && s.value(r.answer, i, 0) > 0 && s.count == 1 {
		return s.from, s.to, true
	}
	return 0, 0, false
}

// spanSearch looks for text in one document.
type spanSearch struct {
	doc      []byte
	from, to int
	count    int
}

func (s *spanSearch) value(n *node, i, depth int) int {
	if depth > maxDepth {
		return -1
	}
	switch {
	case s.doc[i] == '{':
		return s.object(n, i, depth)
	case s.doc[i] == '[' && n.elem != nil:
		e := elements{b: s.doc, i: i}
		for e.next() {
			e.end(s.value(n.elem, e.value, depth+1))
		}
		return e.done()
	}
	end := skipValue(s.doc, i)
	if end > i+1 && s.doc[i] == '"' && n.form == formText && n.kind == bartizan.FieldContent && !n.uncounted && !n.cumulative {
		s.count++
		s.from, s.to = i+1, end-1
	}
	return end
}

func (s *spanSearch) object(n *node, i, depth int) int {
	if len(n.variants) > 0 {
		end := skipValue(s.doc, i)
		if end < 0 {
			return -1
		}
		n = n.of(s.doc[i:end])
	}
	m := members{b: s.doc, i: i}
	for m.next() {
		child := n.child(s.doc[m.key+1 : m.keyEnd-1])
		if child == nil {
			m.end(skipValue(s.doc, m.value))
			continue
		}
		m.end(s.value(child, m.value, depth+1))
	}
	return m.done()
}
