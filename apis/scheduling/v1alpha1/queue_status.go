package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a Queue, and their reasons.
const (
	// QueueReady is true when gangs can be admitted, or, for a queue with queues below it, when nothing hinders those. The
	// reason is one of those below, or ReasonReady.
	QueueReady = "Ready"

	// ReasonReady is the reason of a queue that is ready.
	ReasonReady = "Ready"

	// ReasonParentNotFound: no queue has the name of the parent, or of one above it.
	ReasonParentNotFound = "ParentNotFound"

	// ReasonCycle: the queue, or one above it, is its own ancestor.
	ReasonCycle = "Cycle"

	// ReasonGuaranteeExceedsParent: the queue and its siblings guarantee more than their parent does, or this is so above.
	ReasonGuaranteeExceedsParent = "GuaranteeExceedsParent"

	// ReasonNotALeaf: gangs name a queue that has queues below it.
	ReasonNotALeaf = "NotALeaf"

	// ReasonStopped: the queue, or one above it, is on hold or drained.
	ReasonStopped = "Stopped"

	// QueueGuaranteed is false when the cluster is too small for the guarantees of the top queues, this one's among them. It
	// hinders nobody.
	QueueGuaranteed = "Guaranteed"

	// ReasonWithinCluster is the reason of a queue whose guarantee can be kept.
	ReasonWithinCluster = "WithinCluster"

	// ReasonGuaranteeExceedsCluster: the top queues guarantee more than all nodes have.
	ReasonGuaranteeExceedsCluster = "GuaranteeExceedsCluster"
)

// QueueStatus is what is known about a queue. All numbers are about the queue together with all below it.
type QueueStatus struct {
	// allocated is what admitted gangs use; terminating pods count until they are gone.
	// +optional
	Allocated corev1.ResourceList `json:"allocated,omitempty"`

	// guaranteed is the part of it that lies within the guarantee.
	// +optional
	Guaranteed corev1.ResourceList `json:"guaranteed,omitempty"`

	// fairShare is what the queue would have if all queues wanted everything: its guarantee and, by weight, a part of what the
	// guarantees leave, up to its limit.
	// +optional
	FairShare corev1.ResourceList `json:"fairShare,omitempty"`

	// admittedGangs is the number of gangs that run or are about to.
	// +optional
	AdmittedGangs int32 `json:"admittedGangs"`

	// pendingGangs is the number of gangs that wait.
	// +optional
	PendingGangs int32 `json:"pendingGangs"`

	// head is the gang that is first in line.
	// +optional
	Head *QueueHead `json:"head,omitempty"`

	// waiting counts the pending gangs by the reason for which they wait.
	// +listType=map
	// +listMapKey=reason
	// +optional
	Waiting []WaitingGangs `json:"waiting,omitempty"`

	// usage is what the past counts for, where the scheduler's configuration lets it count.
	// +optional
	Usage *QueueUsage `json:"usage,omitempty"`

	// conditions are Ready and Guaranteed.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// QueueHead is a gang that is first in line.
type QueueHead struct {
	// kind is PodGroup, or Pod for a pod that is a gang by itself.
	// +optional
	Kind string `json:"kind,omitempty"`

	// namespace is the namespace of the gang.
	Namespace string `json:"namespace"`

	// name is the name of the gang.
	Name string `json:"name"`

	// reason is the reason for which it waits, as a word.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message says the same with names and numbers.
	// +optional
	Message string `json:"message,omitempty"`
}

// WaitingGangs counts the gangs that wait for one reason.
type WaitingGangs struct {
	// reason is the reason as a word.
	Reason string `json:"reason"`

	// count is the number of gangs.
	Count int32 `json:"count"`
}

// QueueUsage is an average of past usage, in which the more distant past weighs less.
type QueueUsage struct {
	// decayed is the average. Usage of one half-life ago weighs half as much as that of now.
	// +optional
	Decayed corev1.ResourceList `json:"decayed,omitempty"`

	// asOf is the time for which it was computed.
	AsOf metav1.Time `json:"asOf"`
}
