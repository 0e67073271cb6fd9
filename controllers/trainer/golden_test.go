package trainer

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// inputs are the cases of testdata: a TrainJob as a user writes it, with the runtime before it unless that comes with Muster.
func inputs(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, ".out.yaml") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases[strings.TrimSuffix(file, ".yaml")] = documents(t, text)
	}
	if len(cases) == 0 {
		t.Fatal("no cases found")
	}
	return cases
}

// TestGolden shows what is made of a TrainJob: testdata/<case>.out.yaml is what the controller creates for <case>.yaml, in
// order, with what it tells the user.
func TestGolden(t *testing.T) {
	for name, parts := range inputs(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			got := render(t, parts)
			if *update {
				if err := os.WriteFile(name+".out.yaml", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".out.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("go test -run TestGolden -update accepts this:\n%s", diff)
			}
		})
	}
}

// read returns the TrainJob of a case with its runtime.
func read(t *testing.T, parts []string) (*trainerv1alpha1.TrainJob, *trainerv1alpha1.TrainingRuntimeSpec) {
	t.Helper()
	job := trainJob(t, parts[len(parts)-1])
	if len(parts) == 1 {
		return job, stock(t, job.Spec.RuntimeRef.Name)
	}
	return job, &parse[trainerv1alpha1.TrainingRuntime](t, parts[0]).Spec
}

// render writes what the first pass over a job creates and tells.
func render(t *testing.T, parts []string) string {
	t.Helper()
	job, spec := read(t, parts)
	p := decide(job, observed{runtime: spec, jobSetServed: job.Annotations["test/jobset"] != ""}, noon)
	var out strings.Builder
	for _, e := range p.events {
		out.WriteString("# " + e.kind + " " + e.reason + ": " + e.message + "\n")
	}
	if p.keys {
		out.WriteString("# and ssh keys\n")
	}
	var objects []client.Object
	for _, group := range p.groups {
		objects = append(objects, group)
	}
	for _, object := range append(objects, p.create...) {
		out.WriteString("---\n" + text(t, object))
	}
	return out.String()
}

func text(t *testing.T, object client.Object) string {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	gvk, err := apiutil.GVKForObject(object, scheme)
	if err != nil {
		t.Fatal(err)
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	object.SetOwnerReferences(nil) // always the same
	data, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	kept := lines[:0]
	for _, line := range lines {
		switch strings.TrimSpace(line) {
		case "status: {}", "creationTimestamp: null", "resources: {}", "loadBalancer: {}", "scheduleStartTime: null":
		default:
			kept = append(kept, line)
		}
	}
	return strings.ReplaceAll(strings.Join(kept, "\n"), "\nstatus:\n", "\n")
}
