// Command lint holds the analysers that neither go vet nor staticcheck has and
// that have caught real faults in Kubernetes controllers: errors compared
// without errors.Is, errors checked and then dropped, nil dereferences, and
// writes to a copy that is never read.
//
// It speaks go vet's protocol, so that go's build cache holds its results:
//
//	go vet -vettool=bin/lint ./...
package main

import (
	"go/ast"

	"github.com/gostaticanalysis/nilerr"
	"github.com/polyfloyd/go-errorlint/errorlint"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/modernize"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	for _, analyser := range modernize.Suite {
		analyser.Run = inWritten(analyser.Run)
	}
	unitchecker.Main(append(modernize.Suite,
		errorlint.NewAnalyzer(),
		nilerr.Analyzer,
		nilness.Analyzer,
		unusedwrite.Analyzer,
	)...)
}

// inWritten drops what an analyser says of generated files: nobody can rewrite these.
func inWritten(run func(*analysis.Pass) (any, error)) func(*analysis.Pass) (any, error) {
	return func(pass *analysis.Pass) (any, error) {
		report := pass.Report
		pass.Report = func(d analysis.Diagnostic) {
			for _, file := range pass.Files {
				if file.FileStart <= d.Pos && d.Pos < file.FileEnd && ast.IsGenerated(file) {
					return
				}
			}
			report(d)
		}
		return run(pass)
	}
}
