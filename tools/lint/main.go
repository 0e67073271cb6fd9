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
	"github.com/gostaticanalysis/nilerr"
	"github.com/polyfloyd/go-errorlint/errorlint"
	"golang.org/x/tools/go/analysis/passes/modernize"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	unitchecker.Main(append(modernize.Suite,
		errorlint.NewAnalyzer(),
		nilerr.Analyzer,
		nilness.Analyzer,
		unusedwrite.Analyzer,
	)...)
}
