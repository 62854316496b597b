package wire

import (
	"fmt"
	"strings"

	"bartizan"
)

// answerField is one line of a route's answer table: where content of one kind lies.
type answerField struct {
	kind bartizan.Field
	// paths are separated by spaces. A path is keys joined by dots; [] enters an
	// array; a final .** takes everything below.
	paths string
	// form is how the content is encoded, where that matters.
	form form
	// neutral is the JSON value that the key keeps when the content is dropped,
	// because the API's contract promises the key. Without one the key goes too.
	neutral string
	// early says that a count of usage is told before the answer is written.
	early bool
}

// form is how a field's content is encoded.
type form uint8

const (
	formPlain  form = iota
	formTokens      // log-probabilities per token
	formVector      // an embedding
	formWord        // text; where an engine sends a number it is a token id
	formText        // generated text
	formData        // generated JSON, with keys that mean nothing here
	formError       // the upstream's error
	formUsage       // the usage object
	formPromptTokens
	formOutputTokens
	formCachedTokens     // part of the prompt's
	formCacheReadTokens  // beside the prompt's
	formCacheWriteTokens // likewise
	formReasoningTokens
	formChoices
)

// node is a place in an answer, compiled from a table.
type node struct {
	kind    bartizan.Field
	form    form
	neutral string
	early   bool
	facts   bool // this node or one below it has a form that facts are taken from

	leaf bool  // scalars are expected here
	open bool  // anything is
	elem *node // of arrays; nil where none are expected

	// byLen holds the keys of an object by their length.
	byLen [][]member
}

type member struct {
	name string
	node *node
}

// child returns the node of a key, or nil.
func (n *node) child(key []byte) *node {
	if len(key) >= len(n.byLen) {
		return nil
	}
	for _, m := range n.byLen[len(key)] {
		if m.name == string(key) {
			return m.node
		}
	}
	return nil
}

// twin returns the node whose key folds to the same as a folded key, or nil.
func (n *node) twin(folded []byte) *node {
	var name []byte
	for _, group := range n.byLen {
		for _, m := range group {
			if name = fold(name[:0], []byte(m.name)); string(name) == string(folded) {
				return m.node
			}
		}
	}
	return nil
}

func (n *node) grow(name string) *node {
	for len(n.byLen) <= len(name) {
		n.byLen = append(n.byLen, nil)
	}
	if found := n.child([]byte(name)); found != nil {
		return found
	}
	made := &node{}
	n.byLen[len(name)] = append(n.byLen[len(name)], member{name, made})
	return made
}

// compileAnswer builds the tree of a table.
func compileAnswer(table ...[]answerField) *node {
	root := &node{}
	for _, fields := range table {
		for _, f := range fields {
			for path := range strings.FieldsSeq(f.paths) {
				root.place(path, f)
			}
		}
	}
	return root
}

func (n *node) place(path string, f answerField) {
	at, named := n, n
	counted := f.form != formPlain && f.form != formWord && f.form != formVector && f.form != formTokens
	for part := range strings.SplitSeq(path, ".") {
		at.facts = at.facts || counted
		if part == "**" {
			at.open = true
			break
		}
		name := strings.TrimRight(part, "[]")
		at = at.grow(name)
		named = at
		for range strings.Count(part, "[]") {
			at.facts = at.facts || counted
			if at.elem == nil {
				at.elem = &node{}
			}
			at = at.elem
		}
	}
	at.facts = at.facts || counted
	if !at.open && f.form != formUsage && f.form != formChoices {
		at.leaf = true
	}
	at.kind, at.form, at.neutral, at.early = f.kind, f.form, f.neutral, f.early
	if f.kind != bartizan.FieldContent {
		named.kind = f.kind // a list of what is not content is not content either
	}
}

// hidden returns the kind of a folded key that is never plain content, wherever it
// stands, or FieldContent.
func hidden(folded []byte) bartizan.Field {
	if kind, ok := hiddenNames[string(folded)]; ok {
		return kind
	}
	return bartizan.FieldContent
}

// compileNames folds the names of a table of kinds.
func compileNames(table map[bartizan.Field]string) map[string]bartizan.Field {
	names := make(map[string]bartizan.Field)
	for kind, list := range table {
		for name := range strings.FieldsSeq(list) {
			folded := string(fold(nil, []byte(name)))
			if other, twice := names[folded]; twice && other != kind {
				panic(fmt.Sprintf("answer key %s stands under two kinds", name))
			}
			names[folded] = kind
		}
	}
	return names
}
