package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Replica types of an MXJob.
const (
	// MXScheduler brings servers and workers together; its end is the job's end. A job has one or none.
	MXScheduler ReplicaType = "Scheduler"

	// MXServer is a parameter server.
	MXServer ReplicaType = "Server"

	// MXWorker computes. Without a scheduler, the job ends when all workers have.
	MXWorker ReplicaType = "Worker"

	// MXTunerTracker keeps the list of tuning servers.
	MXTunerTracker ReplicaType = "TunerTracker"

	// MXTunerServer measures what the tuner proposes.
	MXTunerServer ReplicaType = "TunerServer"

	// MXTuner searches. Where there is no scheduler, its end is the job's end.
	MXTuner ReplicaType = "Tuner"
)

// MXJobMode says what an MXJob is for.
// +kubebuilder:validation:Enum="";MXTrain;MXTune
type MXJobMode string

const (
	// MXTrain is training, by scheduler, servers and workers. It is the default.
	MXTrain MXJobMode = "MXTrain"

	// MXTune is tuning, by tuner, tracker and tuning servers.
	MXTune MXJobMode = "MXTune"
)

// MXJobSpec describes an MXJob.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.mxReplicaSpecs.map(t, self.mxReplicaSpecs[t].?replicas.orValue(1)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
type MXJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'kubeflow.org/mpi-operator'",message="only MPIJobs are managed by kubeflow.org/mpi-operator"
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// jobMode says what the job is for: MXTrain, the default, or MXTune. It is for those who read the job: what happens
	// depends on the replica types alone.
	// +optional
	JobMode MXJobMode `json:"jobMode,omitempty"`

	// mxReplicaSpecs describes the pods of each replica type: Scheduler, Server and Worker to train; TunerTracker,
	// TunerServer and Tuner to tune. Upper and lower case are the same. The main container of each is named mxnet.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() in ['scheduler', 'server', 'worker', 'tunertracker', 'tunerserver', 'tuner'])",message="the replica types of an MXJob are Scheduler, Server, Worker, TunerTracker, TunerServer and Tuner"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() != 'scheduler' || self[t].?replicas.orValue(1) <= 1)",message="Scheduler must have at most 1 replica"
	// +kubebuilder:validation:XValidation:rule="self.map(t, self[t].?replicas.orValue(1)).sum() > 0",message="at least one replica is needed"
	MXReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"mxReplicaSpecs"`
}

// MXJob trains an MXNet model on several pods, with a parameter server or with BytePS, or tunes one with TVM.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=mxjobs,singular=mxjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and services are named after it"
// +kubebuilder:validation:XValidation:rule="self.spec.mxReplicaSpecs.all(t, size(self.metadata.name) + size(t) + 2 + size(string(self.spec.mxReplicaSpecs[t].?replicas.orValue(1) - (self.spec.mxReplicaSpecs[t].?replicas.orValue(1) > 0 ? 1 : 0))) <= 63)",message="metadata.name is too long: the names of its pods, <name>-<replica type>-<index>, may have 63 characters"
type MXJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec MXJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// MXJobList is a list of MXJobs.
// +kubebuilder:object:root=true
type MXJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []MXJob `json:"items"`
}

// Replicas implements Job.
func (j *MXJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.MXReplicaSpecs }

// Policy implements Job.
func (j *MXJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *MXJob) State() *JobStatus { return &j.Status }
