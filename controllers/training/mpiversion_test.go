package training

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// wrote is an entry of managedFields: somebody has written a part of a job through a version at a time.
func wrote(version, part string, second int) metav1.ManagedFieldsEntry {
	at := metav1.NewTime(noon.Add(time.Duration(second) * time.Second))
	e := metav1.ManagedFieldsEntry{APIVersion: "kubeflow.org/" + version, Time: &at}
	switch part {
	case "status":
		e.Subresource = "status"
	case "spec":
		e.FieldsV1 = metav1.NewFieldsV1(`{"f:spec":{"f:mpiReplicaSpecs":{}}}`)
	case "labels":
		e.FieldsV1 = metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{}}}`)
	}
	return e
}

func TestMPIVersion(t *testing.T) {
	tests := []struct {
		name    string
		entries []metav1.ManagedFieldsEntry
		job     trainingv1.MPIJob
		want    string
	}{
		{"created by exec", []metav1.ManagedFieldsEntry{wrote("v1", "spec", 0)}, trainingv1.MPIJob{}, "v1"},
		{"created by ssh", []metav1.ManagedFieldsEntry{wrote("v2beta1", "spec", 0)}, trainingv1.MPIJob{}, "v2beta1"},
		{"edited later", []metav1.ManagedFieldsEntry{wrote("v1", "spec", 1), wrote("v2beta1", "spec", 0)}, trainingv1.MPIJob{}, "v2beta1"},
		{"labelled in the same second", []metav1.ManagedFieldsEntry{wrote("v2beta1", "labels", 0), wrote("v1", "spec", 0)}, trainingv1.MPIJob{}, "v1"},
		{"labelled before anybody noticed", []metav1.ManagedFieldsEntry{wrote("v2beta1", "labels", -1), wrote("v1", "spec", 0)}, trainingv1.MPIJob{}, "v1"},
		{"status", []metav1.ManagedFieldsEntry{wrote("v1", "status", -1), wrote("v2beta1", "spec", 0)}, trainingv1.MPIJob{}, "v2beta1"},
		{"two at once", []metav1.ManagedFieldsEntry{wrote("v1", "spec", 0), wrote("v2beta1", "spec", 0)}, trainingv1.MPIJob{}, "v2beta1"},
		{
			"two at once, a field of the older", []metav1.ManagedFieldsEntry{wrote("v1", "spec", 0), wrote("v2beta1", "spec", 0)},
			trainingv1.MPIJob{Spec: trainingv1.MPIJobSpec{MainContainer: "main"}}, "v1",
		},
		{"nothing known", nil, trainingv1.MPIJob{}, "v2beta1"},
		{"a field of the older", nil, trainingv1.MPIJob{Spec: trainingv1.MPIJobSpec{CleanPodPolicy: new(trainingv1.CleanPodPolicyAll)}}, "v1"},
		{"a field of the newer", nil, trainingv1.MPIJob{Spec: trainingv1.MPIJobSpec{MPIImplementation: "Intel", MainContainer: "main"}}, "v2beta1"},
		{
			"recorded", []metav1.ManagedFieldsEntry{wrote("v2beta1", "spec", 0)},
			trainingv1.MPIJob{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"training.muster.dev/mpi-version": "v1"}}}, "v1",
		},
		{"another group's", []metav1.ManagedFieldsEntry{{APIVersion: "v1"}}, trainingv1.MPIJob{}, "v2beta1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := tt.job
			job.ManagedFields = tt.entries
			if got := mpiVersion(&job); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if _, err := keepCreation(&job); err != nil || mpiVersion(&job) != tt.want || len(job.ManagedFields) > 1 {
				t.Errorf("in the cache: %s, want %s (%v)", mpiVersion(&job), tt.want, job.ManagedFields)
			}
		})
	}
}
