package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TrainJobSpec describes a TrainJob: a runtime, and what this job changes about it.
// +kubebuilder:validation:XValidation:rule="has(self.initializer) == has(oldSelf.initializer)",message="initializer cannot be changed"
// +kubebuilder:validation:XValidation:rule="has(self.trainer) == has(oldSelf.trainer)",message="trainer cannot be changed"
// +kubebuilder:validation:XValidation:rule="has(self.managedBy) == has(oldSelf.managedBy)",message="managedBy cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.suspend) && self.suspend) || (has(oldSelf.suspend) && oldSelf.suspend) || (has(self.runtimePatches) == has(oldSelf.runtimePatches) && has(self.podTemplateOverrides) == has(oldSelf.podTemplateOverrides) && has(self.podSpecOverrides) == has(oldSelf.podSpecOverrides))",message="patches and overrides can only be changed while the TrainJob is suspended, or together with its suspension or resumption"
// +kubebuilder:validation:XValidation:rule="(has(self.suspend) && self.suspend) || (has(oldSelf.suspend) && oldSelf.suspend) || !has(self.runtimePatches) || !has(oldSelf.runtimePatches) || self.runtimePatches == oldSelf.runtimePatches",message="runtimePatches can only be changed while the TrainJob is suspended, or together with its suspension or resumption"
// +kubebuilder:validation:XValidation:rule="(has(self.suspend) && self.suspend) || (has(oldSelf.suspend) && oldSelf.suspend) || !has(self.podTemplateOverrides) || !has(oldSelf.podTemplateOverrides) || self.podTemplateOverrides == oldSelf.podTemplateOverrides",message="podTemplateOverrides can only be changed while the TrainJob is suspended, or together with its suspension or resumption"
// +kubebuilder:validation:XValidation:rule="(has(self.suspend) && self.suspend) || (has(oldSelf.suspend) && oldSelf.suspend) || !has(self.podSpecOverrides) || !has(oldSelf.podSpecOverrides) || self.podSpecOverrides == oldSelf.podSpecOverrides",message="podSpecOverrides can only be changed while the TrainJob is suspended, or together with its suspension or resumption"
type TrainJobSpec struct {
	// runtimeRef names the runtime that the job is made from.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="runtimeRef cannot be changed"
	RuntimeRef RuntimeRef `json:"runtimeRef"`

	// initializer configures the steps that fetch data and model before training.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="initializer cannot be changed"
	Initializer *Initializer `json:"initializer,omitempty"`

	// trainer configures the step that trains.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="trainer cannot be changed"
	Trainer *Trainer `json:"trainer,omitempty"`

	// labels are put on the set: the JobSet, or the Jobs. Releases from 2.2 on say this in runtimePatches.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations are put on the set: the JobSet, or the Jobs and the PodGroup. Releases from 2.2 on say this in runtimePatches.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// podSpecOverrides change the pods of some of the runtime's jobs, as release 2.0 says it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	PodSpecOverrides []PodSpecOverride `json:"podSpecOverrides,omitempty"`

	// podTemplateOverrides change the pods of some of the runtime's jobs, as release 2.1 says it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	PodTemplateOverrides []PodTemplateOverride `json:"podTemplateOverrides,omitempty"`

	// runtimePatches change the runtime for this job, as releases from 2.2 on say it: one patch for each manager. Where
	// more than one of the three shapes is given, podSpecOverrides come first and runtimePatches last.
	// +optional
	// +listType=map
	// +listMapKey=manager
	// +kubebuilder:validation:MaxItems=16
	RuntimePatches []RuntimePatch `json:"runtimePatches,omitempty"`

	// suspend stops the job and keeps it stopped: its pods are deleted, steps that have completed stay completed.
	// +optional
	// +kubebuilder:default=false
	Suspend *bool `json:"suspend,omitempty"`

	// activeDeadlineSeconds is how long the job may be active, counted from status.startTime, before it fails.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// ttlSecondsAfterFinished deletes the job so long after status.completionTime. Defaults to that of the runtime; where
	// it has none the job stays.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// managedBy names the controller that runs the job: trainer.kubeflow.org/trainjob-controller, or
	// kueue.x-k8s.io/multikueue, and then Muster leaves it alone.
	// +optional
	// +kubebuilder:default="trainer.kubeflow.org/trainjob-controller"
	// +kubebuilder:validation:Enum=trainer.kubeflow.org/trainjob-controller;kueue.x-k8s.io/multikueue
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="managedBy cannot be changed"
	ManagedBy *string `json:"managedBy,omitempty"`
}

// RuntimeRef names a runtime.
type RuntimeRef struct {
	// name is that of the runtime. A TrainingRuntime is looked for in the job's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// apiGroup is that of the runtime.
	// +optional
	// +kubebuilder:default="trainer.kubeflow.org"
	// +kubebuilder:validation:MaxLength=253
	APIGroup *string `json:"apiGroup,omitempty"`

	// kind is ClusterTrainingRuntime or TrainingRuntime.
	// +optional
	// +kubebuilder:default="ClusterTrainingRuntime"
	// +kubebuilder:validation:MaxLength=253
	Kind *string `json:"kind,omitempty"`
}

// Initializer configures the steps before training.
type Initializer struct {
	// dataset configures the step dataset-initializer.
	// +optional
	Dataset *InitializerStep `json:"dataset,omitempty"`

	// model configures the step model-initializer.
	// +optional
	Model *InitializerStep `json:"model,omitempty"`
}

// InitializerStep configures one step before training.
type InitializerStep struct {
	// storageUri says where to fetch from: the variable STORAGE_URI of the step's container.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[A-Za-z][A-Za-z0-9+.-]*://.+$')",message="storageUri must be a URI, as in scheme://path"
	StorageURI *string `json:"storageUri,omitempty"`

	// env are variables for the step's container. Those of the runtime with the same name do not count.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Env []corev1.EnvVar `json:"env,omitempty"`

	// secretRef names a Secret of the job's namespace whose keys become variables of the step's container.
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`
}

// Trainer configures the step that trains: the container node of the runtime's job with the label
// trainer.kubeflow.org/trainjob-ancestor-step: trainer. What is not given is as in the runtime.
type Trainer struct {
	// image is the container's image.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Image *string `json:"image,omitempty"`

	// command is the container's entry point.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=1048576
	Command []string `json:"command,omitempty"`

	// args are the arguments of the entry point.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=1048576
	Args []string `json:"args,omitempty"`

	// env are variables for the container. Those of the runtime with the same name do not count. The names that the
	// runtime's framework reserves are refused.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Env []corev1.EnvVar `json:"env,omitempty"`

	// numNodes is the number of pods that train. Defaults to that of the runtime.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	NumNodes *int32 `json:"numNodes,omitempty"`

	// resourcesPerNode are the container's requests and limits; resources that are not named are as in the runtime.
	// +optional
	ResourcesPerNode *corev1.ResourceRequirements `json:"resourcesPerNode,omitempty"`

	// numProcPerNode is the number of processes in each pod: a number, or with torch auto, cpu or gpu.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self > 0 : string(self).matches('^(auto|cpu|gpu|[1-9][0-9]{0,5})$')",message="numProcPerNode must be a number above 0, auto, cpu or gpu"
	NumProcPerNode *intstr.IntOrString `json:"numProcPerNode,omitempty"`
}

// TrainJob trains a model in the way that a runtime says.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=trainjobs,singular=trainjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[-1:].reason`
// +kubebuilder:printcolumn:name="Runtime",type=string,JSONPath=`.spec.runtimeRef.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': pods and a service are named after it"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name may have 63 characters"
type TrainJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the job.
	Spec TrainJobSpec `json:"spec"`

	// status is what is known about the job. The controller writes it, all but trainerStatus.
	// +optional
	Status TrainJobStatus `json:"status,omitempty"`
}

// TrainJobList is a list of TrainJobs.
// +kubebuilder:object:root=true
type TrainJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the jobs.
	Items []TrainJob `json:"items"`
}
