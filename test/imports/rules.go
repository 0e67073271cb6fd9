// Package imports keeps the layers of the repository apart. Its test reads
// what every package imports and how every file is written, and fails with
// the name of the rule that is broken.
//
// The layers, from the bottom:
//
//	apis                    types only
//	internal                decisions as functions of plain values
//	plugins                 what the scheduler runs
//	controllers, webhooks   what the manager runs
//	nodeagent               what runs on every node
//	cmd                     wiring
package imports

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Package is what the rules need to know of one Go package of the module, in
// the form of go list's JSON.
type Package struct {
	ImportPath   string
	Name         string
	Imports      []string // of the files that are built
	TestImports  []string // of the test files inside the package
	XTestImports []string // of the test files in package NAME_test
	Deps         []string // all that Imports lead to
}

// pkg is a Package seen from inside the module: rel is its path below the
// module's, such as plugins/coscheduling.
type pkg struct {
	Package
	module, rel string
}

// CheckPackages returns one line for each import rule that a package breaks,
// sorted. Packages outside module are ignored, but may be named in imports.
func CheckPackages(module string, packages []Package) []string {
	var broken []string
	for _, p := range packages {
		rel, inside := strings.CutPrefix(p.ImportPath, module+"/")
		if !inside {
			continue
		}
		for _, rule := range []func(pkg) []string{
			apisAreTypesOnly, internalIsPure, pluginsStandAlone, familiesStandAlone,
			managerHasNoScheduler, nodeAgentIsSmall, namesSayWhatIsInside,
		} {
			for _, fault := range rule(pkg{Package: p, module: module, rel: rel}) {
				broken = append(broken, rel+": "+fault)
			}
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// apisAreTypesOnly: whoever reads our types gets nothing else with them.
// Direct imports are enough to look at: what they may lead to is bounded by
// the two modules that are allowed.
func apisAreTypesOnly(p pkg) []string {
	if !under(p.rel, "apis") {
		return nil
	}
	return each(p.Imports, func(imported string) string {
		if isStandard(imported) || under(imported, "k8s.io/api") || under(imported, "k8s.io/apimachinery") ||
			under(imported, p.module+"/apis") {
			return ""
		}
		return fmt.Sprintf("imports %s, but apis may import only k8s.io/api and k8s.io/apimachinery", imported)
	})
}

// internalIsPure: decisions get time and IO from their caller, so that they
// can be tested without either.
func internalIsPure(p pkg) []string {
	if !isPure(p.rel) {
		return nil
	}
	const why = "but internal is pure (localcluster aside): no client, no controller-runtime, no logger"
	broken := each(p.Deps, func(dep string) string {
		if under(dep, "k8s.io/client-go") || under(dep, "sigs.k8s.io/controller-runtime") ||
			under(dep, p.module+"/internal/localcluster") {
			return fmt.Sprintf("leads to %s, %s", dep, why)
		}
		return ""
	})
	// Only direct imports: apimachinery itself brings klog in.
	return append(broken, each(p.Imports, func(imported string) string {
		if under(imported, "k8s.io/klog") {
			return fmt.Sprintf("imports %s, %s", imported, why)
		}
		return ""
	})...)
}

// isPure says whether the package or file at rel is part of the pure core.
func isPure(rel string) bool {
	return under(rel, "internal") && !under(rel, "internal/localcluster")
}

// pluginsStandAlone: a plugin can be read, tested and left out without the others.
func pluginsStandAlone(p pkg) []string {
	own := family(p.rel, "plugins")
	if own == "" {
		return nil
	}
	siblings := each(p.allImports(), func(imported string) string {
		other := family(strings.TrimPrefix(imported, p.module+"/"), "plugins")
		if other == "" || other == own || other == "plugins/state" || other == "plugins/placement" {
			return ""
		}
		return fmt.Sprintf("imports %s, but plugins never import each other, only plugins/state and plugins/placement", imported)
	})
	return append(siblings, each(p.Deps, func(dep string) string {
		if under(dep, "sigs.k8s.io/controller-runtime") {
			return fmt.Sprintf("leads to %s, but plugins run without controller-runtime", dep)
		}
		return ""
	})...)
}

// familiesStandAlone: each family of kinds can be switched off.
func familiesStandAlone(p pkg) []string {
	own := family(p.rel, "controllers", "webhooks")
	if own == "" {
		return nil
	}
	return each(p.allImports(), func(imported string) string {
		other := family(strings.TrimPrefix(imported, p.module+"/"), "controllers", "webhooks")
		if other == "" || other == own {
			return ""
		}
		return fmt.Sprintf("imports %s, but families of controllers and webhooks never import each other", imported)
	})
}

// managerHasNoScheduler: the manager stays small, and independent of the
// scheduler's release of Kubernetes.
func managerHasNoScheduler(p pkg) []string {
	if !under(p.rel, "controllers") && !under(p.rel, "webhooks") {
		return nil
	}
	return each(p.Deps, func(dep string) string {
		if under(dep, "k8s.io/kubernetes") {
			return fmt.Sprintf("leads to %s, but controllers and webhooks never import k8s.io/kubernetes", dep)
		}
		return ""
	})
}

// nodeAgentIsSmall: it runs on every node, and is compiled a second time, with
// cgo.
func nodeAgentIsSmall(p pkg) []string {
	if !isNodeAgent(p.rel) {
		return nil
	}
	return each(p.Deps, func(dep string) string {
		if under(dep, "k8s.io/kubernetes") || under(dep, "sigs.k8s.io/controller-runtime") || under(dep, "k8s.io/client-go/kubernetes") ||
			under(dep, p.module+"/plugins") || under(dep, p.module+"/controllers") {
			return fmt.Sprintf("leads to %s, but the node agent stays small: no scheduler, no controllers, no clientset", dep)
		}
		return ""
	})
}

// isNodeAgent says whether the package at rel is part of the node agent.
func isNodeAgent(rel string) bool {
	return under(rel, "nodeagent") || under(rel, "cmd/muster-node-agent")
}

// namesSayWhatIsInside: a drawer for everything has no reason to end.
func namesSayWhatIsInside(p pkg) []string {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "misc"}
	for _, name := range []string{p.Name, path.Base(p.rel)} {
		if slices.Contains(drawers, name) {
			return []string{fmt.Sprintf("is called %q, which says nothing: name a package by what it does", name)}
		}
	}
	return nil
}

func (p pkg) allImports() []string {
	return slices.Concat(p.Imports, p.TestImports, p.XTestImports)
}

// family returns the folder directly below one of tops that rel lies in, such
// as plugins/coscheduling; "" outside of them and for the folders themselves,
// whose business is to know all.
func family(rel string, tops ...string) string {
	top, rest, _ := strings.Cut(rel, "/")
	if rest == "" || !slices.Contains(tops, top) {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return top + "/" + name
}

// under says whether the import path is root or lies below it.
func under(importPath, root string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

// isStandard says whether the import path belongs to Go itself: only paths of
// modules start with a domain.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// each collects what judge says of the paths, leaving out "".
func each(paths []string, judge func(string) string) []string {
	var faults []string
	for _, p := range paths {
		if fault := judge(p); fault != "" {
			faults = append(faults, fault)
		}
	}
	return faults
}
