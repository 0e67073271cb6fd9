// Package v1 holds the Notebook of kubeflow.org/v1. The wire format is that of Kubeflow's notebook controller, so that its
// manifests and clients work as they are. v1beta1 and v1alpha1 have the same schema; v1 is what is stored.
//
// The package has types and nothing that acts: what happens to a notebook is in controllers/notebook.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v1
