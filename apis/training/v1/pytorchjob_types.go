package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Replica types of a PyTorchJob.
const (
	// PyTorchMaster leads the job as rank 0; its end is the job's end. A job has one or none.
	PyTorchMaster ReplicaType = "Master"

	// PyTorchWorker computes. Without a master, worker 0 leads.
	PyTorchWorker ReplicaType = "Worker"
)

// PyTorchJobSpec describes a PyTorchJob.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.pytorchReplicaSpecs.map(t, self.pytorchReplicaSpecs[t].?replicas.orValue(1)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
// +kubebuilder:validation:XValidation:rule="!has(self.elasticPolicy) || self.pytorchReplicaSpecs.exists(t, t.lowerAscii() == 'worker')",message="elasticPolicy needs a Worker in pytorchReplicaSpecs"
// +kubebuilder:validation:XValidation:rule="!has(self.nprocPerNode) || !has(self.elasticPolicy) || !has(self.elasticPolicy.nProcPerNode)",message="give nprocPerNode or the older elasticPolicy.nProcPerNode, not both"
// +kubebuilder:validation:XValidation:rule="!has(self.elasticPolicy) || !has(self.elasticPolicy.metrics) || size(self.elasticPolicy.metrics) == 0 || self.pytorchReplicaSpecs.exists(t, t == 'Worker')",message="with elasticPolicy.metrics the key in pytorchReplicaSpecs must be spelled Worker: the autoscaler writes its replicas there"
type PyTorchJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'kubeflow.org/mpi-operator'",message="only MPIJobs are managed by kubeflow.org/mpi-operator"
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// elasticPolicy lets the number of workers change while the job runs.
	// +optional
	ElasticPolicy *ElasticPolicy `json:"elasticPolicy,omitempty"`

	// pytorchReplicaSpecs describes the pods of each replica type: Master and Worker. Upper and lower case are the same.
	// The main container of each is named pytorch.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=4
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() in ['master', 'worker'])",message="the replica types of a PyTorchJob are Master and Worker"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() != 'master' || self[t].?replicas.orValue(1) == 1)",message="Master must have exactly 1 replica"
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() != 'worker' || self[t].?replicas.orValue(1) >= 1)",message="Worker must have at least 1 replica"
	PyTorchReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"pytorchReplicaSpecs"`

	// nprocPerNode is the number of processes that torchrun starts in each pod: auto, cpu, gpu or a number. Defaults to
	// auto.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^(auto|cpu|gpu|[1-9][0-9]*)$`
	NprocPerNode *string `json:"nprocPerNode,omitempty"`
}

// PyTorchJob trains a PyTorch model on several pods.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.pytorchReplicaSpecs.Worker.replicas,statuspath=.status.replicaStatuses.Worker.active,selectorpath=.status.replicaStatuses.Worker.selector
// +kubebuilder:resource:path=pytorchjobs,singular=pytorchjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="self.spec.pytorchReplicaSpecs.all(t, size(self.metadata.name) + size(t) + 2 + size(string(self.spec.pytorchReplicaSpecs[t].?replicas.orValue(1) - (self.spec.pytorchReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-<replica type>-<index>, may have 63 characters"
type PyTorchJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec PyTorchJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// PyTorchJobList is a list of PyTorchJobs.
// +kubebuilder:object:root=true
type PyTorchJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []PyTorchJob `json:"items"`
}

// Replicas implements Job.
func (j *PyTorchJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.PyTorchReplicaSpecs }

// Policy implements Job.
func (j *PyTorchJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *PyTorchJob) State() *JobStatus { return &j.Status }
