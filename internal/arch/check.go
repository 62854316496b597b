package arch

import (
	"fmt"
	"go/ast"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Report is what a tree's check found.
type Report struct {
	// Faults are broken rules; each names the file, what it does and the rule.
	Faults []string
	// Notes are budgets that are exceeded. They are for the reader, not failures.
	Notes []string
	// Packages is the number of packages that were checked.
	Packages int
}

// Check reads the module at the root of fsys and holds it to the rules.
func Check(fsys fs.FS, rules Rules) (Report, error) {
	tree, err := ReadTree(fsys)
	if err != nil {
		return Report{}, err
	}
	c := &checker{tree: tree, rules: rules, floor: map[string]int{}}
	for i, names := range rules.Floors {
		for _, name := range names {
			c.floor[name] = i
		}
	}
	for _, p := range tree.Packages {
		c.report.Packages++
		c.checkBanned(p)
		if len(p.Files) == 0 {
			continue // tests alone; the package they test is elsewhere
		}
		c.checkComment(p)
		c.checkImports(p)
	}
	c.report.Notes = budgets(tree)
	return c.report, nil
}

type checker struct {
	tree   *Tree
	rules  Rules
	floor  map[string]int
	report Report
}

func (c *checker) fault(format string, args ...any) {
	c.report.Faults = append(c.report.Faults, fmt.Sprintf(format, args...))
}

// checkBanned covers test files too.
func (c *checker) checkBanned(p *Package) {
	for _, file := range slices.Concat(p.Files, p.TestFiles) {
		for _, imported := range slices.Sorted(maps.Keys(file.Imports)) {
			for banned, why := range c.rules.Banned {
				module := strings.Contains(firstElement(banned), ".")
				if imported == banned || module && within(imported, banned) {
					c.fault("%s imports %s: %s", file.Name, imported, why)
				}
			}
		}
	}
}

func (c *checker) checkComment(p *Package) {
	name := p.Files[0].syntax.Name.Name
	for _, file := range p.Files {
		text := file.syntax.Doc.Text()
		if name == "main" && text != "" || strings.HasPrefix(text, "Package "+name+" ") {
			return
		}
	}
	c.fault("%s: package %s has no comment that begins %q and says what it decides or holds",
		p.Dir, name, "Package "+name)
}

func (c *checker) checkImports(p *Package) {
	name, ok := unit(p.Dir)
	floor, known := c.floor[name]
	if !ok || !known {
		c.fault("%s: on no floor; give it a place in internal/arch/rules.go", p.Dir)
		return
	}
	paths, in := p.imports()
	for _, imported := range paths {
		file := in[imported].Name
		dir, local := c.tree.local(imported)
		switch {
		case local:
			c.checkLocal(file, p, name, floor, dir)
		case strings.Contains(firstElement(imported), "."):
			c.checkModule(file, p, name, imported)
		default:
			c.checkStandard(file, name, floor, imported)
		}
	}
	if floor < c.rules.Pure {
		for _, file := range p.Files {
			c.checkPure(file, name, floor)
		}
	}
}

func (c *checker) checkLocal(file string, p *Package, name string, floor int, dir string) {
	target, ok := unit(dir)
	below, known := c.floor[target]
	if isTestKit(dir) && !isTestKit(p.Dir) {
		c.fault("%s imports %s: a test kit is for tests only", file, dir)
	}
	if !ok || !known {
		c.fault("%s imports %s: that package is on no floor", file, dir)
		return
	}
	if name == target || below < floor {
		return
	}
	direction := "upward"
	if below == floor {
		direction = "sideways"
	}
	c.fault("%s (%s, floor %d) imports %s (floor %d) %s: a package imports lower floors and its own unit only",
		file, name, floor, dir, below, direction)
}

func (c *checker) checkModule(file string, p *Package, name, imported string) {
	for _, module := range c.rules.TestModules {
		if within(imported, module) {
			if !isTestKit(p.Dir) {
				c.fault("%s imports %s: that module is for tests only", file, imported)
			}
			return
		}
	}
	for module, units := range c.rules.Modules {
		if !within(imported, module) {
			continue
		}
		if !slices.Contains(units, name) {
			c.fault("%s (%s) imports %s: only %s may", file, name, imported, strings.Join(units, ", "))
		}
		return
	}
	c.fault("%s imports %s: a module that the table in internal/arch/rules.go does not name", file, imported)
}

func (c *checker) checkStandard(file, name string, floor int, imported string) {
	if units, ok := c.rules.Only[imported]; ok && !slices.Contains(units, name) {
		c.fault("%s (%s) imports %s: only %s may", file, name, imported, strings.Join(units, ", "))
	}
	if floor >= c.rules.Pure || c.rules.PureExceptions[name+" "+imported] {
		return
	}
	for impure, why := range c.rules.Impure {
		if imported == impure || strings.HasSuffix(impure, "/") && strings.HasPrefix(imported, impure) {
			c.fault("%s (%s, floor %d) imports %s: %s", file, name, floor, imported, why)
		}
	}
}

// checkPure finds what an import does not show: goroutines, the clock and the
// unseeded random numbers.
func (c *checker) checkPure(file *File, name string, floor int) {
	packages := map[string]string{}
	for imported := range c.rules.Ambient {
		if local, ok := file.Imports[imported]; ok {
			packages[local] = imported
		}
	}
	ast.Inspect(file.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			c.fault("%s:%d (%s, floor %d) starts a goroutine: pure floors are single-threaded values",
				file.Name, c.line(node), name, floor)
		case *ast.SelectorExpr:
			ident, ok := node.X.(*ast.Ident)
			if !ok {
				return true
			}
			imported := packages[ident.Name]
			if c.rules.Ambient[imported][node.Sel.Name] {
				c.fault("%s:%d (%s, floor %d) uses %s.%s: time and randomness are arguments",
					file.Name, c.line(node), name, floor, imported, node.Sel.Name)
			}
		}
		return true
	})
}

func (c *checker) line(node ast.Node) int { return c.tree.fset.Position(node.Pos()).Line }

// isTestKit reports whether the folder holds help for tests, such as store/storetest.
func isTestKit(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

func within(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

func firstElement(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	return first
}
