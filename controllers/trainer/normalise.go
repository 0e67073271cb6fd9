package trainer

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// changes are what a TrainJob changes about its runtime, whichever release's shape it is written in.
type changes struct {
	set  []trainerv1alpha1.Metadata // of the set of jobs
	jobs []jobChange                // in the order in which they are made
}

// jobChange is what is changed about one replicated job.
type jobChange struct {
	path   string // the field that says so, for messages
	target string
	job    *trainerv1alpha1.Metadata
	pod    *trainerv1alpha1.Metadata
	spec   *trainerv1alpha1.PodSpecPatch
}

// normalise brings the three shapes to one form.
func normalise(spec *trainerv1alpha1.TrainJobSpec) changes {
	c := changes{set: []trainerv1alpha1.Metadata{{Labels: spec.Labels, Annotations: spec.Annotations}}}
	for i := range spec.PodSpecOverrides {
		o := &spec.PodSpecOverrides[i]
		for _, target := range o.TargetJobs {
			path := fmt.Sprintf("spec.podSpecOverrides[%d]", i)
			c.jobs = append(c.jobs, jobChange{path: path, target: target.Name, spec: &o.PodSpecPatch})
		}
	}
	for i := range spec.PodTemplateOverrides {
		o := &spec.PodTemplateOverrides[i]
		for _, target := range o.TargetJobs {
			path := fmt.Sprintf("spec.podTemplateOverrides[%d]", i)
			c.jobs = append(c.jobs, jobChange{path: path, target: target.Name, pod: o.Metadata, spec: o.Spec})
		}
	}
	for i := range spec.RuntimePatches {
		c.addPatch(&spec.RuntimePatches[i])
	}
	return c
}

func (c *changes) addPatch(p *trainerv1alpha1.RuntimePatch) {
	if p.TrainingRuntimeSpec == nil || p.TrainingRuntimeSpec.Template == nil {
		return
	}
	template := p.TrainingRuntimeSpec.Template
	if template.Metadata != nil {
		c.set = append(c.set, *template.Metadata)
	}
	if template.Spec == nil {
		return
	}
	for i := range template.Spec.ReplicatedJobs {
		rjob := &template.Spec.ReplicatedJobs[i]
		change := jobChange{path: fmt.Sprintf("spec.runtimePatches[%s]", p.Manager), target: rjob.Name}
		if rjob.Template != nil {
			change.job = rjob.Template.Metadata
			if rjob.Template.Spec != nil && rjob.Template.Spec.Template != nil {
				change.pod, change.spec = rjob.Template.Spec.Template.Metadata, rjob.Template.Spec.Template.Spec
			}
		}
		c.jobs = append(c.jobs, change)
	}
}

// apply makes one change to the replicated job that it is for. It fails with what the user has to put right.
func (c *jobChange) apply(rjob *trainerv1alpha1.ReplicatedJob) error {
	template := &rjob.Template
	if c.job != nil {
		template.Labels = overlay(template.Labels, c.job.Labels)
		template.Annotations = overlay(template.Annotations, c.job.Annotations)
	}
	pod := &template.Spec.Template
	if c.pod != nil {
		pod.Labels = overlay(pod.Labels, c.pod.Labels)
		pod.Annotations = overlay(pod.Annotations, c.pod.Annotations)
	}
	if c.spec == nil {
		return nil
	}
	for _, changed := range c.spec.Containers {
		if findContainer(pod.Spec.Containers, changed.Name) == nil {
			return fmt.Errorf("%s: the runtime's job %s has no container %s", c.path, c.target, changed.Name)
		}
	}
	for _, changed := range c.spec.InitContainers {
		if findContainer(pod.Spec.InitContainers, changed.Name) == nil {
			return fmt.Errorf("%s: the runtime's job %s has no init container %s", c.path, c.target, changed.Name)
		}
	}
	merged, err := mergePod(&pod.Spec, c.spec)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	pod.Spec = *merged
	return nil
}

// mergePod merges a patch into a pod by the rules of strategic merge patches, which are those of kubectl patch.
func mergePod(pod *corev1.PodSpec, patch *trainerv1alpha1.PodSpecPatch) (*corev1.PodSpec, error) {
	before, err := json.Marshal(pod)
	if err != nil {
		return nil, fmt.Errorf("writing the runtime's pod as JSON: %w", err)
	}
	change, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("writing the change as JSON: %w", err)
	}
	after, err := strategicpatch.StrategicMergePatch(before, change, corev1.PodSpec{})
	if err != nil {
		return nil, fmt.Errorf("merging it with the runtime's pod: %w", err)
	}
	merged := &corev1.PodSpec{}
	if err := json.Unmarshal(after, merged); err != nil {
		return nil, fmt.Errorf("it makes no pod: %w", err)
	}
	return merged, nil
}
