package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Replica types of a TFJob.
const (
	// TFChief leads the job; its end is the job's end.
	TFChief ReplicaType = "Chief"

	// TFMaster is an older name for TFChief. A job has at most one of the two.
	TFMaster ReplicaType = "Master"

	// TFPS is a parameter server.
	TFPS ReplicaType = "PS"

	// TFWorker computes. Without a chief, worker 0 leads.
	TFWorker ReplicaType = "Worker"

	// TFEvaluator evaluates checkpoints.
	TFEvaluator ReplicaType = "Evaluator"
)

// SuccessPolicy says when a TFJob without a chief has succeeded.
// +kubebuilder:validation:Enum="";AllWorkers
type SuccessPolicy string

const (
	// SuccessPolicyDefault is success when worker 0 has succeeded.
	SuccessPolicyDefault SuccessPolicy = ""

	// SuccessPolicyAllWorkers is success when every worker has succeeded.
	SuccessPolicyAllWorkers SuccessPolicy = "AllWorkers"
)

// TFJobSpec describes a TFJob.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.tfReplicaSpecs.map(t, self.tfReplicaSpecs[t].?replicas.orValue(1)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
type TFJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'kubeflow.org/mpi-operator'",message="only MPIJobs are managed by kubeflow.org/mpi-operator"
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// successPolicy says when a job without a chief has succeeded: empty for when worker 0 has, AllWorkers for when every
	// worker has.
	// +optional
	SuccessPolicy *SuccessPolicy `json:"successPolicy,omitempty"`

	// tfReplicaSpecs describes the pods of each replica type: Chief or Master, PS, Worker, Evaluator. Upper and lower
	// case are the same. The main container of each is named tensorflow.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() in ['chief', 'master', 'ps', 'worker', 'evaluator'])",message="the replica types of a TFJob are Chief, Master, PS, Worker and Evaluator"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="!(self.exists(t, t.lowerAscii() == 'chief') && self.exists(t, t.lowerAscii() == 'master'))",message="Chief and Master mean the same: give one of them"
	// +kubebuilder:validation:XValidation:rule="self.map(t, self[t].?replicas.orValue(1)).sum() > 0",message="at least one replica is needed"
	TFReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"tfReplicaSpecs"`

	// enableDynamicWorker gives each worker a TF_CONFIG with only itself and the parameter servers in it, so that workers
	// can come and go. A worker that fails then does not fail the job.
	// +optional
	EnableDynamicWorker bool `json:"enableDynamicWorker,omitempty"`
}

// TFJob trains a TensorFlow model on several pods.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=tfjobs,singular=tfjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="self.spec.tfReplicaSpecs.all(t, size(self.metadata.name) + size(t) + 2 + size(string(self.spec.tfReplicaSpecs[t].?replicas.orValue(1) - (self.spec.tfReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-<replica type>-<index>, may have 63 characters"
type TFJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec TFJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// TFJobList is a list of TFJobs.
// +kubebuilder:object:root=true
type TFJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []TFJob `json:"items"`
}

// Replicas implements Job.
func (j *TFJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.TFReplicaSpecs }

// Policy implements Job.
func (j *TFJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *TFJob) State() *JobStatus { return &j.Status }
