// Package v1alpha1 holds scheduling.muster.dev/v1alpha1: the Queue, by which teams share a cluster, and the labels and
// annotations with which a gang says what the PodGroup object of scheduling.x-k8s.io/v1alpha1 has no room for.
//
// The package has types and nothing that acts. How queues share is in internal/ledger.
//
// +kubebuilder:object:generate=true
// +groupName=scheduling.muster.dev
package v1alpha1
