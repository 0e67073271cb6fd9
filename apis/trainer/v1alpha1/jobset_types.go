package v1alpha1

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
)

// JobSetTemplateSpec is the set of jobs that a TrainJob becomes: a JobSet where the cluster has that kind, else the Jobs
// themselves.
type JobSetTemplateSpec struct {
	// metadata has labels and annotations for the set: the JobSet, or the Jobs.
	// +optional
	Metadata Metadata `json:"metadata,omitempty"`

	// spec is that of a JobSet (jobset.x-k8s.io/v1alpha2).
	// +optional
	Spec JobSetSpec `json:"spec,omitempty"`
}

// JobSetSpec describes a set of Jobs. It is the part of JobSet's API that runtimes use.
// +kubebuilder:validation:XValidation:rule="!has(self.startupPolicy) || self.startupPolicy.startupPolicyOrder != 'InOrder' || !self.replicatedJobs.exists(j, has(j.dependsOn))",message="startupPolicy InOrder and dependsOn cannot be given together"
type JobSetSpec struct {
	// replicatedJobs are the Jobs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	ReplicatedJobs []ReplicatedJob `json:"replicatedJobs,omitempty"`

	// network says how the pods find each other.
	// +optional
	Network *Network `json:"network,omitempty"`

	// successPolicy says when the set has completed. Defaults to when all its Jobs have.
	// +optional
	SuccessPolicy *SuccessPolicy `json:"successPolicy,omitempty"`

	// failurePolicy says what follows when a Job fails. Without it the set fails.
	// +optional
	FailurePolicy *FailurePolicy `json:"failurePolicy,omitempty"`

	// startupPolicy says in which order the Jobs start.
	// +optional
	StartupPolicy *StartupPolicy `json:"startupPolicy,omitempty"`

	// suspend is ignored in favour of the TrainJob's.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// coordinator names a pod whose address all pods get as label and annotation.
	// +optional
	Coordinator *Coordinator `json:"coordinator,omitempty"`

	// managedBy is handed to the JobSet.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ManagedBy *string `json:"managedBy,omitempty"`

	// ttlSecondsAfterFinished deletes finished TrainJobs that do not say themselves.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// volumeClaimPolicies are claims that the pods of the set share.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	VolumeClaimPolicies []VolumeClaimPolicy `json:"volumeClaimPolicies,omitempty"`
}

// ReplicatedJob is a number of equal Jobs.
type ReplicatedJob struct {
	// name of the replicated job. Jobs are named <TrainJob>-<name>-<index>, pods <Job>-<index>-<random>.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// groupName groups replicated jobs: a label of their pods.
	// +optional
	// +kubebuilder:default=default
	// +kubebuilder:validation:MaxLength=63
	GroupName string `json:"groupName,omitempty"`

	// template is the Job to create, batch/v1. It is checked when a TrainJob uses it, not when it is stored.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Template batchv1.JobTemplateSpec `json:"template"`

	// replicas is the number of Jobs. It is 1 for the steps of a TrainJob.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Replicas *int32 `json:"replicas,omitempty"`

	// dependsOn names the jobs that this one waits for.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	DependsOn []DependsOn `json:"dependsOn,omitempty"`

	// TemplateError says why template could not be read, and is empty if it could. Then Template is empty. It is never
	// stored.
	TemplateError string `json:"-"`
}

// UnmarshalJSON reads a ReplicatedJob. A template that is no Job is not an error but ends up in TemplateError: the API
// server stores templates unchecked, and a list of runtimes must stay readable when one of them is malformed.
func (r *ReplicatedJob) UnmarshalJSON(data []byte) error {
	var wire struct {
		Name      string               `json:"name"`
		GroupName string               `json:"groupName"`
		Template  runtime.RawExtension `json:"template"`
		Replicas  *int32               `json:"replicas"`
		DependsOn []DependsOn          `json:"dependsOn"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*r = ReplicatedJob{Name: wire.Name, GroupName: wire.GroupName, Replicas: wire.Replicas, DependsOn: wire.DependsOn}
	if len(wire.Template.Raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(wire.Template.Raw, &r.Template); err != nil {
		r.Template = batchv1.JobTemplateSpec{}
		r.TemplateError = err.Error()
	}
	return nil
}

// DependsOn is a job that another one waits for.
type DependsOn struct {
	// name is that of the replicated job.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// status is what it waits for: Ready or Complete.
	// +kubebuilder:validation:Enum=Ready;Complete
	Status DependsOnStatus `json:"status"`
}

// DependsOnStatus is what a job waits for.
type DependsOnStatus string

const (
	// DependencyReady waits until all pods of the job are ready.
	DependencyReady DependsOnStatus = "Ready"

	// DependencyComplete waits until the job has completed.
	DependencyComplete DependsOnStatus = "Complete"
)

// Network says how the pods of a set find each other.
type Network struct {
	// enableDNSHostnames gives every pod the name <Job>-<index>.<subdomain>. Defaults to true.
	// +optional
	EnableDNSHostnames *bool `json:"enableDNSHostnames,omitempty"`

	// subdomain is also the name of the set's service. Defaults to the name of the TrainJob.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Subdomain string `json:"subdomain,omitempty"`

	// publishNotReadyAddresses lets pods be found before they are ready. Defaults to true.
	// +optional
	PublishNotReadyAddresses *bool `json:"publishNotReadyAddresses,omitempty"`
}

// SuccessPolicy says when a set has completed.
type SuccessPolicy struct {
	// operator is All or Any of the Jobs.
	// +kubebuilder:validation:Enum=All;Any
	Operator Operator `json:"operator"`

	// targetReplicatedJobs are the jobs that count; empty: all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	TargetReplicatedJobs []string `json:"targetReplicatedJobs,omitempty"`
}

// Operator says how many of the Jobs have to complete.
type Operator string

const (
	OperatorAll Operator = "All"
	OperatorAny Operator = "Any"
)

// FailurePolicy says what follows when a Job of a set fails.
type FailurePolicy struct {
	// maxRestarts is how often all Jobs are made anew.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxRestarts int32 `json:"maxRestarts,omitempty"`

	// restartStrategy is handed to the JobSet. Without one, Jobs are made anew when all of the old ones are gone.
	// +optional
	// +kubebuilder:validation:Enum=Recreate;BlockingRecreate
	RestartStrategy string `json:"restartStrategy,omitempty"`

	// rules say it for certain Jobs and failures; the first that fits counts. Where none does, all Jobs are made anew.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Rules []FailurePolicyRule `json:"rules,omitempty"`
}

// FailurePolicyRule says what follows certain failures.
type FailurePolicyRule struct {
	// name of the rule.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`

	// action is what follows.
	// +kubebuilder:validation:Enum=FailJobSet;RestartJobSet;RestartJobSetAndIgnoreMaxRestarts
	Action FailurePolicyAction `json:"action"`

	// onJobFailureReasons are the reasons of failed Jobs that the rule is for; empty: all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	OnJobFailureReasons []string `json:"onJobFailureReasons,omitempty"`

	// onJobFailureMessagePatterns are regular expressions, one of which the message of the failed Job has to match; empty:
	// any message.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	OnJobFailureMessagePatterns []string `json:"onJobFailureMessagePatterns,omitempty"`

	// targetReplicatedJobs are the jobs that the rule is for; empty: all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	TargetReplicatedJobs []string `json:"targetReplicatedJobs,omitempty"`
}

// FailurePolicyAction is what follows a failure.
type FailurePolicyAction string

const (
	// FailJobSet fails the set at once.
	FailJobSet FailurePolicyAction = "FailJobSet"

	// RestartJobSet makes all Jobs anew, up to maxRestarts times.
	RestartJobSet FailurePolicyAction = "RestartJobSet"

	// RestartJobSetAndIgnoreMaxRestarts makes all Jobs anew, which does not count towards maxRestarts.
	RestartJobSetAndIgnoreMaxRestarts FailurePolicyAction = "RestartJobSetAndIgnoreMaxRestarts"
)

// StartupPolicy says in which order the Jobs of a set start.
type StartupPolicy struct {
	// startupPolicyOrder is AnyOrder, or InOrder: each when the one before it is ready.
	// +kubebuilder:validation:Enum=AnyOrder;InOrder
	StartupPolicyOrder string `json:"startupPolicyOrder"`
}

// Coordinator names a pod of a set.
type Coordinator struct {
	// replicatedJob is the pod's replicated job.
	// +kubebuilder:validation:MaxLength=63
	ReplicatedJob string `json:"replicatedJob"`

	// jobIndex is the index of the Job.
	// +optional
	// +kubebuilder:validation:Minimum=0
	JobIndex int `json:"jobIndex,omitempty"`

	// podIndex is the index of the pod in the Job.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PodIndex int `json:"podIndex,omitempty"`
}

// VolumeClaimPolicy describes claims that all pods of a set share which mount a volume of the claim's name.
type VolumeClaimPolicy struct {
	// templates are the claims.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Templates []VolumeClaim `json:"templates"`

	// retentionPolicy says what becomes of the claims.
	// +optional
	RetentionPolicy *VolumeRetentionPolicy `json:"retentionPolicy,omitempty"`
}

// VolumeClaim is a claim to create.
type VolumeClaim struct {
	// metadata has the claim's name, which is the name of the volume too.
	Metadata VolumeClaimMetadata `json:"metadata"`

	// spec is that of a PersistentVolumeClaim.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Spec runtime.RawExtension `json:"spec"`
}

// VolumeClaimMetadata names a claim.
type VolumeClaimMetadata struct {
	// name of the volume. The claim is named <name>-<TrainJob>.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	Metadata `json:",inline"`
}

// VolumeRetentionPolicy says what becomes of claims.
type VolumeRetentionPolicy struct {
	// whenDeleted is Delete, the default, or Retain: what becomes of the claims when the TrainJob is deleted.
	// +optional
	// +kubebuilder:validation:Enum=Delete;Retain
	WhenDeleted string `json:"whenDeleted,omitempty"`
}

// ClaimSpec reads the spec of the claim.
func (c *VolumeClaim) ClaimSpec() (corev1.PersistentVolumeClaimSpec, error) {
	var spec corev1.PersistentVolumeClaimSpec
	if len(c.Spec.Raw) == 0 {
		return spec, nil
	}
	err := json.Unmarshal(c.Spec.Raw, &spec)
	return spec, err
}
