// Package demo shows on a terminal how gangs wait, start whole, end, and make room for others: on a local cluster, with
// jobs in the form in which Kubeflow's users have them. It judges by what it sees of the pods whether any gang was ever
// partly started.
package demo

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// manifests are the jobs of the demo, applied in the order of their file names.
//
//go:embed jobs/*.yaml
var manifests embed.FS

// gpuResource is the resource that the demo is about.
const gpuResource = "nvidia.com/gpu"

// Job is what the demo knows of a job from its manifest.
type Job struct {
	// Kind is TFJob or PyTorchJob. Names are unique across kinds.
	Kind, Name string
	// Pods is how many pods the job has, Min how many of them must start together, GPUs what all of them ask for.
	Pods, Min, GPUs int
	// Shape says what the pods are, in words.
	Shape string

	object *unstructured.Unstructured
}

// loadJobs reads the manifests of a file system. It fails on a field that the kinds do not have.
func loadJobs(files fs.FS) ([]Job, error) {
	names, err := fs.Glob(files, "jobs/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the manifests: %w", err)
	}
	slices.Sort(names)
	var jobs []Job
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		job, err := parseJob(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

func parseJob(text []byte) (Job, error) {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		return Job{}, err
	}
	var typed trainingv1.Job
	switch object.GetKind() {
	case "TFJob":
		typed = &trainingv1.TFJob{}
	case "PyTorchJob":
		typed = &trainingv1.PyTorchJob{}
	default:
		return Job{}, fmt.Errorf("the kind is %q, not TFJob or PyTorchJob", object.GetKind())
	}
	if err := yaml.UnmarshalStrict(text, typed); err != nil {
		return Job{}, err
	}
	job := Job{Kind: object.GetKind(), Name: object.GetName(), object: object}
	job.Shape = job.count(typed.Replicas())
	job.Min = job.Pods
	if policy := typed.Policy().SchedulingPolicy; policy != nil && policy.MinAvailable != nil {
		job.Min = int(*policy.MinAvailable)
	}
	return job, nil
}

// count adds up the replicas and returns them in words.
func (j *Job) count(replicas map[trainingv1.ReplicaType]*trainingv1.ReplicaSpec) string {
	var parts []string
	for _, role := range slices.SortedFunc(maps.Keys(replicas), byRank) {
		spec, n := replicas[role], 1
		if spec.Replicas != nil {
			n = int(*spec.Replicas)
		}
		gpus := 0
		for _, container := range spec.Template.Spec.Containers {
			quantity := container.Resources.Limits[gpuResource]
			gpus += int(quantity.Value())
		}
		j.Pods += n
		j.GPUs += n * gpus
		part := plural(n, strings.ToLower(string(role)))
		if gpus > 0 {
			part += fmt.Sprintf(" × %s", plural(gpus, "GPU"))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// byRank puts who leads a job first.
func byRank(a, b trainingv1.ReplicaType) int {
	ranks := []trainingv1.ReplicaType{"Chief", "Master", "PS", "Worker"}
	rank := func(t trainingv1.ReplicaType) int {
		if i := slices.Index(ranks, t); i >= 0 {
			return i
		}
		return len(ranks)
	}
	return cmp.Or(rank(a)-rank(b), strings.Compare(string(a), string(b)))
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n == 1 || thing == "ps" {
		return fmt.Sprintf("%d %s", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
