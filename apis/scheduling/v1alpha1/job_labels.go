package v1alpha1

// Names that jobs carry.
const (
	// RestartAnnotation, on a training job, is RestartAll for a job of which all pods are replaced when one is. Without it
	// each pod is replaced by itself. A job with any other value is refused.
	RestartAnnotation = "scheduling.muster.dev/restart"

	// RestartAll is the one value of RestartAnnotation.
	RestartAll = "all"
)
