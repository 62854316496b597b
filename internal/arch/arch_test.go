package arch_test

import (
	"maps"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"bartizan/internal/arch"
)

// TestHouse holds the real tree to the rules. Budgets are printed, not enforced.
func TestHouse(t *testing.T) {
	t.Parallel()
	report, err := arch.Check(os.DirFS("../.."), arch.House())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range report.Faults {
		t.Error(fault)
	}
	for _, note := range report.Notes {
		t.Log("budget:", note)
	}
	if report.Packages < 2 {
		t.Errorf("Check saw %d packages; the tree has more", report.Packages)
	}
}

// clean is a small house that keeps every rule. The planted faults start from it.
func clean() map[string]string {
	return map[string]string{
		"go.mod":                        "module example\n\ngo 1.26.0\n",
		"doc.go":                        "// Package example is the ground.\npackage example\n\nimport _ \"log/slog\"\n",
		"docs/docs.go":                  "// Package docs holds text.\npackage docs\n\nimport _ \"embed\"\n",
		"internal/stat/stat.go":         "// Package stat counts.\npackage stat\n\nimport _ \"math\"\n",
		"internal/wire/wire.go":         "// Package wire reads.\npackage wire\n\nimport (\n\t_ \"example\"\n\t_ \"example/internal/stat\"\n)\n",
		"internal/guard/guard.go":       "// Package guard judges.\npackage guard\n\nimport _ \"example/internal/wire\"\n",
		"internal/store/store.go":       "// Package store keeps.\npackage store\n\nimport (\n\t_ \"database/sql\"\n\t_ \"modernc.org/sqlite\"\n)\n",
		"internal/store/storetest/s.go": "// Package storetest tests stores.\npackage storetest\n\nimport (\n\t_ \"example/internal/store\"\n\t_ \"github.com/google/go-cmp/cmp\"\n\t_ \"testing\"\n)\n",
		"internal/gateway/gateway.go":   "// Package gateway speaks HTTP.\npackage gateway\n\nimport (\n\t_ \"example/internal/guard\"\n\t_ \"net/http\"\n)\n",
		"internal/gateway/g_test.go":    "package gateway_test\n\nimport (\n\t_ \"example/internal/store/storetest\"\n\t_ \"pgregory.net/rapid\"\n)\n",
		"internal/lab/traffic/t.go":     "// Package traffic is a part of lab.\npackage traffic\n\nimport _ \"example/internal/lab\"\n",
		"internal/lab/lab.go":           "// Package lab attacks.\npackage lab\n",
		"cmd/example/main.go":           "// Command example runs.\npackage main\n\nimport (\n\t_ \"example/internal/gateway\"\n\t_ \"example/internal/lab/traffic\"\n\t_ \"github.com/alecthomas/kong\"\n)\n",
		"tools/go.mod":                  "module example/tools\n",
		"tools/bad.go":                  "package nested // another module: not read\n",
		"internal/wire/testdata/bad.go": "package nonsense // not read\n",
		".hidden/bad.go":                "package nonsense // not read\n",
	}
}

func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestCleanTree(t *testing.T) {
	t.Parallel()
	report, err := arch.Check(tree(clean()), arch.House())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Faults) != 0 || len(report.Notes) != 0 {
		t.Errorf("Check(clean) = faults %q, notes %q; want none", report.Faults, report.Notes)
	}
	if want := 11; report.Packages != want {
		t.Errorf("Check(clean) saw %d packages; want %d", report.Packages, want)
	}
}

// TestPlanted plants one broken rule at a time: each must be reported, alone.
func TestPlanted(t *testing.T) {
	t.Parallel()
	pkg := func(name, body string) string {
		return "// Package " + name + " is bad.\npackage " + name + "\n\n" + body
	}
	tests := map[string]struct {
		file, text string
		want       string
	}{
		"upward":             {"internal/stat/bad.go", pkg("stat", `import _ "example/internal/wire"`), "upward"},
		"sideways":           {"internal/coarsen/bad.go", pkg("coarsen", `import _ "example/internal/wire"`), "sideways"},
		"adapter to adapter": {"internal/ledger/bad.go", pkg("ledger", `import _ "example/internal/store"`), "sideways"},
		"face to face":       {"internal/console/bad.go", pkg("console", `import _ "example/internal/gateway"`), "sideways"},
		"root to internal":   {"bad.go", pkg("example", `import _ "example/internal/stat"`), "upward"},
		"engine to guard":    {"internal/wire/bad.go", pkg("wire", `import _ "example/internal/guard"`), "upward"},
		"impure os":          {"internal/detect/bad.go", pkg("detect", `import _ "os"`), "operating system"},
		"impure slog":        {"internal/wire/bad.go", pkg("wire", `import _ "log/slog"`), "callers log it"},
		"impure net":         {"internal/policy/bad.go", pkg("policy", `import _ "net"`), "no network"},
		"impure crypto rand": {"internal/evidence/bad.go", pkg("evidence", `import _ "crypto/rand"`), "arguments"},
		"clock":              {"internal/guard/bad.go", pkg("guard", "import \"time\"\n\nvar _ = time.Now()"), "time.Now"},
		"clock renamed":      {"internal/guard/bad.go", pkg("guard", "import clock \"time\"\n\nvar _ = clock.Since"), "time.Since"},
		"ambient random":     {"internal/nn/bad.go", pkg("nn", "import \"math/rand/v2\"\n\nvar _ = rand.IntN(2)"), "rand/v2.IntN"},
		"goroutine":          {"internal/detect/bad.go", pkg("detect", "func f() { go f() }"), "goroutine"},
		"http in an adapter": {"internal/ledger/bad.go", pkg("ledger", `import _ "net/http"`), "only gateway"},
		"sql in a face":      {"internal/console/bad.go", pkg("console", `import _ "database/sql"`), "only store"},
		"flag in a face":     {"internal/gateway/bad.go", pkg("gateway", `import _ "flag"`), "only cmd"},
		"module elsewhere":   {"internal/gateway/bad.go", pkg("gateway", `import _ "modernc.org/sqlite"`), "only store"},
		"module below":       {"internal/gateway/bad.go", pkg("gateway", `import _ "github.com/goccy/go-yaml/ast"`), "only config"},
		"module unknown":     {"internal/gateway/bad.go", pkg("gateway", `import _ "github.com/some/thing"`), "does not name"},
		"module for tests":   {"internal/gateway/bad.go", pkg("gateway", `import _ "pgregory.net/rapid"`), "for tests only"},
		"test kit shipped":   {"internal/gateway/bad.go", pkg("gateway", `import _ "example/internal/store/storetest"`), "test kit"},
		"no floor":           {"internal/helper/bad.go", pkg("helper", ""), "on no floor"},
		"no floor outside":   {"pkg/bad.go", pkg("pkg", ""), "on no floor"},
		"no comment":         {"internal/cost/bad.go", "package cost\n", "has no comment"},
		"empty comment":      {"internal/cost/bad.go", "// Cost is a package.\npackage cost\n", "has no comment"},
		"no comment on main": {"cmd/other/main.go", "package main\n", "has no comment"},
		"cgo":                {"internal/store/bad.go", pkg("store", `import "C"`), "no cgo"},
		"old random in test": {"internal/stat/bad_test.go", "package stat_test\n\nimport _ \"math/rand\"\n", "math/rand/v2"},
		"testify in a test":  {"internal/stat/bad_test.go", "package stat_test\n\nimport _ \"github.com/stretchr/testify/assert\"\n", "go-cmp"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := clean()
			files[test.file] = test.text
			report, err := arch.Check(tree(files), arch.House())
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Faults) != 1 || !strings.Contains(report.Faults[0], test.want) {
				t.Fatalf("Check = %q; want one fault about %q", report.Faults, test.want)
			}
			if dir, _, _ := strings.Cut(test.file, "/bad"); !strings.Contains(report.Faults[0], strings.TrimSuffix(dir, "/main.go")) {
				t.Errorf("Check = %q; want the place %s", report.Faults[0], dir)
			}
		})
	}
}

func TestUnreadableTree(t *testing.T) {
	t.Parallel()
	without := func(name string) map[string]string { files := clean(); delete(files, name); return files }
	with := func(name, text string) map[string]string { files := clean(); files[name] = text; return files }
	tests := map[string]map[string]string{
		"no go.mod":      without("go.mod"),
		"no module line": with("go.mod", "go 1.26.0\n"),
		"does not parse": with("internal/wire/bad.go", "package wire\n\nimport ("),
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := arch.Check(tree(files), arch.House()); err == nil {
				t.Error("Check returned no error")
			}
		})
	}
}

func TestBudgetsAreNotes(t *testing.T) {
	t.Parallel()
	files := clean()
	files["internal/stat/long.go"] = "package stat\n\nfunc long() {\n" + strings.Repeat("\t_ = 0\n", 600) + "}\n"
	files["internal/stat/more.go"] = "package stat\n" + strings.Repeat("// filler\n", 2600)
	files["internal/stat/made.go"] = "// Code generated by hand. DO NOT EDIT.\n\npackage stat\n" + strings.Repeat("// filler\n", 900)
	report, err := arch.Check(tree(files), arch.House())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Faults) != 0 {
		t.Errorf("Check = faults %q; want budgets as notes only", report.Faults)
	}
	notes := strings.Join(report.Notes, "\n")
	for _, want := range []string{"long.go has", "func long has", "more.go has", "internal/stat has"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes = %q; want one with %q", notes, want)
		}
	}
	if strings.Contains(notes, "made.go") {
		t.Errorf("notes = %q; generated files have no budget", notes)
	}
}

// TestLinterKnowsThePureFloors keeps the list in the linter's configuration equal to
// the floors: the editor must warn about what the floor test refuses.
func TestLinterKnowsThePureFloors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), `"**/internal/{`)
	list, _, closed := strings.Cut(rest, "}")
	if !found || !closed {
		t.Fatal(".golangci.yml has no list of pure packages as **/internal/{…}")
	}
	got, want := map[string]bool{}, map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		got[name] = true
	}
	rules := arch.House()
	for _, floor := range rules.Floors[1:rules.Pure] {
		for _, name := range floor {
			want[name] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf(".golangci.yml lists %v as pure; the floors have %v", got, want)
	}
}
