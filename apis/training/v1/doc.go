// Package v1 holds the training jobs of kubeflow.org/v1: TFJob, PyTorchJob, JAXJob, XGBoostJob, PaddleJob, MXJob and
// MPIJob, with the types that they share. The wire format is that of Kubeflow's training operator, so that its manifests and
// clients work as they are; what Muster adds is only in status (restarts and restartedPods).
//
// The package has types and nothing that acts: defaults, rules that need more than one field and everything that
// happens to a job are in controllers/training.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v1
