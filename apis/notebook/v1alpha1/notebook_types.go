package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// Notebook is a server that a person works in: Jupyter, code-server, RStudio or any other that speaks HTTP.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
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
	Spec notebookv1.NotebookSpec `json:"spec,omitempty"`

	// status is what is known about the notebook. Only the controller writes it.
	// +optional
	Status notebookv1.NotebookStatus `json:"status,omitempty"`
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
