package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// CleanPodPolicy says which pods are deleted when a job has finished.
// +kubebuilder:validation:Enum=All;Running;None
type CleanPodPolicy string

const (
	// CleanPodPolicyAll deletes every pod with its service.
	CleanPodPolicyAll CleanPodPolicy = "All"

	// CleanPodPolicyRunning deletes the pods that still run or wait, with their services, and keeps those that ended.
	CleanPodPolicyRunning CleanPodPolicy = "Running"

	// CleanPodPolicyNone keeps every pod. Only when the job failed by activeDeadlineSeconds or backoffLimit are the pods
	// deleted that still run or wait, since the limit would limit nothing otherwise.
	CleanPodPolicyNone CleanPodPolicy = "None"
)

// RunPolicy says how a job runs as a whole, whatever its kind.
type RunPolicy struct {
	// cleanPodPolicy says which pods are deleted when the job has finished: All, Running (those that still run or wait)
	// or None. Defaults to None.
	// +optional
	CleanPodPolicy *CleanPodPolicy `json:"cleanPodPolicy,omitempty"`

	// ttlSecondsAfterFinished deletes the job, with all that belongs to it, so many seconds after it has finished. Absent:
	// the job stays.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// activeDeadlineSeconds fails the job when it has not finished so many seconds after status.startTime. Time
	// suspended does not count, time waiting for room does.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// backoffLimit is the number of restarts, of containers in place and of whole pods together, that the job may make.
	// The next one fails it. Pods that the cluster took away do not count. Absent: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`

	// schedulingPolicy says how the pods are placed as a gang.
	// +optional
	SchedulingPolicy *SchedulingPolicy `json:"schedulingPolicy,omitempty"`

	// suspend true deletes the job's pods, or does not create them, until it is false again. Status and restarts are
	// kept; status.startTime starts anew.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// managedBy names the controller that runs the job. Muster runs jobs without it and those of
	// kubeflow.org/training-operator, MPIJobs also as kubeflow.org/mpi-operator, and does not touch those of
	// kueue.x-k8s.io/multikueue. It cannot be changed.
	// +optional
	// +kubebuilder:validation:Enum="kubeflow.org/training-operator";"kubeflow.org/mpi-operator";"kueue.x-k8s.io/multikueue"
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="managedBy cannot be changed"
	ManagedBy *string `json:"managedBy,omitempty"`
}

// SchedulingPolicy says how the pods of a job are placed as a gang.
type SchedulingPolicy struct {
	// minAvailable is the number of pods that must be placed together for any to start. Defaults to all pods; for an
	// elastic PyTorchJob to minReplicas workers with their master.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinAvailable *int32 `json:"minAvailable,omitempty"`

	// queue is the queue that the job is charged to. Defaults to the label scheduling.muster.dev/queue of the job. It
	// cannot be changed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="queue cannot be changed"
	Queue string `json:"queue,omitempty"`

	// minResources is what must be free before the gang may start. Defaults to what minAvailable pods request.
	// +optional
	MinResources *map[corev1.ResourceName]resource.Quantity `json:"minResources,omitempty"`

	// priorityClass is the PriorityClass of those pods whose template names none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClass string `json:"priorityClass,omitempty"`

	// scheduleTimeoutSeconds is carried over to the PodGroup.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ScheduleTimeoutSeconds *int32 `json:"scheduleTimeoutSeconds,omitempty"`
}
