package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TrainingRuntimeSpec says how jobs of a framework are run. A job keeps what it was made from: a change is for jobs that
// start, or are resumed, afterwards.
type TrainingRuntimeSpec struct {
	// mlPolicy says how the framework is told about the pods.
	// +optional
	MLPolicy *MLPolicy `json:"mlPolicy,omitempty"`

	// podGroupPolicy has settings of the gang, which every job gets with Muster, with or without it.
	// +optional
	PodGroupPolicy *PodGroupPolicy `json:"podGroupPolicy,omitempty"`

	// template is the set of jobs that a TrainJob becomes.
	Template JobSetTemplateSpec `json:"template"`
}

// MLPolicy says how the framework is told about the pods. At most one framework may be given; without any, nothing is told.
// +kubebuilder:validation:XValidation:rule="[has(self.torch), has(self.mpi), has(self.jax), has(self.xgboost), has(self.flux)].filter(x, x).size() <= 1",message="only one of torch, mpi, jax, xgboost and flux can be given"
// +kubebuilder:validation:XValidation:rule="!has(self.numNodes) || !has(self.torch) || !has(self.torch.elasticPolicy)",message="numNodes cannot be given with torch.elasticPolicy"
type MLPolicy struct {
	// numNodes is the number of pods that train where the TrainJob does not say. Defaults to 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	NumNodes *int32 `json:"numNodes,omitempty"`

	// torch sets the variables of torchrun.
	// +optional
	Torch *TorchPolicy `json:"torch,omitempty"`

	// mpi sets up ssh between the pods, and the host file of mpirun.
	// +optional
	MPI *MPIPolicy `json:"mpi,omitempty"`

	// jax sets the variables of JAX.
	// +optional
	JAX *JAXPolicy `json:"jax,omitempty"`

	// xgboost sets the variables of XGBoost.
	// +optional
	XGBoost *XGBoostPolicy `json:"xgboost,omitempty"`

	// flux is accepted, but jobs of such a runtime fail: Muster does not run them.
	// +optional
	Flux *FluxPolicy `json:"flux,omitempty"`
}

// TorchPolicy has settings of torchrun.
type TorchPolicy struct {
	// numProcPerNode is the number of processes in each pod where the TrainJob does not say: a number, auto, cpu or gpu.
	// Releases from 2.2 on do not have it. Defaults to auto.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 : string(self).matches('^(auto|cpu|gpu|[1-9][0-9]{0,5})$')",message="numProcPerNode must be a number above 0, auto, cpu or gpu"
	NumProcPerNode *intstr.IntOrString `json:"numProcPerNode,omitempty"`

	// elasticPolicy lets torchrun go on with fewer nodes. Releases from 2.2 on do not have it.
	// +optional
	ElasticPolicy *TorchElasticPolicy `json:"elasticPolicy,omitempty"`

	// envInjection gives torchrun's variables to more containers than node.
	// +optional
	EnvInjection *EnvInjection `json:"envInjection,omitempty"`
}

// TorchElasticPolicy says how many nodes torchrun may have. A job gets maxNodes pods, of which minNodes have to fit.
// +kubebuilder:validation:XValidation:rule="!has(self.minNodes) || !has(self.maxNodes) || self.minNodes <= self.maxNodes",message="minNodes cannot be more than maxNodes"
type TorchElasticPolicy struct {
	// maxRestarts is how often torchrun starts its processes anew.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`

	// minNodes is the least number of nodes. Defaults to maxNodes.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinNodes *int32 `json:"minNodes,omitempty"`

	// maxNodes is the greatest number of nodes. Defaults to minNodes.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MaxNodes *int32 `json:"maxNodes,omitempty"`

	// metrics is accepted and does nothing: no autoscaler is made, as upstream.
	// +optional
	// +listType=atomic
	Metrics []ScalingMetric `json:"metrics,omitempty"`
}

// ScalingMetric is a metric of an autoscaler, undecoded.
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type ScalingMetric struct{}

// EnvInjection names containers.
type EnvInjection struct {
	// targets are the containers, by job.
	// +optional
	// +listType=map
	// +listMapKey=jobName
	// +kubebuilder:validation:MaxItems=64
	Targets []EnvInjectionTarget `json:"targets,omitempty"`
}

// EnvInjectionTarget names containers of a job.
type EnvInjectionTarget struct {
	// jobName is that of the replicated job.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	JobName string `json:"jobName"`

	// containerNames are containers or init containers of it, other than node.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.exists(c, c == 'node')",message="the container node gets the variables anyway"
	ContainerNames []string `json:"containerNames"`
}

// MPIPolicy has settings of MPI. The runtime's jobs are named launcher and node.
type MPIPolicy struct {
	// numProcPerNode is the number of slots of each node where the TrainJob does not say.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	NumProcPerNode *int32 `json:"numProcPerNode,omitempty"`

	// mpiImplementation is OpenMPI, as upstream.
	// +optional
	// +kubebuilder:default=OpenMPI
	// +kubebuilder:validation:Enum=OpenMPI
	MPIImplementation *string `json:"mpiImplementation,omitempty"`

	// sshAuthMountPath is where the keys are mounted: the directory .ssh of the user that the containers run as.
	// +optional
	// +kubebuilder:default=/root/.ssh
	// +kubebuilder:validation:MaxLength=1024
	SSHAuthMountPath *string `json:"sshAuthMountPath,omitempty"`

	// runLauncherAsNode lets the launcher be one of the nodes.
	// +optional
	// +kubebuilder:default=false
	RunLauncherAsNode *bool `json:"runLauncherAsNode,omitempty"`
}

// JAXPolicy has no settings.
type JAXPolicy struct{}

// XGBoostPolicy has no settings.
type XGBoostPolicy struct{}

// FluxPolicy has settings of Flux.
type FluxPolicy struct {
	// numProcPerNode is the number of processes in each pod.
	// +optional
	// +kubebuilder:validation:Minimum=1
	NumProcPerNode *int32 `json:"numProcPerNode,omitempty"`
}

// PodGroupPolicy has settings of the gang.
// +kubebuilder:validation:XValidation:rule="!has(self.coscheduling) || !has(self.volcano)",message="only one of coscheduling and volcano can be given"
type PodGroupPolicy struct {
	// coscheduling are settings for schedulers that read PodGroups of scheduling.x-k8s.io, as Muster does.
	// +optional
	Coscheduling *CoschedulingPolicy `json:"coscheduling,omitempty"`

	// volcano are settings for Volcano. Muster makes the same gang of it as without, and reads the queue from the
	// annotation scheduling.volcano.sh/queue-name of the template where no label names one.
	// +optional
	Volcano *VolcanoPolicy `json:"volcano,omitempty"`
}

// CoschedulingPolicy has settings of the PodGroup.
type CoschedulingPolicy struct {
	// scheduleTimeoutSeconds is copied to the PodGroup.
	// +optional
	ScheduleTimeoutSeconds *int32 `json:"scheduleTimeoutSeconds,omitempty"`
}

// VolcanoPolicy has settings of Volcano.
type VolcanoPolicy struct {
	// networkTopology is accepted; how near the pods have to be is said to Muster by the annotations
	// scheduling.muster.dev/topology-required and topology-preferred.
	// +optional
	NetworkTopology *VolcanoNetworkTopology `json:"networkTopology,omitempty"`
}

// VolcanoNetworkTopology says how near the pods of a job of Volcano have to be.
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type VolcanoNetworkTopology struct{}

// TrainingRuntime says how jobs of its namespace are run.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=trainingruntimes,singular=trainingruntime
// +kubebuilder:printcolumn:name="Framework",type=string,JSONPath=`.metadata.labels.trainer\.kubeflow\.org/framework`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TrainingRuntime struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the runtime.
	Spec TrainingRuntimeSpec `json:"spec"`
}

// TrainingRuntimeList is a list of TrainingRuntimes.
// +kubebuilder:object:root=true
type TrainingRuntimeList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the runtimes.
	Items []TrainingRuntime `json:"items"`
}

// ClusterTrainingRuntime says how jobs of all namespaces are run.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clustertrainingruntimes,singular=clustertrainingruntime,scope=Cluster
// +kubebuilder:printcolumn:name="Framework",type=string,JSONPath=`.metadata.labels.trainer\.kubeflow\.org/framework`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterTrainingRuntime struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the runtime.
	Spec TrainingRuntimeSpec `json:"spec"`
}

// ClusterTrainingRuntimeList is a list of ClusterTrainingRuntimes.
// +kubebuilder:object:root=true
type ClusterTrainingRuntimeList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the runtimes.
	Items []ClusterTrainingRuntime `json:"items"`
}
