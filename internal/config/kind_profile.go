package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"bartizan/internal/coarsen"
)

const maxWait = 10 * time.Second

// profileName is the name of a profile, which may stand further down in the file.
type profileName struct{ to *string }

func (k profileName) decode(d *decoder, n ast.Node, path string) {
	word, ok := scalar(n)
	if !ok {
		d.wrong(n, path, "the name of a profile")
		return
	}
	*k.to = word
}

func (k profileName) schema() schema {
	return schema{"anyOf": []schema{{"enum": shippedTiers()}, {"type": "string", "pattern": tierForm.String()}}}
}

func (k profileName) print() (printed, bool) { return quoted(*k.to), *k.to != "" }

// way is one of a few words that stand for 0, 1, 2 and so on.
type way[T ~uint8] struct {
	to    *T
	words []string
	what  string
}

// wayOf is a way up to last, in the words of its String method.
func wayOf[T interface {
	~uint8
	fmt.Stringer
}](to *T, last T, what string) way[T] {
	words := make([]string, 0, last+1)
	for w := T(0); w <= last; w++ {
		words = append(words, w.String())
	}
	return way[T]{to, words, what}
}

func (k way[T]) decode(d *decoder, n ast.Node, path string) {
	word := ""
	choice{&word, k.words, k.what}.decode(d, n, path)
	for i, w := range k.words {
		if w == word {
			*k.to = T(i)
		}
	}
}

func (k way[T]) schema() schema { return choice{values: k.words}.schema() }

func (k way[T]) print() (printed, bool) {
	if int(*k.to) >= len(k.words) {
		return "", false
	}
	return quoted(k.words[*k.to]), true
}

// either is one of two words for false and true.
type either struct {
	to      *bool
	no, yes string
}

func (k either) words() []string { return []string{k.no, k.yes} }

func (k either) decode(d *decoder, n ast.Node, path string) {
	word := ""
	choice{&word, k.words(), "way"}.decode(d, n, path)
	if word != "" {
		*k.to = word == k.yes
	}
}

func (k either) schema() schema { return choice{values: k.words()}.schema() }

func (k either) print() (printed, bool) {
	if *k.to {
		return quoted(k.yes), true
	}
	return quoted(k.no), true
}

// few is a count that is left out where it is 0.
type few struct{ count }

func (k few) print() (printed, bool) {
	text, _ := k.count.print()
	return text, *k.to != 0
}

// edges is a list of numbers between 0 and 1. It replaces what was there.
type edges struct{ to *coarsen.Edges }

func (k edges) decode(d *decoder, n ast.Node, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok || len(s.Values) == 0 || len(s.Values) > len(k.to.At) {
		d.wrong(n, path, "a list of 1 to "+strconv.Itoa(len(k.to.At))+" numbers such as [0.5, 0.75, 0.9]")
		return
	}
	*k.to = coarsen.Edges{N: len(s.Values)}
	for i, entry := range s.Values {
		number{&k.to.At[i], 1}.decode(d, entry, path+"["+strconv.Itoa(i)+"]")
	}
}

func (k edges) schema() schema {
	return schema{"type": "array", "maxItems": len(k.to.At), "items": number{most: 1}.schema()}
}

func (k edges) print() (printed, bool) {
	n := min(max(k.to.N, 0), len(k.to.At))
	words := make([]string, n)
	for i, at := range k.to.At[:n] {
		words[i] = strconv.FormatFloat(at, 'f', -1, 64)
	}
	return printed("[" + strings.Join(words, ", ") + "]"), n > 0
}

// scalarOf returns the text of a key's value in a mapping.
func scalarOf(n ast.Node, key string) (text string, ok bool) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	}
	for _, pair := range values {
		if pair.Key.GetToken().Value == key {
			return scalar(pair.Value)
		}
	}
	return "", false
}
