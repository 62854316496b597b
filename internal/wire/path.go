package wire

import (
	"net/url"
	"strings"
)

// Of a route's path, {model} stands for one or more segments that name a model, {id}
// for one segment; both end at what follows them in the path.

// pathPattern is a compiled path.
type pathPattern struct {
	parts []pathPart
}

// pathPart is a literal, or a hole when name is set.
type pathPart struct{ literal, name string }

func compilePath(path string) pathPattern {
	var p pathPattern
	for path != "" {
		open := strings.IndexByte(path, '{')
		if open < 0 {
			p.parts = append(p.parts, pathPart{literal: path})
			break
		}
		if open > 0 {
			p.parts = append(p.parts, pathPart{literal: path[:open]})
		}
		end := strings.IndexByte(path, '}')
		p.parts = append(p.parts, pathPart{name: path[open+1 : end]})
		path = path[end+1:]
	}
	return p
}

// spelled is how much of a path is spelled out.
func (p pathPattern) spelled() (size int) {
	for _, part := range p.parts {
		size += len(part.literal)
	}
	return size
}

// match reports whether an escaped path fits, and which model it names.
func (p pathPattern) match(path string) (model string, ok bool) {
	if len(p.parts) == 1 && p.parts[0].name == "" {
		return "", p.parts[0].literal == path
	}
	for i, part := range p.parts {
		if part.name == "" {
			if path, ok = strings.CutPrefix(path, part.literal); !ok {
				return "", false
			}
			continue
		}
		value := path
		if i+1 < len(p.parts) {
			at := strings.Index(path, p.parts[i+1].literal)
			if at < 0 {
				return "", false
			}
			value = path[:at]
		}
		path = path[len(value):]
		id, ok := modelID(value)
		switch {
		case !ok, part.name != "model" && strings.Contains(id, "/"):
			return "", false
		case part.name == "model":
			model = id
		}
	}
	return model, path == ""
}

// modelID decodes an escaped part of a path if it can be the name of a model and
// nothing else: no server may read it as a way to another path.
func modelID(escaped string) (id string, ok bool) {
	id, err := url.PathUnescape(escaped)
	if err != nil || len(id) > maxModel {
		return "", false
	}
	for i := range len(id) {
		c := id[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("-._:@+/", c) < 0 {
			return "", false
		}
	}
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", false
		}
	}
	return id, true
}
