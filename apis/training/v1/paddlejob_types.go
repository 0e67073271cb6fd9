package v1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Replica types of a PaddleJob.
const (
	// PaddleMaster is a parameter server; the first is where all pods meet. The job ends when all masters have.
	PaddleMaster ReplicaType = "Master"

	// PaddleWorker computes. Without masters the workers are equals, and all meet at worker 0.
	PaddleWorker ReplicaType = "Worker"
)

// PaddleElasticPolicy is the range of workers with which a PaddleJob could do. It is accepted and has no effect: each pod
// is told the number of all pods when it is created.
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas cannot be more than maxReplicas"
type PaddleElasticPolicy struct {
	// minReplicas is the least number of workers.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas is the greatest number of workers.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// maxRestarts is how often the workers may be restarted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`

	// metrics are what the number of workers could be chosen by.
	// +optional
	Metrics []autoscalingv2.MetricSpec `json:"metrics,omitempty"`
}

// PaddleJobSpec describes a PaddleJob.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.paddleReplicaSpecs.map(t, self.paddleReplicaSpecs[t].?replicas.orValue(1)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
type PaddleJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'kubeflow.org/mpi-operator'",message="only MPIJobs are managed by kubeflow.org/mpi-operator"
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// elasticPolicy is accepted for the sake of manifests that have it, and has no effect.
	// +optional
	ElasticPolicy *PaddleElasticPolicy `json:"elasticPolicy,omitempty"`

	// paddleReplicaSpecs describes the pods of each replica type: Master and Worker. Upper and lower case are the same.
	// The main container of each is named paddle.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=4
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() in ['master', 'worker'])",message="the replica types of a PaddleJob are Master and Worker"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="self.map(t, self[t].?replicas.orValue(1)).sum() > 0",message="at least one replica is needed"
	PaddleReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"paddleReplicaSpecs"`
}

// PaddleJob trains a PaddlePaddle model on several pods.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.paddleReplicaSpecs.Worker.replicas,statuspath=.status.replicaStatuses.Worker.active,selectorpath=.status.replicaStatuses.Worker.selector
// +kubebuilder:resource:path=paddlejobs,singular=paddlejob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="self.spec.paddleReplicaSpecs.all(t, size(self.metadata.name) + size(t) + 2 + size(string(self.spec.paddleReplicaSpecs[t].?replicas.orValue(1) - (self.spec.paddleReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-<replica type>-<index>, may have 63 characters"
type PaddleJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec PaddleJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// PaddleJobList is a list of PaddleJobs.
// +kubebuilder:object:root=true
type PaddleJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []PaddleJob `json:"items"`
}

// Replicas implements Job.
func (j *PaddleJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.PaddleReplicaSpecs }

// Policy implements Job.
func (j *PaddleJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *PaddleJob) State() *JobStatus { return &j.Status }
