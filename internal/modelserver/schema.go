package modelserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

const (
	maxSchemaDepth = 12
	maxItems       = 64   // of a list that demands more
	maxValues      = 1000 // of all arguments together; a schema may branch without end
	phraseTokens   = 8
)

// schema is a JSON Schema. Understood are type, enum, const, properties, items,
// anyOf, oneOf, allOf, $ref inside the document, and the bounds of numbers, lists
// and texts; pattern is not.
type schema map[string]any

// filler makes a value for a schema: its texts are the model's own, its choices are
// drawn.
type filler struct {
	root schema
	rng  *rand.Rand
	made int // values so far
	// say gives a phrase about a subject.
	say func(about string) string
}

// arguments makes the arguments of a call of f for one choice, as a JSON object.
func (j *chatJob) arguments(f function, choice int) (string, error) {
	root := schema{}
	if len(f.Parameters) > 0 && json.Unmarshal(f.Parameters, &root) != nil {
		return "", invalid("tools", "Invalid 'tools': the parameters of '%s' are no JSON Schema.", f.Name)
	}
	g := j.gens[choice]
	v := j.server.model.vocabulary
	fill := &filler{root: root, rng: g.sampler.rng, say: func(about string) string {
		with := j.server.model.language.condition(topicOf(j.request.Messages) + "\n" + about)
		return newGeneration(v, with, newSampler(g.sampler.sampling, g.sampler.rng, v.size()), nil).say(phraseTokens)
	}}
	value, ok := fill.object(root, f.Name+" "+f.Description, 0).(map[string]any)
	if !ok {
		value = map[string]any{}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode arguments of %s: %w", f.Name, err)
	}
	return string(text), nil
}

// value makes a value of any type.
func (f *filler) value(s schema, about string, depth int) any {
	s = f.resolve(s, depth)
	if description, ok := s["description"].(string); ok {
		about += " " + description
	}
	if constant, ok := s["const"]; ok {
		return constant
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		return values[f.rng.IntN(len(values))]
	}
	f.made++
	if depth > maxSchemaDepth || f.made > maxValues {
		return nil
	}
	switch typeOf(s) {
	case "object":
		return f.object(s, about, depth)
	case "array":
		return f.list(s, about, depth)
	case "integer":
		return int64(f.number(s, true))
	case "number":
		return f.number(s, false)
	case "boolean":
		return f.rng.IntN(2) == 1
	case "null":
		return nil
	default:
		return f.text(s, about)
	}
}

// typeOf returns the first type of a schema that is not null, or what its other
// words imply.
func typeOf(s schema) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		for _, each := range t {
			if name, ok := each.(string); ok && name != "null" {
				return name
			}
		}
		return "null"
	}
	switch {
	case s["properties"] != nil:
		return "object"
	case s["items"] != nil:
		return "array"
	case s["minimum"] != nil || s["maximum"] != nil:
		return "number"
	default:
		return "string"
	}
}

// resolve follows references and picks one of several alternatives.
func (f *filler) resolve(s schema, depth int) schema {
	for range maxSchemaDepth {
		if ref, ok := s["$ref"].(string); ok {
			s = f.lookup(ref)
			continue
		}
		if merged, ok := s["allOf"].([]any); ok {
			out := maps.Clone(s)
			delete(out, "allOf")
			for _, part := range merged {
				merge(out, f.resolve(asSchema(part), depth))
			}
			s = out
			continue
		}
		alternatives, ok := s["anyOf"].([]any)
		if !ok {
			alternatives, ok = s["oneOf"].([]any)
		}
		if !ok || len(alternatives) == 0 {
			return s
		}
		pick := alternatives[0]
		if depth <= maxSchemaDepth/2 { // deep down the first one ends recursion soonest
			pick = alternatives[f.rng.IntN(len(alternatives))]
		}
		s = asSchema(pick)
	}
	return s
}

// merge adds the words of part to dst; properties and required lists are united.
func merge(dst, part schema) {
	for key, value := range part {
		switch have := dst[key].(type) {
		case map[string]any:
			united := maps.Clone(have)
			maps.Copy(united, asSchema(value))
			dst[key] = united
		case []any:
			more, _ := value.([]any)
			dst[key] = slices.Concat(have, more)
		default:
			dst[key] = value
		}
	}
}

func asSchema(v any) schema {
	m, ok := v.(map[string]any)
	if !ok {
		return schema{}
	}
	return m
}

// lookup finds a reference such as "#/$defs/place".
func (f *filler) lookup(ref string) schema {
	at := f.root
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
		if part == "" {
			continue
		}
		at = asSchema(at[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)])
	}
	return at
}

// object gives every property a value; deep down only those that are required.
func (f *filler) object(s schema, about string, depth int) any {
	s = f.resolve(s, depth)
	properties := asSchema(s["properties"])
	required, _ := s["required"].([]any)
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if depth > 2 && !slices.Contains(required, any(name)) {
			continue
		}
		out[name] = f.value(asSchema(properties[name]), about+" "+strings.ReplaceAll(name, "_", " "), depth+1)
	}
	return out
}

func (f *filler) list(s schema, about string, depth int) any {
	least := int(min(bound(s, "minItems", 1), maxItems))
	most := int(min(bound(s, "maxItems", float64(max(least, 2))), maxItems))
	n := least
	if most > least {
		n += f.rng.IntN(min(most-least, 2) + 1)
	}
	if depth > maxSchemaDepth/2 {
		n = int(min(bound(s, "minItems", 0), maxItems))
	}
	n = min(n, max(most, 0))
	out := make([]any, n)
	for i := range out {
		out[i] = f.value(asSchema(s["items"]), about, depth+1)
	}
	return out
}

// bound reads a number of a schema.
func bound(s schema, key string, otherwise float64) float64 {
	if n, ok := s[key].(float64); ok {
		return n
	}
	return otherwise
}

// number draws from the range of the schema, on its grid.
func (f *filler) number(s schema, whole bool) float64 {
	step := bound(s, "multipleOf", 0)
	if whole && step < 1 {
		step = 1
	}
	if step <= 0 {
		step = 0.01
	}
	low := bound(s, "minimum", bound(s, "exclusiveMinimum", math.Inf(-1)))
	high := bound(s, "maximum", bound(s, "exclusiveMaximum", math.Inf(1)))
	switch {
	case math.IsInf(low, -1) && math.IsInf(high, 1):
		low, high = 0, 100
	case math.IsInf(low, -1):
		low = high - 100
	case math.IsInf(high, 1):
		high = low + 100
	}
	first, last := math.Ceil(low/step), math.Floor(high/step)
	if s["exclusiveMinimum"] != nil && first*step <= low {
		first++
	}
	if s["exclusiveMaximum"] != nil && last*step >= high {
		last--
	}
	if last < first { // nothing on our grid: the middle of the range
		return low + (high-low)/2
	}
	n := first + math.Floor(f.rng.Float64()*(last-first+1))
	if step == 0.01 {
		return n / 100
	}
	return n * step
}

// text is a phrase of the model, or an example of the format that is asked for.
func (f *filler) text(s schema, about string) string {
	switch s["format"] {
	case "date":
		return fmt.Sprintf("2025-%02d-%02d", 1+f.rng.IntN(12), 1+f.rng.IntN(28))
	case "date-time":
		return fmt.Sprintf("2025-%02d-%02dT%02d:00:00Z", 1+f.rng.IntN(12), 1+f.rng.IntN(28), f.rng.IntN(24))
	case "time":
		return fmt.Sprintf("%02d:%02d:00Z", f.rng.IntN(24), f.rng.IntN(60))
	case "email":
		return fmt.Sprintf("user%d@example.com", f.rng.IntN(1000))
	case "uri", "url":
		return fmt.Sprintf("https://example.com/%d", f.rng.IntN(1000))
	case "uuid":
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", f.rng.Uint32(), f.rng.IntN(1<<16), f.rng.IntN(1<<12), f.rng.IntN(1<<12), f.rng.Uint64N(1<<48))
	case "ipv4":
		return fmt.Sprintf("192.0.2.%d", f.rng.IntN(256))
	}
	said := []rune(f.say(about))
	for least := int(min(bound(s, "minLength", 0), 4096)); len(said) < least; {
		said = append(said, []rune(" "+f.say(about))...)
	}
	most := int(min(bound(s, "maxLength", 4096), 4096))
	return string(said[:min(len(said), max(most, 0))])
}
