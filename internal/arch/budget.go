package arch

import (
	"fmt"
	"go/ast"
)

// The sizes that readable packages of other projects stay under.
const (
	fileBudget     = 500
	functionBudget = 70
	packageBudget  = 3000
	depthBudget    = 8
)

// budgets lists what is larger than it should be without a reason.
func budgets(tree *Tree) []string {
	var notes []string
	imports := map[string][]string{}
	for _, p := range tree.Packages {
		lines := 0
		for _, file := range p.Files {
			if file.Generated {
				continue
			}
			lines += file.Lines
			if file.Lines > fileBudget {
				notes = append(notes, fmt.Sprintf("%s has %d lines (aim: %d)", file.Name, file.Lines, fileBudget))
			}
			notes = append(notes, longFunctions(tree, file)...)
		}
		if lines > packageBudget {
			notes = append(notes, fmt.Sprintf("%s has %d lines (aim: %d)", p.Dir, lines, packageBudget))
		}
		paths, _ := p.imports()
		for _, imported := range paths {
			if dir, ok := tree.local(imported); ok {
				imports[p.Dir] = append(imports[p.Dir], dir)
			}
		}
	}
	depth := longestChain(imports)
	if depth > depthBudget {
		notes = append(notes, fmt.Sprintf("the longest import chain has %d steps (aim: %d)", depth, depthBudget))
	}
	return notes
}

func longFunctions(tree *Tree, file *File) []string {
	var notes []string
	for _, decl := range file.syntax.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Body == nil {
			continue
		}
		lines := tree.fset.Position(function.End()).Line - tree.fset.Position(function.Pos()).Line + 1
		if lines > functionBudget {
			notes = append(notes, fmt.Sprintf("%s: func %s has %d lines (aim: %d)",
				file.Name, function.Name.Name, lines, functionBudget))
		}
	}
	return notes
}

func longestChain(imports map[string][]string) int {
	known := map[string]int{}
	var below func(dir string) int
	below = func(dir string) int {
		if depth, ok := known[dir]; ok {
			return depth
		}
		known[dir] = 0 // a cycle does not compile; this only ends the walk
		depth := 0
		for _, target := range imports[dir] {
			depth = max(depth, below(target)+1)
		}
		known[dir] = depth
		return depth
	}
	longest := 0
	for dir := range imports {
		longest = max(longest, below(dir))
	}
	return longest
}
