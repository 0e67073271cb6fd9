package v1alpha1

// Names that pods, PodGroups and Namespaces carry.
const (
	// SchedulerName is the scheduler profile that pods name in spec.schedulerName to be placed by Muster.
	SchedulerName = "muster"

	// QueueLabel names the queue of a gang. It is read from the PodGroup, then the pod, then the Namespace; where all
	// are silent the queue is DefaultQueue.
	QueueLabel = "scheduling.muster.dev/queue"

	// DefaultQueue is the queue of gangs that name none.
	DefaultQueue = "default"

	// RoleLabel names a pod's role within its gang. Pods without it fall back to ReplicaTypeLabel, then to
	// JobRoleLabel, and have the empty role otherwise.
	RoleLabel = "scheduling.muster.dev/role"

	// ReplicaTypeLabel is the label with which Kubeflow's training jobs say a pod's replica type, in lower case.
	ReplicaTypeLabel = "training.kubeflow.org/replica-type"

	// JobRoleLabel is the label with which Kubeflow's MPI jobs say a pod's role (launcher or worker).
	JobRoleLabel = "training.kubeflow.org/job-role"

	// MinMembersAnnotation, on a PodGroup, holds the minimum of each role as a JSON object of role to count, for
	// example {"ps":1,"worker":2}. spec.minMember stays the total: it may be larger than the sum, never smaller.
	MinMembersAnnotation = "scheduling.muster.dev/min-members"

	// ExpectedRuntimeAnnotation, on a PodGroup or a pod, says how long the gang is expected to run, as a Go duration.
	ExpectedRuntimeAnnotation = "scheduling.muster.dev/expected-runtime"

	// PreemptibleAnnotation, on a PodGroup or a pod, keeps the gang from ever being a victim when it is "false".
	PreemptibleAnnotation = "scheduling.muster.dev/preemptible"

	// CheckpointedAtAnnotation, on a PodGroup or a pod, says when the gang last saved its state, as RFC 3339. What it has
	// run until then is not lost when it is evicted. The job writes it, or whoever watches its checkpoints.
	CheckpointedAtAnnotation = "scheduling.muster.dev/checkpointed-at"

	// PreemptionDelayAnnotation, on a PodGroup or a pod, says how long the gang waits before others are evicted for it, as a
	// Go duration: an autoscaler may bring nodes meanwhile. It starts when the gang does not fit, and anew after an eviction.
	PreemptionDelayAnnotation = "scheduling.muster.dev/preemption-delay"

	// TopologyRequiredAnnotation names the level of a Topology of which one domain has to hold all: on a PodGroup the whole
	// gang, on a pod all pods of its role, or each segment of them.
	TopologyRequiredAnnotation = "scheduling.muster.dev/topology-required"

	// TopologyPreferredAnnotation names, in the same places, the level of which as few domains as possible should be used.
	TopologyPreferredAnnotation = "scheduling.muster.dev/topology-preferred"

	// SegmentSizeAnnotation, on a pod, divides its role into segments of so many members with consecutive indices. What the
	// pod's topology annotations say then holds for each segment rather than for the role.
	SegmentSizeAnnotation = "scheduling.muster.dev/segment-size"

	// GPUTopologyRequiredAnnotation, on a pod, says how the GPUs of each of its containers have to be connected: LocalityNVLink
	// or LocalityNUMA. GPUTopologyPreferredAnnotation says how they should be.
	GPUTopologyRequiredAnnotation  = "scheduling.muster.dev/gpu-topology-required"
	GPUTopologyPreferredAnnotation = "scheduling.muster.dev/gpu-topology-preferred"

	// LocalityNVLink asks for GPUs of one NVLink island, LocalityNUMA for GPUs of one NUMA node.
	LocalityNVLink = "nvlink"
	LocalityNUMA   = "numa"

	// ReservationAnnotation, on a PodGroup or a pod, is ReservationIgnore for what must not wait behind the reservation of a
	// gang of lower priority, in whatever queue that is: servers, not jobs.
	ReservationAnnotation = "scheduling.muster.dev/reservation"

	// ReservationIgnore is the one value of ReservationAnnotation.
	ReservationIgnore = "ignore"

	// PackingAnnotation, on a PodGroup or a pod, overrides how the scheduler's profile fills nodes: PackingPack or
	// PackingSpread.
	PackingAnnotation = "scheduling.muster.dev/packing"

	// PackingPack keeps large holes free, PackingSpread takes the emptiest nodes first.
	PackingPack   = "pack"
	PackingSpread = "spread"

	// ReplicaIndexLabel is the label with which Kubeflow's training jobs number the pods of a replica type from 0. It is the
	// order of ranks: neighbours are placed near each other.
	ReplicaIndexLabel = "training.kubeflow.org/replica-index"

	// PodGroupLabel is the label with which a pod points to its PodGroup, in the pod's namespace. It belongs to the
	// scheduler-plugins project and is what training-operator, mpi-operator, Trainer and KubeRay already write.
	PodGroupLabel = "scheduling.x-k8s.io/pod-group"
)
