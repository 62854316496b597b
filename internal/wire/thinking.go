package wire

import (
	"bytes"
	"strings"

	"bartizan"
)

// thinkingMarks are what models write around reasoning that no parser of their server took
// out of the text.
var thinkingMarks = [...][2]string{ //nolint:gochecknoglobals // a static table
	{"<think>", "</think>"},
	{"<thinking>", "</thinking>"},
	{"<reasoning>", "</reasoning>"},
	{"<thought>", "</thought>"},
	{"[THINK]", "[/THINK]"},
	{"◁think▷", "◁/think▷"},
}

// thinker takes reasoning off the beginning of one text that comes in pieces.
type thinker struct {
	state thinkingState
	held  string // what may be the beginning of a mark
	close string // the mark that ends the reasoning
}

type thinkingState uint8

const (
	thinkingMayBegin thinkingState = iota // only white space was seen
	thinkingInside
	thinkingTrims // it is over, and white space after it goes with it
	thinkingOver
)

// next returns what is told of the next piece. What could be the beginning of a mark waits
// for the piece after it.
func (t *thinker) next(piece string) (told string) {
	for {
		switch t.state {
		case thinkingOver:
			return piece
		case thinkingTrims:
			if piece = strings.TrimLeft(piece, " \n\r\t"); piece != "" {
				t.state = thinkingOver
			}
			return piece
		case thinkingInside:
			all := t.held + piece
			if at := strings.Index(all, t.close); at >= 0 {
				t.state, t.held, piece = thinkingTrims, "", all[at+len(t.close):]
				continue
			}
			t.held = all[len(all)-overlap(all, t.close):]
			return ""
		default:
			all := t.held + piece
			text := strings.TrimLeft(all, " \n\r\t")
			open, waits := opening(text)
			switch {
			case open >= 0:
				marks := thinkingMarks[open]
				t.state, t.held, t.close, piece = thinkingInside, "", marks[1], text[len(marks[0]):]
				continue
			case waits:
				t.held = all
				return ""
			default:
				t.state, t.held = thinkingOver, ""
				return all
			}
		}
	}
}

// opening returns which mark text begins with, or -1; waits says that it may yet be one.
func opening(text string) (mark int, waits bool) {
	for i, marks := range thinkingMarks {
		if strings.HasPrefix(text, marks[0]) {
			return i, false
		}
		waits = waits || strings.HasPrefix(marks[0], text)
	}
	return -1, waits
}

// overlap is the length of the longest end of text that mark begins with.
func overlap(text, mark string) int {
	for size := min(len(text), len(mark)-1); size > 0; size-- {
		if strings.HasSuffix(text, mark[:size]) {
			return size
		}
	}
	return 0
}

// hideThinking edits the text at src[i:end], the beginning of which earlier events told.
func (w *Rewriter) hideThinking(n *node, i, end, again int) {
	t := &w.strand(n).thinker
	if again > 0 {
		*t = thinker{}
	}
	if t.state == thinkingOver {
		return
	}
	text := string(appendDecoded(nil, w.src[i:end]))
	told := t.next(text)
	if told == text {
		return
	}
	w.flush(i)
	w.dst = appendQuoted(w.dst, told)
	w.from = end
	w.touched[bartizan.FieldReasoning] = true
}

// hideTokens withholds the tokens that belong to reasoning: they would tell its text.
func (w *Rewriter) hideTokens(n *node, lists *TokenLists) {
	tokens := lists.Lists[0]
	hidden := w.reasoned(n, 0, len(tokens), func(k int) string { return tokens[k].Token })
	for k := range tokens {
		if hidden(k) {
			lists.hide(0, k)
			w.touched[bartizan.FieldReasoning] = true
		}
	}
}

// reasoned tells which of some tokens at a place, told in order, belong to reasoning. If
// their holder tells its reasoning beside its text, those are all before the text; else
// those between the marks. It must be asked for each token in turn.
func (w *Rewriter) reasoned(n *node, again, count int, token func(k int) string) func(k int) bool {
	if w.holderNode != nil && w.holderNode.thinks {
		var said, thought []byte
		w.spoken(w.holderNode, w.holder, &said, &thought)
		if len(thought) > 0 {
			var all []byte
			starts := make([]int, count)
			for k := range count {
				starts[k] = len(all)
				all = append(all, token(k)...)
			}
			from := len(all) + 1
			if at := bytes.LastIndex(all, said); at >= 0 && len(said) > 0 {
				from = at
			}
			return func(k int) bool { return starts[k] < from }
		}
	}
	t := &w.strand(n).thinker
	if again > 0 {
		*t = thinker{}
	}
	return func(k int) bool {
		text := token(k)
		return t.state != thinkingOver && text != "" && t.next(text) == ""
	}
}

// spoken gathers the reasoning and the first text that the object at src[i] tells.
func (w *Rewriter) spoken(n *node, i int, said, thought *[]byte) {
	end := skipValue(w.src, i)
	if end < 0 || checkValue(w.src, i, 0) != end {
		return
	}
	var walk func(n *node, value []byte)
	walk = func(n *node, value []byte) {
		switch {
		case value[0] == '"' && n.form == formText && n.kind == bartizan.FieldContent && !n.uncounted:
			if len(*said) == 0 { // what a tool is called with is written otherwise
				*said = appendDecoded(*said, value)
			}
		case value[0] == '"' && n.form == formText && n.kind != bartizan.FieldContent:
			*thought = appendDecoded(*thought, value)
		case value[0] == '[' && n.elem != nil:
			items(value, func(item []byte) { walk(n.elem, item) })
		case value[0] == '{':
			n := n.of(value)
			eachMember(value, func(name string, inner []byte) {
				if child := n.child([]byte(name)); child != nil {
					walk(child, inner)
				}
			})
		}
	}
	walk(n, w.src[i:end])
}
