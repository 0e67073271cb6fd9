package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// JobConditionType is one of the states that a job can be in.
type JobConditionType string

const (
	// JobCreated is true once the job has been accepted.
	JobCreated JobConditionType = "Created"

	// JobRunning is true while the pods that the job cannot do without run.
	JobRunning JobConditionType = "Running"

	// JobRestarting is true while pods are being replaced. It is never present together with JobRunning.
	JobRestarting JobConditionType = "Restarting"

	// JobSucceeded is true once the job has ended well. It is final.
	JobSucceeded JobConditionType = "Succeeded"

	// JobSuspended is true while the job is suspended, and false once it was resumed.
	JobSuspended JobConditionType = "Suspended"

	// JobFailed is true once the job has ended in any other way. It is final.
	JobFailed JobConditionType = "Failed"
)

// JobCondition is one state of a job. It has Kubeflow's shape, which is older than metav1.Condition.
type JobCondition struct {
	// type is the state: Created, Running, Restarting, Succeeded, Suspended or Failed.
	Type JobConditionType `json:"type"`

	// status is True or False.
	Status corev1.ConditionStatus `json:"status"`

	// reason says why, in one word, for example TFJobRunning.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message says why, in a sentence.
	// +optional
	Message string `json:"message,omitempty"`

	// lastUpdateTime is when the condition was last written.
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`

	// lastTransitionTime is when status last changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}

// ReplicaStatus counts the pods of one replica type.
type ReplicaStatus struct {
	// active is the number of pods that run.
	// +optional
	Active int32 `json:"active,omitempty"`

	// succeeded is the number of pods that ended well.
	// +optional
	Succeeded int32 `json:"succeeded,omitempty"`

	// failed is the number of pods that failed, and of running ones that are being deleted.
	// +optional
	Failed int32 `json:"failed,omitempty"`

	// labelSelector is not set any more; see selector.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// selector finds the pods of this replica type, in the form of kubectl --selector.
	// +optional
	Selector string `json:"selector,omitempty"`
}

// RestartedPod remembers what has gone before under one pod name. It is what makes restarts count exactly once, however
// often the controller itself restarts.
type RestartedPod struct {
	// name is the pod's name.
	Name string `json:"name"`

	// uid is the pod of that name which was last counted.
	UID types.UID `json:"uid"`

	// attempt is how many pods of that name have been replaced, for whatever reason.
	Attempt int32 `json:"attempt"`

	// restarts is how much of status.restarts comes from the pods that were replaced.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`
}

// RestartedGang remembers what has gone before in a job whose pods are replaced all together. A pod belongs to the attempt
// that its annotation training.muster.dev/gang-attempt names, and is to be deleted if that is over.
type RestartedGang struct {
	// attempt is how often all pods have been replaced together, for whatever reason.
	Attempt int32 `json:"attempt"`

	// restarts is how much of status.restarts comes from the attempts that are over: one for each that ended because a pod
	// failed, and what was restarted in place.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`

	// created is how many pods of each replica type there have been in this attempt: those with the lowest indices. One of
	// them that is missing has been lost.
	// +optional
	Created map[ReplicaType]int32 `json:"created,omitempty"`
}

// JobStatus is what is known about a job.
type JobStatus struct {
	// conditions are the states that the job has been in; the last one is the latest.
	// +optional
	Conditions []JobCondition `json:"conditions,omitempty"`

	// replicaStatuses counts the pods of each replica type.
	// +optional
	ReplicaStatuses map[ReplicaType]*ReplicaStatus `json:"replicaStatuses,omitempty"`

	// startTime is when the job was first seen, or last resumed.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when the job succeeded or failed. It is set on every job that has finished.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// lastReconcileTime is when the status last changed.
	// +optional
	LastReconcileTime *metav1.Time `json:"lastReconcileTime,omitempty"`

	// restarts is how many restarts there have been, of containers in place and of pods that failed. It is what
	// backoffLimit limits.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`

	// restartedPods has an entry for each pod name under which a pod was replaced.
	// +optional
	// +listType=map
	// +listMapKey=name
	RestartedPods []RestartedPod `json:"restartedPods,omitempty"`

	// restartedGang is kept of a job whose pods are replaced all together.
	// +optional
	RestartedGang *RestartedGang `json:"restartedGang,omitempty"`
}
