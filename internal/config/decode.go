package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// field is one key of a mapping. The table of fields is all that is known about the
// format.
type field struct {
	key, doc string
	required bool
	kind     kind
	// idle says what does not happen yet with the value; whoever sets it is warned, if
	// when is nil or true.
	idle string
	when func() bool
}

// kind reads, describes and prints one kind of value, bound to the place where it goes.
type kind interface {
	decode(d *decoder, n ast.Node, path string)
	schema() schema
	// print returns the value as it is; ok is false when it says no more than its absence.
	print() (value printed, ok bool)
}

// place is a position in the file.
type place struct{ line, column int }

func placeOf(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// decoder collects faults, warnings and the places of what it has read.
type decoder struct {
	file     string
	faults   []*Fault
	more     int // faults beyond maxFaults
	warnings []string
	warned   map[string]bool
	places   map[string]place
	faulted  map[string]bool
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, warned: map[string]bool{}, places: map[string]place{}, faulted: map[string]bool{}}
}

func (d *decoder) fault(at place, path, format string, args ...any) {
	if d.full() {
		d.more++
		return
	}
	if path != "" {
		d.faulted[path] = true
	}
	d.faults = append(d.faults, &Fault{File: d.file, Line: at.line, Column: at.column, Path: path, Says: fmt.Sprintf(format, args...)})
}

// full reports whether further faults are only counted.
func (d *decoder) full() bool { return len(d.faults) == maxFaults }

// where is the place of path or of the nearest thing above it that stands in the file.
func (d *decoder) where(path string) place {
	for {
		if at, ok := d.places[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return place{}
		}
		path = path[:i]
	}
}

// late is a fault found after reading. It is left out when path, or something above or
// below it, has a fault already: it is probably a consequence.
func (d *decoder) late(path, format string, args ...any) {
	for other := range d.faulted {
		if within(path, other) || within(other, path) {
			return
		}
	}
	d.fault(d.where(path), path, format, args...)
}

// within reports whether path is top or lies below it.
func within(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// given reports whether path stands in the file.
func (d *decoder) given(path string) bool {
	_, ok := d.places[path]
	return ok
}

func (d *decoder) warn(path, says string) {
	at := d.where(path)
	d.warnings = append(d.warnings, (&Fault{File: d.file, Line: at.line, Column: at.column, Path: path, Says: says}).Error())
}

// wrong reports a value of the wrong type or form.
func (d *decoder) wrong(n ast.Node, path, want string) {
	d.fault(placeOf(n.GetToken()), path, "%s; want %s", describe(n), want)
}

// describe names a value without quoting more of it than helps.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "is a mapping"
	case *ast.SequenceNode:
		return "is a list"
	case *ast.NullNode:
		return "is empty"
	case *ast.LiteralNode:
		return "is a block of text"
	default:
		text := n.GetToken().Value
		if len(text) > 40 {
			return "is a text of " + strconv.Itoa(len(text)) + " bytes"
		}
		return "is " + strconv.QuoteToGraphic(text)
	}
}

// scalar returns the text of a value on one line.
func scalar(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

// pairs calls fn for each key of a mapping that is not a repeat. It reports whether n is
// a mapping at all.
func (d *decoder) pairs(n ast.Node, path string, fn func(key string, at place, value ast.Node)) bool {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		d.fault(placeOf(n.GetToken()), path, "is empty; fill it or leave it out")
		return false
	default:
		d.wrong(n, path, "a mapping")
		return false
	}
	first := map[string]place{}
	for _, pair := range values {
		at := placeOf(pair.Key.GetToken())
		key := pair.Key.GetToken().Value
		here := join(path, key)
		if earlier, repeated := first[key]; repeated {
			d.fault(at, here, "stands in line %d already", earlier.line)
			continue
		}
		first[key] = at
		d.places[here] = at
		fn(key, at, pair.Value)
	}
	return true
}

func join(path, key string) string {
	if len(key) > 80 {
		key = key[:80] + "…"
	}
	key = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '�'
		}
		return r
	}, key)
	if path == "" {
		return key
	}
	return path + "." + key
}

// mapping reads a mapping whose keys are those of fields.
func (d *decoder) mapping(n ast.Node, path string, fields []field) {
	seen := map[string]bool{}
	ok := d.pairs(n, path, func(key string, at place, value ast.Node) {
		seen[key] = true
		here := join(path, key)
		for _, f := range fields {
			if f.key == key {
				d.field(f, here, value)
				return
			}
		}
		hint := ""
		if !d.full() {
			hint = unknownKey(key, fields)
		}
		d.fault(at, here, "no such key%s", hint)
	})
	if !ok {
		return
	}
	for _, f := range fields {
		if f.required && !seen[f.key] {
			d.fault(d.mappingPlace(n, path), path, "%s is missing", f.key)
		}
	}
}

func (d *decoder) mappingPlace(n ast.Node, path string) place {
	if at, ok := d.places[path]; ok {
		return at
	}
	return placeOf(n.GetToken())
}

func (d *decoder) field(f field, path string, n ast.Node) {
	if _, ok := scalar(n); ok {
		d.places[path] = placeOf(n.GetToken())
	}
	f.kind.decode(d, n, path)
	if f.idle != "" && (f.when == nil || f.when()) && !d.warned[f.doc] {
		d.warned[f.doc] = true
		d.warn(path, "is checked and kept, but "+f.idle)
	}
}

// secretKeys are what people call a credential. It gets its own message, so that nobody
// tries other spellings.
func isSecretKey(key string) bool {
	switch plainKey(key) {
	case "key", "api_key", "apikey", "token", "secret", "password", "authorization":
		return true
	default:
		return false
	}
}

// unknownKey is the hint for a key that fields do not have.
func unknownKey(key string, fields []field) string {
	names := make([]string, 0, len(fields))
	hasKeyFile := false
	for _, f := range fields {
		names = append(names, f.key)
		hasKeyFile = hasKeyFile || f.key == "key_file"
	}
	if hasKeyFile && isSecretKey(key) {
		return "; a secret never stands here: put it into a file and name the file with key_file"
	}
	if near := didYouMean(key, names); near != "" {
		return near
	}
	for _, f := range fields { // right key, one storey too high
		if o, ok := f.kind.(interface{ keys() []field }); ok {
			for _, below := range o.keys() {
				if below.key == plainKey(key) {
					return "; did you mean " + f.key + "." + below.key + "?"
				}
			}
		}
	}
	if len(names) > 0 {
		return "; there are " + strings.Join(names, ", ")
	}
	return ""
}
