package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodPolicySpec says which pods a policy is for, and what it sets on them.
type PodPolicySpec struct {
	// order is the policy's place among those that match the same pod: lower ones come first, those of equal order by name. Where
	// several set one thing, the last that sets it Always decides, else the first that sets it IfAbsent.
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	Order int32 `json:"order,omitempty"`

	// match says which pods the policy is for.
	Match PodPolicyMatch `json:"match"`

	// set is what those pods get.
	Set PodPolicySettings `json:"set"`
}

// PodPolicyMatch says which pods a policy is for: those of which all that is given holds.
// +kubebuilder:validation:XValidation:rule="has(self.podSelector) || has(self.namespaceSelector) || (has(self.expression) && size(self.expression) > 0)",message="at least one of podSelector, namespaceSelector and expression is needed; for all pods write expression: 'true'"
type PodPolicyMatch struct {
	// podSelector picks pods by their labels. Absent or empty, it picks all.
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'] && (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",message="an operator is In or NotIn with values, or Exists or DoesNotExist without"
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`

	// namespaceSelector picks the pods of namespaces by the labels of those. Absent or empty, it picks all.
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'] && (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",message="an operator is In or NotIn with values, or Exists or DoesNotExist without"
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// expression is a CEL expression that is true for the pods in question. It is asked only for pods that the selectors pick. It
	// knows pod, the pod as in its manifest (pod.metadata.labels, pod.spec.containers), and namespaceObject, of which it knows
	// metadata.name and metadata.labels. A field that the manifest lacks has to be asked for with has(), or read with
	// pod.?spec.?hostname.orValue('').
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Expression string `json:"expression,omitempty"`
}

// SetWhen says whether a setting gives way to what is there.
// +kubebuilder:validation:Enum=IfAbsent;Always
type SetWhen string

const (
	// SetIfAbsent leaves alone what the pod brings along.
	SetIfAbsent SetWhen = "IfAbsent"

	// SetAlways replaces what the pod brings along.
	SetAlways SetWhen = "Always"
)

// PodPolicySettings is what a policy sets on a pod.
type PodPolicySettings struct {
	// schedulerName is the scheduler that places the pod, such as muster. It counts as absent when it is default-scheduler, which
	// the API server fills in where the manifest names none.
	// +optional
	SchedulerName *PodPolicyName `json:"schedulerName,omitempty"`

	// queue is the pod's queue, in its label scheduling.muster.dev/queue. With inherit it is that of the nearest of the pod's
	// owners which has that label, such as its JobSet or its Experiment. The value counts as absent when neither the pod nor its
	// namespace has the label, what is inherited when the pod has not.
	// +optional
	Queue *PodPolicyInherited `json:"queue,omitempty"`

	// priorityClassName is the pod's priority class. With inherit it is what the label scheduling.muster.dev/priority-class says on
	// the nearest of the pod's owners that has it, else on its namespace, else on its Queue. Where no such class exists it is not
	// set, and the policy's status tells. The API server fills in a class that is the default of the cluster: then it is not absent.
	// +optional
	PriorityClassName *PodPolicyInherited `json:"priorityClassName,omitempty"`

	// gang makes all pods of the workload that the pod belongs to one gang, which starts as a whole, unless the pod has a PodGroup.
	// Workload is the one value. Workloads are Jobs, JobSets, the groups of LeaderWorkerSets and the jobs of Kubeflow. A pod that
	// another scheduler places gets no gang.
	// +optional
	Gang PodPolicySource `json:"gang,omitempty"`

	// ranks tells every container of a pod with a number and an address, such as one of an Indexed Job with a subdomain, where
	// torchrun meets the others: PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and PET_MASTER_PORT. Workload is the one value. A
	// pod of which any container sets a variable of that sort, or may do so with envFrom, gets none of them.
	// +optional
	Ranks PodPolicySource `json:"ranks,omitempty"`

	// firm says that nothing evicts the pod, as the annotation scheduling.muster.dev/preemptible "false" does, as long as its
	// user has few of such pods and the guarantee of its queue has room for it: a firm pod may use nothing else.
	// +optional
	Firm *PodPolicyFirm `json:"firm,omitempty"`

	// labels are labels of the pod.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=key
	// +optional
	Labels []PodPolicyLabel `json:"labels,omitempty"`

	// annotations are annotations of the pod.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=key
	// +optional
	Annotations []PodPolicyAnnotation `json:"annotations,omitempty"`

	// tolerations are added to those of the pod, unless one of these tolerates the same. None is ever taken away.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// env are environment variables of every container of the pod; not of init containers and ephemeral ones.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []PodPolicyEnv `json:"env,omitempty"`

	// sharedMemory mounts memory at /dev/shm in every container that has nothing mounted there; not in init containers and
	// ephemeral ones. What is written to it counts towards the container's memory.
	// +optional
	SharedMemory *PodPolicySharedMemory `json:"sharedMemory,omitempty"`
}

// PodPolicyName is a name to set.
type PodPolicyName struct {
	// value is the name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Value string `json:"value"`

	// when says whether it replaces a name that is there.
	// +kubebuilder:default=IfAbsent
	// +optional
	When SetWhen `json:"when,omitempty"`
}

// PodPolicySource is where what is set comes from.
// +kubebuilder:validation:Enum=Workload
type PodPolicySource string

// FromWorkload is the workload that the pod belongs to, found by walking its owners.
const FromWorkload PodPolicySource = "Workload"

// PodPolicyInherited is a name to set, or to take from what the pod belongs to.
// +kubebuilder:validation:XValidation:rule="(has(self.value) && size(self.value) > 0) || (has(self.inherit) && self.inherit)",message="a value, or inherit: true, or both"
type PodPolicyInherited struct {
	// value is the name; with inherit that for pods which inherit none.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	// +optional
	Value string `json:"value,omitempty"`

	// inherit takes the name from what the pod belongs to.
	// +optional
	Inherit bool `json:"inherit,omitempty"`

	// when says whether it replaces a name that is there.
	// +kubebuilder:default=IfAbsent
	// +optional
	When SetWhen `json:"when,omitempty"`
}

// PodPolicyFirm says which pods nothing evicts.
type PodPolicyFirm struct {
	// perUser is how many firm pods a user may have in a namespace. The user of a notebook is who its annotation
	// notebooks.kubeflow.org/creator names, else the namespace's annotation owner; else all pods of a namespace are of one user.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	PerUser int32 `json:"perUser"`
}

// PodPolicyLabel is a label to set.
// +kubebuilder:validation:XValidation:rule="self.key != 'scheduling.muster.dev/skip-pod-policies'",message="scheduling.muster.dev/skip-pod-policies is the users' own"
// +kubebuilder:validation:XValidation:rule="self.key != 'scheduling.muster.dev/gang-of'",message="scheduling.muster.dev/gang-of is set with gang"
type PodPolicyLabel struct {
	// key is the label's key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	Key string `json:"key"`

	// value is the label's value; it may be empty.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
	// +optional
	Value string `json:"value,omitempty"`

	// when says whether it replaces a value that is there.
	// +kubebuilder:default=IfAbsent
	// +optional
	When SetWhen `json:"when,omitempty"`
}

// PodPolicyAnnotation is an annotation to set.
// +kubebuilder:validation:XValidation:rule="self.key != 'scheduling.muster.dev/pod-policies'",message="scheduling.muster.dev/pod-policies tells what policies did"
// +kubebuilder:validation:XValidation:rule="self.key != 'scheduling.muster.dev/workload'",message="scheduling.muster.dev/workload is set with gang"
type PodPolicyAnnotation struct {
	// key is the annotation's key.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	Key string `json:"key"`

	// value is the annotation's value; it may be empty.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Value string `json:"value,omitempty"`

	// when says whether it replaces a value that is there.
	// +kubebuilder:default=IfAbsent
	// +optional
	When SetWhen `json:"when,omitempty"`
}

// PodPolicyEnv is an environment variable to set.
// +kubebuilder:validation:XValidation:rule="!has(self.fieldPath) || size(self.fieldPath) == 0 || !has(self.value) || size(self.value) == 0",message="value and fieldPath exclude each other"
type PodPolicyEnv struct {
	// name is the variable's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z][-._a-zA-Z0-9]*$`
	Name string `json:"name"`

	// value is the variable's value; it may be empty.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Value string `json:"value,omitempty"`

	// fieldPath names the field of the pod that the value is taken from, in place of value: metadata.name, metadata.namespace,
	// metadata.uid, metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, spec.serviceAccountName, status.hostIP or
	// status.podIP.
	// +kubebuilder:validation:MaxLength=384
	// +kubebuilder:validation:Pattern=`^(metadata\.(name|namespace|uid|(labels|annotations)\['[-A-Za-z0-9_./]+'\])|spec\.(nodeName|serviceAccountName)|status\.(hostIP|podIP))?$`
	// +optional
	FieldPath string `json:"fieldPath,omitempty"`

	// when says whether it replaces a variable of that name.
	// +kubebuilder:default=IfAbsent
	// +optional
	When SetWhen `json:"when,omitempty"`
}

// PodPolicySharedMemory is memory at /dev/shm.
type PodPolicySharedMemory struct {
	// sizeLimit is how much of it there is. Absent, the pod's memory limits are what bounds it.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
}

// PodPolicyStatus is what is known about a policy.
type PodPolicyStatus struct {
	// conditions are Ready.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PodPolicy says what pods of one sort get when they are created: a scheduler, a queue, tolerations and the like. A policy that
// cannot be followed is left out, and never keeps a pod from starting.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="Order",type=integer,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Scheduler",type=string,JSONPath=`.spec.set.schedulerName.value`
// +kubebuilder:printcolumn:name="Queue",type=string,JSONPath=`.spec.set.queue.value`
// +kubebuilder:printcolumn:name="Priority",type=string,JSONPath=`.spec.set.priorityClassName.value`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PodPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which pods the policy is for, and what it sets on them.
	Spec PodPolicySpec `json:"spec"`

	// status is what is known about the policy.
	// +optional
	Status PodPolicyStatus `json:"status,omitempty"`
}

// PodPolicyList is a list of PodPolicies.
// +kubebuilder:object:root=true
type PodPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the PodPolicies.
	Items []PodPolicy `json:"items"`
}
