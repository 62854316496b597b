package logread

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"bartizan"
)

// object is a JSON object of which each value is read when it is needed: logs mix
// types, and a value of an unexpected type is taken as absent.
type object map[string]json.RawMessage

// parse makes an exchange of a line in the given format; reason is why it could not.
func parse(line []byte, format Format) (x *bartizan.Exchange, is Format, reason string) {
	if !utf8.Valid(line) {
		return nil, format, "not valid UTF-8"
	}
	var o object
	if err := json.Unmarshal(line, &o); err != nil {
		return nil, format, notJSON(err)
	}
	if o == nil {
		return nil, format, "not a JSON object"
	}
	own := o.text("schema") == bartizan.ExchangeSchema
	switch {
	case format == FormatBartizan && !own:
		return nil, format, "schema is not " + bartizan.ExchangeSchema
	case format == FormatOpenAI && own:
		return nil, format, "a " + bartizan.ExchangeSchema + " line in a log of another format"
	case own:
		x, reason = parseOwn(line)
		return x, FormatBartizan, reason
	default:
		x, reason = parseOpenAI(o)
		return x, FormatOpenAI, reason
	}
}

// notJSON says what is wrong without repeating the line, which may hold a prompt.
func notJSON(err error) string {
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "not a JSON object"
	}
	return "not JSON"
}

func parseOwn(line []byte) (*bartizan.Exchange, string) {
	x := new(bartizan.Exchange)
	if err := json.Unmarshal(line, x); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return nil, "field " + wrong.Field + " has the wrong type"
		}
		return nil, "not a " + bartizan.ExchangeSchema + " object"
	}
	if err := x.Validate(); err != nil {
		return nil, strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return x, ""
}

// object returns the object under key; nil when there is none.
func (o object) object(key string) object {
	var inner object
	if json.Unmarshal(o[key], &inner) != nil {
		return nil
	}
	return inner
}

// text returns the text under key; "" when there is none.
func (o object) text(key string) string { return text(o[key]) }

func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// name returns a text or a whole number under key, as text.
func (o object) name(key string) string {
	raw := o[key]
	if s := strings.TrimSpace(text(raw)); s != "" {
		return s
	}
	if len(raw) > 0 && len(raw) <= 20 && (raw[0] >= '0' && raw[0] <= '9') && !strings.ContainsAny(string(raw), ".eE") {
		return string(raw)
	}
	return ""
}

// whole returns the number under key as a whole one within 0 … most.
func (o object) whole(key string, most int64) (int64, bool) {
	var f float64
	if json.Unmarshal(o[key], &f) != nil || len(o[key]) == 0 || o[key][0] == 'n' {
		return 0, false
	}
	return int64(max(0, min(f, float64(most)))), true
}

// first returns the first non-empty result of get over keys.
func first(keys []string, get func(string) string) string {
	for _, k := range keys {
		if s := get(k); s != "" {
			return s
		}
	}
	return ""
}

func (o object) has(keys ...string) bool {
	for _, k := range keys {
		if raw, ok := o[k]; ok && string(raw) != "null" {
			return true
		}
	}
	return false
}
