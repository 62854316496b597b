package wire

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixture is one file under testdata/routes/ROUTE: an invented answer of a server, a
// stream as raw bytes, or a request.
type fixture struct{ name, text string }

// fixturesOf returns the fixtures of a route whose names begin with a prefix. A route that
// shares the tables of another may say so in a file called like.txt.
func fixturesOf(t testing.TB, route, prefix string) []fixture {
	t.Helper()
	dir := filepath.Join("testdata", "routes", route)
	if other, err := os.ReadFile(filepath.Join(dir, "like.txt")); err == nil {
		return fixturesOf(t, strings.TrimSpace(string(other)), prefix)
	}
	paths, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fixture{filepath.Base(path), string(text)})
	}
	return all
}

// described are the routes that have tables.
func described() []*Route {
	var all []*Route
	for _, r := range routes {
		if !r.Closed() {
			all = append(all, r)
		}
	}
	return all
}

// TestEveryRouteHasFixtures: a route that is described is shown, and asked for if it takes
// a body.
func TestEveryRouteHasFixtures(t *testing.T) {
	t.Parallel()
	for _, r := range described() {
		if len(fixturesOf(t, r.Name, "answer")) == 0 {
			t.Errorf("%s has no answer under testdata/routes", r.Name)
		}
		if r.options != nil && len(fixturesOf(t, r.Name, "request")) == 0 {
			t.Errorf("%s has no request under testdata/routes", r.Name)
		}
	}
	dirs, err := os.ReadDir(filepath.Join("testdata", "routes"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range described() {
		names[r.Name] = true
	}
	for _, dir := range dirs {
		if !names[dir.Name()] {
			t.Errorf("testdata/routes/%s is of no route", dir.Name())
		}
	}
}

// dataOf returns the data of a stream's events.
func dataOf(t testing.TB, r *Route, stream fixture) []string {
	t.Helper()
	framing := FramingSSE
	switch {
	case r.framing == FramingLines, strings.Contains(stream.name, "array"):
		framing = r.framing
	}
	reader := NewReader(framing, strings.NewReader(stream.text))
	var all []string
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s %s: %v", r.Name, stream.name, err)
		}
		if ev.HasData() && !ev.Done {
			all = append(all, string(ev.Data))
		}
	}
}
