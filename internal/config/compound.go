package config

import (
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// object is a mapping with known keys.
type object struct{ fields []field }

func (k object) decode(d *decoder, n ast.Node, path string) { d.mapping(n, path, k.fields) }

func (k object) schema() schema {
	properties, required := schema{}, []string{}
	for _, f := range k.fields {
		s := f.kind.schema()
		s["description"] = f.doc
		if f.idle != "" {
			s["description"] = f.doc + " Checked and kept, but " + f.idle + "."
		}
		properties[f.key] = s
		if f.required {
			required = append(required, f.key)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func (k object) print() (printed, bool) {
	var out []pair
	for _, f := range k.fields {
		if value, ok := f.kind.print(); ok {
			out = append(out, pair{f.key, value})
		}
	}
	return printMapping(out), len(out) > 0
}

// keys are those of the mapping.
func (k object) keys() []field { return k.fields }

// named is a mapping that stands in many places. The schema has it once, by its name.
type named struct {
	name string
	object
}

func (k named) schema() schema { return schema{"$ref": "#/$defs/" + k.name} }

// list is a list of mappings. It replaces what was there.
type list struct {
	size  func() int
	reset func()
	add   func()
	at    func(i int) []field
	model func() []field // the fields of any entry, for the schema
}

// maxEntries bounds a list; each request may walk it.
const maxEntries = 1000

func (k list) decode(d *decoder, n ast.Node, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(n, path, "a list")
		return
	}
	if len(s.Values) > maxEntries {
		d.fault(placeOf(n.GetToken()), path, "%d entries; want at most %d", len(s.Values), maxEntries)
		return
	}
	k.reset()
	// All entries first: growing the list moves what the fields are bound to.
	for range s.Values {
		k.add()
	}
	for i, entry := range s.Values {
		here := path + "[" + strconv.Itoa(i) + "]"
		d.places[here] = placeOf(firstToken(entry))
		d.mapping(entry, here, k.at(i))
	}
}

func (k list) schema() schema {
	return schema{"type": "array", "maxItems": maxEntries, "items": object{k.model()}.schema()}
}

func (k list) print() (printed, bool) {
	var out []printed
	for i := range k.size() {
		entry, _ := object{k.at(i)}.print()
		out = append(out, entry)
	}
	return printList(out), len(out) > 0
}

// dict is a mapping from names that the file chooses to mappings.
type dict struct {
	form  *regexp.Regexp
	want  string
	names func() []string
	begin func(name string, n ast.Node) // if there is one, before the entry is read
	at    func(name string) []field     // makes the entry when it is not there
	model func() []field
}

func (k dict) decode(d *decoder, n ast.Node, path string) {
	entries := 0
	d.pairs(n, path, func(key string, at place, value ast.Node) {
		here := join(path, key)
		if !k.form.MatchString(key) {
			d.fault(at, here, "want %s", k.want)
			return
		}
		if entries++; entries > maxEntries {
			d.fault(at, here, "is entry %d; want at most %d", entries, maxEntries)
			return
		}
		if k.begin != nil {
			k.begin(key, value)
		}
		d.mapping(value, here, k.at(key))
	})
}

func (k dict) schema() schema {
	return schema{
		"type": "object", "maxProperties": maxEntries,
		"propertyNames": schema{"pattern": k.form.String()}, "additionalProperties": object{k.model()}.schema(),
	}
}

func (k dict) print() (printed, bool) {
	var out []pair
	for _, name := range k.names() {
		if entry, ok := (object{k.at(name)}).print(); ok {
			out = append(out, pair{name, entry})
		}
	}
	return printMapping(out), len(out) > 0
}
