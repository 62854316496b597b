package logread

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"bartizan"
)

// formatOf tells the format by an object of a log; FormatAuto when it is none of them.
func formatOf(o object) Format {
	switch {
	case o.text("schema") == bartizan.ExchangeSchema:
		return FormatBartizan
	case isOTLP(o):
		return FormatOTLP
	case isLiteLLM(o):
		return FormatLiteLLM
	case isAccess(o):
		return FormatAccess
	}
	if request, answer, answerText := parts(o); request != nil || answer != nil || answerText != "" {
		return FormatOpenAI
	}
	return FormatAuto
}

// parse reads a line in the given format.
func parse(line []byte, format Format, o *Options) record {
	if reason := unsound(line); reason != "" {
		return record{reason: reason}
	}
	fields := objectOf(line)
	if format == FormatAuto {
		format = formatOf(fields)
	}
	switch own := fields.text("schema") == bartizan.ExchangeSchema; {
	case format == FormatBartizan && !own:
		return record{reason: "schema is not " + bartizan.ExchangeSchema}
	case format != FormatBartizan && own:
		return record{reason: "a " + bartizan.ExchangeSchema + " line in a log of another format"}
	}
	switch format {
	case FormatBartizan:
		return parseOwn(line, fields, o)
	case FormatLiteLLM:
		return parseLiteLLM(fields, o)
	case FormatOTLP:
		return parseOTLP(fields, o)
	case FormatAccess:
		return parseAccess(fields, o)
	case FormatParquet:
		return parseRow(fields, o)
	default:
		return parseOpenAI(fields, o)
	}
}

// unsound says why a line is no JSON object, without repeating it: it may hold a prompt.
func unsound(line []byte) string {
	switch {
	case !utf8.Valid(line):
		return "not valid UTF-8"
	case !valid(line) && tooDeep(line):
		return "nested too deep"
	case !valid(line):
		return "not JSON"
	case line[0] != '{':
		return "not a JSON object"
	default:
		return ""
	}
}

// tooDeep reports whether a line nests deeper than is read.
func tooDeep(b []byte) bool {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = skipString(b, i) - 1; i < 0 {
				return false
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

func one(x *bartizan.Exchange) record { return record{exchanges: []*bartizan.Exchange{x}} }

func parseOwn(line []byte, fields object, o *Options) record {
	x := new(bartizan.Exchange)
	if err := json.Unmarshal(line, x); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return record{reason: "field " + wrong.Field + " has the wrong type"}
		}
		return record{reason: "not a " + bartizan.ExchangeSchema + " object"}
	}
	if o.Account != "" {
		x.Account = accountAt(fields.find(o.Account))
	}
	if err := x.Validate(); err != nil {
		return record{reason: strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	return one(x)
}

// accountAt returns the account that a value names.
func accountAt(raw []byte) string {
	s := name(raw)
	if s == "" || s == "-" {
		return UnknownAccount
	}
	return masked("", s)
}

// maxAccount is the greatest number of bytes of an account's name.
const maxAccount = 256

const longAccount = "account name longer than 256 bytes"
