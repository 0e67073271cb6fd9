package imports

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheckPackages(t *testing.T) {
	const m = "example.com/m"
	tests := []struct {
		name string
		pkg  Package
		want string // a part of the one fault; "" for none
	}{
		{"apis with apimachinery", Package{ImportPath: m + "/apis/a/v1", Imports: []string{"fmt", "k8s.io/api/core/v1", "k8s.io/apimachinery/pkg/runtime", m + "/apis/b/v1"}}, ""},
		{"apis with client-go", Package{ImportPath: m + "/apis/a/v1", Imports: []string{"k8s.io/client-go/rest"}}, "apis may import only"},
		{"apis with a look-alike of k8s.io/api", Package{ImportPath: m + "/apis/a/v1", Imports: []string{"k8s.io/apiserver/pkg/server"}}, "apis may import only"},
		{"apis with another top folder", Package{ImportPath: m + "/apis/a/v1", Imports: []string{m + "/internal/gang"}}, "apis may import only"},
		{"apis tested with anything", Package{ImportPath: m + "/apis/a/v1", TestImports: []string{"k8s.io/client-go/rest"}}, ""},

		{"internal with klog below it", Package{ImportPath: m + "/internal/gang", Deps: []string{"k8s.io/klog/v2"}}, ""},
		{"internal with klog", Package{ImportPath: m + "/internal/gang", Imports: []string{"k8s.io/klog/v2"}}, "no logger"},
		{"internal with client-go below it", Package{ImportPath: m + "/internal/gang", Deps: []string{"k8s.io/client-go/rest"}}, "internal is pure"},
		{"internal with controller-runtime below it", Package{ImportPath: m + "/internal/gang", Deps: []string{"sigs.k8s.io/controller-runtime"}}, "internal is pure"},
		{"localcluster with client-go", Package{ImportPath: m + "/internal/localcluster", Deps: []string{"k8s.io/client-go/rest"}}, ""},
		{"internal with localcluster", Package{ImportPath: m + "/internal/gang", Deps: []string{m + "/internal/localcluster"}}, "internal is pure"},

		{"a plugin with state", Package{ImportPath: m + "/plugins/a", Imports: []string{m + "/plugins/state"}}, ""},
		{"a plugin with its own parts", Package{ImportPath: m + "/plugins/a", Imports: []string{m + "/plugins/a/b"}}, ""},
		{"a plugin with another", Package{ImportPath: m + "/plugins/a", Imports: []string{m + "/plugins/b"}}, "plugins never import each other"},
		{"a plugin's test with another plugin", Package{ImportPath: m + "/plugins/a", XTestImports: []string{m + "/plugins/b"}}, "plugins never import each other"},
		{"state with a plugin", Package{ImportPath: m + "/plugins/state", Imports: []string{m + "/plugins/a"}}, "plugins never import each other"},
		{"the list of plugins", Package{ImportPath: m + "/plugins", Imports: []string{m + "/plugins/a", m + "/plugins/b"}}, ""},
		{"a plugin with controller-runtime below it", Package{ImportPath: m + "/plugins/a", Deps: []string{"sigs.k8s.io/controller-runtime/pkg/client"}}, "without controller-runtime"},

		{"a family with another", Package{ImportPath: m + "/controllers/a", Imports: []string{m + "/controllers/b"}}, "never import each other"},
		{"a webhook with a controller", Package{ImportPath: m + "/webhooks/a", Imports: []string{m + "/controllers/a"}}, "never import each other"},
		{"the list of controllers", Package{ImportPath: m + "/controllers", Imports: []string{m + "/controllers/a"}}, ""},
		{"a controller with kubernetes below it", Package{ImportPath: m + "/controllers/a", Deps: []string{"k8s.io/kubernetes/pkg/apis/core"}}, "never import k8s.io/kubernetes"},
		{"a webhook with kubernetes below it", Package{ImportPath: m + "/webhooks", Deps: []string{"k8s.io/kubernetes/pkg/apis/core"}}, "never import k8s.io/kubernetes"},
		{"a plugin with kubernetes", Package{ImportPath: m + "/plugins/a", Deps: []string{"k8s.io/kubernetes/pkg/scheduler"}}, ""},

		{"the node agent with a REST client", Package{ImportPath: m + "/nodeagent/kube", Deps: []string{"k8s.io/client-go/rest"}}, ""},
		{"the node agent with a clientset", Package{ImportPath: m + "/nodeagent/kube", Deps: []string{"k8s.io/client-go/kubernetes/scheme"}}, "stays small"},
		{"the node agent's command with the scheduler", Package{ImportPath: m + "/cmd/muster-node-agent", Deps: []string{"k8s.io/kubernetes/pkg/scheduler"}}, "stays small"},

		{"a drawer by its folder", Package{ImportPath: m + "/internal/util", Name: "resource"}, "says nothing"},
		{"a drawer by its name", Package{ImportPath: m + "/internal/resource", Name: "helpers"}, "says nothing"},

		{"outside of the module", Package{ImportPath: "example.com/other/util", Name: "util"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expectFault(t, CheckPackages(m, []Package{test.pkg}), test.want)
		})
	}
}

func TestCheckSource(t *testing.T) {
	const clock = "package p\nimport \"time\"\nvar now = time.Now()\n"
	tests := []struct {
		name, file, source string
		want               string
	}{
		{"a clock in internal", "internal/gang/gang.go", clock, "internal/gang/gang.go:3:11: time.Now: internal is pure"},
		{"a clock by another name", "internal/gang/gang.go", "package p\nimport wall \"time\"\nvar s = wall.Since(wall.Time{})\n", "time.Since: internal is pure"},
		{"a duration in internal", "internal/gang/gang.go", "package p\nimport \"time\"\nvar d = time.Second\n", ""},
		{"a clock in internal's test", "internal/gang/gang_test.go", clock, ""},
		{"a clock in localcluster", "internal/localcluster/etcd.go", clock, ""},
		{"a clock in a plugin", "plugins/state/state.go", clock, ""},
		{"something else called time", "internal/gang/gang.go", "package p\nvar time struct{ Now int }\nvar n = time.Now\n", ""},
		{"sleep in a test", "plugins/a/a_test.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "waits for a condition"},
		{"sleep in the integration tests' own code", "test/integration/harness.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "waits for a condition"},
		{"sleep elsewhere", "cmd/a/main.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", ""},
		{"skip", "plugins/a/a_test.go", "package p\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skipf(\"later\") }\n", "proves nothing"},
		{"a skip that is not a test's", "plugins/a/a_test.go", "package p\nvar s = scanner.Skip\n", ""},
		{"skip of the test of real GPUs", "nodeagent/gpus/real_test.go", "package p\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skip(\"no GPU\") }\n", ""},
		{"skip beside it", "nodeagent/gpus/gpus_test.go", "package p\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skip(\"no GPU\") }\n", "proves nothing"},
		{"NVML in its package", "nodeagent/gpus/read.go", "//go:build cgo\n\npackage p\nimport \"github.com/NVIDIA/go-nvml/pkg/nvml\"\nvar n = nvml.New\n", ""},
		{"NVML in a file that go list leaves out", "nodeagent/agent.go", "//go:build cgo\n\npackage p\nimport \"github.com/NVIDIA/go-nvml/pkg/nvml\"\nvar n = nvml.New\n", "only the node agent's"},
		{"NVML in a controller's test", "controllers/a/a_test.go", "package p\nimport n \"github.com/NVIDIA/go-nvml/pkg/nvml/mock\"\nvar m = n.Device{}\n", "only the node agent's"},
		{"600 lines", "plugins/a/a.go", lines(600), ""},
		{"601 lines", "plugins/a/a.go", lines(601), "has 601 lines"},
		{"601 generated lines", "apis/a/v1/a.go", "// Code generated by a. DO NOT EDIT.\n" + lines(600), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			faults, err := CheckSource(test.file, []byte(test.source))
			if err != nil {
				t.Fatal(err)
			}
			expectFault(t, faults, test.want)
		})
	}
}

func TestCheckSourceRefusesWhatIsNotGo(t *testing.T) {
	if faults, err := CheckSource("a.go", []byte("no Go")); err == nil {
		t.Errorf("no error, and faults %q", faults)
	}
}

// lines returns a Go file of n lines.
func lines(n int) string {
	return "package p\n" + strings.Repeat("\n", n-1)
}

func expectFault(t *testing.T, faults []string, want string) {
	t.Helper()
	if want == "" && len(faults) > 0 {
		t.Errorf("got faults where none is: %q", faults)
	}
	if want != "" && (len(faults) != 1 || !strings.Contains(faults[0], want)) {
		t.Errorf("got faults %s, want one with %q", fmt.Sprintf("%q", faults), want)
	}
}
