package arch_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/arch"
)

var update = flag.Bool("update", false, "rewrite modules.txt from the modules that are linked now")

const (
	modulesFile   = "modules.txt"
	modulesHeader = "# Modules linked into the binary and their licences, as SPDX expressions.\n" +
		"# A new line here is a decision: read the licence, then run\n" +
		"# go test ./internal/arch -run TestLinkedModules -update\n"
)

// mplAllowed names the only modules that may come under the Mozilla licence: its
// copyleft ends at the file, and these are linked as they were published.
var mplAllowed = []string{"github.com/hashicorp/golang-lru/v2"}

// TestLinkedModules compares the modules in the shipped binary with the committed
// list: a dependency and its licence are decisions, never side effects.
func TestLinkedModules(t *testing.T) {
	t.Parallel()
	const program = "../../cmd/bartizan"
	if entries, err := os.ReadDir(program); err != nil || !slices.ContainsFunc(entries, isGo) {
		t.Skip("SKIP: cmd/bartizan has no Go files yet, so nothing is linked")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("SKIP: no go command on PATH, so the linked modules cannot be listed")
	}
	readForTheCache(t)
	got := linked(t, goTool)
	if *update {
		if err := os.WriteFile(modulesFile, []byte(modulesHeader+got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(modulesFile)
	if err != nil {
		t.Fatal(err)
	}
	committed := strings.TrimPrefix(string(want), modulesHeader)
	if diff := cmp.Diff(lines(committed), lines(got)); diff != "" {
		t.Errorf("linked modules differ from %s (-listed +linked):\n%s\nif this is wanted: go test ./internal/arch -run TestLinkedModules -update", modulesFile, diff)
	}
}

func isGo(entry os.DirEntry) bool { return strings.HasSuffix(entry.Name(), ".go") }

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// readForTheCache opens all that the answer depends on in this process. The cache of
// test results sees no file that only the go command opens.
func readForTheCache(t *testing.T) {
	t.Helper()
	for _, name := range []string{"../../go.mod", "../../go.sum"} {
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := arch.ReadTree(os.DirFS("../..")); err != nil {
		t.Fatal(err)
	}
}

func linked(t *testing.T, goTool string) string {
	t.Helper()
	const format = `{{with .Module}}{{if not .Main}}{"path":{{printf "%q" .Path}},"dir":{{printf "%q" .Dir}}}{{end}}{{end}}`
	command := exec.CommandContext(t.Context(), goTool, "list", "-deps", "-f", format, "./cmd/bartizan")
	command.Dir = "../.."
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("list linked modules: %v", err)
	}
	licences := map[string]string{}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var module struct{ Path, Dir string }
		if err := decoder.Decode(&module); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read the list of linked modules: %v", err)
		}
		if licences[module.Path] != "" {
			continue
		}
		licence, err := arch.Licence(os.DirFS(module.Dir))
		if err != nil {
			t.Errorf("%s: %v", module.Path, err)
			licence = "UNKNOWN"
		}
		if licence == "MPL-2.0" && !slices.Contains(mplAllowed, module.Path) {
			t.Errorf("%s: MPL-2.0 is allowed for named modules only: %v", module.Path, mplAllowed)
		}
		licences[module.Path] = licence
	}
	list := make([]string, 0, len(licences))
	for module, licence := range licences {
		list = append(list, module+" "+licence+"\n")
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

func TestLicence(t *testing.T) {
	t.Parallel()
	const (
		mit    = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining\na copy of this"
		bsd2   = "Redistribution and use in source and binary forms, with or without\nmodification"
		bsd3   = bsd2 + " ... nor the names of its contributors may be used to\n   endorse or promote products"
		apache = "   Apache License\n   Version 2.0, January 2004"
		mpl    = "Mozilla Public License Version 2.0 ... GNU General Public License"
		isc    = "Permission to use, copy, modify, and/or distribute this software for any purpose"
		gpl    = "GNU GENERAL PUBLIC LICENSE Version 3 ... Permission is hereby granted, free of charge, to any person obtaining a copy"
	)
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"mit":              {map[string]string{"LICENSE": mit}, "MIT"},
		"copying":          {map[string]string{"COPYING": mit}, "MIT"},
		"markdown":         {map[string]string{"license.md": mit}, "MIT"},
		"bsd two":          {map[string]string{"LICENSE.txt": bsd2}, "BSD-2-Clause"},
		"bsd three":        {map[string]string{"LICENCE": bsd3}, "BSD-3-Clause"},
		"apache":           {map[string]string{"LICENSE": apache}, "Apache-2.0"},
		"mpl":              {map[string]string{"LICENSE": mpl}, "MPL-2.0"},
		"isc":              {map[string]string{"LICENSE": isc}, "ISC"},
		"several in one":   {map[string]string{"LICENSE": bsd3 + apache + mit}, "Apache-2.0 AND BSD-3-Clause AND MIT"},
		"several files":    {map[string]string{"LICENSE": mit, "COPYING": mit + apache}, "Apache-2.0 AND MIT"},
		"none":             {map[string]string{"README.md": mit}, ""},
		"unknown":          {map[string]string{"LICENSE": "All rights reserved."}, ""},
		"gpl":              {map[string]string{"LICENSE": gpl}, ""},
		"unknown beside":   {map[string]string{"LICENSE": mit, "COPYING": "ask us"}, ""},
		"other extensions": {map[string]string{"LICENSE-SQLITE": "public domain", "LICENSE.go": "x", "LICENSE": bsd3}, "BSD-3-Clause"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{}
			for file, text := range test.files {
				fsys[file] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := arch.Licence(fsys)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("Licence = %q, %v; want %q", got, err, test.want)
			}
			if test.want == "" && !errors.Is(err, arch.ErrNoLicence) {
				t.Errorf("Licence error = %v; want ErrNoLicence", err)
			}
		})
	}
}
