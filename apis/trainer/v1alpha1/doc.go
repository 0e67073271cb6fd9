// Package v1alpha1 holds the kinds of trainer.kubeflow.org/v1alpha1: TrainJob, TrainingRuntime and
// ClusterTrainingRuntime. The wire format is that of Kubeflow Trainer 2.0 to 2.3: where a field changed between these
// releases, each of its shapes is accepted, so that manifests and clients of any of them work as they are. What Muster
// adds is ttlSecondsAfterFinished, and in status startTime, completionTime and restarts.
//
// The package has types and nothing that acts: what the shapes mean, the rules that need more than one object and
// everything that happens to a job are in controllers/trainer.
//
// +kubebuilder:object:generate=true
// +groupName=trainer.kubeflow.org
package v1alpha1
