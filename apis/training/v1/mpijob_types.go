package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Replica types of an MPIJob.
const (
	// MPILauncher runs mpirun. A job has exactly one; its end is the job's end.
	MPILauncher ReplicaType = "Launcher"

	// MPIWorker is a host on which mpirun starts processes.
	MPIWorker ReplicaType = "Worker"
)

// MPIVersionAnnotation is on each MPIJob that has been seen, and says how it is launched: MPIVersionExec or MPIVersionSSH.
// The controller writes it from the version through which the job was created; a job that is created with it is launched
// so, whatever the version. It must not be changed.
const MPIVersionAnnotation = "training.muster.dev/mpi-version"

// Values of MPIVersionAnnotation.
const (
	// MPIVersionExec is for jobs created through kubeflow.org/v1: mpirun reaches its workers by kubectl exec.
	MPIVersionExec = "v1"

	// MPIVersionSSH is for jobs created through kubeflow.org/v2beta1: mpirun reaches its workers by ssh.
	MPIVersionSSH = "v2beta1"
)

// MPIImplementation is the software that mpirun belongs to.
// +kubebuilder:validation:Enum="";OpenMPI;Intel;MPICH
type MPIImplementation string

const (
	// OpenMPI is Open MPI. It is the default.
	OpenMPI MPIImplementation = "OpenMPI"

	// IntelMPI is Intel MPI.
	IntelMPI MPIImplementation = "Intel"

	// MPICH is MPICH.
	MPICH MPIImplementation = "MPICH"
)

// LauncherCreationPolicy says when the launcher's pod is created.
// +kubebuilder:validation:Enum="";AtStartup;WaitForWorkersReady
type LauncherCreationPolicy string

const (
	// LauncherAtStartup creates it with the workers.
	LauncherAtStartup LauncherCreationPolicy = "AtStartup"

	// LauncherWaits creates it when all workers run.
	LauncherWaits LauncherCreationPolicy = "WaitForWorkersReady"
)

// MPIJobSpec describes an MPIJob. It has the fields of both versions; each way of launching ignores those of the other.
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.managedBy)) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.managedBy))",message="runPolicy.managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.runPolicy) && has(self.runPolicy.schedulingPolicy) && has(self.runPolicy.schedulingPolicy.queue) && size(self.runPolicy.schedulingPolicy.queue) > 0) == (has(oldSelf.runPolicy) && has(oldSelf.runPolicy.schedulingPolicy) && has(oldSelf.runPolicy.schedulingPolicy.queue) && size(oldSelf.runPolicy.schedulingPolicy.queue) > 0)",message="runPolicy.schedulingPolicy.queue cannot be changed"
// +kubebuilder:validation:XValidation:rule="!has(self.runPolicy) || !has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || self.runPolicy.schedulingPolicy.minAvailable <= self.mpiReplicaSpecs.map(t, self.mpiReplicaSpecs[t].?replicas.orValue(t.lowerAscii() == 'launcher' ? 1 : 0)).sum()",message="runPolicy.schedulingPolicy.minAvailable cannot be more than the replicas of all types together"
type MPIJobSpec struct {
	// runPolicy says how the job runs as a whole.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// slotsPerWorker is the number of processes that mpirun may start on each worker. Defaults to 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	SlotsPerWorker *int32 `json:"slotsPerWorker,omitempty"`

	// cleanPodPolicy is what runPolicy.cleanPodPolicy is, where that is absent. Only jobs of kubeflow.org/v1 have it.
	// +optional
	CleanPodPolicy *CleanPodPolicy `json:"cleanPodPolicy,omitempty"`

	// mainContainer is the container of a worker in which mpirun starts processes. Defaults to the first. Only jobs of
	// kubeflow.org/v1 have it.
	// +optional
	MainContainer string `json:"mainContainer,omitempty"`

	// runLauncherAsWorker true lets mpirun start processes in the launcher's pod as well, as the first host. Only jobs
	// of kubeflow.org/v2beta1 have it.
	// +optional
	RunLauncherAsWorker *bool `json:"runLauncherAsWorker,omitempty"`

	// sshAuthMountPath is the directory in which the pods find the ssh keys. Defaults to /root/.ssh. Only jobs of
	// kubeflow.org/v2beta1 have it.
	// +optional
	// +kubebuilder:validation:Pattern=`^(/[^:]*)?$`
	SSHAuthMountPath string `json:"sshAuthMountPath,omitempty"`

	// launcherCreationPolicy says when the launcher starts: AtStartup or WaitForWorkersReady. Both are accepted and mean
	// the same: all pods are created at once, and the launcher waits in an init container until its workers answer. Only
	// jobs of kubeflow.org/v2beta1 have it.
	// +optional
	LauncherCreationPolicy LauncherCreationPolicy `json:"launcherCreationPolicy,omitempty"`

	// mpiImplementation is the software that mpirun belongs to: OpenMPI, the default, Intel or MPICH. Only jobs of
	// kubeflow.org/v2beta1 have it.
	// +optional
	MPIImplementation MPIImplementation `json:"mpiImplementation,omitempty"`

	// mpiReplicaSpecs describes the pods of each replica type: one Launcher, and Workers, of which there are none unless
	// replicas says so. Upper and lower case are the same. The main container is the first one, whatever its name.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=3
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.lowerAscii() in ['launcher', 'worker'])",message="the replica types of an MPIJob are Launcher and Worker"
	// +kubebuilder:validation:XValidation:rule="self.all(t, self.exists_one(u, u.lowerAscii() == t.lowerAscii()))",message="a replica type is given twice, in different case"
	// +kubebuilder:validation:XValidation:rule="self.exists(t, t.lowerAscii() == 'launcher') && self.all(t, t.lowerAscii() != 'launcher' || self[t].?replicas.orValue(1) == 1)",message="a Launcher with exactly 1 replica is needed"
	MPIReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"mpiReplicaSpecs"`
}

// MPIJob runs an MPI program: mpirun in one pod, the launcher, starts processes in others, the workers. It is served as
// kubeflow.org/v1 and kubeflow.org/v2beta1. The version through which a job was created says how mpirun reaches the workers:
// see MPIVersionAnnotation.
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
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
	Spec MPIJobSpec `json:"spec"`

	// status is what is known about the job. Only the controller writes it.
	// +optional
	Status JobStatus `json:"status,omitempty"`
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

// Replicas implements Job.
func (j *MPIJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.MPIReplicaSpecs }

// Policy implements Job.
func (j *MPIJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// State implements Job.
func (j *MPIJob) State() *JobStatus { return &j.Status }
