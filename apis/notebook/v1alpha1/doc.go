// Package v1alpha1 holds the Notebook of kubeflow.org/v1alpha1, which is that of v1 under an older version. Kubeflow's own tools
// still write it.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v1alpha1
