package config

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. They are far above what people write and keep the parser, which
// recurses, from being driven into the ground.
const (
	maxFile     = 1 << 20
	maxIndent   = 100 // columns in front of the first token of a line
	maxFlow     = 16  // nested [ and {
	maxPerLine  = 8   // "- " in front of one entry
	maxLineSize = 16 << 10
	// maxTokens is about 12,000 keys; the parser's time grows with their square.
	maxTokens = 50_000
)

// Load reads a configuration and returns it with the defaults filled in. name stands for
// the file in messages. When anything is wrong the error joins every fault, each a
// [*Fault], in the order of the file, and the Config is worth nothing.
//
// Load reads no other file and no environment. An empty file is [Default].
func Load(name string, data []byte) (Config, error) {
	d := newDecoder(name)
	c := Default()
	f := openFile(&c)
	if doc := d.parse(data); doc != nil {
		d.mapping(doc.Body, "", f.fields())
	}
	if d.readable() {
		f.close(d)
		d.check(&c)
	}
	if err := joinFaults(d.faults, d.more); err != nil {
		return Config{}, err
	}
	c.Warnings = d.warnings
	return c, nil
}

// readable reports whether the file could be read as YAML: only then is there anything to
// check against each other.
func (d *decoder) readable() bool { return !d.faulted[unreadable] }

// unreadable marks a file that is not YAML; no key is called so.
const unreadable = "\x00"

func (d *decoder) reject(at place, format string, args ...any) {
	d.faulted[unreadable] = true
	d.fault(at, "", format, args...)
}

// parse returns the file's only document, or nil when it is empty or not YAML.
func (d *decoder) parse(data []byte) *ast.DocumentNode {
	if len(data) > maxFile {
		d.reject(place{}, "%d bytes; want at most %d", len(data), maxFile)
		return nil
	}
	if !d.plain(data) {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			d.reject(place{}, "is not YAML that can be read")
		}
	}()
	tokens := lexer.Tokenize(string(data))
	d.tokens(tokens)
	if !d.readable() {
		return nil
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, says := place{}, err.Error()
		if e, ok := errors.AsType[yaml.Error](err); ok {
			at, says = placeOf(e.GetToken()), e.GetMessage()
		}
		d.reject(at, "is not YAML: %s", oneLine(says))
		return nil
	}
	var only *ast.DocumentNode
	for _, doc := range tree.Docs {
		if _, null := doc.Body.(*ast.NullNode); null || doc.Body == nil {
			continue
		}
		if only != nil {
			d.reject(placeOf(firstToken(doc.Body)), "a second document begins here; want one")
			return nil
		}
		only = doc
	}
	return only
}

// plain refuses bytes that no YAML file of ours has: some of them the parser counts as
// ends of lines, and then its line numbers are not an editor's.
func (d *decoder) plain(data []byte) bool {
	line, column := 1, 1
	for _, r := range strings.ToValidUTF8(string(data), "\x00") {
		switch {
		case r == '\n':
			line, column = line+1, 0
		case r == '\r' || r == '\t':
		case r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			d.reject(place{line, column}, "there is a character that does not belong here (U+%04X); is this a text file in UTF-8?", r)
			return false
		case column > maxLineSize:
			d.reject(place{line, column}, "the line is longer than %d characters", maxLineSize)
			return false
		}
		column++
	}
	return true
}

// tokens refuses what the format does not have, and nesting that only an attacker writes.
func (d *decoder) tokens(tokens token.Tokens) {
	if len(tokens) > maxTokens {
		d.reject(placeOf(tokens[maxTokens]), "the file goes on beyond %d words and signs", maxTokens)
		return
	}
	flow, entries, line := 0, 0, 0
	for _, t := range tokens {
		at := placeOf(t)
		if at.line != line {
			line, entries = at.line, 0
			if at.column > maxIndent && flow == 0 {
				d.reject(at, "is indented by more than %d columns", maxIndent)
				return
			}
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			d.reject(at, "anchors, aliases and merge keys are not used here; write the values out")
			return
		case token.TagType, token.DirectiveType, token.MappingKeyType:
			d.reject(at, "tags, directives and keys marked by ? are not used here")
			return
		case token.SequenceEntryType:
			entries++
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		default:
		}
		if flow > maxFlow || entries > maxPerLine {
			d.reject(at, "is nested too deeply")
			return
		}
	}
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}
