// Package notebook runs the Notebooks of kubeflow.org: a StatefulSet of one pod and a Service for each, and a stop for
// those that nobody has used for a while. README.md says what it promises.
package notebook
