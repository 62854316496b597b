package wire

import "strings"

// closed is a route that is known so that it can be named where it is refused. It has no
// tables: where it is opened, requests go on as they come, and answers have only what passes
// though no table names it.
func closed(name, method, path string, d Dialect, c Class, of string) *Route {
	return &Route{Name: name, Method: method, Path: path, Dialect: d, Class: c, Engines: engines(of), tables: tables{answer: unread}}
}

// unread is the table of answers that no table describes.
var unread = &node{elem: &node{}} //nolint:gochecknoglobals // a static table

// closedRoutes are those of one engine, by "METHOD path" each.
func closedRoutes(engine string, d Dialect, c Class, list string) []*Route {
	var all []*Route
	fields := strings.Fields(list)
	for i := 0; i+1 < len(fields); i += 2 {
		method, path := fields[i], fields[i+1]
		name := engine + "." + strings.ToLower(method) + strings.ReplaceAll(path, "/", ".")
		all = append(all, closed(name, method, path, d, c, engine))
	}
	return all
}

// Closed reports whether nothing is known of the route but its name.
func (r *Route) Closed() bool { return r.answer == unread }
