package v1alpha1

// Labels of runtimes and of what belongs to a TrainJob.
const (
	// AncestorLabel, on the template of a replicated job, says which step of a TrainJob it is: AncestorTrainer,
	// DatasetInitializer or ModelInitializer.
	AncestorLabel = "trainer.kubeflow.org/trainjob-ancestor-step"

	// AncestorTrainer is the step that trains: spec.trainer configures it.
	AncestorTrainer = "trainer"

	// DatasetInitializer is the step that fetches the data, and the name of its container: spec.initializer.dataset
	// configures it.
	DatasetInitializer = "dataset-initializer"

	// ModelInitializer is the step that fetches the model, and the name of its container: spec.initializer.model
	// configures it.
	ModelInitializer = "model-initializer"

	// FrameworkLabel, on a runtime, names its framework for clients that choose a runtime.
	FrameworkLabel = "trainer.kubeflow.org/framework"

	// SupportLabel, on a runtime, is SupportDeprecated where a later runtime should be used instead.
	SupportLabel      = "trainer.kubeflow.org/support"
	SupportDeprecated = "deprecated"
)

// Names of replicated jobs and containers that mean something.
const (
	// Node is the container that trains, and the replicated job of the nodes of an MPI runtime.
	Node = "node"

	// Launcher is the replicated job that starts the program of an MPI runtime on the nodes.
	Launcher = "launcher"
)

// Values of spec.managedBy.
const (
	ManagedByTrainJobController = "trainer.kubeflow.org/trainjob-controller"
	ManagedByMultiKueue         = "kueue.x-k8s.io/multikueue"
)

// Labels and annotations that JobSet puts on its Jobs and pods. Other programs find the pods of a TrainJob by them.
const (
	JobSetNameKey         = "jobset.sigs.k8s.io/jobset-name"
	JobSetUIDKey          = "jobset.sigs.k8s.io/jobset-uid"
	ReplicatedJobNameKey  = "jobset.sigs.k8s.io/replicatedjob-name"
	ReplicatedJobReplicas = "jobset.sigs.k8s.io/replicatedjob-replicas"
	GlobalReplicasKey     = "jobset.sigs.k8s.io/global-replicas"
	JobIndexKey           = "jobset.sigs.k8s.io/job-index"
	JobGlobalIndexKey     = "jobset.sigs.k8s.io/job-global-index"
	JobKey                = "jobset.sigs.k8s.io/job-key"
	GroupNameKey          = "jobset.sigs.k8s.io/group-name"
	GroupReplicasKey      = "jobset.sigs.k8s.io/group-replicas"
	JobGroupIndexKey      = "jobset.sigs.k8s.io/job-group-index"
	RestartAttemptKey     = "jobset.sigs.k8s.io/restart-attempt"
	CoordinatorKey        = "jobset.sigs.k8s.io/coordinator"
)
