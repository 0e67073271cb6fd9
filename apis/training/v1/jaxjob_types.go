package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// JAXWorker is the only replica type of a JAXJob. Worker 0 is the coordinator, with which all others begin.
const JAXWorker ReplicaType = "Worker"

// JAXJobSpec describes a JAXJob.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.jaxReplicaSpecs.map(t, self.jaxReplicaSpecs[t].?replicas.orValue(1)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
type JAXJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'kubeflow.org/mpi-operator'",message="only MPIJobs are managed by kubeflow.org/mpi-operator"
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// jaxReplicaSpecs describes the pods of the replica type Worker. Upper and lower case are the same. The main
	// container is named jax.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=2
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() == 'worker')",message="the only replica type of a JAXJob is Worker"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self[t].?replicas.orValue(1) >= 1)",message="Worker must have at least 1 replica"
	JAXReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"jaxReplicaSpecs"`
}

// JAXJob runs a JAX program as several processes, one per pod.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.jaxReplicaSpecs.Worker.replicas,statuspath=.status.replicaStatuses.Worker.active,selectorpath=.status.replicaStatuses.Worker.selector
// +kubebuilder:resource:path=jaxjobs,singular=jaxjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="self.spec.jaxReplicaSpecs.all(t, size(self.metadata.name) + size(t) + 2 + size(string(self.spec.jaxReplicaSpecs[t].?replicas.orValue(1) - (self.spec.jaxReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-<replica type>-<index>, may have 63 characters"
type JAXJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec JAXJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// JAXJobList is a list of JAXJobs.
// +kubebuilder:object:root=true
type JAXJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []JAXJob `json:"items"`
}

// Replicas implements Job.
func (j *JAXJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.JAXReplicaSpecs }

// Policy implements Job.
func (j *JAXJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *JAXJob) State() *JobStatus { return &j.Status }
