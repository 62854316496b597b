package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Tree is a module's source as parsed files, grouped by package folder.
type Tree struct {
	// Module is the module's path, from go.mod.
	Module string
	// Packages are the folders with Go files, in order of their paths.
	Packages []*Package

	fset *token.FileSet
}

// Package is one folder of Go files.
type Package struct {
	// Dir is the folder relative to the module's root, "." for the root itself.
	Dir string
	// Files are the folder's Go files; those whose names end in _test.go are apart.
	Files, TestFiles []*File
}

// File is one parsed Go file.
type File struct {
	// Name is the path relative to the module's root.
	Name string
	// Imports maps import paths to the names they have in this file.
	Imports map[string]string
	// Lines is the number of lines.
	Lines int
	// Generated says that a program wrote the file.
	Generated bool

	syntax *ast.File
}

// ReadTree parses every Go file of the module at the root of fsys. It skips testdata,
// the data folder of a server that ran here, folders whose names begin with a dot or
// an underscore, and nested modules.
func ReadTree(fsys fs.FS) (*Tree, error) {
	module, err := modulePath(fsys)
	if err != nil {
		return nil, err
	}
	tree := &Tree{Module: module, fset: token.NewFileSet()}
	packages := map[string]*Package{}
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skipDir(fsys, name)
		case path.Ext(name) != ".go":
			return nil
		}
		file, err := tree.parse(fsys, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &Package{Dir: dir}
			tree.Packages = append(tree.Packages, packages[dir])
		}
		if strings.HasSuffix(name, "_test.go") {
			packages[dir].TestFiles = append(packages[dir].TestFiles, file)
		} else {
			packages[dir].Files = append(packages[dir].Files, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read source tree: %w", err)
	}
	slices.SortFunc(tree.Packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	return tree, nil
}

func modulePath(fsys fs.FS) (string, error) {
	text, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return "", fmt.Errorf("read module path: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", errors.New("read module path: go.mod has no module line")
}

func skipDir(fsys fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || name == "data" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (t *Tree) parse(fsys fs.FS, name string) (*File, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	file := &File{
		Name: name, Imports: map[string]string{}, Lines: strings.Count(string(text), "\n"),
		Generated: ast.IsGenerated(syntax), syntax: syntax,
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("parse %s: import %s: %w", name, spec.Path.Value, err)
		}
		file.Imports[imported] = importName(spec, imported)
	}
	return file, nil
}

func importName(spec *ast.ImportSpec, imported string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	base := path.Base(imported)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(imported)) // math/rand/v2 is used as rand
	}
	return base
}

// imports returns the import paths of the package's non-test files, sorted, each with
// the first file that has it.
func (p *Package) imports() (paths []string, in map[string]*File) {
	in = map[string]*File{}
	for _, file := range p.Files {
		for imported := range file.Imports {
			if in[imported] == nil {
				in[imported] = file
				paths = append(paths, imported)
			}
		}
	}
	slices.Sort(paths)
	return paths, in
}

// local returns the folder of an import path inside the module.
func (t *Tree) local(imported string) (dir string, ok bool) {
	if imported == t.Module {
		return ".", true
	}
	return strings.CutPrefix(imported, t.Module+"/")
}

// unit names the part of the house a folder belongs to: "root", "docs", "cmd",
// "bench", or the first folder below internal. Folders below it belong to it too.
func unit(dir string) (name string, ok bool) {
	if dir == "." {
		return "root", true
	}
	first, rest, nested := strings.Cut(dir, "/")
	if first != "internal" {
		return first, true
	}
	if !nested {
		return "", false
	}
	first, _, _ = strings.Cut(rest, "/")
	return first, true
}
