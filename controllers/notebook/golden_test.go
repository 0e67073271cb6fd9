package notebook

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows what is made of a notebook: testdata/golden/<case>.yaml is the Notebook as a user writes it,
// <case>.out.yaml what the controller creates for it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".out.yaml") {
			continue
		}
		cases++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			input, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := render(t, string(input))
			golden := strings.TrimSuffix(file, ".yaml") + ".out.yaml"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("go test -run TestGolden -update accepts this:\n%s", diff)
			}
		})
	}
	if cases == 0 {
		t.Error("no cases found")
	}
}

func render(t *testing.T, input string) string {
	t.Helper()
	p := decide(testConfig(), readNotebook(t, input), seen{})
	var out strings.Builder
	if p.problem != nil {
		out.WriteString("# " + p.problem.reason + ": " + p.problem.message + "\n")
	}
	for _, object := range p.create {
		object.SetOwnerReferences(nil) // always the same
		data, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, empty := range []string{
			"status:\n  loadBalancer: {}\n", "status:\n  availableReplicas: 0\n  replicas: 0\n", "  updateStrategy: {}\n",
			"  serviceName: \"\"\n", "      creationTimestamp: null\n", "  creationTimestamp: null\n", "        resources: {}\n",
		} {
			text = strings.ReplaceAll(text, empty, "")
		}
		out.WriteString("---\n" + text)
	}
	return out.String()
}
