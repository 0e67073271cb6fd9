package demo

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestManifestsOfTheDemo(t *testing.T) {
	jobs, err := loadJobs(manifests)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, job := range jobs {
		names[job.Name] = true
		if job.GPUs > nodes*8 {
			t.Errorf("%s asks for %d GPUs, and can never start on %d", job.Name, job.GPUs, nodes*8)
		}
	}
	if len(names) != len(jobs) {
		t.Errorf("%d jobs have %d names", len(jobs), len(names))
	}
	if total := totalGPUs(jobs); total <= nodes*8 {
		t.Errorf("all jobs fit together: %d GPUs of %d", total, nodes*8)
	}
	want := Job{Kind: "TFJob", Name: "mnist", Pods: 5, Min: 5, GPUs: 4, Shape: "1 ps, 4 workers × 1 GPU"}
	if diff := cmp.Diff(want, jobs[0], cmpopts.IgnoreUnexported(Job{})); diff != "" {
		t.Errorf("the classic 1 parameter server + 4 workers comes first (-want +got):\n%s", diff)
	}
}

func TestExamplesAreValid(t *testing.T) {
	for _, name := range []string{"tfjob.yaml", "pytorchjob.yaml"} {
		text, err := os.ReadFile("../../../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseJob(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadJobsRefuses(t *testing.T) {
	tests := map[string]string{
		"kind: Deployment": `"Deployment", not TFJob`,
		"apiVersion: kubeflow.org/v1\nkind: TFJob\nspec:\n  replicaSpec: {}\n": `unknown field "replicaSpec"`,
		"\tkind": "reading jobs/a.yaml",
	}
	for text, want := range tests {
		_, err := loadJobs(fstest.MapFS{"jobs/a.yaml": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}
