package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Job is what the kinds of training jobs have in common. The results of the three methods are parts of the job itself,
// not copies: what is written to them is written to the job.
// +kubebuilder:object:generate=false
type Job interface {
	metav1.Object
	runtime.Object

	// Replicas is the map of replica types, nil if the job has none.
	Replicas() map[ReplicaType]*ReplicaSpec

	// Policy is spec.runPolicy, never nil.
	Policy() *RunPolicy

	// State is status, never nil.
	State() *JobStatus
}

var (
	_ Job = &TFJob{}
	_ Job = &PyTorchJob{}
	_ Job = &JAXJob{}
	_ Job = &XGBoostJob{}
	_ Job = &PaddleJob{}
	_ Job = &MXJob{}
	_ Job = &MPIJob{}
)
