package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// NotebookSpec describes a notebook.
type NotebookSpec struct {
	// template is the pod in which the notebook runs.
	// +optional
	Template NotebookTemplateSpec `json:"template,omitempty"`
}

// NotebookTemplateSpec is a pod template without metadata: labels and annotations are those of the Notebook.
type NotebookTemplateSpec struct {
	// spec is the pod's. The first container is the server. The fields are those of a Pod; they are checked when the
	// notebook is first seen, not when it is stored.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Spec corev1.PodSpec `json:"spec,omitempty"`

	// SpecError says why spec could not be read, and is empty if it could. Then Spec is empty. It is never stored.
	SpecError string `json:"-"`
}

// UnmarshalJSON reads a NotebookTemplateSpec. A spec that is none of a pod is not an error but ends up in SpecError: the
// API server stores it unchecked, and a list of notebooks must stay readable when one of them is malformed.
func (t *NotebookTemplateSpec) UnmarshalJSON(data []byte) error {
	var wire struct {
		Spec rawJSON `json:"spec"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*t = NotebookTemplateSpec{}
	if len(wire.Spec) == 0 {
		return nil
	}
	if err := json.Unmarshal(wire.Spec, &t.Spec); err != nil {
		*t = NotebookTemplateSpec{SpecError: err.Error()}
	}
	return nil
}

// rawJSON keeps a value undecoded.
type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}

// NotebookDegraded is the type of the condition that a notebook has while something keeps the controller from running it
// as its spec says. A notebook with which nothing is wrong does not have it.
const NotebookDegraded = "Degraded"

// The reasons of NotebookDegraded. With all but ReasonInvalidIdleTime the notebook does not run as its spec says.
const (
	// ReasonInvalidName: the name is none that the StatefulSet, the Service and their labels can have.
	ReasonInvalidName = "InvalidName"

	// ReasonInvalidTemplate: the pod spec is malformed, or lacks something.
	ReasonInvalidTemplate = "InvalidTemplate"

	// ReasonInvalidIdleTime: IdleTimeAnnotation is no duration. The notebook is not stopped for being idle.
	ReasonInvalidIdleTime = "InvalidIdleTime"

	// ReasonNameTaken: a StatefulSet or Service of the notebook's name is not the notebook's.
	ReasonNameTaken = "NameTaken"

	// ReasonRefused: the API server does not take the StatefulSet or the Service.
	ReasonRefused = "Refused"
)

// NotebookCondition is one condition of a notebook: one of its pod's, or Degraded. It has Kubeflow's shape, which is
// older than metav1.Condition.
type NotebookCondition struct {
	// type is that of the pod's condition, for example Ready, or Degraded.
	Type string `json:"type"`

	// status is True, False or Unknown.
	// +optional
	Status string `json:"status,omitempty"`

	// lastProbeTime is that of the pod's condition.
	// +optional
	LastProbeTime *metav1.Time `json:"lastProbeTime,omitempty"`

	// lastTransitionTime is when status last changed.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`

	// reason says why, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message says why, in a sentence.
	// +optional
	Message string `json:"message,omitempty"`
}

// NotebookStatus is what is known about a notebook.
type NotebookStatus struct {
	// conditions are those of the notebook's pod, and before them Degraded while something is wrong.
	// +optional
	Conditions []NotebookCondition `json:"conditions,omitempty"`

	// readyReplicas is 1 while the notebook can be used, and 0 otherwise.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// containerState is the state of the container that is named like the notebook, else of the first.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	ContainerState corev1.ContainerState `json:"containerState,omitempty"`
}

// Notebook is a server that a person works in: Jupyter, code-server, RStudio or any other that speaks HTTP.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:resource:path=notebooks,singular=notebook
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Stopped",type=string,JSONPath=`.metadata.annotations.kubeflow-resource-stopped`
// +kubebuilder:printcolumn:name="Problem",type=string,JSONPath=`.status.conditions[?(@.type=="Degraded")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be lower case letters, digits and '-', begin with a letter and not end with '-': the Service is named after it"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 52",message="metadata.name may have at most 52 characters: the StatefulSet of that name labels its pod with a name that is 11 characters longer"
type Notebook struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec describes the notebook.
	// +optional
	Spec NotebookSpec `json:"spec,omitempty"`

	// status is what is known about the notebook. Only the controller writes it.
	// +optional
	Status NotebookStatus `json:"status,omitempty"`
}

// NotebookList is a list of Notebooks.
// +kubebuilder:object:root=true
type NotebookList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the notebooks.
	Items []Notebook `json:"items"`
}
