// Package v2beta1 holds the MPIJob of kubeflow.org/v2beta1, which is that of Kubeflow's mpi-operator on the wire. Spec and
// status are the same as in kubeflow.org/v1, so that nothing is lost when a job is read and written through the other version.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v2beta1
