package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"bartizan"
)

// Request is what the guard needs to know of a request body.
type Request struct {
	Model string
	Asked bartizan.Asked
	// IncludeUsage is set when the client is to have the usage in its stream: it asked
	// for it, or every stream of the route tells it.
	IncludeUsage bool
	// TextBytes counts the bytes of text that the model will read. A token id counts
	// as four.
	TextBytes int
	// MaxCompletion is the key that carried the cap on the answer:
	// "max_tokens", "max_completion_tokens" or "".
	MaxCompletion string
	// Unknown lists the top-level keys that the route's table does not know.
	Unknown []string
	// Options are those that the request asks for: keys with null or false do not count.
	Options Options
	// Schema is set when the answer has to follow a grammar or a JSON schema.
	Schema bool
}

// RequestError says what is wrong with a request, in words that the client may read.
type RequestError struct {
	// Message names the thing, the place and the fix.
	Message string
	// Param is the field at fault, or empty.
	Param string
}

// Error returns the message.
func (e *RequestError) Error() string { return e.Message }

func fault(param, format string, args ...any) *RequestError {
	return &RequestError{Param: param, Message: fmt.Sprintf(format, args...)}
}

// maxKeys is the greatest number of top-level keys of a request.
const maxKeys = 256

// maxModel is the greatest length of a model's name.
const maxModel = 512

// maxCount is the greatest number that a counting field may hold.
const maxCount = 1<<31 - 1

// tokenIDBytes is what a token id of a prompt counts for in [Request.TextBytes].
const tokenIDBytes = 4

// Peek reads a request body: it checks that the body is JSON, that no key stands
// twice, and that the fields which are acted on have their types. Its error is always
// a [*RequestError]. A route without a body accepts an empty one.
func (r *Route) Peek(body []byte) (Request, error) {
	p := peek{route: r, body: body}
	if r.options == nil {
		return p.req, nil
	}
	i := skipSpace(body, 0)
	if i >= len(body) || body[i] != '{' {
		return Request{}, fault("", "the request body must be a JSON object; it is %s", describe(body, i))
	}
	m := members{b: body, i: i}
	for m.next() {
		if err := p.member(&m); err != nil {
			return Request{}, err
		}
	}
	end := m.done()
	if end < 0 {
		return Request{}, fault("", "the request body is not valid JSON near byte %d", m.i)
	}
	if end = skipSpace(body, end); end < len(body) {
		return Request{}, fault("", "the request body has more after its JSON object, from byte %d on", end)
	}
	if err := p.finish(); err != nil {
		return Request{}, err
	}
	return p.req, nil
}

func describe(body []byte, i int) string {
	if i >= len(body) {
		return "empty"
	}
	switch body[i] {
	case '[':
		return "an array"
	case '"':
		return "a string"
	default:
		return "something else"
	}
}

// peek is one reading of a request.
type peek struct {
	route *Route
	body  []byte
	req   Request
	keys  [48][]byte
	count int
	more  [][]byte // keys beyond the array
	text  bool
}

// member reads one top-level member.
func (p *peek) member(m *members) error {
	name := m.name()
	end := checkValue(p.body, m.value, 1)
	if end < 0 {
		return fault(printable(name), "%s: the value at byte %d is not valid JSON", printable(name), m.value)
	}
	m.end(end)
	if !utf8.Valid(p.body[m.key:end]) {
		return fault(printable(name), "%s: the value is not valid UTF-8", printable(name))
	}
	if err := p.once(name); err != nil {
		return err
	}
	option, known := p.route.options[string(name)]
	if !known {
		return p.unknown(name)
	}
	if p.body[m.value] == 'n' {
		return nil
	}
	return p.option(option, name, m.value, end)
}

// printable is a key as an error may show it.
func printable(name []byte) string {
	const most = 64
	return strings.ToValidUTF8(string(name[:min(len(name), most)]), "?")
}

// once refuses a key that was already there.
func (p *peek) once(name []byte) error {
	for _, seen := range p.keys[:min(p.count, len(p.keys))] {
		if string(seen) == string(name) {
			return fault(printable(name), "%s stands twice in the request; send it once", printable(name))
		}
	}
	for _, seen := range p.more {
		if string(seen) == string(name) {
			return fault(printable(name), "%s stands twice in the request; send it once", printable(name))
		}
	}
	if p.count == maxKeys {
		return fault("", "the request has more than %d fields", maxKeys)
	}
	if p.count < len(p.keys) {
		p.keys[p.count] = name
	} else {
		p.more = append(p.more, name)
	}
	p.count++
	return nil
}

// unknown notes a key that no table names. A twin of a known key, in another case or
// with other dashes, is refused, because servers differ in whether they take it; so is
// an envelope that would carry known keys past the table.
func (p *peek) unknown(name []byte) error {
	var a, b [64]byte
	folded := fold(a[:0], name)
	for known := range p.route.options {
		if string(fold(b[:0], []byte(known))) == string(folded) {
			return fault(printable(name), "%s is not a field of this request; write %s", printable(name), known)
		}
	}
	switch string(folded) {
	case "extrabody", "extrafields", "additionalmodelrequestfields":
		return fault(printable(name), "%s: put its fields at the top level of the request", printable(name))
	}
	p.req.Unknown = append(p.req.Unknown, printable(name))
	return nil
}

// option reads a known field whose value is not null.
func (p *peek) option(o Option, name []byte, i, end int) error {
	value := p.body[i:end]
	if string(value) != "false" {
		p.req.Options |= Set(o)
	}
	switch o {
	case OptionModel:
		return p.model(name, value)
	case OptionText:
		p.text = true
		return p.textOf(name, i)
	case OptionSystem:
		return p.system(name, i)
	case OptionThinking:
		return p.thinking(name, i)
	case OptionStreamOptions:
		return p.streamOptions(name, i)
	case OptionLogprobs:
		return p.logprobs(name, value)
	case OptionLogitBias:
		return p.logitBias(name, i)
	case OptionTools:
		return p.tools(name, i, end)
	case OptionResponseFormat:
		return p.responseFormat(name, i, end)
	case OptionGrammar:
		p.req.Schema = true
		p.req.TextBytes += len(value)
		return nil
	default:
		return p.scalar(o, name, value)
	}
}

// scalar reads a known field that holds one number or flag.
func (p *peek) scalar(o Option, name, value []byte) error {
	var count int
	var flag bool
	switch o {
	case OptionStream:
		return p.flag(name, value, &p.req.Asked.Stream)
	case OptionEcho:
		return p.flag(name, value, &flag)
	case OptionMaxTokens:
		if p.req.MaxCompletion != "" {
			return fault(string(name), "max_tokens and max_completion_tokens are the same cap; send one of them")
		}
		p.req.MaxCompletion = string(name)
		return p.whole(name, value, 1, &p.req.Asked.MaxTokens)
	case OptionChoices:
		return p.whole(name, value, 1, &p.req.Asked.N)
	case OptionTopLogprobs:
		return p.whole(name, value, 0, &p.req.Asked.TopLogprobs)
	case OptionBestOf, OptionDimensions:
		return p.whole(name, value, 1, &count)
	case OptionTemperature:
		return p.temperature(name, value)
	case OptionSeed:
		if checkNumber(value, 0) != len(value) {
			return fault(string(name), "%s must be a number", name)
		}
	default:
	}
	return nil
}

// finish checks what can only be seen at the end.
func (p *peek) finish() error {
	if p.req.Model == "" {
		return fault("model", "model is missing; name the model that should answer")
	}
	if !p.text && (p.route.prompt == promptMessages || p.route.prompt == promptInput) {
		field := "messages"
		if p.route.prompt == promptInput {
			field = "input"
		}
		return fault(field, "%s is missing", field)
	}
	if p.route.needsMax && p.req.Asked.MaxTokens == 0 {
		return fault("max_tokens", "max_tokens is missing; say how many tokens the answer may have at most")
	}
	if p.req.Asked.Inputs == 0 {
		p.req.Asked.Inputs = 1
	}
	p.req.IncludeUsage = p.req.IncludeUsage || p.route.tellsUsage
	return nil
}
