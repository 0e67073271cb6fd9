package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StopPolicy says whether a queue takes in gangs.
// +kubebuilder:validation:Enum=None;Hold;Drain
type StopPolicy string

const (
	// StopNone admits gangs.
	StopNone StopPolicy = "None"

	// StopHold admits no gang; running ones go on.
	StopHold StopPolicy = "Hold"

	// StopDrain admits no gang and evicts the running ones, firm gangs too.
	StopDrain StopPolicy = "Drain"
)

// QueueSpec says what the gangs of a queue, and of all queues below it, may use.
// +kubebuilder:validation:XValidation:rule="!has(self.guarantee) || !has(self.limit) || self.guarantee.all(r, !(r in self.limit) || !(type(self.guarantee[r]) == int ? quantity('0').add(self.guarantee[r]) : quantity(self.guarantee[r])).isGreaterThan(type(self.limit[r]) == int ? quantity('0').add(self.limit[r]) : quantity(self.limit[r])))",message="guarantee must not exceed limit for any resource that both name"
type QueueSpec struct {
	// parent is the queue that this one is a part of; empty for a top queue. Only queues that are nobody's parent hold gangs.
	// The guarantees of all parts together must stay within that of the parent.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	// +optional
	Parent string `json:"parent,omitempty"`

	// weight is the queue's share, among its siblings, of what the guarantees leave. With 0 it gets only what no sibling with a
	// weight wants.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Weight *int32 `json:"weight,omitempty"`

	// guarantee is what the queue can have at any time: while others use it, it is taken back from them on demand. It speaks only
	// of the resources that it names.
	// +kubebuilder:validation:MaxProperties=12
	// +kubebuilder:validation:XValidation:rule="self.all(r, type(self[r]) == int || isQuantity(self[r]))",message="amounts must be quantities"
	// +kubebuilder:validation:XValidation:rule="self.all(r, type(self[r]) == int ? self[r] >= 0 : !quantity(self[r]).isLessThan(quantity('0')))",message="amounts must not be negative"
	// +optional
	Guarantee map[corev1.ResourceName]resource.Quantity `json:"guarantee,omitempty"`

	// limit is what the queue never exceeds, all queues below it included. A resource that is absent has no limit.
	// +kubebuilder:validation:MaxProperties=12
	// +kubebuilder:validation:XValidation:rule="self.all(r, type(self[r]) == int || isQuantity(self[r]))",message="amounts must be quantities"
	// +kubebuilder:validation:XValidation:rule="self.all(r, type(self[r]) == int ? self[r] >= 0 : !quantity(self[r]).isLessThan(quantity('0')))",message="amounts must not be negative"
	// +optional
	Limit map[corev1.ResourceName]resource.Quantity `json:"limit,omitempty"`

	// reclaimable lets queues that are below their guarantee take back what this one uses above its own.
	// +kubebuilder:default=true
	// +optional
	Reclaimable *bool `json:"reclaimable,omitempty"`

	// minRuntime is how long a gang of the queue runs before it may be evicted for another, as a Go duration. Absent or 0: as the
	// parent says.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="must be a duration like 10m or 1h30m, and not negative"
	// +optional
	MinRuntime *metav1.Duration `json:"minRuntime,omitempty"`

	// stop closes the queue and all below it: Hold admits nothing, Drain evicts as well.
	// +kubebuilder:default=None
	// +optional
	Stop StopPolicy `json:"stop,omitempty"`

	// namespaceSelector picks the namespaces whose gangs may use the queue, by their labels. Absent or empty, all may. Queues
	// below have selectors of their own.
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'] && (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",message="an operator is In or NotIn with values, or Exists or DoesNotExist without"
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
}

// Queue is a share of the cluster for the gangs that name it, or for the queues that name it as their parent.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="Parent",type=string,JSONPath=`.spec.parent`
// +kubebuilder:printcolumn:name="Weight",type=integer,JSONPath=`.spec.weight`
// +kubebuilder:printcolumn:name="Admitted",type=integer,JSONPath=`.status.admittedGangs`
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pendingGangs`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name may have at most 63 characters: gangs name their queue in a label"
// +kubebuilder:validation:XValidation:rule="!has(self.spec) || !has(self.spec.parent) || self.spec.parent != self.metadata.name",message="spec.parent must not be the queue itself"
type Queue struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what the queue may use.
	// +kubebuilder:default={}
	// +optional
	Spec QueueSpec `json:"spec,omitempty"`

	// status is what is known about the queue. Only the scheduler writes it.
	// +optional
	Status QueueStatus `json:"status,omitempty"`
}

// QueueList is a list of Queues.
// +kubebuilder:object:root=true
type QueueList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the queues.
	Items []Queue `json:"items"`
}
