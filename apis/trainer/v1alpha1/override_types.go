package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// PodSpecOverride changes the pods of some jobs of the runtime, in the shape of release 2.0.
type PodSpecOverride struct {
	// targetJobs names the jobs of the runtime.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	TargetJobs []TargetJob `json:"targetJobs"`

	PodSpecPatch `json:",inline"`
}

// PodTemplateOverride changes the pods of some jobs of the runtime, in the shape of release 2.1.
type PodTemplateOverride struct {
	// targetJobs names the jobs of the runtime.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	TargetJobs []TargetJob `json:"targetJobs"`

	// metadata has labels and annotations for the pods.
	// +optional
	Metadata *Metadata `json:"metadata,omitempty"`

	// spec has what is changed about the pods.
	// +optional
	Spec *PodSpecPatch `json:"spec,omitempty"`
}

// TargetJob names a job of the runtime.
type TargetJob struct {
	// name is that of the replicated job.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// RuntimePatch changes the runtime for one job, in the shape of releases from 2.2 on.
type RuntimePatch struct {
	// manager says whose patch it is: a path with a domain, as in example.com/name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[^/].*$`
	Manager string `json:"manager"`

	// time is when the patch was last written, for who looks at it.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// trainingRuntimeSpec has what is changed about the runtime.
	// +optional
	TrainingRuntimeSpec *RuntimeSpecPatch `json:"trainingRuntimeSpec,omitempty"`
}

// RuntimeSpecPatch has the fields of a runtime that may be changed for one job.
type RuntimeSpecPatch struct {
	// template changes the set of jobs.
	// +optional
	Template *JobSetTemplatePatch `json:"template,omitempty"`
}

// JobSetTemplatePatch changes the set of jobs.
type JobSetTemplatePatch struct {
	// metadata has labels and annotations for the set: the JobSet, or the Jobs.
	// +optional
	Metadata *Metadata `json:"metadata,omitempty"`

	// spec changes its jobs.
	// +optional
	Spec *JobSetSpecPatch `json:"spec,omitempty"`
}

// JobSetSpecPatch changes the jobs of the set.
type JobSetSpecPatch struct {
	// replicatedJobs are the jobs that are changed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	ReplicatedJobs []ReplicatedJobPatch `json:"replicatedJobs,omitempty"`
}

// ReplicatedJobPatch changes one job of the runtime.
type ReplicatedJobPatch struct {
	// name is that of the replicated job.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// template changes the Job.
	// +optional
	Template *JobTemplatePatch `json:"template,omitempty"`
}

// JobTemplatePatch changes a Job.
type JobTemplatePatch struct {
	// metadata has labels and annotations for the Job.
	// +optional
	Metadata *Metadata `json:"metadata,omitempty"`

	// spec changes its pods.
	// +optional
	Spec *JobSpecPatch `json:"spec,omitempty"`
}

// JobSpecPatch changes the spec of a Job.
type JobSpecPatch struct {
	// template changes its pods.
	// +optional
	Template *PodTemplatePatch `json:"template,omitempty"`
}

// PodTemplatePatch changes pods.
type PodTemplatePatch struct {
	// metadata has labels and annotations for the pods.
	// +optional
	Metadata *Metadata `json:"metadata,omitempty"`

	// spec has what is changed about the pods.
	// +optional
	Spec *PodSpecPatch `json:"spec,omitempty"`
}

// Metadata are labels and annotations.
type Metadata struct {
	// labels to set.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations to set.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// PodSpecPatch has the fields of a pod that may be changed. It is merged with the runtime's pod as a strategic merge patch:
// lists whose items have names are merged by name, other lists are replaced. Fields of type object are those of a Pod; they
// are checked when the job is first seen, not when it is stored.
type PodSpecPatch struct {
	// serviceAccountName is the account that the pods run as.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName *string `json:"serviceAccountName,omitempty"`

	// nodeSelector says which nodes may have the pods.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// affinity says where the pods may be.
	// +optional
	Affinity *Object `json:"affinity,omitempty"`

	// tolerations say which taints the pods tolerate. They replace those of the runtime.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// volumes are those of the pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Volumes []Object `json:"volumes,omitempty"`

	// initContainers changes init containers of the runtime.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	InitContainers []ContainerPatch `json:"initContainers,omitempty"`

	// containers changes containers of the runtime.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Containers []ContainerPatch `json:"containers,omitempty"`

	// schedulingGates keep the pods from being scheduled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	SchedulingGates []corev1.PodSchedulingGate `json:"schedulingGates,omitempty"`

	// imagePullSecrets are for pulling the images.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// securityContext is that of the pods.
	// +optional
	SecurityContext *Object `json:"securityContext,omitempty"`

	// terminationGracePeriodSeconds is how long the pods may take to end.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// Object is a part of a pod, undecoded: a value that is no such part must not make a list of TrainJobs unreadable.
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type Object struct {
	runtime.RawExtension `json:",inline"`
}

// ContainerPatch changes a container. Variables of the containers node, dataset-initializer and model-initializer are set
// in spec.trainer and spec.initializer.
// +kubebuilder:validation:XValidation:rule="!has(self.env) || size(self.env) == 0 || !(self.name in ['node', 'dataset-initializer', 'model-initializer'])",message="env of the containers node, dataset-initializer and model-initializer is set in spec.trainer and spec.initializer"
type ContainerPatch struct {
	// name is that of the container. The runtime must have it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// env are variables of the container. Those of the runtime with the same name do not count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Env []Object `json:"env,omitempty"`

	// volumeMounts are mounted in the container.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	VolumeMounts []Object `json:"volumeMounts,omitempty"`

	// securityContext is that of the container.
	// +optional
	SecurityContext *Object `json:"securityContext,omitempty"`
}
