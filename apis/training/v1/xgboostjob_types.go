package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Replica types of an XGBoostJob.
const (
	// XGBoostMaster keeps the tracker and is rank 0; its end is the job's end. A job has exactly one.
	XGBoostMaster ReplicaType = "Master"

	// XGBoostWorker computes.
	XGBoostWorker ReplicaType = "Worker"
)

// XGBoostJobSpec describes an XGBoostJob.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.xgbReplicaSpecs.map(t, self.xgbReplicaSpecs[t].?replicas.orValue(1)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
type XGBoostJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'kubeflow.org/mpi-operator'",message="only MPIJobs are managed by kubeflow.org/mpi-operator"
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// xgbReplicaSpecs describes the pods of each replica type: Master, which is needed, and Worker. Upper and lower
	// case are the same. The main container of each is named xgboost.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=4
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() in ['master', 'worker'])",message="the replica types of an XGBoostJob are Master and Worker"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="self.exists(t, t.lowerAscii() == 'master' && self[t].?replicas.orValue(1) == 1)",message="a Master with exactly 1 replica is needed"
	XGBReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"xgbReplicaSpecs"`
}

// XGBoostJob trains with XGBoost or LightGBM on several pods.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=xgboostjobs,singular=xgboostjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="self.spec.xgbReplicaSpecs.all(t, size(self.metadata.name) + size(t) + 2 + size(string(self.spec.xgbReplicaSpecs[t].?replicas.orValue(1) - (self.spec.xgbReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-<replica type>-<index>, may have 63 characters"
type XGBoostJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec XGBoostJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// XGBoostJobList is a list of XGBoostJobs.
// +kubebuilder:object:root=true
type XGBoostJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []XGBoostJob `json:"items"`
}

// Replicas implements Job.
func (j *XGBoostJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.XGBReplicaSpecs }

// Policy implements Job.
func (j *XGBoostJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *XGBoostJob) State() *JobStatus { return &j.Status }
