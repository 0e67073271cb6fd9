package v1

import autoscalingv2 "k8s.io/api/autoscaling/v2"

// RDZVBackend is the way in which the workers of an elastic job find each other.
// +kubebuilder:validation:Enum=c10d;etcd;etcd-v2
type RDZVBackend string

const (
	// BackendC10D is PyTorch's own: one of the workers keeps the store.
	BackendC10D RDZVBackend = "c10d"

	// BackendETCD keeps the store in an etcd that the user provides.
	BackendETCD RDZVBackend = "etcd"

	// BackendETCDV2 is BackendETCD with etcd's older API.
	BackendETCDV2 RDZVBackend = "etcd-v2"
)

// RDZVConf is one setting of the rendezvous.
type RDZVConf struct {
	// key is the name of the setting.
	// +optional
	Key string `json:"key,omitempty"`

	// value is its value.
	// +optional
	Value string `json:"value,omitempty"`
}

// ElasticPolicy lets the number of workers of a PyTorchJob change while it runs.
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas cannot be more than maxReplicas"
type ElasticPolicy struct {
	// minReplicas is the least number of workers with which the job can run. Defaults to maxReplicas, else to the
	// replicas of Worker.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas is the greatest number of workers. Defaults to minReplicas, else to the replicas of Worker.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// rdzvBackend is how the workers find each other: c10d, etcd or etcd-v2. Defaults to c10d.
	// +optional
	RDZVBackend *RDZVBackend `json:"rdzvBackend,omitempty"`

	// rdzvPort is the port of the rendezvous. Defaults to the port pytorchjob-port of Worker.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	RDZVPort *int32 `json:"rdzvPort,omitempty"`

	// rdzvHost is the host of the rendezvous. Defaults to worker 0.
	// +optional
	RDZVHost *string `json:"rdzvHost,omitempty"`

	// rdzvId names the rendezvous, for backends that serve several jobs.
	// +optional
	RDZVID *string `json:"rdzvId,omitempty"`

	// rdzvConf are further settings of the rendezvous.
	// +optional
	RDZVConf []RDZVConf `json:"rdzvConf,omitempty"`

	// standalone true runs each pod by itself, with a rendezvous inside it.
	// +optional
	Standalone *bool `json:"standalone,omitempty"`

	// nProcPerNode is the number of processes in each pod. Use spec.nprocPerNode instead.
	// +optional
	// +kubebuilder:validation:Minimum=1
	NProcPerNode *int32 `json:"nProcPerNode,omitempty"`

	// maxRestarts is how often torchrun restarts the processes of a pod before the pod fails.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`

	// metrics, if any are given, make a HorizontalPodAutoscaler keep the number of workers between minReplicas and
	// maxReplicas by them.
	// +optional
	Metrics []autoscalingv2.MetricSpec `json:"metrics,omitempty"`
}
