package imports

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxLines is the length from which on a file is hard to hold in one's head.
const maxLines = 600

// clockFunctions of package time read the clock or wait for it.
var clockFunctions = []string{
	"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

// realThings are the tests that may be skipped: they use what the machine has that
// they run on, its GPUs, its sshd and mpirun or its PyTorch, and make test and make e2e
// show what became of them.
var realThings = []string{"nodeagent/gpus/real_test.go", "controllers/training/mpisshd_test.go", "test/e2e/meet_test.go"}

// CheckSource returns one line for each rule that the Go file breaks. The file
// name is relative to the module's root, with forward slashes. It fails when
// the source is not Go.
func CheckSource(name string, source []byte) ([]string, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	var broken []string
	if lines := bytes.Count(source, []byte("\n")); lines > maxLines {
		broken = append(broken, fmt.Sprintf("%s: has %d lines; %d is the most", name, lines, maxLines))
	}
	if fault := judgeImports(name, file); fault != "" {
		broken = append(broken, fault)
	}
	isTest := strings.HasSuffix(name, "_test.go")
	timeName := importName(file, "time")
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		on, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		if fault := judge(name, isTest, on.Name == timeName, on.Name, selector.Sel.Name); fault != "" {
			broken = append(broken, fmt.Sprintf("%s: %s", set.Position(selector.Pos()), fault))
		}
		return true
	})
	return broken, nil
}

// judge says what is wrong with the mention on.name in the file, or "".
func judge(file string, isTest, isTime bool, on, name string) string {
	switch {
	case isTime && !isTest && isPure(file) && slices.Contains(clockFunctions, name):
		return fmt.Sprintf("time.%s: internal is pure, the caller passes the time in", name)
	case isTime && (isTest || under(file, "test/integration")) && name == "Sleep":
		return "time.Sleep: a test waits for a condition, with a generous deadline"
	case isTest && !slices.Contains(realThings, file) && slices.Contains([]string{"t", "b", "f", "tb"}, on) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name):
		return fmt.Sprintf("%s.%s: a test that does not run proves nothing", on, name)
	}
	return ""
}

// judgeImports says which import is not the file's to make, or "". NVML is
// loaded at run time, on nodes that have it, through cgo: its one importer is
// left out of most builds, and so unseen by go list.
func judgeImports(file string, parsed *ast.File) string {
	if under(file, "nodeagent/gpus") {
		return ""
	}
	for _, spec := range parsed.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil && under(imported, "github.com/NVIDIA/go-nvml") {
			return fmt.Sprintf("%s: imports %s, but only the node agent's nodeagent/gpus may", file, imported)
		}
	}
	return ""
}

// importName returns the name by which the file calls the package, "" if it
// does not import it.
func importName(file *ast.File, importPath string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != strconv.Quote(importPath) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}
