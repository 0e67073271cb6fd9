package training

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden shows what is made of a job: testdata/<case>.yaml is the job as a user writes it, <case>.out.yaml what the
// controller creates for it, in order, with what it tells the user.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
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

// render writes what the first pass over a job creates and tells.
func render(t *testing.T, input string) string {
	t.Helper()
	k, job := readyJob(t, input)
	config := Config{ClusterDomain: "cluster.local", MPIKubectlDeliveryImage: "kubectl-delivery"}
	if job.GetAnnotations()["test/init-image"] != "" {
		config.PyTorchInitContainerImage = job.GetAnnotations()["test/init-image"]
	}
	p := k.decide(config, job, seeing(), noon)
	var out strings.Builder
	for _, e := range p.events {
		out.WriteString("# " + e.kind + " " + e.reason + ": " + e.message + "\n")
	}
	objects := p.before
	if p.group != nil {
		objects = append(objects, p.group)
	}
	for _, object := range append(objects, p.create...) {
		gvk, err := apiutil.GVKForObject(object, testScheme(t))
		if err != nil {
			t.Fatal(err)
		}
		object.GetObjectKind().SetGroupVersionKind(gvk)
		object.SetOwnerReferences(nil) // always the same
		data, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "status: {}\n", "")
		text = strings.ReplaceAll(text, "status:\n  loadBalancer: {}\n", "")
		text = strings.ReplaceAll(text, "status:\n  scheduleStartTime: null\n", "")
		text = strings.ReplaceAll(text, "status:\n  currentMetrics: null\n  desiredReplicas: 0\n", "")
		text = strings.ReplaceAll(text, "  creationTimestamp: null\n", "")
		text = strings.ReplaceAll(text, "    resources: {}\n", "")
		out.WriteString("---\n" + text)
	}
	return out.String()
}
