package trainer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	"github.com/muster-scheduling/muster/manifests"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// parse reads YAML into a value of any type.
func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	value := new(T)
	if err := yaml.Unmarshal([]byte(text), value); err != nil {
		t.Fatal(err)
	}
	return value
}

// documents splits a file.
func documents(t *testing.T, text []byte) []string {
	t.Helper()
	var all []string
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(document))
	}
}

// trainJob reads a TrainJob, with what the API server adds.
func trainJob(t *testing.T, text string) *trainerv1alpha1.TrainJob {
	t.Helper()
	job := parse[trainerv1alpha1.TrainJob](t, text)
	job.Namespace, job.UID = "team", "1234"
	return job
}

// stock is the spec of a runtime that comes with Muster.
func stock(t *testing.T, name string) *trainerv1alpha1.TrainingRuntimeSpec {
	t.Helper()
	text, err := fs.ReadFile(manifests.Runtimes, "runtimes/"+name+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &parse[trainerv1alpha1.ClusterTrainingRuntime](t, string(text)).Spec
}

// at is a time of that day.
func at(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(d)) }
