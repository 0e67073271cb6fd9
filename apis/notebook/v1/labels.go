package v1

// Labels of what belongs to a notebook. Their value is the notebook's name.
const (
	// NotebookNameLabel is on the StatefulSet, the Service and the pod of a notebook.
	NotebookNameLabel = "notebook-name"

	// StatefulSetLabel is on the pod, and is what the StatefulSet and the Service find it by.
	StatefulSetLabel = "statefulset"
)

// Annotations of a Notebook that Kubeflow's controller and web applications know too.
const (
	// StoppedAnnotation stops a notebook, whatever its value: by custom the time at which it was stopped, in RFC 3339.
	StoppedAnnotation = "kubeflow-resource-stopped"

	// LastActivityAnnotation is when the notebook was last known to be in use, in RFC 3339. The controller writes it if
	// culling is on, and removes it when the notebook is stopped.
	LastActivityAnnotation = "notebooks.kubeflow.org/last-activity"

	// LastCheckAnnotation is when LastActivityAnnotation was last found to have changed, in RFC 3339.
	LastCheckAnnotation = "notebooks.kubeflow.org/last_activity_check_timestamp"

	// ServerTypeAnnotation says which server the notebook runs: one of the values below. Without it the server is asked.
	ServerTypeAnnotation = "notebooks.kubeflow.org/server-type"

	// RewriteURIAnnotation is the path that the server gets requests under, where that is not the prefix NB_PREFIX.
	RewriteURIAnnotation = "notebooks.kubeflow.org/http-rewrite-uri"
)

// The values of ServerTypeAnnotation.
const (
	ServerJupyter    = "jupyter"
	ServerCodeServer = "group-one"
	ServerRStudio    = "group-two"
)

// Annotations of Muster's own.
const (
	// IdleTimeAnnotation, on a Notebook or else on its pod, says after which time without activity the notebook is stopped, as
	// a Go duration, or "never". It overrides what the manager was started with.
	IdleTimeAnnotation = "notebooks.muster.dev/idle-time"

	// ActivityPathAnnotation, on a Notebook, is a path of its server that answers with a JSON object which has either
	// last_activity, a time in RFC 3339, or lastHeartbeat, milliseconds since 1970. What it tells counts besides what
	// the server tells anyway. A path without a leading slash is below the server's own prefix.
	ActivityPathAnnotation = "notebooks.muster.dev/activity-path"
)
