package wire

import (
	"strconv"
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

// thinkers are the texts of an answer, each of which may begin with reasoning.
type thinkers struct {
	choice int
	all    map[thinkerKey]*thinker
}

// thinkerKey is one text: a field of one choice.
type thinkerKey struct {
	node   *node
	choice int
}

func (t *thinkers) of(n *node) *thinker {
	key := thinkerKey{n, t.choice}
	if t.all[key] == nil {
		if t.all == nil {
			t.all = map[thinkerKey]*thinker{}
		}
		t.all[key] = &thinker{}
	}
	return t.all[key]
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

// hideThinking edits the text at src[i:end].
func (w *Rewriter) hideThinking(n *node, i, end int) {
	t := w.thinking.of(n)
	if n.cumulative {
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

// hideTokens empties the tokens that belong to reasoning: they would tell its text.
func (w *Rewriter) hideTokens(n *node, told []bartizan.TokenScore) {
	t := w.thinking.of(n)
	for i := range told {
		if t.state == thinkingOver {
			return
		}
		if told[i].Token != "" && t.next(told[i].Token) == "" {
			told[i] = bartizan.TokenScore{Logprob: bartizan.LogprobWithheld}
		}
	}
}

// choiceOf returns the number of the choice at b[i], which is the at-th of its list.
func choiceOf(b []byte, i, at int) int {
	end := skipValue(b, i)
	if end < 0 {
		return at
	}
	if index, err := strconv.Atoi(string(valueOf(b[i:end], "index"))); err == nil {
		return index
	}
	return at
}
