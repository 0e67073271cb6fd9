package v1alpha1

const (
	// SkipPodPoliciesLabel, on a pod or a Namespace, keeps PodPolicies off the pod or off all pods of the namespace when it is
	// "true". On the pod it decides over the namespace's.
	SkipPodPoliciesLabel = "scheduling.muster.dev/skip-pod-policies"

	// PodPoliciesAnnotation, on a pod, tells which PodPolicies matched it and what they changed, as JSON. Pods on which nothing was
	// changed have none.
	PodPoliciesAnnotation = "scheduling.muster.dev/pod-policies"
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

	// ReasonTooLarge: what the policies of some pod set would make its annotations larger than Kubernetes allows. Nothing is set.
	ReasonTooLarge = "TooLarge"
)
