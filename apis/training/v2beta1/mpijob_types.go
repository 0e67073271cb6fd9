package v2beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// MPIJob runs an MPI program: mpirun in one pod, the launcher, starts processes in others, the workers, which it reaches by
// ssh.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=mpijobs,singular=mpijob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 54 && self.spec.mpiReplicaSpecs.all(t, t.lowerAscii() != 'worker' || size(self.metadata.name) + 8 + size(string(self.spec.mpiReplicaSpecs[t].?replicas.orValue(1) - (self.spec.mpiReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-launcher and <name>-worker-<index>, may have 63 characters"
type MPIJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec trainingv1.MPIJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status trainingv1.JobStatus `json:"status,omitempty"`
}

// MPIJobList is a list of MPIJobs.
// +kubebuilder:object:root=true
type MPIJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []MPIJob `json:"items"`
}

// Replicas implements trainingv1.Job.
func (j *MPIJob) Replicas() map[trainingv1.ReplicaType]*trainingv1.ReplicaSpec {
	return j.Spec.MPIReplicaSpecs
}

// Policy implements trainingv1.Job.
func (j *MPIJob) Policy() *trainingv1.RunPolicy { return &j.Spec.RunPolicy }

// State implements trainingv1.Job.
func (j *MPIJob) State() *trainingv1.JobStatus { return &j.Status }

var _ trainingv1.Job = &MPIJob{}
