package v1alpha1

const (
	// SkipPodPoliciesLabel, on a pod or a Namespace, keeps PodPolicies off the pod or off all pods of the namespace when it is
	// "true". On the pod it decides over the namespace's.
	SkipPodPoliciesLabel = "scheduling.muster.dev/skip-pod-policies"

	// PodPoliciesAnnotation, on a pod, tells which PodPolicies matched it and what they changed, as JSON. Pods on which nothing was
	// changed have none.
	PodPoliciesAnnotation = "scheduling.muster.dev/pod-policies"

	// PriorityClassLabel, on a Namespace, a Queue or an owner of pods, names the priority class of the pods whose policy inherits it.
	PriorityClassLabel = "scheduling.muster.dev/priority-class"

	// GangAnnotation, on a Job, a JobSet, a LeaderWorkerSet or a job of Kubeflow, says whether its pods become a gang: "false",
	// "true", or the number of pods that have to start together. Without it that follows from the kind.
	GangAnnotation = "scheduling.muster.dev/gang"

	// GangOfLabel is on pods that a policy made members of a gang, and on the PodGroup of that: the kind of the workload, in
	// lower case.
	GangOfLabel = "scheduling.muster.dev/gang-of"

	// WorkloadAnnotation is on the same objects, and names the workload as JSON: apiVersion, kind, name, uid, and the part of it
	// that is the gang where that is not the whole.
	WorkloadAnnotation = "scheduling.muster.dev/workload"

	// MinMemberReasonAnnotation, on such a PodGroup, says in words where its spec.minMember comes from.
	MinMemberReasonAnnotation = "scheduling.muster.dev/min-member-reason"

	// FirmForAnnotation, on a pod that a policy made firm, names the user whose pods were counted.
	FirmForAnnotation = "scheduling.muster.dev/firm-for"
)

// The condition of a PodPolicy, and its reasons. ReasonReady is the reason of one that is ready.
const (
	// PodPolicyReady is true when the policy can be followed. A policy that is not ready, or not for some pods, is left out there.
	PodPolicyReady = "Ready"

	// ReasonInvalidExpression: spec.match.expression does not compile, or does not give true or false.
	ReasonInvalidExpression = "InvalidExpression"

	// ReasonInvalidSetting: spec.set holds what no pod may have.
	ReasonInvalidSetting = "InvalidSetting"

	// ReasonInvalidSelector: spec.match holds a selector that Kubernetes does not accept.
	ReasonInvalidSelector = "InvalidSelector"

	// ReasonExpressionFailed: for some pod the expression failed, gave neither true nor false, or cost too much.
	ReasonExpressionFailed = "ExpressionFailed"

	// ReasonNoPriorityClass: spec.set.priorityClassName names a class that does not exist. The rest is set.
	ReasonNoPriorityClass = "NoPriorityClass"

	// ReasonNoInheritedClass: the priority class that some pod would inherit does not exist. The policy's own is set, if it names one.
	ReasonNoInheritedClass = "NoInheritedPriorityClass"

	// ReasonTooLarge: what the policies of some pod set would make its annotations larger than Kubernetes allows. Nothing is set.
	ReasonTooLarge = "TooLarge"
)
