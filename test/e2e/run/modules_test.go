package main

import (
	"os"
	"strings"
	"testing"
)

// The control plane has a module of its own, so that nothing else depends on what only a kubelet needs. It takes the same versions
// of all that the two share: a cluster of another release would prove little, and everything would be compiled a second time.
func TestModulesAgree(t *testing.T) {
	ours, theirs := versions(t, "../../../go.mod"), versions(t, "../kubernetes/go.mod")
	shared := 0
	for module, version := range theirs {
		if want, is := ours[module]; is {
			shared++
			if version != want {
				t.Errorf("%s is required as %s in test/e2e/kubernetes, and as %s by the repository: run `go -C test/e2e/kubernetes get %s@%s`",
					module, version, want, module, want)
			}
		}
	}
	if theirs["k8s.io/kubernetes"] == "" || shared < 100 {
		t.Errorf("the two share %d modules", shared)
	}
}

// versions reads the requirements of a go.mod, but for those that a replacement decides anyway.
func versions(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]string{}
	for line := range strings.Lines(string(data)) {
		field := strings.Fields(line)
		if len(field) >= 2 && strings.HasPrefix(field[1], "v") && strings.HasPrefix(line, "\t") && !strings.Contains(line, "=>") {
			required[field[0]] = field[1]
		}
	}
	return required
}
