package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// ReplicaType names the part that a group of equal pods plays in a job, for example Worker.
type ReplicaType string

// RestartPolicy says what happens when a pod of a job fails.
// +kubebuilder:validation:Enum=Always;OnFailure;Never;ExitCode
type RestartPolicy string

const (
	// RestartPolicyAlways restarts a container whenever it ends, and replaces a pod that failed.
	RestartPolicyAlways RestartPolicy = "Always"

	// RestartPolicyOnFailure restarts a container that fails, and replaces a pod that failed.
	RestartPolicyOnFailure RestartPolicy = "OnFailure"

	// RestartPolicyNever lets the job fail when a pod fails.
	RestartPolicyNever RestartPolicy = "Never"

	// RestartPolicyExitCode looks at the exit code of the main container: from 1 to 127 is an error that another try
	// would meet again, so the job fails; 128 and above is a signal, so the pod is replaced.
	RestartPolicyExitCode RestartPolicy = "ExitCode"
)

// ReplicaSpec describes the pods of one replica type.
type ReplicaSpec struct {
	// replicas is the number of pods. Defaults to 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Replicas *int32 `json:"replicas,omitempty"`

	// template is the pod to create. It needs a container with the name that belongs to the kind of job. Its own
	// restartPolicy is ignored in favour of the one beside it. The fields are those of a Pod; they are checked when
	// the job is first seen, not when it is stored.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Template corev1.PodTemplateSpec `json:"template,omitempty"`

	// restartPolicy says what happens when a pod fails: Always, OnFailure, Never or ExitCode. The default is that of the
	// kind of job.
	// +optional
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty"`

	// TemplateError says why template could not be read, and is empty if it could. Then Template is empty. It is never
	// stored.
	TemplateError string `json:"-"`
}

// UnmarshalJSON reads a ReplicaSpec. A template that is no pod template is not an error but ends up in TemplateError:
// the API server stores templates unchecked, and a list of jobs must stay readable when one of them is malformed.
func (r *ReplicaSpec) UnmarshalJSON(data []byte) error {
	var wire struct {
		Replicas      *int32        `json:"replicas"`
		Template      rawJSON       `json:"template"`
		RestartPolicy RestartPolicy `json:"restartPolicy"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*r = ReplicaSpec{Replicas: wire.Replicas, RestartPolicy: wire.RestartPolicy}
	if len(wire.Template) == 0 {
		return nil
	}
	if err := json.Unmarshal(wire.Template, &r.Template); err != nil {
		r.Template = corev1.PodTemplateSpec{}
		r.TemplateError = err.Error()
	}
	return nil
}

// rawJSON keeps a value undecoded.
type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}
