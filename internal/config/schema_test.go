package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"bartizan/internal/config"
)

func TestSchemaGolden(t *testing.T) {
	t.Parallel()
	golden(t, "schema.golden", string(config.Schema()))
}

func schemaTree(t testing.TB) map[string]any {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(config.Schema(), &tree); err != nil {
		t.Fatalf("Schema() is not JSON: %v", err)
	}
	defs, ok := tree["$defs"].(map[string]any)
	if !ok {
		t.Fatal("Schema() has no $defs")
	}
	delete(tree, "$defs")
	inline(t, tree, defs)
	return tree
}

// inline puts the definitions in place of the references to them.
func inline(t testing.TB, node any, defs map[string]any) {
	t.Helper()
	switch node := node.(type) {
	case map[string]any:
		if ref, ok := node["$ref"].(string); ok {
			def, known := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
			if !known {
				t.Fatalf("Schema() refers to %s, which it does not have", ref)
			}
			delete(node, "$ref")
			for word, arg := range def {
				node[word] = clone(arg)
			}
		}
		for _, below := range node {
			inline(t, below, defs)
		}
	case []any:
		for _, below := range node {
			inline(t, below, defs)
		}
	}
}

func clone(node any) any {
	switch node := node.(type) {
	case map[string]any:
		out := make(map[string]any, len(node))
		for key, below := range node {
			out[key] = clone(below)
		}
		return out
	case []any:
		out := make([]any, len(node))
		for i, below := range node {
			out[i] = clone(below)
		}
		return out
	default:
		return node
	}
}

func document(t testing.TB, text []byte) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return doc
}

func TestSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	t.Parallel()
	tree := schemaTree(t)
	for name, text := range map[string][]byte{
		"example":         read(t, "example.yaml"),
		"full":            read(t, "full.yaml"),
		"printed default": config.Print(config.Default()),
		"printed full":    config.Print(load(t, string(read(t, "full.yaml")))),
	} {
		if faults := validate(tree, document(t, text), "$"); len(faults) > 0 {
			t.Errorf("%s: the schema refuses %q", name, faults)
		}
	}
}

// repeats reports whether a place holds the mapping of limits once more: it is one table,
// and full.yaml writes all of it in one tier, and all keys of a row in one row only.
func repeats(path string) bool {
	for _, place := range []string{".replace", ".linear_scores.", ".key.limits.", ".models[0].limits.", ".organisations.Acme.limits."} {
		if strings.Contains(path, place) {
			return true
		}
	}
	row, below := strings.CutPrefix(path, "$.tiers.standard.limits.")
	return below && strings.Contains(row, ".") && !strings.HasPrefix(row, "input_tokens.")
}

// Each key of the schema stands in full.yaml, and a neighbour of it that neither knows
// is refused by both.
func TestSchemaAndLoadKnowTheSameKeys(t *testing.T) {
	t.Parallel()
	tree := schemaTree(t)
	full, ok := document(t, read(t, "full.yaml")).(map[string]any)
	if !ok {
		t.Fatal("full.yaml is not a mapping")
	}
	places := 0
	var walk func(path string, s, node map[string]any)
	walk = func(path string, s, node map[string]any) {
		places++
		node["nonsense"] = 1
		text, err := yaml.Marshal(full)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load("f.yaml", text); err == nil {
			t.Errorf("%s: Load accepts a key that the schema does not have", path)
		}
		if len(validate(tree, document(t, text), "$")) == 0 {
			t.Errorf("%s: the schema accepts a key that is not there", path)
		}
		delete(node, "nonsense")
		properties, _ := s["properties"].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			below, known := properties[key].(map[string]any)
			value, there := node[key]
			if !there && repeats(path+"."+key) {
				continue
			}
			if !known || !there {
				t.Errorf("%s.%s is in the schema but not in full.yaml", path, key)
				continue
			}
			switch value := value.(type) {
			case map[string]any:
				if entries, isDict := below["additionalProperties"].(map[string]any); isDict {
					name := "standard"
					switch key {
					case "organisations":
						name = "Acme"
					case "profiles":
						name = "house"
					}
					entry, _ := value[name].(map[string]any)
					walk(path+"."+key+"."+name, entries, entry)
					continue
				}
				walk(path+"."+key, below, value)
			case []any:
				items, _ := below["items"].(map[string]any)
				if entry, ok := value[0].(map[string]any); ok { // names have no keys
					walk(path+"."+key+"[0]", items, entry)
				}
			}
		}
	}
	walk("$", tree, full)
	if places < 15 {
		t.Errorf("only %d mappings were walked", places)
	}
}

// validate knows the part of JSON Schema that config.Schema uses, and fails on the rest.
func validate(s map[string]any, value any, path string) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, path+": "+fmt.Sprintf(format, args...)) }
	for _, word := range slices.Sorted(maps.Keys(s)) {
		arg := s[word]
		switch word {
		case "$schema", "title", "description", "properties":
		case "type":
			if !hasType(value, arg) {
				fault("%v is not a %v", value, arg)
				return faults
			}
		case "enum":
			words, _ := arg.([]any)
			if !slices.Contains(words, value) {
				fault("%v is none of %v", value, words)
			}
		case "pattern":
			form, _ := arg.(string)
			if text, isText := value.(string); isText && !regexp.MustCompile(form).MatchString(text) {
				fault("%q does not match %s", text, form)
			}
		case "minLength":
			if value == "" {
				fault("is empty")
			}
		case "minimum", "maximum":
			n, bound := asFloat(value), asFloat(arg)
			if (word == "minimum" && n < bound) || (word == "maximum" && n > bound) {
				fault("%v is beyond the %s %v", n, word, bound)
			}
		case "anyOf":
			options, _ := arg.([]any)
			if !slices.ContainsFunc(options, func(o any) bool {
				option, _ := o.(map[string]any)
				return len(validate(option, value, path)) == 0
			}) {
				fault("%v fits none of %v", value, options)
			}
		case "items":
			items, _ := arg.(map[string]any)
			list, _ := value.([]any)
			for i, entry := range list {
				faults = append(faults, validate(items, entry, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "maxItems", "maxProperties":
		case "required":
			object, _ := value.(map[string]any)
			for _, key := range arg.([]any) {
				if _, there := object[key.(string)]; !there {
					fault("%v is missing", key)
				}
			}
		case "propertyNames":
			names, _ := arg.(map[string]any)
			object, _ := value.(map[string]any)
			for key := range object {
				faults = append(faults, validate(names, key, path+"."+key)...)
			}
		case "additionalProperties":
			object, _ := value.(map[string]any)
			properties, _ := s["properties"].(map[string]any)
			for key, below := range object {
				if known, ok := properties[key].(map[string]any); ok {
					faults = append(faults, validate(known, below, path+"."+key)...)
				} else if open, ok := arg.(map[string]any); ok {
					faults = append(faults, validate(open, below, path+"."+key)...)
				} else {
					fault("%s is not known", key)
				}
			}
		default:
			fault("the test does not know the word %s", word)
		}
	}
	return faults
}

func hasType(value, want any) bool {
	switch value.(type) {
	case map[string]any:
		return want == "object"
	case []any:
		return want == "array"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case int, int64, uint64:
		return want == "integer" || want == "number"
	case float64:
		return want == "number"
	default:
		return false
	}
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		return v
	default:
		return 0
	}
}
