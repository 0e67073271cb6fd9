package v1

// Labels of the pods, services and other objects that belong to a training job. Values are lower case.
const (
	// OperatorNameLabel is <kind>-controller, for example pytorchjob-controller, and mpi-operator for MPIJobs of
	// kubeflow.org/v2beta1. Everything that a training controller creates carries it.
	OperatorNameLabel = "training.kubeflow.org/operator-name"

	// JobNameLabel is the name of the job.
	JobNameLabel = "training.kubeflow.org/job-name"

	// ReplicaTypeLabel is the replica type, for example worker. MPIJobs of kubeflow.org/v2beta1 have none.
	ReplicaTypeLabel = "training.kubeflow.org/replica-type"

	// ReplicaIndexLabel is the index of the pod among the replicas of its type, from 0.
	ReplicaIndexLabel = "training.kubeflow.org/replica-index"

	// JobRoleLabel is JobRoleMaster on the pod that leads the job, and absent on all others. In MPIJobs of
	// kubeflow.org/v2beta1 it is the replica type.
	JobRoleLabel = "training.kubeflow.org/job-role"

	// JobRoleMaster is the value of JobRoleLabel.
	JobRoleMaster = "master"
)

// AttemptAnnotation is on each pod of a job and says how many pods of the same name it follows: "0" on the first.
const AttemptAnnotation = "training.muster.dev/attempt"

// GangAttemptAnnotation is on each pod of a job that has replaced all of its pods together, and says how often it had done so
// when the pod was created.
const GangAttemptAnnotation = "training.muster.dev/gang-attempt"

// Values of spec.runPolicy.managedBy, besides none at all, with which a job is run by Muster. Jobs with any other value
// belong to another controller and are not touched.
const (
	// ManagedByTrainingOperator may be given in jobs of every kind.
	ManagedByTrainingOperator = "kubeflow.org/training-operator"

	// ManagedByMPIOperator may be given in MPIJobs alone.
	ManagedByMPIOperator = "kubeflow.org/mpi-operator"
)
