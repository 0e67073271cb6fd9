// Package v1beta1 holds the Notebook of kubeflow.org/v1beta1, which is that of v1 under an older version. Kubeflow's own tools
// still write it.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v1beta1
