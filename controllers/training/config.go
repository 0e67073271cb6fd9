package training

// Config is what an admin sets for all jobs. The zero value is usable.
type Config struct {
	// ClusterDomain is appended to the addresses in TF_CONFIG, for clusters whose pods do not search it. Empty: nothing.
	ClusterDomain string

	// PyTorchInitContainerImage is the image of the init container in which a PyTorch worker waits for its master. Empty:
	// no such container.
	PyTorchInitContainerImage string

	// MPIKubectlDeliveryImage is the image of the init container that brings kubectl to the launcher of an MPIJob of
	// kubeflow.org/v1. Empty: no such container, the launcher's own image has kubectl.
	MPIKubectlDeliveryImage string
}
