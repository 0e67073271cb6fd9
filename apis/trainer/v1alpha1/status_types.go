package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Types of conditions of a TrainJob. The last of status.conditions is the job's state.
const (
	// TrainJobCreated says whether the job has got, or is getting, its pods; if not, why.
	TrainJobCreated = "Created"

	// TrainJobRunning is true while all pods of the gang run.
	TrainJobRunning = "Running"

	// TrainJobSuspended is true while the job is suspended, and false with the reason Resumed afterwards.
	TrainJobSuspended = "Suspended"

	// TrainJobComplete is true when the job has ended well.
	TrainJobComplete = "Complete"

	// TrainJobFailed is true when the job has ended otherwise.
	TrainJobFailed = "Failed"
)

// Reasons of conditions of a TrainJob.
const (
	TrainJobSuspendedReason           = "Suspended"
	TrainJobResumedReason             = "Resumed"
	TrainJobRuntimeNotSupportedReason = "TrainingRuntimeNotSupported"
	TrainJobRuntimeNotFoundReason     = "TrainingRuntimeNotFound"
	TrainJobDeadlineExceededReason    = "DeadlineExceeded"
)

// TrainJobStatus is what is known about a TrainJob.
type TrainJobStatus struct {
	// conditions say how the job does, the latest last.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// jobsStatus counts the Jobs of each replicated job.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	JobsStatus []JobStatus `json:"jobsStatus,omitempty"`

	// trainerStatus is what the training program tells about itself. Muster does not write it.
	// +optional
	TrainerStatus *TrainerStatus `json:"trainerStatus,omitempty"`

	// startTime is when the job was first let go on, or last resumed.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when the job ended, well or not.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// restarts is how often all Jobs were made anew because one failed.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`

	// restartsCountTowardsMax is how many of the restarts count towards the runtime's failurePolicy.maxRestarts.
	// +optional
	RestartsCountTowardsMax int32 `json:"restartsCountTowardsMax,omitempty"`
}

// JobStatus counts the Jobs of one replicated job.
type JobStatus struct {
	// name is that of the replicated job.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// ready is the number of Jobs all of whose pods are ready or have succeeded.
	Ready int32 `json:"ready"`

	// succeeded is the number of Jobs that have completed.
	Succeeded int32 `json:"succeeded"`

	// failed is the number of Jobs that have failed.
	Failed int32 `json:"failed"`

	// active is the number of Jobs with a pod that is pending or running.
	Active int32 `json:"active"`

	// suspended is the number of Jobs that are suspended.
	Suspended int32 `json:"suspended"`
}

// TrainerStatus is what the training program tells about itself.
type TrainerStatus struct {
	// progressPercentage is how much of the training is done.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	ProgressPercentage *int32 `json:"progressPercentage,omitempty"`

	// estimatedRemainingSeconds is how long the rest may take.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EstimatedRemainingSeconds *int32 `json:"estimatedRemainingSeconds,omitempty"`

	// metrics are those of the model.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Metrics []Metric `json:"metrics,omitempty"`

	// lastUpdatedTime is when this was told.
	LastUpdatedTime metav1.Time `json:"lastUpdatedTime"`
}

// Metric is a number with a name.
type Metric struct {
	// name of the metric, for example loss.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`

	// value of the metric, as text.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value"`
}
