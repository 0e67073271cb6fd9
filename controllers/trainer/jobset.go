package trainer

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

var jobSetKind = schema.GroupVersionKind{Group: "jobset.x-k8s.io", Version: "v1alpha2", Kind: "JobSet"}

// jobSet is a JobSet that exists.
type jobSet struct {
	jobSetFields
	object *unstructured.Unstructured
}

// jobSetFields are the fields of a JobSet that are looked at.
type jobSetFields struct {
	Spec struct {
		Suspend *bool `json:"suspend"`
	} `json:"spec"`
	Status struct {
		Conditions           []metav1.Condition          `json:"conditions"`
		Restarts             int32                       `json:"restarts"`
		CountTowardsMax      int32                       `json:"restartsCountTowardsMax"`
		ReplicatedJobsStatus []trainerv1alpha1.JobStatus `json:"replicatedJobsStatus"`
	} `json:"status"`
}

// jobSetChange is what is to be done about a JobSet that exists.
type jobSetChange struct {
	suspend bool
	jobs    []any // the replicated jobs to have if it is resumed; the JobSet may refuse what it cannot change
}

func readJobSet(object *unstructured.Unstructured) (*jobSet, error) {
	read := &jobSet{object: object}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &read.jobSetFields); err != nil {
		return nil, fmt.Errorf("reading JobSet %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return read, nil
}

func (j *jobSet) finished() bool {
	return meta.IsStatusConditionTrue(j.Status.Conditions, "Completed") || meta.IsStatusConditionTrue(j.Status.Conditions, "Failed")
}

func (j *jobSet) suspended() bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

// newJobSet is the set as a JobSet.
func (s *set) newJobSet(job *trainerv1alpha1.TrainJob) *unstructured.Unstructured {
	spec := s.Spec.DeepCopy()
	spec.Suspend, spec.VolumeClaimPolicies, spec.TTLSecondsAfterFinished = nil, nil, nil // ours to do
	text, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("a set that was stored as JSON cannot be written as JSON: %v", err))
	}
	fields := map[string]any{}
	if err := json.Unmarshal(text, &fields); err != nil {
		panic(fmt.Sprintf("JSON that was just written cannot be read: %v", err))
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	object.SetGroupVersionKind(jobSetKind)
	object.SetName(job.Name)
	object.SetNamespace(job.Namespace)
	object.SetOwnerReferences(ownerReferences(job))
	object.SetLabels(overlay(s.Labels, labels(job)))
	object.SetAnnotations(s.Annotations)
	return object
}

// runJobSet runs the set as a JobSet, which does the rest.
func (p *pass) runJobSet() {
	if p.seen.jobSet == nil {
		p.syncGroups()
		p.createBelongings()
		p.create = append(p.create, p.placedSet().newJobSet(p.job))
		return
	}
	p.copyStatus()
	if c := meta.FindStatusCondition(p.seen.jobSet.Status.Conditions, "Failed"); c != nil && c.Status == metav1.ConditionTrue {
		p.fail(c.Reason, "%s", c.Message)
		return
	}
	if c := meta.FindStatusCondition(p.seen.jobSet.Status.Conditions, "Completed"); c != nil && c.Status == metav1.ConditionTrue {
		p.complete(c.Reason, "%s", c.Message)
		return
	}
	p.tellState()
	p.syncGroups()
	if p.seen.jobSet.suspended() {
		p.createBelongings()
		object := p.placedSet().newJobSet(p.job)
		jobs, _, err := unstructured.NestedSlice(object.Object, "spec", "replicatedJobs")
		if err != nil {
			panic(fmt.Sprintf("a JobSet that was just made has no replicatedJobs: %v", err))
		}
		p.jobSet = &jobSetChange{jobs: jobs}
	}
}

func (p *pass) suspendJobSet() {
	if p.seen.jobSet == nil {
		return
	}
	p.copyStatus()
	if !p.seen.jobSet.suspended() {
		p.jobSet = &jobSetChange{suspend: true}
	}
}

func (p *pass) copyStatus() {
	s := p.seen.jobSet.Status
	if s.Restarts > p.status.Restarts {
		p.events = append(p.events, event{corev1.EventTypeWarning, reasonRestarting, "The JobSet makes all Jobs anew"})
	}
	p.status.Restarts, p.status.RestartsCountTowardsMax = s.Restarts, s.CountTowardsMax
	counts := make([]trainerv1alpha1.JobStatus, 0, len(p.set.Spec.ReplicatedJobs))
	for i := range p.set.Spec.ReplicatedJobs {
		one := statusOf(s.ReplicatedJobsStatus, p.set.Spec.ReplicatedJobs[i].Name)
		one.Name = p.set.Spec.ReplicatedJobs[i].Name
		counts = append(counts, one)
	}
	p.status.JobsStatus = counts
}
