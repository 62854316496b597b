// Package wire holds the formats of model APIs as tables: which routes exist, which
// request keys and answer paths each has, and what kind of content lies where.
//
// A route's tables drive everything else here: [Route.Peek] reads the few request
// fields that the guard acts on, [Route.Narrow] edits a request in place,
// [Rewriter] edits answers and stream events, and [Dialect] shapes errors and
// headers as the provider would. A new engine is a new table, not new code.
//
// The package decides nothing: what a caller may ask or see is told to it by a
// [Narrowing] or a [Plan]. It reads and writes bytes only; it keeps no clock, no
// connection and no state between calls. JSON is scanned as spans and spliced, so
// that what is not changed leaves byte for byte as it came.
package wire

import (
	"net/url"
	"slices"
	"strings"
)

// Dialect is a provider's way of speaking: the shape of its errors and the names
// of its headers.
type Dialect uint8

// The dialects.
const (
	DialectOpenAI Dialect = iota
	DialectAnthropic
)

// Class says what a route is for, and so whether it is open by default.
type Class uint8

// The classes of routes.
const (
	ClassGenerate  Class = iota // writes text
	ClassEmbed                  // returns vectors
	ClassScore                  // returns scores
	ClassMetadata               // tells about models
	ClassDangerous              // changes or discloses the server
)

// Route is one entry of the route table.
type Route struct {
	// Name is stable and stands in records, such as "openai.chat".
	Name    string
	Method  string
	Path    string
	Dialect Dialect
	Class   Class

	tables
}

// Routes returns the route table. Callers must not change it.
func Routes() []*Route { return routes }

// Find returns the route of a method and an escaped path. A path must match exactly: other
// letter case, doubled or trailing slashes and dot segments make it unknown. When
// the path exists under another method, r is nil and pathKnown is true.
func Find(method, path string) (r *Route, pathKnown bool) {
	for _, candidate := range routes {
		if !candidate.matches(path) {
			continue
		}
		if candidate.Method == method {
			return candidate, true
		}
		pathKnown = true
	}
	return nil, pathKnown
}

// matches reports whether an escaped path is the route's. A trailing {id} stands for
// the name of a model.
func (r *Route) matches(path string) bool {
	prefix, open := strings.CutSuffix(r.Path, "{id}")
	if !open {
		return r.Path == path
	}
	id, ok := strings.CutPrefix(path, prefix)
	return ok && isModelID(id)
}

// isModelID reports whether an escaped path can be the name of a model and nothing
// else: no server may read it as a way to another path.
func isModelID(escaped string) bool {
	id, err := url.PathUnescape(escaped)
	if err != nil {
		return false
	}
	for i := range len(id) {
		c := id[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("-._:@+/", c) < 0 {
			return false
		}
	}
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// Alternatives is how many alternatives per token every engine that serves the route
// will give; 0 where it tells none.
func (r *Route) Alternatives() int { return r.alternatives }

// IsPlain reports whether an event has nothing but data and a name that the route knows.
func (r *Route) IsPlain(ev Event) bool {
	return ev.fields == 0 || (ev.fields == 1 && slices.Contains(r.events, string(ev.Name)))
}

// AppendEvent appends an event with other data in place of its own. Data must hold no
// line ends. Lines that are not data lines stay when keepFields is set, and else only
// the name, if the route knows it.
func (r *Route) AppendEvent(dst []byte, ev Event, data []byte, keepFields bool) []byte {
	if keepFields || !slices.Contains(r.events, string(ev.Name)) {
		return ev.AppendWith(dst, data, keepFields)
	}
	dst = append(append(dst, "event: "...), ev.Name...)
	dst = append(append(dst, "\ndata: "...), data...)
	return append(dst, "\n\n"...)
}

// KnowsOption reports whether the route's table has the request key.
func (r *Route) KnowsOption(key string) bool {
	_, ok := r.options[key]
	return ok
}
